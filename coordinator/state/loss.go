package state

import (
	"fmt"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// fetchFailed takes back the map output that a reader could not get. The reader is not at fault, so its own budget is
// not charged; how often a complete stage may lose output is limited instead.
func (a *applier) fetchFailed(r *run, reader plan.AttemptID, f *plan.Failure) {
	_, t := r.task(reader.TaskID)
	if t.Fetches++; t.Fetches >= maxFetchFailures {
		a.end(r, api.RunFailed, a.giveUp(r, reader, f, fmt.Sprintf("could not fetch its input %d times", t.Fetches)))
		return
	}
	if !slices.Contains(r.Stages[reader.Stage].Inputs, f.LostStage) {
		return
	}
	s, lost := r.task(plan.TaskID{Run: r.ID, Stage: f.LostStage, Task: f.LostTask})
	if lost == nil || lost.State != taskDone || int(lost.Commit.Attempt) != f.LostAttempt {
		return // taken back already: the reader had older news
	}
	repeated := s.Reruns > 0
	if s.complete() {
		if s.Reruns++; s.Reruns > maxStageReruns {
			a.end(r, api.RunFailed, a.giveUp(r, reader, f, fmt.Sprintf("could not fetch its input; %s has been computed again %d times", r.describe(f.LostStage), maxStageReruns)))
			return
		}
	}
	holder := lost.Commit.Worker
	a.lose(r, f.LostStage, f.LostTask)
	if repeated {
		// Once may be one bad file; twice, and nothing of this stage on that worker is trusted. Otherwise a worker
		// that lost its whole disk would be found out one file at a time.
		for i := range s.List {
			if u := &s.List[i]; u.State == taskDone && u.Commit.Worker == holder {
				a.lose(r, f.LostStage, i)
			}
		}
	}
	a.settle(r)
}

func (a *applier) lose(r *run, stage, i int) {
	s := r.Stages[stage]
	c := s.List[i].Commit
	id := plan.AttemptID{TaskID: plan.TaskID{Run: r.ID, Stage: stage, Task: i}, Attempt: int(c.Attempt)}
	s.lose(i)
	s.List[i].Worker = c.Worker // who lost it, or cannot be reached, had best not make it again
	a.event(Event{Kind: EventOutputLost, Run: r.ID, Task: &id, Worker: r.worker(c.Worker)})
}

// settle takes back outputs on workers that are gone, where a task that has yet to end will read them. Later stages
// first: what they have to do again decides what they need. Outputs that nobody needs are left alone, until a later
// loss makes somebody need them.
func (a *applier) settle(r *run) {
	gone := make([]bool, len(r.Workers)+1)
	for i, w := range r.Workers {
		gone[i+1] = a.workers[w.ID] == nil
	}
	for i := len(r.Stages) - 1; i >= 0; i-- {
		s := r.Stages[i]
		if !s.Sink.Scratch() || !r.needed(i) {
			continue
		}
		for j := range s.List {
			if t := &s.List[j]; t.State == taskDone && gone[t.Commit.Worker] {
				a.lose(r, i, j)
			}
		}
	}
}

// workerLost forgets a worker. Its attempts are nobody's fault, up to a point: a task under which worker after worker
// vanishes is taken for the cause.
func (a *applier) workerLost(id string) {
	w := a.workers[id]
	if w == nil {
		a.repeat()
		return
	}
	delete(a.workers, id)
	a.doc.Workers = slices.DeleteFunc(a.doc.Workers, func(o *worker) bool { return o == w })
	lost := Event{Kind: EventWorkerLost, Worker: id, Message: w.Address}
	a.event(lost)
	for _, r := range a.doc.Runs {
		if r.live() && w.runs[r.ID] != nil {
			a.note(r, lost)
		}
	}
	for _, attempt := range w.Attempts {
		a.abandon(attempt, id, func(r *run, s *stage, t *task) {
			if t.State == taskPending {
				t.Worker = 0
			}
			r.vanished(id, a.at)
			if t.Losses++; t.Losses >= maxWorkersLost {
				f := locate(plan.Failf(plan.FailureLostWorker, "worker %s at %s has not been heard of", id, w.Address), attempt, id)
				a.end(r, api.RunFailed, a.giveUp(r, attempt, f, fmt.Sprintf("has lost %d workers (does it need more memory than they have?)", t.Losses)))
			}
		})
	}
	for _, r := range a.doc.Runs {
		if r.live() && w.runs[r.ID] != nil {
			done := r.done()
			if a.settle(r); r.done() < done {
				r.vanished(id, a.at)
			}
		}
	}
	if len(a.doc.Workers) == 0 {
		a.accountAll()
	}
}

// missing takes back grants that did not reach their worker.
func (a *applier) missing(c *Missing) {
	w := a.workers[c.Worker]
	a.reject()
	for _, attempt := range c.Attempts {
		if w == nil || !w.drop(attempt) {
			continue
		}
		a.result.Outcome = Applied
		a.abandon(attempt, c.Worker, func(r *run, s *stage, t *task) {
			if t.Missing++; t.Missing >= maxMissing {
				f := locate(plan.Failf(plan.FailureLostWorker, "worker %s does not run what it was given", c.Worker), attempt, c.Worker)
				a.end(r, api.RunFailed, a.giveUp(r, attempt, f, fmt.Sprintf("was granted %d times without being run", t.Missing)))
			}
		})
	}
}

// abandon makes the task of an attempt that will never report wait again.
func (a *applier) abandon(id plan.AttemptID, worker string, charge func(*run, *stage, *task)) {
	r := a.runs[id.Run]
	if r == nil {
		return
	}
	if r.stopped(id) {
		a.touchUnfinished(r)
		a.event(Event{Kind: EventTaskStopped, Run: r.ID, Task: &id, Worker: worker})
	}
	s, t := r.task(id.TaskID)
	if !r.live() || t == nil || !r.runs(t, id.Attempt, worker) {
		return
	}
	s.inVain(t, id.Attempt, plan.FailureLostWorker, worker, "", a.at)
	s.drop(id.Task, id.Attempt)
	s.Failures++
	a.touch(r)
	a.event(Event{Kind: EventTaskFailed, Run: r.ID, Task: &id, Worker: worker, Message: string(plan.FailureLostWorker)})
	charge(r, s, t)
}
