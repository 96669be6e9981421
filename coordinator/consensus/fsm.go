package consensus

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/quern-engine/quern/coordinator/state"
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

// applied brings an entry to the machine. An entry that cannot be understood halts it for good: from there on this node
// would no longer know what the others know.
func (n *Node) applied(index uint64, data []byte) outcome {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.halted != nil {
		return outcome{err: n.halted}
	}
	entry, err := state.DecodeEntry(data)
	if err != nil {
		n.halted = fmt.Errorf("coordinator %s stops at log index %d: %w", n.id, index, err)
		n.log.Error("coordinator halted", "error", n.halted)
		close(n.halt)
		return outcome{err: n.halted}
	}
	out := outcome{results: n.machine.Apply(index, entry)}
	close(n.changed)
	n.changed = make(chan struct{})
	return out
}

// Halted says why the node no longer applies entries, if it does not.
func (n *Node) Halted() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.halted
}

func (n *Node) snapshot() (raft.FSMSnapshot, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.halted != nil {
		return nil, n.halted
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
	n.machine = m
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
	return sink.Close()
}

// Release has nothing to release.
func (s snapshot) Release() {}
