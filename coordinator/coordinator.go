package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quern-engine/quern/api/lines"
	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/state"
)

// Coordinator is one coordinator process.
type Coordinator struct {
	options  Options
	log      *slog.Logger
	listener net.Listener
	address  string // where peers reach it; empty if it stays alone
	blobs    *blobs
	gate     *gate
	node     *consensus.Node
	server   *http.Server
	callers  callers
	measures *measures
	traced   traced

	term    atomic.Pointer[term] // while this coordinator leads and knows all that was decided before
	leads   chan struct{}        // closed when it has led for the first time
	ledOnce sync.Once
	life    func() context.Context // bounds requests and background work
	endLife context.CancelFunc
	work    group // requests and background work
	loops   sync.WaitGroup
	closed  sync.Once
	failure error // of Close
}

// New makes a coordinator that listens but does not answer yet.
func New(o Options) (*Coordinator, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Coordinator{options: o, log: o.Log.With("coordinator", o.ID), listener: o.Listener, leads: make(chan struct{}), gate: newGate()}
	if c.listener == nil {
		l, err := net.Listen("tcp", o.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		c.listener = l
	}
	c.address = o.address(c.listener)
	c.measures = c.newMeasures()
	c.server = &http.Server{
		Handler:     secure.NewGuard(c.routes(), secure.GuardOptions{Identity: o.Identity, Tokens: o.Tokens, Log: c.log}),
		HTTP2:       &http.HTTP2Config{MaxReadFrameSize: 1 << 20, MaxConcurrentStreams: 1000},
		BaseContext: func(net.Listener) context.Context { return c.life() },
		ErrorLog:    slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	c.callers.watch(c.server, func(worker string) {
		c.background(func(ctx context.Context) { c.lookFor(ctx, worker) })
	})
	if err := o.Identity.Prepare(c.server, c.listener); err != nil {
		return nil, errors.Join(fmt.Errorf("coordinator: %w", err), c.listener.Close())
	}
	// The life of a coordinator ends with Close, not with a caller's context: workers that end at the same time as it
	// does should still be answered.
	life, end := context.WithCancel(context.Background())
	c.life, c.endLife = func() context.Context { return life }, end
	return c, nil
}

// Start opens the state directory and begins to answer. It does not wait for a leader. After an error, Close.
func (c *Coordinator) Start(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.blobs, err = openBlobs(&c.options, c.peerAddresses, func() string { return c.node.Cluster() }); err != nil {
		return err
	}
	c.node, err = consensus.Open(consensus.Options{
		ID: c.options.ID, Dir: filepath.Join(c.options.StateDir, "raft"), Address: c.address, Peers: c.options.Peers,
		Join: len(c.options.Join) > 0, Volatile: c.options.Volatile, Election: c.options.Election, Dial: c.dialPeer,
		Build: c.options.Build, Log: c.log,
	})
	if err != nil {
		return fmt.Errorf("start coordinator %s: %w", c.options.ID, err)
	}
	c.loops.Go(func() {
		if err := c.options.Identity.Serve(c.server, c.listener); !errors.Is(err, http.ErrServerClosed) {
			c.log.Error("the server stopped", "error", err)
		}
	})
	c.loops.Go(c.followLeadership)
	c.loops.Go(func() { c.collectLoop(c.life()) })
	if c.address != "" {
		c.loops.Go(func() { c.tend(c.life()) })
	}
	if len(c.options.Join) > 0 {
		c.loops.Go(func() { c.join(c.life()) })
	}
	return nil
}

// dialPeer connects to a peer's Raft.
func (c *Coordinator) dialPeer(ctx context.Context, address string) (net.Conn, error) {
	return c.options.Identity.Dial(ctx, address, secure.Coordinators)
}

// now is the time as commands carry it.
func (c *Coordinator) now() time.Time { return c.options.Clock.Now().UTC() }

// Addr is host:port of the server.
func (c *Coordinator) Addr() string { return c.listener.Addr().String() }

// Close stops the coordinator, handing over leadership if it has it. It waits for everything it started.
func (c *Coordinator) Close() error { return c.close(true) }

func (c *Coordinator) close(handOver bool) error {
	c.closed.Do(func() { c.failure = c.shutDown(handOver) })
	return c.failure
}

// shutDown follows the order in the package comment.
func (c *Coordinator) shutDown(handOver bool) error {
	c.work.refuse()
	if handOver && c.node != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		if err := c.node.StepDown(ctx); err != nil {
			c.log.Info("could not hand over leadership", "error", err)
		}
		cancel()
	}
	c.endLife()
	if c.node == nil {
		err := c.listener.Close()
		c.loops.Wait()
		return errors.Join(err, c.blobs.close())
	}
	// Handlers that wait are told by their context; one that reads from a slow caller only hears of its connection.
	answered := make(chan struct{})
	c.loops.Go(func() { c.work.wait(); close(answered) })
	select {
	case <-answered:
	case <-time.After(time.Second):
	}
	err := c.server.Close()
	<-answered
	err = errors.Join(err, c.node.Close())
	c.loops.Wait()
	return errors.Join(err, c.blobs.close())
}

// followLeadership begins and ends terms.
func (c *Coordinator) followLeadership() {
	var end func()
	stop := func() {
		if end != nil {
			end()
			end = nil
		}
	}
	defer stop()
	for leads := range c.node.Leadership() {
		stop()
		if leads {
			end = c.beginTerm()
		}
	}
	if err := c.Failure(); err != nil {
		c.log.Error("this coordinator cannot go on", "error", err)
	}
}

// propose has commands decided, and tells the log what came of them.
func (c *Coordinator) propose(ctx context.Context, commands ...state.Command) ([]state.Result, error) {
	begun := time.Now()
	results, err := c.node.Propose(ctx, commands...)
	if err == nil {
		c.measures.commit.Observe(time.Since(begun).Seconds())
	}
	for _, r := range results {
		for _, e := range r.Events {
			c.logEvent(ctx, e)
			c.salvageLogs(e)
			if e.Kind == state.EventRunEnded {
				c.trace(e.Run)
			}
		}
	}
	return results, err
}

func (c *Coordinator) logEvent(ctx context.Context, e state.Event) {
	level := slog.LevelInfo
	switch e.Kind {
	case state.EventTaskGranted, state.EventTaskCommitted, state.EventTaskStopped, state.EventReportRefused, state.EventStageReady, state.EventStageDone:
		level = slog.LevelDebug
	}
	if !c.log.Enabled(ctx, level) {
		return
	}
	log := c.log
	var args []any
	if e.Task != nil {
		log = lines.Of(log, *e.Task)
	} else if e.Run != "" {
		args = append(args, "run", e.Run)
	}
	if e.OfStage() {
		args = append(args, "stage", e.Stage)
	}
	if e.Worker != "" {
		args = append(args, "worker", e.Worker)
	}
	if e.Message != "" {
		args = append(args, "message", e.Message)
	}
	log.Log(ctx, level, string(e.Kind), args...)
}

// peerAddresses are those of the other coordinators that vote at this moment.
func (c *Coordinator) peerAddresses() (addresses []string) {
	if c.address == "" {
		return nil
	}
	for _, m := range c.node.Members() {
		if m.ID != c.options.ID && m.Voter {
			addresses = append(addresses, m.Address)
		}
	}
	return addresses
}

// group counts work in progress, so that Close can refuse more and wait for the rest.
type group struct {
	mu      sync.Mutex
	refused bool
	wg      sync.WaitGroup // joined only with mu held and refused false
}

func (g *group) join() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.refused {
		g.wg.Add(1)
	}
	return !g.refused
}

func (g *group) leave() { g.wg.Done() }

func (g *group) refuse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = true
}

func (g *group) wait() { g.wg.Wait() }

// background runs f until it ends or the coordinator does.
func (c *Coordinator) background(f func(ctx context.Context)) {
	if !c.work.join() {
		return
	}
	go func() {
		defer c.work.leave()
		f(c.life())
	}()
}
