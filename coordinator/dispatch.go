package coordinator

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/schedule"
	"github.com/quern-engine/quern/coordinator/state"
)

// viewMargin is how many more tasks than slots the scheduler sees, so that tasks which avoid the workers on offer do
// not hide those behind them.
const viewMargin = 32

// lease waits for work for a worker.
func (c *Coordinator) lease(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.LeaseRequest
	if err := readJSON(w, r, &request); err != nil {
		return err
	}
	if _, err := c.worker(request.WorkerID); err != nil {
		return err
	}
	t.heard(request.WorkerID)
	me := &waiter{worker: request.WorkerID, free: min(max(request.Free, 0), maxSlots), answer: make(chan []api.Assignment, 1)}
	t.enter(me)
	timer := time.NewTimer(min(max(request.Wait, 0), maxWait))
	defer timer.Stop()
	var assignments []api.Assignment
	select {
	case assignments = <-me.answer:
	case <-timer.C:
		assignments = t.leave(me)
	case <-t.over:
		if assignments = t.leave(me); len(assignments) == 0 {
			return consensus.ErrNotLeader
		}
	case <-r.Context().Done():
		if assignments = t.leave(me); len(assignments) > 0 {
			// Nobody will read this answer. Without a word the attempts would be missed only after a while.
			c.returnGrants(request.WorkerID, assignments)
		}
		return r.Context().Err()
	}
	if len(assignments) > 0 {
		assignments = c.stillCurrent(request.WorkerID, assignments)
	}
	writeJSON(w, http.StatusOK, api.LeaseReply{Assignments: assignments})
	return nil
}

// returnGrants takes back attempts whose grant cannot be delivered.
func (c *Coordinator) returnGrants(worker string, assignments []api.Assignment) {
	command := &state.Missing{Worker: worker, At: c.options.Clock.Now().UTC()}
	for _, a := range assignments {
		command.Attempts = append(command.Attempts, a.AttemptID)
	}
	c.background(func(ctx context.Context) {
		if _, err := c.propose(ctx, state.Command{Missing: command}); err != nil {
			c.log.Debug("could not take back undelivered attempts", "worker", worker, "error", err)
		}
	})
}

// stillCurrent leaves out attempts whose run ended since they were granted.
func (c *Coordinator) stillCurrent(worker string, assignments []api.Assignment) []api.Assignment {
	c.node.Read(func(m *state.Machine) {
		assignments = slices.DeleteFunc(assignments, func(a api.Assignment) bool { return !m.Current(a.AttemptID, worker) })
	})
	return assignments
}

// enter queues a lease request. An older one of the same worker is answered: its connection is gone, or the worker has
// more slots free now.
func (t *term) enter(w *waiter) {
	t.mu.Lock()
	for _, old := range t.waiters {
		if old.worker == w.worker && !old.claimed {
			old.answer <- nil
		}
	}
	t.waiters = slices.DeleteFunc(t.waiters, func(old *waiter) bool { return old.worker == w.worker && !old.claimed })
	t.waiters = append(t.waiters, w)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// leave takes a request out of the queue. If it is being served at this moment, it waits for what it gets.
func (t *term) leave(w *waiter) []api.Assignment {
	t.mu.Lock()
	claimed := w.claimed
	t.waiters = slices.DeleteFunc(t.waiters, func(o *waiter) bool { return o == w })
	t.mu.Unlock()
	if claimed {
		return <-w.answer
	}
	select {
	case a := <-w.answer:
		return a
	default:
		return nil
	}
}

// dispatchLoop gives ready tasks to waiting workers, whenever there is something new of either.
func (c *Coordinator) dispatchLoop(ctx context.Context, t *term) {
	for {
		changed := c.node.Changed()
		c.dispatch(ctx, t)
		select {
		case <-changed:
		case <-t.wake:
		case <-ctx.Done():
			return
		}
	}
}

// dispatch decides once. The waiters that get something are claimed before the grant is proposed: from then on they
// wait for the outcome, so that no grant is left without somebody to take it.
func (c *Coordinator) dispatch(ctx context.Context, t *term) {
	chosen, claimed := c.choose(t)
	if len(chosen) == 0 {
		return
	}
	grant := &state.Grant{Epoch: t.epoch, At: c.options.Clock.Now().UTC()}
	for _, a := range chosen {
		grant.Attempts = append(grant.Attempts, state.Granted{AttemptID: a.AttemptID, Worker: a.Worker})
	}
	results, err := c.propose(ctx, state.Command{Grant: grant})
	given := map[string][]api.Assignment{}
	if err != nil {
		// If the grant is in the log after all, the workers will be found not to run it.
		c.log.Info("could not grant attempts", "error", err)
	} else {
		given = c.assignments(grant.Attempts, results[0].Granted)
	}
	for _, w := range claimed {
		w.answer <- given[w.worker]
	}
}

// choose matches ready tasks with waiting workers and claims the waiters that get one.
func (c *Coordinator) choose(t *term) (chosen []schedule.Assignment, claimed []*waiter) {
	waiting := t.waiting()
	if len(waiting) == 0 {
		return nil, nil
	}
	c.node.Read(func(m *state.Machine) {
		var free []schedule.Slot
		total := 0
		for _, w := range waiting {
			known, ok := m.Worker(w.worker)
			if n := min(w.free, known.Free()); ok && n > 0 {
				free = append(free, schedule.Slot{Worker: w.worker, Free: n})
				total += n
			}
		}
		if total > 0 {
			chosen = schedule.Next(m.View(2*total+viewMargin), free)
		}
	})
	claimed = t.claim(chosen)
	// A waiter may have left meanwhile; what it would have got stays for the next.
	chosen = slices.DeleteFunc(chosen, func(a schedule.Assignment) bool {
		return !slices.ContainsFunc(claimed, func(w *waiter) bool { return w.worker == a.Worker })
	})
	return chosen, claimed
}

func (t *term) waiting() []*waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.waiters)
}

// claim takes the waiters for whom there is something out of the queue.
func (t *term) claim(chosen []schedule.Assignment) []*waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	var claimed []*waiter
	t.waiters = slices.DeleteFunc(t.waiters, func(w *waiter) bool {
		w.claimed = slices.ContainsFunc(chosen, func(a schedule.Assignment) bool { return a.Worker == w.worker })
		if w.claimed {
			claimed = append(claimed, w)
		}
		return w.claimed
	})
	return claimed
}

func (c *Coordinator) assignments(attempts []state.Granted, granted []bool) map[string][]api.Assignment {
	given := map[string][]api.Assignment{}
	c.node.Read(func(m *state.Machine) {
		for i, g := range attempts {
			if !granted[i] {
				continue
			}
			if a, ok := m.Assignment(g.AttemptID, g.Worker); ok {
				given[g.Worker] = append(given[g.Worker], a)
			}
		}
	})
	return given
}
