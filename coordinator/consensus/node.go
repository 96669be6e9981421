package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/quern-engine/quern/coordinator/state"
)

// Errors of a node.
var (
	// ErrNotLeader: nothing was done; somebody else leads, or nobody.
	ErrNotLeader = errors.New("this coordinator does not lead")
	// ErrUnknownOutcome: leadership was lost while the commands were under way. They may have been applied or not:
	// ask the new leader, or propose them again there.
	ErrUnknownOutcome = errors.New("leadership was lost before the outcome was known")
	// ErrClosed: the node is closed, or has stopped because it could not go on.
	ErrClosed = errors.New("the consensus node is closed")
)

// Options configure a node. ID and Dir are required.
type Options struct {
	ID  string
	Dir string
	// Peers are the voters by id, this node included, as host:port of their HTTP servers. Every node is started with
	// the same. Empty means a single voter.
	Peers map[string]string
	// Volatile is for a state directory that is thrown away with the process: nothing is synced to disk.
	Volatile bool
	// Election is how long a silent leader is waited for, times one to two: 750 ms if zero. So a dead leader is noticed
	// after 0.75 to 1.5 s, and there is another within 3 s even if the first vote is split. Shorter, and a busy machine
	// would change leaders for nothing. A single voter ignores it.
	Election time.Duration
	// StoreTimeout is how long the log store may take before the node gives up leadership: 10 s if zero, which is
	// longer than a slow disk and shorter than the patience of those who wait.
	StoreTimeout time.Duration
	// Dial opens connections to peers; a plain TCP dialer if nil.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	Log  *slog.Logger // nil is silent
}

func (o *Options) ensureDefaults() {
	if o.Election == 0 {
		o.Election = 750 * time.Millisecond
	}
	if o.StoreTimeout == 0 {
		o.StoreTimeout = 10 * time.Second
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Node is one voter.
type Node struct {
	id     string
	raft   *raft.Raft
	store  *raftboltdb.BoltStore
	logs   *timeoutStore
	stream *stream      // nil for a single voter
	closer func() error // of the transport
	log    *slog.Logger

	mu      sync.RWMutex
	machine *state.Machine
	changed chan struct{} // closed and replaced after each applied entry
	halted  error         // why entries are no longer applied

	proposals  chan *proposal
	leadership chan bool
	halt       chan struct{} // closed when halted is set
	stop       chan struct{}
	down       chan struct{} // closed when raft has shut down and answers nothing any more

	shut        sync.Once // guards shutFailure
	shutFailure error
	closed      sync.Once
	loops       sync.WaitGroup // propose and watch
}

// Open starts a node on its state directory. A multi-voter node talks to its peers once [Node.ServeHTTP] is reachable
// at the address that Peers gives for it.
func Open(o Options) (*Node, error) {
	o.ensureDefaults()
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("create state directory: %w", err)
	}
	n := &Node{
		id: o.ID, log: o.Log, machine: state.New(), changed: make(chan struct{}),
		proposals: make(chan *proposal), leadership: make(chan bool, 1),
		halt: make(chan struct{}), stop: make(chan struct{}), down: make(chan struct{}),
	}
	if err := n.open(o); err != nil {
		return nil, errors.Join(err, n.release())
	}
	n.loops.Go(n.propose)
	n.loops.Go(n.watch)
	return n, nil
}

func (n *Node) open(o Options) error {
	path := filepath.Join(o.Dir, "raft.db")
	store, err := raftboltdb.New(raftboltdb.Options{
		Path: path, NoSync: o.Volatile,
		// Another process that holds the file is a mistake to be told at once, not to be waited for.
		BoltOptions: &bbolt.Options{Timeout: time.Second, NoSync: o.Volatile, NoFreelistSync: true},
	})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return fmt.Errorf("open log store %s: another process uses this state directory: %w", path, err)
	}
	if err != nil {
		return fmt.Errorf("open log store %s: %w", path, err)
	}
	n.store = store
	n.logs = newTimeoutStore(store, o.StoreTimeout)
	logger := newLogger(o.Log)
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(o.Dir, 2, logger)
	if err != nil {
		return fmt.Errorf("open snapshots in %s: %w", o.Dir, err)
	}
	transport, servers := n.transport(o, logger)
	config := configure(o, logger)
	existing, err := raft.HasExistingState(n.logs, store, snapshots)
	if err != nil {
		return fmt.Errorf("read state in %s: %w", o.Dir, err)
	}
	if !existing {
		// Every node begins with the same membership, so it does not matter which of them is first.
		if err := raft.BootstrapCluster(config, n.logs, store, snapshots, transport, raft.Configuration{Servers: servers}); err != nil {
			return fmt.Errorf("begin cluster: %w", err)
		}
	}
	n.raft, err = raft.NewRaft(config, (*fsm)(n), n.logs, store, snapshots, transport)
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	if err := n.checkMembers(servers); err != nil {
		return err
	}
	if alone, ok := transport.(*raft.InmemTransport); ok {
		standAtOnce(alone, config)
	}
	return nil
}

