package consensus

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/coordinator/state"
)

// maxBatch is how many commands share a log entry. Enough to make the cost of a disk sync small, few enough to keep
// entries well below what followers take in one message.
const maxBatch = 512

type proposal struct {
	commands []state.Command
	done     chan outcome // buffered: the proposer never waits for a caller who has gone
}

type outcome struct {
	results []state.Result
	err     error
}

// Propose has commands recorded and applied, in order and together, and returns their results. An error other than
// ErrNotLeader leaves open whether that happened or will.
func (n *Node) Propose(ctx context.Context, commands ...state.Command) ([]state.Result, error) {
	p := &proposal{commands: commands, done: make(chan outcome, 1)}
	select {
	case n.proposals <- p:
	case <-n.stop:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case out := <-p.done:
		return out.results, out.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// propose is the goroutine that writes the log. While an entry is under way the next proposals gather, so the busier
// it is the more they share.
func (n *Node) propose() {
	for {
		select {
		case first := <-n.proposals:
			n.write(n.gather(first))
		case <-n.stop:
			return
		}
	}
}

func (n *Node) gather(first *proposal) []*proposal {
	batch, size := []*proposal{first}, len(first.commands)
	for size < maxBatch {
		select {
		case p := <-n.proposals:
			batch, size = append(batch, p), size+len(p.commands)
		default:
			return batch
		}
	}
	return batch
}

func (n *Node) write(batch []*proposal) {
	entry := state.Entry{Version: n.EntryVersion()}
	for _, p := range batch {
		entry.Commands = append(entry.Commands, p.commands...)
	}
	results, err := n.apply(entry)
	for _, p := range batch {
		if err != nil {
			p.done <- outcome{err: err}
			continue
		}
		p.done <- outcome{results: results[:len(p.commands):len(p.commands)]}
		results = results[len(p.commands):]
	}
}

// oldestEntries is the version of entries that every build reads.
const oldestEntries = 1

// EntryVersion is the version of the entries that this node writes as a leader: the newest that all members read. A member
// that was not met since this node started counts as the oldest build, but as one that reads what all must have read who have the
// log. Commands that are newer must not be proposed.
func (n *Node) EntryVersion() int {
	version := n.reads
	for _, m := range n.Members() {
		if m.ID != n.id {
			version = min(version, n.stream.versionOf(m.Address))
		}
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return max(version, n.machine.EntryVersion())
}

func (s *stream) versionOf(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.versions[address], oldestEntries)
}

func (n *Node) apply(e state.Entry) ([]state.Result, error) {
	// A leader that ran into the end of its disk would lose its leadership, and if it is alone nobody could even be told
	// how things are.
	if _, _, none := space(n.dir); none && n.IsLeader() {
		return nil, fmt.Errorf("coordinator %s: %w in %s", n.id, ErrNoSpace, n.dir)
	}
	data, err := e.Encode()
	if err != nil {
		return nil, err
	}
	future := n.raft.Apply(data, 0)
	if err := n.wait(context.Background(), future); err != nil {
		return nil, err
	}
	// The machine's own errors come in the response, where raft's types would hide them.
	out, ok := future.Response().(outcome)
	if !ok {
		return nil, fmt.Errorf("raft answered with %T", future.Response())
	}
	return out.results, out.err
}
