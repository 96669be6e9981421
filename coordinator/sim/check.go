package sim

import (
	"strings"
	"time"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// checked is how many entries have been looked at: each is checked once, at the node that applies it first.
func (s *Sim) checked() int { return s.seen }

// check looks at what an entry did.
func (s *Sim) check(n *node, e state.Entry, results []state.Result) {
	s.seen = n.applied
	for _, r := range results {
		for _, ev := range r.Events {
			if s.trace {
				s.note("  %d: %s", n.applied, ev)
			}
			s.event(ev)
		}
	}
	for _, st := range n.machine.Statuses(100, nil) {
		if before, over := s.terminal[st.RunID]; over && before != string(st.State) {
			s.violated("run %s was %s and is %s", st.RunID, before, st.State)
		}
		if st.State.Terminal() {
			s.terminal[st.RunID] = string(st.State)
		}
		for _, g := range st.Stages {
			if g.Done < 0 || g.Running < 0 || g.Done+g.Running > g.Tasks {
				s.violated("run %s: %+v", st.RunID, g)
			}
		}
	}
	for _, w := range n.machine.Workers() {
		if len(w.Attempts) > w.Slots {
			s.violated("worker %s runs %v in %d slots", w.ID, w.Attempts, w.Slots)
		}
	}
}

func (s *Sim) event(e state.Event) {
	s.report.Seen[e.Kind]++
	switch e.Kind {
	case state.EventTaskCommitted:
		if before, twice := s.done[e.Task.TaskID]; twice {
			s.violated("%v is committed while attempt %d counts", e.Task, before)
		}
		s.done[e.Task.TaskID] = e.Task.Attempt
	case state.EventRunBlocked:
		s.after(s.exponential(2*time.Second), func() { s.decide(e.Run) })
	case state.EventOutputLost:
		delete(s.done, e.Task.TaskID)
	}
}

// checkBegun holds a worker to what it was given: no more attempts than slots, none beside an exclusive one.
func (s *Sim) checkBegun(w *worker, a *attempt) {
	n, exclusive := 0, false
	for _, h := range w.held {
		if !h.ended {
			n++
			exclusive = exclusive || h.Exclusive
		}
	}
	if n > w.slots || (exclusive && n > 1) {
		s.violated("%s runs %d attempts in %d slots (exclusive: %v) after %v", w.id, n, w.slots, exclusive, a.AttemptID)
	}
}

// checkDrained holds the leader to its word that nobody needs a worker any more.
func (l *leader) checkDrained(w *worker) {
	s := l.s
	for _, id := range sortedKeys(w.disk) {
		st, known := l.machine().Status(id.Run)
		if !known || st.State.Terminal() || st.State == "publishing" || st.State == "checking" || st.State == "blocked" {
			continue
		}
		out, ok := l.machine().Locations(id.Run, id.Stage)
		if !ok || out.Tasks[id.Task].Attempt != id.Attempt || out.Workers[out.Tasks[id.Task].Worker] != w.address {
			continue
		}
		for i, g := range st.Stages {
			counts, ok := s.done[id.TaskID]
			if ok && counts == id.Attempt && i > id.Stage && g.Done < g.Tasks && s.reads(id.Run, i, id.Stage) {
				s.violated("%s was let go, but stage %d of %s still reads %v there", w.id, i, id.Run, id)
			}
		}
	}
}

func (s *Sim) reads(run string, stage, input int) bool {
	for _, in := range s.job(run).stages[stage].Inputs {
		if in == input {
			return true
		}
	}
	return false
}

// settled reports that all runs have ended.
func (s *Sim) settled() bool {
	for _, j := range s.jobs {
		if s.terminal[j.id] == "" {
			return false
		}
	}
	return true
}

// stuck tells of a run that does not end.
func (s *Sim) stuck() {
	for _, j := range s.jobs {
		if s.terminal[j.id] != "" {
			continue
		}
		if s.log.leader == nil {
			s.violated("there is no leader %v after the last fault", patience)
		}
		st, _ := s.log.leader.machine().Status(j.id)
		s.violated("run %s is %q (%s) %v after the last fault: %+v", j.id, st.State, st.Reason, patience, st.Stages)
	}
}

// mayFail are the ways in which a run may fail that is given what a simulation gives it: by running out of tries.
var mayFail = []string{"failed 4 times", "workers", "could not fetch its input", "without being run", "ran out of memory"}

// final checks what is left at the end: nodes that agree, and of each run that succeeded all rows once.
func (s *Sim) final() {
	s.log.agree()
	m := s.log.nodes[0].machine
	for _, j := range s.jobs {
		st, known := m.Status(j.id)
		if !known {
			s.violated("run %s is unknown", j.id)
		}
		switch st.State {
		case "succeeded":
			s.report.Succeeded++
			s.conserved(j)
		case "cancelled":
			s.report.Cancelled++
		default:
			s.report.Failed++
			s.excused(st.Failure)
		}
	}
}

func (s *Sim) excused(f *plan.Failure) {
	for _, text := range mayFail {
		if f != nil && strings.Contains(f.Message, text) {
			return
		}
	}
	s.violated("a run failed: %+v", f)
}

// conserved checks that the files which a manifest names hold every row once.
func (s *Sim) conserved(j *job) {
	names, published := s.store[j.id]
	if !published {
		s.violated("run %s succeeded without a manifest", j.id)
	}
	got, n := uint64(0), 0
	for _, name := range strings.Fields(names) {
		rows, there := s.files[j.id+"/"+name]
		if !there {
			s.violated("the manifest of run %s names %s, which is gone", j.id, name)
		}
		got += sum(rows)
		n += len(rows)
	}
	if got != j.want || n != j.count {
		s.violated("run %s has %d rows with sum %x; it should have %d with sum %x", j.id, n, got, j.count, j.want)
	}
}
