package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/worker/task"
)

// Worker runs attempts for whoever leads. Make one with New and call Run once.
type Worker struct {
	opts     Options
	listener net.Listener
	address  string         // where the others reach it
	client   *client.Client // to coordinators
	peers    *http.Client   // to other workers
	started  atomic.Bool
	drain    sync.Once     // closes draining
	draining chan struct{} // closed: it takes no more work and ends when nobody needs it

	line     *leaderLine
	session  *session
	attempts *attempts
	outbox   *outbox
	logs     *logbook
	slots    *semaphore.Weighted // held by the attempts that run
	running  sync.WaitGroup      // attempts, whether they wait for a slot or run
	plans    *cache[string, *plan.Job]
	outputs  *cache[outputsKey, api.StageOutputs]

	// Set by Run before anything else starts.
	segments *shuffle.Store
	builds   *task.Builds
	plugins  *task.PluginHost
	env      task.Env
	measures *measures
}

// New makes a worker that listens, and does nothing else yet. A worker that is never run is closed with Close.
func New(opts Options) (*Worker, error) {
	opts.EnsureDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	w := &Worker{
		opts: opts, listener: opts.Listener, client: client.New(opts.Coordinators, client.Options{Patience: callPatience, Identity: opts.Identity}),
		peers:    &http.Client{Transport: shuffle.NewTransport(opts.Identity)},
		draining: make(chan struct{}), attempts: newAttempts(opts.Slots), outbox: newOutbox(), logs: newLogbook(), slots: semaphore.NewWeighted(int64(opts.Slots)),
		plans: newCache[string, *plan.Job](plansHeld), outputs: newCache[outputsKey, api.StageOutputs](outputsHeld),
	}
	if err := w.client.Check(); err != nil {
		return nil, fmt.Errorf("worker: coordinator %w", err)
	}
	w.opts.Log = opts.Log.With("worker", opts.ID)
	w.session = newSession(w.register)
	w.line = &leaderLine{session: w.session, log: w.opts.Log}
	if w.listener == nil {
		listener, err := net.Listen("tcp", opts.Listen)
		if err != nil {
			return nil, fmt.Errorf("listen for readers of segments: %w", err)
		}
		w.listener = listener
	}
	w.address = advertised(opts, w.listener)
	return w, nil
}

// advertised is where the others reach a listener: by the name that it was given, if it has one, which is the name that
// its certificate has.
func advertised(o Options, l net.Listener) string {
	if o.Advertise != "" {
		return o.Advertise
	}
	address := l.Addr().String()
	if host, _, err := net.SplitHostPort(o.Listen); err == nil && o.Listener == nil && host != "" {
		if _, port, err := net.SplitHostPort(address); err == nil {
			return net.JoinHostPort(host, port)
		}
	}
	return address
}

// Addr is host:port of the segments' server, as the others know it.
func (w *Worker) Addr() string { return w.address }

// ID is the worker's id.
func (w *Worker) ID() string { return w.opts.ID }

// Close closes a worker that was never run. After Run it does nothing: Run closes what it used.
func (w *Worker) Close() error {
	if !w.started.CompareAndSwap(false, true) {
		return nil
	}
	return w.listener.Close()
}