// standAtOnce makes a single voter elect itself now. Raft would first wait for another leader to speak, which takes
// longer than a small query; it still does if this fails.
func standAtOnce(self *raft.InmemTransport, config *raft.Config) {
	request := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{
		ProtocolVersion: config.ProtocolVersion, ID: []byte(config.LocalID), Addr: self.EncodePeer(config.LocalID, self.LocalAddr()),
	}}
	self.Connect(self.LocalAddr(), self)
	_ = self.TimeoutNow(config.LocalID, self.LocalAddr(), request, &raft.TimeoutNowResponse{})
	self.Disconnect(self.LocalAddr())
}

// transport connects to the peers, or to nobody.
func (n *Node) transport(o Options, logger *logger) (raft.Transport, []raft.Server) {
	if len(o.Peers) == 0 {
		// A fixed address, because the real one may be another at each start.
		_, t := raft.NewInmemTransport(raft.ServerAddress(o.ID))
		n.closer = t.Close
		return t, []raft.Server{{ID: raft.ServerID(o.ID), Address: t.LocalAddr()}}
	}
	n.stream = newStream(o.Peers[o.ID], o.Dial)
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: n.stream, MaxPool: 3, Timeout: 10 * time.Second, Logger: logger,
	})
	n.closer = func() error {
		err := t.Close()
		t.CloseStreams()
		return err
	}
	var servers []raft.Server
	for id, address := range o.Peers {
		servers = append(servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(address)})
	}
	slices.SortFunc(servers, func(a, b raft.Server) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return t, servers
}

func configure(o Options, logger *logger) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(o.ID)
	c.Logger = logger
	c.SnapshotThreshold = 8192
	c.SnapshotInterval = 30 * time.Second
	c.TrailingLogs = 4096
	if len(o.Peers) == 0 {
		// Nobody to hear from: the shortest that raft allows.
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 5*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
		c.CommitTimeout = time.Millisecond
		return c
	}
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = o.Election, o.Election, o.Election*2/3
	c.CommitTimeout = 25 * time.Millisecond
	return c
}

// checkMembers refuses a state directory that was made for other peers: changing them is not supported yet, and going
// on would be to ask the wrong ones.
func (n *Node) checkMembers(want []raft.Server) error {
	future := n.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return fmt.Errorf("read membership: %w", err)
	}
	have := slices.Clone(future.Configuration().Servers)
	slices.SortFunc(have, func(a, b raft.Server) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	if !slices.EqualFunc(have, want, func(a, b raft.Server) bool { return a.ID == b.ID && a.Address == b.Address }) {
		return fmt.Errorf("the state directory belongs to a cluster of %s, not of %s; start with the same id and peers, or with an empty directory",
			describe(have), describe(want))
	}
	return nil
}

func describe(servers []raft.Server) string {
	text := ""
	for i, s := range servers {
		if i > 0 {
			text += ","
		}
		text += string(s.ID) + "=" + string(s.Address)
	}
	return text
}

