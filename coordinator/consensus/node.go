package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/failpoint"
)

// Errors of a node.
var (
	// ErrNotLeader: nothing was done; somebody else leads, or nobody.
	ErrNotLeader = errors.New("this coordinator does not lead")
	// ErrUnknownOutcome: leadership was lost while the commands were under way. They may have been applied or not:
	// ask the new leader, or propose them again there.
	ErrUnknownOutcome = errors.New("leadership was lost before the outcome was known")
	// ErrNoSpace: nothing was done, and nothing can be until somebody makes room on the disk, or another leads.
	ErrNoSpace = errors.New("there is no disk space left")
	// ErrClosed: the node is closed, or has stopped because it could not go on.
	ErrClosed = errors.New("the consensus node is closed")
	// ErrRemoved: this node is no member of its cluster any more. Its state directory is of no use to anybody.
	ErrRemoved = errors.New("this coordinator was removed from its cluster; its state directory is not needed any more")
)

// Node is one member of the cluster.
type Node struct {
	id      string
	address string // empty if it is alone for good
	dir     string
	build   string
	reads   int // the newest version of entries
	raft    *raft.Raft
	bolt    *raftboltdb.BoltStore
	vault   *vault
	stream  *stream      // nil without an address
	novice  *novice      // nil if it was none when it was opened
	closer  func() error // of the transport
	log     *slog.Logger

	mu      sync.RWMutex
	machine *state.Machine
	changed chan struct{} // closed and replaced after each applied entry
	failure error         // why the node has stopped by itself

	changing sync.Mutex // held while a change of membership is weighed and made

	proposals  chan *proposal
	leadership chan bool
	failed     chan struct{} // closed when failure is set
	stop       chan struct{}
	down       chan struct{} // closed when raft has shut down and answers nothing any more

	shut        sync.Once // guards shutFailure
	shutFailure error
	closed      sync.Once
	loops       sync.WaitGroup // propose and watch
}

// Open starts a node on its state directory. One with an address talks to its peers once [Node.ServeHTTP] is reachable
// there.
func Open(o Options) (*Node, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("create state directory: %w", err)
	}
	n := newNode(o)
	if err := n.open(o); err != nil {
		return nil, errors.Join(err, n.release())
	}
	n.loops.Go(n.propose)
	n.loops.Go(n.watch)
	if n.stream != nil {
		n.loops.Go(func() { n.attend(2 * o.Election) })
	}
	return n, nil
}

func newNode(o Options) *Node {
	return &Node{
		id: o.ID, address: o.Address, dir: o.Dir, build: o.Build, reads: o.EntryVersion,
		log: o.Log, machine: state.New(), changed: make(chan struct{}),
		proposals: make(chan *proposal), leadership: make(chan bool, 1),
		failed: make(chan struct{}), stop: make(chan struct{}), down: make(chan struct{}),
	}
}

func (n *Node) open(o Options) error {
	logger := newLogger(o.Log)
	snapshots, err := n.openDisk(o, logger)
	if err != nil {
		return err
	}
	owner, err := n.owner(o)
	if err != nil {
		return err
	}
	existing, err := raft.HasExistingState(n.vault, n.vault, snapshots)
	if err != nil {
		return fmt.Errorf("read state in %s: %w", o.Dir, err)
	}
	learns, err := n.isNovice(o, existing)
	if err != nil {
		return err
	}
	transport := n.transport(o, learns, logger)
	config := configure(o, logger)
	first := raft.Configuration{Servers: o.servers()}
	if !existing && !learns {
		if err := raft.BootstrapCluster(config, n.vault, n.vault, snapshots, transport, first); err != nil {
			return fmt.Errorf("begin cluster: %w", err)
		}
	}
	if err := n.startRaft(config, snapshots, transport); err != nil {
		return err
	}
	if err := n.checkMembers(o, owner); err != nil {
		return err
	}
	if n.novice != nil {
		n.loops.Go(n.novice.relay)
		if !o.Join {
			// Every node begins with the same membership, so it does not matter which of them is first.
			n.loops.Go(func() { n.novice.begin(o, first) })
		}
	} else if n.isOnlyVoter() {
		n.standAtOnce(transport, config)
	}
	return nil
}

// startRaft starts raft on a goroutine of its own, since it panics about what it cannot read, and since the vault ends
// goroutines: see there.
func (n *Node) startRaft(config *raft.Config, snapshots raft.SnapshotStore, transport raft.Transport) error {
	err := errors.New("start raft: the state directory failed")
	n.vault.live.Store(true)
	var starting sync.WaitGroup
	starting.Go(func() {
		problem := recovered(func() (err error) {
			n.raft, err = raft.NewRaft(config, (*fsm)(n), n.vault, n.vault, snapshots, transport)
			return err
		})
		if err = nil; problem != nil {
			err = fmt.Errorf("start raft: %w", problem)
		}
	})
	starting.Wait()
	return errors.Join(err, n.Failure())
}

