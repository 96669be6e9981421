package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Worker is a known worker.
type Worker struct {
	ID       string
	Address  string
	Slots    int
	Memory   int64
	Free     int // slots that can be given
	Draining bool
	Until    time.Time        // it had best be given nothing before
	Attempts []plan.AttemptID // that it has been given and that have not ended
}

// Worker looks up a worker.
func (m *Machine) Worker(id string) (Worker, bool) {
	w := m.workers[id]
	if w == nil {
		return Worker{}, false
	}
	return w.view(), true
}

// Known reports a worker that has registered and has not been given up.
func (m *Machine) Known(id string) bool { return m.workers[id] != nil }

// Workers lists the known workers in order of registration.
func (m *Machine) Workers() []Worker {
	list := make([]Worker, len(m.doc.Workers))
	for i, w := range m.doc.Workers {
		list[i] = w.view()
	}
	return list
}

// WorkersAt lists the known workers at an address.
func (m *Machine) WorkersAt(address string) (ids []string) {
	for _, w := range m.doc.Workers {
		if w.Address == address {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

func (w *worker) view() Worker {
	return Worker{
		ID: w.ID, Address: w.Address, Slots: w.Slots, Memory: w.Memory, Free: w.free(), Draining: w.Draining, Until: w.Until,
		Attempts: slices.Clone(w.Attempts),
	}
}

// Healthy reports that there is a worker which is not in quarantine and does not stop.
func (m *Machine) Healthy(now time.Time) bool {
	return slices.ContainsFunc(m.doc.Workers, func(w *worker) bool { return !w.Draining && !w.Until.After(now) })
}

// Drained reports a worker that can go without a loss: it is about to stop, runs nothing, and no run that goes on, and no
// result that may still be read, needs what it holds.
func (m *Machine) Drained(id string) bool {
	w := m.workers[id]
	if w == nil {
		return true
	}
	if !w.Draining || len(w.Attempts) > 0 {
		return false
	}
	for _, r := range w.runs {
		if r.holds(r.places[id]) {
			return false
		}
	}
	return true
}

// holds reports that a worker has output that somebody may still read.
func (r *run) holds(place int32) bool {
	if r.forgettable() || r.decided() {
		return false
	}
	for i, s := range r.Stages {
		if !s.Sink.Scratch() || (r.live() && !r.needed(i)) {
			continue
		}
		for j := range s.List {
			if t := &s.List[j]; t.State == taskDone && t.Commit.Worker == place {
				return true
			}
		}
	}
	return false
}

// Over grows whenever there is something new for FinishedFor to say.
func (m *Machine) Over() uint64 { return m.over }

// FinishedFor lists the runs, oldest first, that a worker has worked for and whose scratch can go: terminal, and not a
// result that may still be read, or blocked by its checks. Those that skip reports are left out.
func (m *Machine) FinishedFor(worker string, skip func(run string) bool) []string {
	w := m.workers[worker]
	if w == nil {
		return nil
	}
	var list []*run
	for id, r := range w.runs {
		if r.forgettable() && !skip(id) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *run) int { return cmp.Or(a.Submitted.Compare(b.Submitted), strings.Compare(a.ID, b.ID)) })
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ID
	}
	return ids
}

func (r *run) forgettable() bool {
	return r.blocked() || (r.State.Terminal() && (r.Released || r.result() < 0))
}

// result is the stage whose rows the caller will read, or -1.
func (r *run) result() int {
	if r.State != api.RunSucceeded {
		return -1
	}
	return slices.IndexFunc(r.Stages, func(s *stage) bool { return s.Sink == plan.SinkResult })
}
