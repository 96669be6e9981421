package state

import (
	"slices"

	"github.com/quern-engine/quern/api"
)

func (a *applier) register(c *RegisterWorker) {
	if w := a.workers[c.ID]; w != nil {
		if a.repeat(); w.Address != c.Address || w.Slots != c.Slots || w.Memory != c.Memory {
			w.Address, w.Slots, w.Memory = c.Address, c.Slots, c.Memory
			a.moved(w)
			a.result.Outcome = Applied
		}
		return
	}
	if i := slices.IndexFunc(a.doc.Workers, func(w *worker) bool { return w.Address == c.Address }); i >= 0 {
		old := a.doc.Workers[i].ID
		a.event(Event{Kind: EventWorkerReplaced, Worker: old, Message: "by " + c.ID})
		a.workerLost(old)
	}
	a.result.Outcome = Applied
	w := &worker{ID: c.ID, Address: c.Address, Slots: c.Slots, Memory: c.Memory, runs: map[string]*run{}}
	for _, r := range a.doc.Runs {
		if r.places[w.ID] != 0 { // it was given up, and is back
			w.runs[r.ID] = r
		}
	}
	a.workers[c.ID] = w
	if a.doc.Workers = append(a.doc.Workers, w); len(a.doc.Workers) == 1 {
		a.accountAll()
	}
	a.event(Event{Kind: EventWorkerJoined, Worker: c.ID, Message: c.Address})
}

// moved makes the address of a worker that has another one now known to those who read from it.
func (a *applier) moved(w *worker) {
	for _, r := range w.runs {
		entry := &r.Workers[r.places[w.ID]-1]
		if entry.Address == w.Address {
			continue
		}
		entry.Address = w.Address
		for _, s := range r.Stages {
			s.Locations++
		}
	}
}

func (a *applier) drain(c *DrainWorker) {
	switch w := a.workers[c.ID]; {
	case w == nil:
		a.reject()
	case w.Draining:
		a.repeat()
	default:
		w.Draining = true
		a.event(Event{Kind: EventWorkerDraining, Worker: w.ID})
	}
}

// grant gives out the attempts that are still possible: the run is live, the stage is ready, the task waits (or runs,
// for a twin), the number is the next one, and the worker is known and has a slot. The scheduler made its choice from a
// state that may be older than this.
func (a *applier) grant(c *Grant) {
	a.result.Granted = make([]bool, len(c.Attempts))
	if c.Epoch < a.doc.Epoch {
		// Cannot happen while raft keeps its promises; a second lock on the same door.
		a.reject()
		return
	}
	a.doc.Epoch = c.Epoch
	for i, g := range c.Attempts {
		a.result.Granted[i] = a.grantOne(g)
	}
	if len(c.Attempts) > 0 && !slices.Contains(a.result.Granted, true) {
		a.reject()
	}
}

func (a *applier) grantOne(g Granted) bool {
	r, w := a.runs[g.Run], a.workers[g.Worker]
	if r == nil || w == nil || !r.live() || w.free() == 0 || (g.Exclusive && len(w.Attempts) > 0) {
		return false
	}
	s, t := r.task(g.TaskID)
	if t == nil || int(t.Next) != g.Attempt || !r.ready(g.Stage) || s.waits() {
		return false
	}
	switch {
	case !g.Twin && t.State == taskPending:
		t.Attempt, t.Worker, t.TwinWorker = int32(g.Attempt), r.place(w), 0
		t.Since = a.at.UnixMilli()
		s.start(g.Task)
		s.given(t)
	case g.Twin && t.State == taskRunning && t.TwinWorker == 0 && r.worker(t.Worker) != w.ID:
		t.Twin, t.TwinWorker = int32(g.Attempt), r.place(w)
		s.Twins++
	default:
		return false
	}
	t.Next++
	w.Attempts = append(w.Attempts, g.AttemptID)
	w.Exclusive = g.Exclusive
	if r.State == api.RunQueued {
		r.State = api.RunRunning
		a.event(Event{Kind: EventRunStarted, Run: r.ID})
	}
	r.Wrote = r.Wrote || s.writes()
	a.touch(r)
	kind := EventTaskGranted
	if g.Twin {
		kind = EventTwinGranted
	}
	a.event(Event{Kind: kind, Run: r.ID, Task: &g.AttemptID, Worker: w.ID})
	return true
}
