package e2e

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestTwentyLeaders kills the leader in the middle of a run of several seconds, at another moment each time.
func TestTwentyLeaders(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, hugeLedger), 3, 2)
	first := r.submit()
	begin := time.Now()
	r.succeeds(first)
	quiet, tasks := time.Since(begin).Round(time.Millisecond), r.done(first.run)
	draws := rand.New(rand.NewPCG(20, 0))
	var slowest, total time.Duration
	const times = 20
	for i := range times {
		s, after := r.submit(), 1+draws.IntN(tasks-2)
		if !poll(5*deadline, func() bool { return r.done(s.run) >= after }) {
			t.Fatalf("waited %v for %d of %d tasks to finish", 5*deadline, after, tasks)
		}
		old := r.waitLeader(t)
		r.coordinators[old].kill()
		next, took := r.nextLeader(old)
		if status, known := r.status(s.run); !known || status.State.Terminal() {
			t.Fatalf("the run is %q after the leader's death: it was not in the middle", status.State)
		}
		slowest, total = max(slowest, took), total+took
		r.heal()
		r.succeeds(s)
		r.nothingAgain(s.run)
		t.Logf("%d: %s killed with %d of %d tasks done, %s led after %v", i+1, r.id(old), after, tasks, r.id(next), took)
	}
	r.agree()
	r.sane()
	t.Logf("%d runs of %v when quiet, right; another leader after %v on average, %v at most", times, quiet, (total / times).Round(time.Millisecond), slowest)
}

// TestHalfTime has one of three workers die when half of a run's time is over, and measures what that costs. A machine with
// other work is no place for a bound, so there is one only with QUERN_HALF_TIME=1.
func TestHalfTime(t *testing.T) {
	long(t)
	const most = 25 // percent
	r := ready(t, newLedger(t, halfTimeLedger), 3, 3)
	r.succeeds(r.submit()) // the first run warms the disk's cache
	timed := func(meanwhile func()) time.Duration {
		s := r.submit()
		begin := time.Now()
		meanwhile()
		if status := s.wait(t, 2*deadline); status != 0 {
			t.Fatalf("status %d: %s", status, s.log)
		}
		took := time.Since(begin)
		r.succeeds(s)
		return took
	}
	quiet := timed(func() {})
	disturbed := timed(func() {
		<-time.After(quiet / 2) // the moment is what is tried
		r.workers[0].kill()
	})
	extra := 100 * (disturbed - quiet).Seconds() / quiet.Seconds()
	t.Logf("%v undisturbed, %v with a worker killed at half time: %.0f %% more", quiet.Round(time.Millisecond), disturbed.Round(time.Millisecond), extra)
	if extra > most && os.Getenv("QUERN_HALF_TIME") == "1" {
		t.Errorf("a worker's death at half time cost %.0f %%, more than %d %%", extra, most)
	}
	r.heal()
	r.agree()
}
