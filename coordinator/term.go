package coordinator

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/lease"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// term is one time of leading: what a leader knows beyond the log.
type term struct {
	epoch uint64
	clock Clock
	wake  chan struct{} // has an item when a worker has begun to wait for work
	over  chan struct{} // closed when the term has ended

	looked time.Time // when slow tasks were last looked for; of the dispatch loop

	mu      sync.Mutex        // taken after the machine's lock, where both are
	book    *lease.Book       // guarded by mu
	live    map[string]spoken // by worker; guarded by mu
	spoken  time.Time         // when a worker last spoke, or could not be heard for this process's own fault; guarded by mu
	waiters waiters           // guarded by mu

	logs *liveLogs
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
		epoch: c.node.Term(), clock: c.options.Clock, wake: make(chan struct{}, 1), over: make(chan struct{}),
		book: lease.NewBook(c.options.Lease, max(2*c.options.Heartbeat, 2*time.Second)), waiters: newWaiters(), live: map[string]spoken{}, logs: newLiveLogs(),
	}
	t.spoken = t.clock.Now()
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
	loops.Go(func() { c.deafLoop(ctx, t) })
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
	t.spoken = t.clock.Now()
	t.book.Heard(worker, t.spoken)
}

// quiet is how long no worker has spoken.
func (t *term) quiet() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock.Now().Sub(t.spoken)
}

// forget drops what is known of a worker that was given up.
func (t *term) forget(worker string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.book.Forget(worker)
	delete(t.live, worker)
}

// silent lists workers whose lease has run out, of those that are known.
func (t *term) silent(known []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.book.Silent(known, t.clock.Now())
}

// silence is how long a worker has said nothing.
func (t *term) silence(worker string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.book.Silence(worker, t.clock.Now())
}

// renewAll gives every worker a fresh lease.
func (t *term) renewAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spoken = t.clock.Now()
	t.book.RenewAll(t.spoken)
}

// expireLoop gives up workers that have fallen silent.
func (c *Coordinator) expireLoop(ctx context.Context, t *term) {
	interval := c.options.Lease / 8
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

// missing is lease.Book.Missing.
func (t *term) missing(worker string, granted, running []plan.AttemptID) []plan.AttemptID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.book.Missing(worker, granted, running, t.clock.Now())
}

// toForget is lease.Book.ToForget.
func (t *term) toForget(worker string, over uint64, finished func(skip func(string) bool) []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.book.ToForget(worker, t.clock.Now(), over, finished)
}
