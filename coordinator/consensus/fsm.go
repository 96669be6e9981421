package consensus

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/failpoint"
)

// fsm is the node as raft sees it.
type fsm Node

var _ raft.FSM = (*fsm)(nil)

// Apply is called by raft for each committed entry, in order.
func (f *fsm) Apply(l *raft.Log) any { return (*Node)(f).applied(l.Index, l.Data) }

// Snapshot is called by raft between entries.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return (*Node)(f).snapshot() }

// Restore is called by raft with what a snapshot of this or another node has written.
func (f *fsm) Restore(r io.ReadCloser) error { return (*Node)(f).restore(r) }

// applied brings an entry to the machine. An entry that cannot be understood ends the node: from there on it would no
// longer know what the others know.
func (n *Node) applied(index uint64, data []byte) outcome {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failure != nil {
		return outcome{err: n.failure}
	}
	entry, err := state.DecodeEntryUpTo(data, n.reads)
	if err != nil {
		n.failLocked(fmt.Errorf("coordinator %s stops at log index %d: %w", n.id, index, err))
		return outcome{err: n.failure}
	}
	out := outcome{results: n.machine.Apply(index, entry)}
	close(n.changed)
	n.changed = make(chan struct{})
	return out
}

// hasApplied reports that this node has applied the entry of its log at an index. What the log has from before a snapshot
// that was sent to it may be otherwise than what led there.
func (n *Node) hasApplied(index uint64) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.restored < index && index <= n.machine.Index()
}

// fail stops the node for good.
func (n *Node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failLocked(err)
}

// failLocked REQUIRES: n.mu is held.
func (n *Node) failLocked(err error) {
	if n.failure == nil {
		n.failure = err
		close(n.failed)
	}
}

// Failure says why the node has stopped by itself, if it has: see [Node.Failed].
func (n *Node) Failure() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.failure
}

// Failed is closed when the node has stopped by itself: it could not go on, or with [ErrRemoved] it is no member any more.
func (n *Node) Failed() <-chan struct{} { return n.failed }

func (n *Node) snapshot() (raft.FSMSnapshot, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.failure != nil {
		return nil, n.failure
	}
	return snapshot{n.machine.Copy()}, nil
}

func (n *Node) restore(r io.ReadCloser) error {
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	m, err := state.Restore(data)
	if err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.machine, n.restored = m, m.Index()
	close(n.changed)
	n.changed = make(chan struct{})
	return nil
}

// snapshot is the machine as it was. Encoding it takes seconds where there are many tasks, so that is done while the
// machine goes on.
type snapshot struct{ machine *state.Machine }

var _ raft.FSMSnapshot = snapshot{}

// Persist writes the snapshot to where raft keeps it.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	data, err := s.machine.Snapshot()
	if err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if _, err := sink.Write(data); err != nil {
		return fmt.Errorf("write snapshot: %w", errors.Join(err, sink.Cancel()))
	}
	if err := failpoint.Hit("consensus/snapshot-written"); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release has nothing to release.
func (s snapshot) Release() {}
