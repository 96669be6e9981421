package state

import (
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func (a *applier) register(c *RegisterWorker) {
	if w := a.workers[c.ID]; w != nil {
		if a.repeat(); w.Address != c.Address || w.Slots != c.Slots {
			w.Address, w.Slots = c.Address, c.Slots
			a.result.Outcome = Applied
		}
		return
	}
	for _, w := range slices.Clone(a.doc.Workers) {
		if w.Address == c.Address {
			a.event(Event{Kind: EventWorkerReplaced, Worker: w.ID, Message: "by " + c.ID})
			a.workerLost(w.ID)
		}
	}
	a.result.Outcome = Applied
	w := &worker{ID: c.ID, Address: c.Address, Slots: c.Slots}
	a.workers[c.ID] = w
	a.doc.Workers = append(a.doc.Workers, w)
	a.event(Event{Kind: EventWorkerJoined, Worker: c.ID, Message: c.Address})
}

// grant gives out the attempts that are still possible: the run is live, the stage is ready, the task waits, the
// number is the next one, and the worker is known and has a slot. The scheduler made its choice from a state that may
// be older than this.
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
	if r == nil || w == nil || !r.live() || w.free() == 0 {
		return false
	}
	s, t := r.task(g.TaskID)
	if t == nil || t.State != taskPending || t.Next != g.Attempt || !r.ready(g.Stage) {
		return false
	}
	t.Attempt, t.Worker = g.Attempt, w.ID
	t.Next++
	s.start(g.Task)
	w.Attempts = append(w.Attempts, g.AttemptID)
	if !slices.Contains(r.Workers, w.ID) {
		r.Workers = append(r.Workers, w.ID)
	}
	if r.State == api.RunQueued {
		r.State = api.RunRunning
		a.event(Event{Kind: EventRunStarted, Run: r.ID})
	}
	r.Wrote = r.Wrote || s.Sink == plan.SinkFile
	a.touch(r)
	id := g.AttemptID
	a.event(Event{Kind: EventTaskGranted, Run: r.ID, Task: &id, Worker: w.ID})
	return true
}
