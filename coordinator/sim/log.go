package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/quern-engine/quern/coordinator/state"
)

// raftLog is the replicated log as coordinators see it: entries in one order, one leader to a term, and proposals whose
// outcome is unknown when their leader is lost. How raft comes to that is not modelled.
type raftLog struct {
	s       *Sim
	entries []state.Entry
	nodes   []*node
	term    uint64
	leader  *leader // nil while there is none
	pending map[*proposal]struct{}
	order   []*proposal // of pending, oldest first
}

// node is a coordinator.
type node struct {
	id      int
	machine *state.Machine
	applied int
	alive   bool
	stalled bool
	led     *leader // what it believes to be; may be over
}

type proposal struct {
	by       *leader
	commands []state.Command
	done     func([]state.Result, error)
}

var (
	errNotLeader = errors.New("does not lead")
	errUnknown   = errors.New("leadership was lost before the outcome was known")
)

func newLog(s *Sim) *raftLog {
	l := &raftLog{s: s, pending: map[*proposal]struct{}{}}
	for i := range 3 {
		l.nodes = append(l.nodes, &node{id: i, machine: state.New(), alive: true})
	}
	s.after(50*time.Millisecond, l.elect)
	return l
}

// elect makes one of the nodes that work the leader, if a majority does.
func (l *raftLog) elect() {
	if l.leader != nil {
		return
	}
	var fit []*node
	for _, n := range l.nodes {
		if n.alive && !n.stalled {
			fit = append(fit, n)
		}
	}
	if len(fit) < 2 {
		l.s.after(500*time.Millisecond, l.elect)
		return
	}
	n := fit[l.s.rng.IntN(len(fit))]
	l.term++
	l.catchUp(n, len(l.entries))
	l.leader = newLeader(l, n, l.term)
	n.led = l.leader
	l.s.note("node %d leads term %d", n.id, l.term)
	l.leader.begin()
}

// depose ends the term. Of the proposals under way each may have made it into the log.
func (l *raftLog) depose(why string) {
	if l.leader == nil {
		return
	}
	l.s.note("node %d leads no longer: %s", l.leader.node.id, why)
	old := l.leader
	old.over = true
	for _, p := range l.order {
		if _, waits := l.pending[p]; !waits {
			continue
		}
		if l.s.rng.IntN(2) == 0 {
			l.append(p.commands)
		}
		l.s.after(l.s.delay(), func() { p.done(nil, errUnknown) })
	}
	l.pending, l.order = map[*proposal]struct{}{}, nil
	l.leader = nil
	l.s.after(time.Duration(200+l.s.rng.IntN(1500))*time.Millisecond, l.elect)
}

// propose has commands decided, if the proposer still leads.
func (l *raftLog) propose(by *leader, commands []state.Command, done func([]state.Result, error)) {
	if by.over {
		l.s.after(l.s.delay(), func() { done(nil, errNotLeader) })
		return
	}
	p := &proposal{by: by, commands: commands, done: done}
	l.pending[p] = struct{}{}
	l.order = append(l.order, p)
	l.s.after(time.Millisecond, func() { l.commit(p) })
}

func (l *raftLog) commit(p *proposal) {
	if _, waits := l.pending[p]; !waits {
		return
	}
	delete(l.pending, p)
	l.order = l.order[1:]
	l.append(p.commands)
	results := l.catchUp(p.by.node, len(l.entries))
	for _, n := range l.nodes {
		if n != p.by.node && n.alive && !n.stalled && l.s.rng.IntN(4) == 0 {
			l.catchUp(n, len(l.entries)-l.s.rng.IntN(2))
		}
	}
	p.done(results, nil)
	p.by.changed()
}

func (l *raftLog) append(commands []state.Command) {
	l.entries = append(l.entries, state.Entry{Version: state.EntryVersion, Commands: commands})
	l.s.report.Entries++
	if len(l.entries)%16 == 0 { // now and then as it is on disk
		e := &l.entries[len(l.entries)-1]
		data, err := e.Encode()
		if err == nil {
			*e, err = state.DecodeEntry(data)
		}
		if err != nil {
			l.s.violated("an entry does not survive its encoding: %v", err)
		}
	}
}

// catchUp applies the log up to a length, and returns the results of the last entry.
func (l *raftLog) catchUp(n *node, to int) (last []state.Result) {
	for n.applied < to {
		e := l.entries[n.applied]
		n.applied++
		last = n.machine.Apply(uint64(n.applied), e)
		if n.applied > l.s.checked() {
			l.s.check(n, e, last)
		}
	}
	return last
}

// restart has a node begin anew: from a snapshot of what it had applied, or from the log alone.
func (l *raftLog) restart(n *node) {
	if l.s.rng.IntN(2) == 0 {
		n.machine, n.applied = state.New(), 0
		return
	}
	data, err := n.machine.Copy().Snapshot()
	if err != nil {
		l.s.violated("snapshot: %v", err)
	}
	if n.machine, err = state.Restore(data); err != nil {
		l.s.violated("restore: %v", err)
	}
}

// trouble of coordinators: the leader stalls, or crashes, or merely loses its majority; a follower restarts.
func (s *Sim) leaderTrouble() {
	if s.healed {
		return
	}
	s.after(s.exponential(s.mix.leaderFault), s.leaderTrouble)
	l := s.log
	n := l.nodes[s.rng.IntN(len(l.nodes))]
	if l.leader != nil && s.rng.IntN(2) == 0 {
		n = l.leader.node
	}
	if !n.alive || n.stalled {
		return
	}
	leads := l.leader != nil && l.leader.node == n
	back := time.Duration(100+s.rng.IntN(6000)) * time.Millisecond
	switch kind := s.rng.IntN(3); {
	case kind == 0 && leads:
		s.fault("leader deposed")
		l.depose("a partition")
	case kind == 1:
		s.fault("coordinator stalls")
		n.stalled = true
		if leads {
			l.depose("it stalls")
		}
		s.after(back, func() { n.stalled = false })
	default:
		s.fault("coordinator crashes")
		n.alive = false
		if leads {
			l.depose("it crashed")
		}
		n.led = nil
		s.after(back, func() { l.revive(n) })
	}
}

func (s *Sim) fault(kind string) {
	s.report.Faults[kind]++
	s.note("fault: %s", kind)
}

func (l *raftLog) healAll() {
	for _, n := range l.nodes {
		n.stalled = false
		l.revive(n)
	}
}

func (l *raftLog) revive(n *node) {
	if !n.alive {
		l.restart(n)
		n.alive = true
	}
}

// agree checks that all nodes come to the same state.
func (l *raftLog) agree() {
	var want string
	for i, n := range l.nodes {
		l.catchUp(n, len(l.entries))
		hash, err := n.machine.Hash()
		if err != nil {
			l.s.violated("hash: %v", err)
		}
		if i == 0 {
			want = hash
		} else if hash != want {
			l.s.violated("node %d has come to another state than node 0 at entry %d", n.id, n.applied)
		}
	}
}

// String names the node.
func (n *node) String() string { return fmt.Sprintf("node %d", n.id) }
