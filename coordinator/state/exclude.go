package state

import (
	"fmt"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

const (
	// maxStrikes is how many runs have to exclude a worker before nobody is given to it for a while.
	maxStrikes = 2
	// quarantine is how long that while is: long enough for a disk to be cleared, short enough that nobody has to
	// remember to let the worker in again.
	quarantine = 10 * time.Minute
)

// blame notes that a task failed on a worker for a reason that may lie there. When two different tasks of a run have,
// the run keeps away from it. If no worker is left that way, none is to blame.
func (a *applier) blame(r *run, place int32, task plan.TaskID) {
	if place == 0 {
		return
	}
	entry := &r.Workers[place-1]
	switch {
	case entry.Excluded:
		return
	case entry.Failed == nil:
		entry.Failed = &task
		return
	case *entry.Failed == task:
		return
	}
	entry.Excluded = true
	a.event(Event{Kind: EventWorkerExcluded, Run: r.ID, Worker: entry.ID, Message: fmt.Sprintf("tasks %s and %s failed there", entry.Failed, task)})
	if w := a.workers[entry.ID]; w != nil {
		if w.Strikes++; w.Strikes >= maxStrikes {
			w.Strikes, w.Until = 0, a.at.Add(quarantine)
			a.event(Event{Kind: EventWorkerExcluded, Worker: w.ID, Message: fmt.Sprintf("from all runs for %v: tasks of several failed there", quarantine)})
		}
	}
	if !slices.ContainsFunc(a.doc.Workers, func(w *worker) bool { return !w.Draining && !r.excludes(w.ID) }) {
		for i := range r.Workers {
			r.Workers[i].Excluded, r.Workers[i].Failed = false, nil
		}
	}
}

func (r *run) excludes(worker string) bool {
	at, known := r.places[worker]
	return known && r.Workers[at-1].Excluded
}

// outOfMemory has the next attempt run alone on a worker: with all its memory instead of a share. If that was not enough
// either, only a worker with more memory will do; without one the task can never run.
func (a *applier) outOfMemory(r *run, t *task, id plan.AttemptID, f *plan.Failure, worker string) {
	t.Memory++
	if t.Memory == 1 {
		return
	}
	if w := a.workers[worker]; w != nil {
		t.aside().Floor = max(t.floor(), w.Memory)
	}
	if most := a.most(); t.floor() > 0 && most <= t.floor() {
		a.end(r, api.RunFailed, a.giveUp(r, id, f, fmt.Sprintf("ran out of memory with a worker to itself, and no worker has more than %s", bytesText(most))))
	}
}

// most is the memory of the worker that has most.
func (m *Machine) most() int64 {
	most := int64(0)
	for _, w := range m.doc.Workers {
		if !w.Draining {
			most = max(most, w.Memory)
		}
	}
	return most
}

// bytesText renders a size as people write it in --memory.
func bytesText(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}

// alone reports a task that wants a worker to itself: it ran out of memory, or several workers have vanished under it,
// which is what running out of memory looks like from outside.
func (t *task) alone() bool { return t.Memory > 0 || t.Losses > 1 }