// ServeHTTP takes over a connection from a peer.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.stream == nil {
		http.Error(w, "this coordinator has no peers", http.StatusNotFound)
		return
	}
	n.stream.ServeHTTP(w, r)
}

// IsLeader reports whether this node believes that it leads. It may be the last to hear otherwise: [Node.Verify] asks.
func (n *Node) IsLeader() bool { return n.raft.State() == raft.Leader }

// Leader is the leader's id and address as far as this node knows, or empty. A single voter's address is its id.
func (n *Node) Leader() (id, address string) {
	a, i := n.raft.LeaderWithID()
	return string(i), string(a)
}

// Term is the current raft term.
func (n *Node) Term() uint64 { return n.raft.CurrentTerm() }

// Leadership tells of leadership gained (true) and lost (false). Of changes that nobody received only the newest is
// kept. It is closed when the node stops.
func (n *Node) Leadership() <-chan bool { return n.leadership }

// Read calls look with the machine while nothing is applied to it. look must not keep it, change it, or take long.
func (n *Node) Read(look func(*state.Machine)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	look(n.machine)
}

// Changed is closed when the next entry has been applied. Get it before reading the state, to miss nothing.
func (n *Node) Changed() <-chan struct{} {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.changed
}

// Barrier returns when everything that was committed before has been applied here.
func (n *Node) Barrier(ctx context.Context) error { return n.wait(ctx, n.raft.Barrier(0)) }

// Verify returns nil if this node led at some moment since the call: a majority still follows it.
func (n *Node) Verify(ctx context.Context) error { return n.wait(ctx, n.raft.VerifyLeader()) }

// wait has what a future says, unless the context ends or raft shuts down first. A future alone does not tell of the
// latter: raft drops some of the requests that it holds then, without a word. The goroutine that asks such a one stays
// behind with nothing but the future.
func (n *Node) wait(ctx context.Context, f raft.Future) error {
	said := make(chan error, 1)
	go func() { said <- f.Error() }()
	select {
	case err := <-said:
		return translate(err)
	case <-n.down:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return ErrNotLeader
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrAbortedByRestore):
		return ErrUnknownOutcome
	case errors.Is(err, raft.ErrRaftShutdown):
		return ErrClosed
	}
	return fmt.Errorf("raft: %w", err)
}

// watch hands on leadership changes, so that raft never waits for whoever is interested.
func (n *Node) watch() {
	defer close(n.leadership)
	for {
		select {
		case leads := <-n.raft.LeaderCh():
			select {
			case <-n.leadership: // replace what nobody took
			default:
			}
			n.leadership <- leads
		case <-n.halt:
			// A node that no longer knows what the others know must neither lead nor vote.
			_ = n.shutRaft() // Close hears of it too
			return
		case <-n.stop:
			return
		}
	}
}

// StepDown hands leadership to a peer, if this node has it and there is one.
func (n *Node) StepDown(ctx context.Context) error {
	if n.stream == nil || !n.IsLeader() {
		return nil
	}
	return n.wait(ctx, n.raft.LeadershipTransfer())
}

// Close stops the node. It does not hand over leadership: see [Node.StepDown].
func (n *Node) Close() (err error) {
	n.closed.Do(func() {
		close(n.stop)
		err = n.release()
		n.loops.Wait()
	})
	return err
}

// shutRaft returns when raft has stopped.
func (n *Node) shutRaft() error {
	n.shut.Do(func() {
		n.shutFailure = n.raft.Shutdown().Error()
		close(n.down)
	})
	return n.shutFailure
}

// release shuts down in this order: raft first, since it uses everything else; then its connections; the store last.
func (n *Node) release() error {
	var errs []error
	if n.raft != nil {
		errs = append(errs, n.shutRaft())
	}
	if n.closer != nil {
		errs = append(errs, n.closer())
	}
	if n.stream != nil {
		n.stream.wait()
	}
	if n.logs != nil {
		errs = append(errs, n.logs.close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}
