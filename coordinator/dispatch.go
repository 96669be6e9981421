package coordinator

import (
	"container/list"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/schedule"
	"github.com/quern-engine/quern/coordinator/state"
)

const (
	// viewMargin is how many more tasks than slots the scheduler sees, so that tasks which avoid the workers on offer do
	// not hide those behind them.
	viewMargin = 32
	// maxRound is how many attempts are granted at once: enough for the log to be written seldom, few enough for the
	// first of them not to wait for the last.
	maxRound = 2048
	// slowLook is how often slow tasks are looked for: looking goes through all that run.
	slowLook = 200 * time.Millisecond
)

// lease waits for work for a worker.
func (c *Coordinator) lease(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.LeaseRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	if err := c.check(r.Context(), request.WorkerID); err != nil {
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
	command := &state.Missing{Worker: worker, At: c.now()}
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

// waiters are the lease requests that wait, in order of arrival; at most one of a worker.
type waiters struct {
	queue *list.List // of *waiter
	of    map[string]*list.Element
}

func newWaiters() waiters { return waiters{queue: list.New(), of: map[string]*list.Element{}} }

func (q *waiters) add(w *waiter) { q.of[w.worker] = q.queue.PushBack(w) }

// take removes the request of a worker and returns it, if there is one.
func (q *waiters) take(worker string) *waiter {
	e := q.of[worker]
	if e == nil {
		return nil
	}
	delete(q.of, worker)
	return q.queue.Remove(e).(*waiter)
}

// enter queues a lease request. An older one of the same worker is answered: its connection is gone, or the worker has
// more slots free now.
func (t *term) enter(w *waiter) {
	t.mu.Lock()
	if old := t.waiters.take(w.worker); old != nil {
		old.answer <- nil
	}
	t.waiters.add(w)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// leave takes a request out of the queue. If it is being served at this moment, it waits for what it gets.
func (t *term) leave(w *waiter) []api.Assignment {
	t.mu.Lock()
	if e := t.waiters.of[w.worker]; e != nil && e.Value == w {
		t.waiters.take(w.worker)
	}
	claimed := w.claimed
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
		c.adapt(ctx)
		c.dispatch(ctx, t)
		select {
		case <-changed:
		case <-t.wake:
		case <-t.clock.After(slowLook):
		case <-ctx.Done():
			return
		}
	}
}

// adapt has the tasks of stages divided whose inputs have just become complete.
func (c *Coordinator) adapt(ctx context.Context) {
	var commands []state.Command
	c.node.Read(func(m *state.Machine) {
		for _, sizes := range m.Adaptable() {
			decision := schedule.Adapt(sizes)
			decision.At = c.now()
			commands = append(commands, state.Command{Adapt: &decision})
		}
	})
	if len(commands) == 0 {
		return
	}
	if _, err := c.propose(ctx, commands...); err != nil {
		c.log.Info("could not adapt stages", "error", err)
	}
}

// dispatch decides once. The waiters that get something are claimed before the grant is proposed: from then on they
// wait for the outcome, so that no grant is left without somebody to take it.
func (c *Coordinator) dispatch(ctx context.Context, t *term) {
	chosen, claimed := c.choose(t)
	if len(chosen) == 0 {
		return
	}
	grant := &state.Grant{Epoch: t.epoch, At: c.now()}
	for _, a := range chosen {
		grant.Attempts = append(grant.Attempts, state.Granted{AttemptID: a.AttemptID, Worker: a.Worker, Twin: a.Twin, Exclusive: a.Alone})
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
	now := c.now()
	offers := t.offers()
	if len(offers) == 0 {
		return nil, nil
	}
	c.node.Read(func(m *state.Machine) {
		look := state.Look{Ready: maxRound + viewMargin, Active: c.options.MaxActive}
		if now.Sub(t.looked) >= slowLook {
			look.Now, t.looked = now, now
		}
		view := m.View(look)
		if len(view.Runs) == 0 {
			return
		}
		if free := slots(m, offers, now); len(free) > 0 {
			chosen = schedule.Next(view, free)
		}
	})
	if len(chosen) == 0 {
		return nil, nil
	}
	return t.claim(chosen)
}

// offers are what waiting workers have free: those of as many as one round can serve.
func (t *term) offers() []offer {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []offer
	for e, total := t.waiters.queue.Front(), 0; e != nil && total < maxRound; e = e.Next() {
		w := e.Value.(*waiter)
		if w.free > 0 {
			list = append(list, offer{w.worker, w.free})
			total += w.free
		}
	}
	return list
}

type offer struct {
	worker string
	free   int
}

// slots are the offers as the machine knows them. Workers in quarantine have none, unless all are.
func slots(m *state.Machine, offers []offer, now time.Time) []schedule.Slot {
	var free, doubtful []schedule.Slot
	for _, o := range offers {
		known, ok := m.Worker(o.worker)
		n := min(o.free, known.Free)
		if !ok || n < 1 {
			continue
		}
		s := schedule.Slot{Worker: o.worker, Free: n, Memory: known.Memory, Idle: len(known.Attempts) == 0 && o.free >= known.Slots}
		if known.Until.After(now) {
			doubtful = append(doubtful, s)
		} else {
			free = append(free, s)
		}
	}
	if len(free) == 0 && !m.Healthy(now) {
		return doubtful
	}
	return free
}

// claim takes the waiters for whom there is something out of the queue. One may have left meanwhile; what it would have
// got stays for the next.
func (t *term) claim(chosen []schedule.Assignment) (kept []schedule.Assignment, claimed []*waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	got := map[string]bool{}
	for _, a := range chosen {
		has, seen := got[a.Worker]
		if !seen {
			if w := t.waiters.take(a.Worker); w != nil {
				w.claimed, has = true, true
				claimed = append(claimed, w)
			}
			got[a.Worker] = has
		}
		if has {
			kept = append(kept, a)
		}
	}
	return kept, claimed
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
