package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/quern-engine/quern/coordinator/state"
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
	cluster *clusterID
	stream  *stream      // nil without an address
	novice  *novice      // nil if it was none when it was opened
	closer  func() error // of the transport
	log     *slog.Logger
	sought  atomic.Pointer[time.Time] // see Report; nil: never

	mu       sync.RWMutex
	machine  *state.Machine
	restored uint64        // index of the snapshot that the machine began with
	changed  chan struct{} // closed and replaced after each applied entry
	failure  error         // why the node has stopped by itself

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

// ServeHTTP takes over a connection from a peer, or says how this node is.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.stream == nil {
		http.Error(w, "this coordinator has no peers", http.StatusNotFound)
		return
	}
	if r.Header.Get("Accept") == reportType {
		n.serveReport(w, r)
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
