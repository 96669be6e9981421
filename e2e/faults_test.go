package e2e

import (
	"os"
	"strings"
	"testing"
	"time"
)

// all tells to run everything, as `make faults` does, and not only what takes seconds.
func all() bool { return os.Getenv("QUERN_FAULTS") != "" }

// long skips a row that takes too long for every day.
func long(t *testing.T) {
	t.Helper()
	if !all() {
		t.Skip("QUERN_FAULTS=1 runs it; see `make faults`")
	}
}

// leaderSteps are the failpoints of a leader, in the order in which a run meets them.
var leaderSteps = []string{
	"coordinator/run-recorded", "coordinator/reports-recorded", "coordinator/job-committed", "coordinator/manifest-written", "coordinator/before-success",
	"coordinator/before-latest", "coordinator/before-published", "coordinator/published",
}

var workerSteps = []string{"task/batch", "task/file-written", "worker/before-report", "worker/after-report"}

// TestF02 and TestF40 have whoever leads die at each step of a commit. In a long run its successor does so too, and the
// third one has to finish what two have begun. Then workers die at each step of theirs.
func TestF02(t *testing.T) { commitSteps(t, leaderSteps[:2], nil) }

// TestF40 is explained at TestF02.
func TestF40(t *testing.T) {
	if all() {
		commitSteps(t, leaderSteps[2:], workerSteps)
		return
	}
	commitSteps(t, []string{"coordinator/manifest-written"}, []string{"task/file-written"})
}

func commitSteps(t *testing.T, leader, worker []string) {
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	for _, step := range leader {
		r.round(step, func(text string) {
			if all() {
				r.armCoordinators(text)
			} else {
				r.arm(r.id(r.waitLeader(t)), text)
			}
		})
	}
	for _, step := range worker {
		r.round(step, func(text string) { r.arm(r.workers[0].name, text) })
	}
	r.agree()
	r.sane()
}

// round runs the job while processes die at a failpoint, and checks that one did.
func (r *rig) round(step string, arm func(text string)) {
	r.Helper()
	begin := time.Now()
	arm(step + "=kill")
	s := r.submit()
	dead := r.died()
	if !strings.Contains(dead.log.String(), "failpoint "+step+": kill") {
		r.Fatalf("%s has ended, but not at %s", dead.name, step)
	}
	if all() && dead.isCoordinator() { // its successor dies there as well, if it comes there
		poll(5*time.Second, func() bool { return !s.alive() })
	}
	r.heal()
	r.succeeds(s)
	r.Logf("%s: the run ended right after %v", step, time.Since(begin).Round(time.Millisecond))
}