// Run works until ctx is done, and then stops in the order that the package comment gives; or until it has drained, after
// Drain. It returns nil after an orderly end.
func (w *Worker) Run(ctx context.Context) (err error) {
	if !w.started.CompareAndSwap(false, true) {
		return errors.New("worker: run or closed before")
	}
	defer also(&err, "close listener", func() error { return ignoreClosed(w.listener.Close()) })
	own, err := openScratch(w.opts.Scratch, w.opts.ID)
	if err != nil {
		return err
	}
	defer also(&err, "remove scratch folder", own.close)
	if w.opts.InputCache > 0 {
		if err := w.opts.Store.CacheInputs(filepath.Join(own.dir, "inputs"), w.opts.InputCache); err != nil {
			return err
		}
	}
	w.segments, err = shuffle.NewStore(own.dir)
	if err != nil {
		return fmt.Errorf("make segment store: %w", err)
	}
	w.segments.LogTo(w.opts.Log)
	w.segments.KeepSmall()
	memory := shareMemory(w.opts.Memory, w.opts.Alone)
	budget := task.NewBudget(memory.tasks, w.opts.Slots)
	if memory.kept > 0 {
		w.segments.KeepBatches(memory.kept, budget.Spare)
		budget.Lend(w.segments.GiveBack)
	}
	defer also(&err, "close segment store", w.segments.Close)
	w.builds = task.NewBuilds(memory.builds)
	defer w.builds.Forget("")
	defer w.peers.CloseIdleConnections()
	defer w.client.Close()
	if w.plugins, err = task.NewPluginHost(own.dir, w.executable, w.opts.Allocator, w.opts.Log); err != nil {
		return err
	}
	defer also(&err, "stop plugins", w.plugins.Close)
	w.env = task.Env{
		Worker: w.opts.ID, Address: w.Addr(), Store: w.opts.Store, Segments: w.segments,
		Fetch: shuffle.NewClient(w.peers, shuffle.ClientOptions{Mem: w.opts.Allocator, Scheme: w.opts.Identity.Scheme()}), Locator: locator{w},
		Plugins: w.plugins, Memory: budget, Builds: w.builds, Divisions: &task.Divisions{}, Allocator: w.opts.Allocator,
		Scratch: filepath.Join(own.dir, spillFolder), BatchRows: w.opts.BatchRows, Plain: w.opts.Plain,
	}
	w.measures = w.measure()
	return w.work(ctx)
}

// also runs a closing step, adding its error to what the function returns.
func also(err *error, what string, step func() error) {
	if e := step(); e != nil {
		*err = errors.Join(*err, fmt.Errorf("%s: %w", what, e))
	}
}

// work serves and works until ctx is done, the worker has drained, or something fails for good. Then the loops end, the attempts, and the
// server, in this order.
func (w *Worker) work(ctx context.Context) error {
	server, err := startServer(w.listener, w.opts.Identity, w.opts.Log, w.routes())
	if err != nil {
		return err
	}
	loops, loopCtx := errgroup.WithContext(ctx)
	loops.Go(func() error { return server.wait(loopCtx) })
	loops.Go(func() error { return w.speak(loopCtx) })
	err = loops.Wait()
	if ctx.Err() != nil || errors.Is(err, errDrained) {
		err = nil // the orderly end
	}
	w.running.Wait() // cancelled with loopCtx
	w.leave(ctx)
	return errors.Join(err, server.close())
}

// speak registers, then talks to the leader until ctx is done.
func (w *Worker) speak(ctx context.Context) error {
	loops, ctx := errgroup.WithContext(ctx)
	loops.Go(func() error { return w.leaveAlone(ctx) })
	loops.Go(func() error {
		if err := w.session.renew(ctx, 0); err != nil {
			return fmt.Errorf("register: %w", err)
		}
		loops.Go(func() error { return w.leaseLoop(ctx) })
		loops.Go(func() error { return w.heartbeatLoop(ctx) })
		loops.Go(func() error { return w.reportLoop(ctx) })
		loops.Go(func() error { return w.logLoop(ctx) })
		return nil
	})
	return loops.Wait()
}

// leavePatience bounds the farewell. Who leads is known as a rule; if it is not, the lease will tell.
const leavePatience = time.Second

// leave tells the leader not to wait for this worker's lease to run out.
func (w *Worker) leave(ctx context.Context) {
	if generation, _ := w.session.current(); generation == 0 {
		return // nobody knows it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leavePatience)
	defer cancel()
	if err := w.client.Leave(ctx, api.LeaveRequest{WorkerID: w.opts.ID}); err != nil {
		w.opts.Log.Debug("left without a word", "error", err)
	}
}

func (w *Worker) register(ctx context.Context) (rules api.RegisterReply, err error) {
	request := api.RegisterRequest{WorkerID: w.opts.ID, Address: w.Addr(), Slots: w.opts.Slots, Memory: w.opts.Memory}
	err = w.line.persist(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		rules, err = w.client.Register(ctx, request)
		return err
	})
	return rules, err
}
