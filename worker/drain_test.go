package worker

import (
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// ended waits for a worker that ends by itself.
func (r *running) ended(t *testing.T) {
	t.Helper()
	select {
	case <-r.done:
		r.stop(t)
	case <-time.After(testPatience):
		t.Fatal("the worker does not end")
	}
}

// A worker that drains finishes and reports what it runs, asks for nothing more, serves on until it is told that nobody needs
// it, and then says goodbye.
func TestWorkerDrainsUntilNobodyNeedsIt(t *testing.T) {
	f := startFake(t)
	w := startWorker(t, f, Options{Slots: 1, LeaseWait: 20 * time.Millisecond})
	a := f.hangingTask("r1")
	f.grant(a)
	f.wait("the attempt to hang", func() bool { return f.hanging == 1 })
	w.Drain()
	w.Drain()
	drains := func() bool { return len(f.beats) > 0 && f.beats[len(f.beats)-1].Draining }
	f.wait("a heartbeat that says so", drains)
	leases := 0
	f.change(func() {
		leases = len(f.leases)
		f.queue = append(f.queue, api.Assignment{AttemptID: attemptID("r2", 0, 0, 0)})
		f.stop = []plan.AttemptID{a.AttemptID} // it ends
	})
	f.await(a.AttemptID)
	beats := 0
	f.change(func() { beats = len(f.beats) })
	f.wait("heartbeats of a worker that has reported all", func() bool {
		return len(f.beats) > beats+2 && len(f.beats[len(f.beats)-1].Running) == 0
	})
	select {
	case <-w.done:
		t.Fatal("it ended while its segments were needed")
	default:
	}
	f.change(func() { f.drained = true })
	w.ended(t)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.leases) != leases || len(f.queue) != 1 {
		t.Errorf("asked for work while draining: %+v", f.leases[leases:])
	}
	if len(f.left) != 1 {
		t.Errorf("said goodbye as %q", f.left)
	}
}

// A worker that holds nothing needs nobody's leave to go, whether anybody leads or not.
func TestIdleWorkerDrainsAtOnce(t *testing.T) {
	f := startFake(t)
	w := startWorker(t, f, Options{})
	f.wait("a lease request", func() bool { return len(f.leases) > 0 })
	f.change(func() { f.silent = true })
	w.Drain()
	w.ended(t)
}

func TestWorkerThatNobodyKnowsDrainsAtOnce(t *testing.T) {
	f := startFake(t)
	f.change(func() { f.silent = true })
	w := startWorker(t, f, Options{})
	f.wait("a registration to be turned away", func() bool { return f.denied["/v1/workers/register"] > 0 })
	w.Drain()
	w.ended(t)
}

// Where no coordinator answers for longer than an election takes, nobody can say what is needed.
func TestWorkerWithoutALeaderDrains(t *testing.T) {
	f := startFake(t)
	w := startWorker(t, f, Options{leaderless: time.Millisecond})
	a := f.hangingTask("r1")
	f.grant(a)
	f.wait("the attempt to hang", func() bool { return f.hanging == 1 })
	f.change(func() { f.stop = []plan.AttemptID{a.AttemptID} })
	f.await(a.AttemptID)
	w.Drain()
	f.wait("heartbeats of a worker that has reported all", func() bool {
		return len(f.beats) > 0 && f.beats[len(f.beats)-1].Draining && len(f.beats[len(f.beats)-1].Running) == 0
	})
	f.change(func() { f.silent = true })
	w.ended(t)
}