// checkMembers refuses a directory of before directories said whose they are, if it is somebody else's. Other peers than
// at the first start are no mistake: membership has changed, and is in the log.
func (n *Node) checkMembers(o Options, owner string) error {
	members := n.Members()
	if owner == "" {
		if _, self := find(members, n.id); !self && len(members) > 0 {
			return fmt.Errorf("state directory %s belongs to a cluster of %s, not to %s; start with the same id, or with an empty directory",
				o.Dir, describe(members), n.id)
		}
		if err := n.vault.Set(keyNode, []byte(n.id)); err != nil {
			return fmt.Errorf("write to %s: %w", o.Dir, err)
		}
	}
	if _, self := find(members, n.id); n.stream == nil && (!self || len(members) != 1) {
		return fmt.Errorf("state directory %s belongs to a cluster of %s: it needs 'quern coordinator'", o.Dir, describe(members))
	}
	for _, m := range members {
		if address, ok := o.Peers[m.ID]; n.stream != nil && len(o.Peers) > 0 && (!ok || address != m.Address) {
			n.log.Info("the peers given are those of the first start only; the members have changed since", "members", describe(members))
			break
		}
	}
	return nil
}

// standAtOnce makes the only voter elect itself now. Raft would first wait for another leader to speak, which takes longer
// than a small query; it still does if this fails.
func (n *Node) standAtOnce(transport raft.Transport, config *raft.Config) {
	self := transport.LocalAddr()
	request := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{
		ProtocolVersion: config.ProtocolVersion, ID: []byte(config.LocalID), Addr: transport.EncodePeer(config.LocalID, self),
	}}
	if alone, ok := transport.(*raft.InmemTransport); ok {
		alone.Connect(self, alone)
		defer alone.Disconnect(self)
	}
	_ = transport.TimeoutNow(config.LocalID, self, request, &raft.TimeoutNowResponse{})
}

// transport connects to the peers, or to nobody.
func (n *Node) transport(o Options, learns bool, logger *logger) raft.Transport {
	if o.alone() {
		// A fixed address, because the real one may be another at each start.
		_, t := raft.NewInmemTransport(raft.ServerAddress(o.ID))
		n.closer = t.Close
		return t
	}
	n.stream = newStream(o.Address, o.EntryVersion, o.Dial, n.Report)
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: n.stream, MaxPool: 3, Timeout: 10 * time.Second, Logger: logger,
	})
	n.closer = func() error {
		err := t.Close()
		t.CloseStreams()
		return err
	}
	if learns {
		n.novice = &novice{NetworkTransport: t, node: n, rpcs: make(chan raft.RPC)}
		n.novice.quiet.Store(true)
		return n.novice
	}
	return t
}

// servers are the voters that a cluster begins with.
func (o *Options) servers() []raft.Server {
	peers := o.Peers
	if len(peers) == 0 {
		peers = map[string]string{o.ID: o.Address}
		if o.alone() {
			peers[o.ID] = o.ID
		}
	}
	var servers []raft.Server
	for _, id := range slices.Sorted(maps.Keys(peers)) {
		servers = append(servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(peers[id])})
	}
	return servers
}

func configure(o Options, logger *logger) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(o.ID)
	c.Logger = logger
	c.SnapshotThreshold = 8192
	c.SnapshotInterval = 30 * time.Second
	c.TrailingLogs = 4096
	c.ShutdownOnRemove = false                            // see attend
	if failpoint.Hit("consensus/snapshot-often") != nil { // so that a test need not write thousands of entries
		c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = 8, 100*time.Millisecond, 8
	}
	if o.alone() {
		// Nobody to hear from: the shortest that raft allows.
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 5*time.Millisecond, 5*time.Millisecond, 5*time.Millisecond
		c.CommitTimeout = time.Millisecond
		return c
	}
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = o.Election, o.Election, o.Election*2/3
	c.CommitTimeout = 25 * time.Millisecond
	return c
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

// Leader is the leader's id and address as far as this node knows, or empty. A node without an address has its id there.
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
		case <-n.failed:
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

// release shuts down in this order: raft first, since it uses everything else; then its connections; the disk last.
func (n *Node) release() error {
	var errs []error
	if n.vault != nil {
		close(n.vault.store.leave) // raft may be waiting for the disk
	}
	if n.raft != nil {
		errs = append(errs, n.shutRaft())
	}
	if n.closer != nil {
		errs = append(errs, n.closer())
	}
	if n.stream != nil {
		n.stream.wait()
	}
	if n.vault != nil {
		errs = append(errs, n.vault.store.close())
	}
	if n.bolt != nil {
		errs = append(errs, n.bolt.Close())
	}
	return errors.Join(errs...)
}
