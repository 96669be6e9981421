package coordinator

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// term is one time of leading: what a leader knows beyond the log.
type term struct {
	epoch uint64
	lease time.Duration
	grace time.Duration // how long an attempt that its worker does not mention is given
	clock Clock
	wake  chan struct{} // has an item when a worker has begun to wait for work
	over  chan struct{} // closed when the term has ended

	mu      sync.Mutex           // taken after the machine's lock, where both are
	workers map[string]*presence // guarded by mu
	waiters waiters              // guarded by mu
}

// presence is what is known of a worker from its own words.
type presence struct {
	seen   time.Time
	absent map[plan.AttemptID]absence // attempts that it should run and does not mention
	told   map[string]bool            // runs that it knows it can forget
	asked  []string                   // runs that the last heartbeat's answer told it to forget
	over   uint64                     // state.Machine.Over when it last had nothing more to be told
}

type absence struct {
	since time.Time
	times int
}

// waiter is a lease request that waits.
type waiter struct {
	worker  string
	free    int
	claimed bool                  // attempts are being granted to it: it must wait for them; guarded by term.mu
	answer  chan []api.Assignment // buffered; sent to once
}

// beginTerm starts to lead. The returned function ends that, and waits until nothing acts in the term's name any more.
func (c *Coordinator) beginTerm() (end func()) {
	ctx, cancel := context.WithCancel(c.life())
	var loops sync.WaitGroup
	loops.Go(func() { c.lead(ctx) })
	return func() {
		cancel()
		loops.Wait()
	}
}

func (c *Coordinator) lead(ctx context.Context) {
	// What former leaders decided has to be known here before anything new is.
	for try := 0; ; try++ {
		err := c.node.Barrier(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil || errors.Is(err, consensus.ErrNotLeader) || errors.Is(err, consensus.ErrClosed) || !c.sleep(ctx, try) {
			return
		}
	}
	t := &term{
		epoch: c.node.Term(), lease: c.options.Lease, grace: max(2*c.options.Heartbeat, 2*time.Second),
		clock: c.options.Clock, wake: make(chan struct{}, 1), over: make(chan struct{}), workers: map[string]*presence{},
		waiters: newWaiters(),
	}
	// Every worker begins with a fresh lease: nobody could hear it while there was no leader.
	c.node.Read(func(m *state.Machine) {
		for _, w := range m.Workers() {
			t.heard(w.ID)
		}
	})
	c.term.Store(t)
	c.ledOnce.Do(func() { close(c.leads) })
	defer close(t.over)
	defer c.term.Store(nil)
	c.log.Info("leading", "term", t.epoch)
	defer c.log.Info("no longer leading", "term", t.epoch)
	var loops sync.WaitGroup
	loops.Go(func() { c.dispatchLoop(ctx, t) })
	loops.Go(func() { c.expireLoop(ctx, t) })
	loops.Go(func() { c.finishLoop(ctx) })
	loops.Go(func() { c.retainLoop(ctx) })
	loops.Wait()
}

// sleep pauses before another try, longer each time up to half a minute. False if ctx ended.
func (c *Coordinator) sleep(ctx context.Context, try int) bool {
	select {
	case <-c.options.Clock.After(min(20*time.Millisecond<<min(try, 11), 30*time.Second)):
		return true
	case <-ctx.Done():
		return false
	}
}

// heard renews a worker's lease.
func (t *term) heard(worker string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.presenceLocked(worker).seen = t.clock.Now()
}

// presenceLocked REQUIRES: t.mu is held.
func (t *term) presenceLocked(worker string) *presence {
	p := t.workers[worker]
	if p == nil {
		p = &presence{seen: t.clock.Now(), absent: map[plan.AttemptID]absence{}, told: map[string]bool{}}
		t.workers[worker] = p
	}
	return p
}

// forget drops what is known of a worker that was given up.
func (t *term) forget(worker string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.workers, worker)
}

// silent lists workers whose lease has run out, of those that are known.
func (t *term) silent(known []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	var list []string
	for _, w := range known {
		if now.Sub(t.presenceLocked(w).seen) > t.lease {
			list = append(list, w)
		}
	}
	return list
}

// silence is how long a worker has said nothing.
func (t *term) silence(worker string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.workers[worker]; p != nil {
		return t.clock.Now().Sub(p.seen)
	}
	return 0
}

// renewAll gives every worker a fresh lease.
func (t *term) renewAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.workers {
		p.seen = t.clock.Now()
	}
}

// expireLoop gives up workers that have fallen silent.
func (c *Coordinator) expireLoop(ctx context.Context, t *term) {
	interval := t.lease / 8
	last := t.clock.Now()
	for {
		select {
		case <-t.clock.After(interval):
		case <-ctx.Done():
			return
		}
		now := t.clock.Now()
		if now.Sub(last) > 3*interval {
			// This process stood still (suspended, starved), and heard nobody because of that.
			t.renewAll()
		}
		last = now
		var known []string
		c.node.Read(func(m *state.Machine) {
			for _, w := range m.Workers() {
				known = append(known, w.ID)
			}
		})
		for _, w := range t.silent(known) {
			command := &state.WorkerLost{ID: w, At: now.UTC()}
			if _, err := c.propose(ctx, state.Command{WorkerLost: command}); err != nil {
				c.log.Info("could not give up a silent worker", "worker", w, "error", err)
				break
			}
			t.forget(w)
		}
	}
}

// missing compares what a worker says it runs with what it should run, and returns what it has now left out for so
// long that the grant cannot be on its way any more.
func (t *term) missing(worker string, granted, running []plan.AttemptID) []plan.AttemptID {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.presenceLocked(worker)
	now := t.clock.Now()
	var list []plan.AttemptID
	absent := map[plan.AttemptID]absence{}
	for _, id := range granted {
		if slices.Contains(running, id) {
			continue
		}
		a, before := p.absent[id]
		if !before {
			a.since = now
		}
		a.times++
		absent[id] = a
		if a.times > 1 && now.Sub(a.since) >= t.grace {
			list = append(list, id)
		}
	}
	p.absent = absent
	return list
}

// toForget says which runs a worker can drop. It is told each until it speaks again: then it has heard. over is the machine's
// count of runs that are over; while that does not grow there is nothing to look for.
func (t *term) toForget(worker string, over uint64, finished func(skip func(string) bool) []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.presenceLocked(worker)
	for _, run := range p.asked {
		p.told[run] = true
	}
	if p.asked = nil; p.over == over {
		return nil
	}
	if p.asked = finished(func(run string) bool { return p.told[run] }); len(p.asked) == 0 {
		p.over = over
	}
	return p.asked
}
