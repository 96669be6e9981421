package e2e

import (
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestSameBytesEverywhere is the promise: the same job writes the same bytes with 1, 2 and 5 embedded workers, on a
// cluster of three coordinators and two workers, and when the leader is killed in the middle.
func TestSameBytesEverywhere(t *testing.T) {
	job, err := filepath.Abs(flightJob)
	if err != nil {
		t.Fatal(err)
	}
	want := digests(t, quern(t, t.TempDir(), "run", job, "-p", "ds=2001-01-10", "-q", "-o", "json").Outputs["examples"])
	if len(want) != 8 {
		t.Fatalf("%d shards, want 8", len(want))
	}
	same := func(t *testing.T, r result) {
		t.Helper()
		if got := digests(t, r.Outputs["examples"]); !slices.Equal(got, want) {
			t.Errorf("other bytes:\n got %v\nwant %v", got, want)
		}
	}
	for _, workers := range []string{"2", "5"} {
		t.Run("embedded with "+workers+" workers", func(t *testing.T) {
			same(t, quern(t, t.TempDir(), "run", job, "-p", "ds=2001-01-10", "-q", "-o", "json", "--workers", workers))
		})
	}
	t.Run("cluster", func(t *testing.T) {
		c := startCoordinators(t, 3)
		c.startWorkers(t, 2)
		same(t, quern(t, t.TempDir(), "submit", job, "-p", "ds=2001-01-10", "-q", "-o", "json", "--wait", "--coordinator", c.urls()))
	})
	t.Run("leader killed", func(t *testing.T) { same(t, killLeader(t, job)) })
}

// killLeader submits the job, stops the workers in mid-run so that the moment is certain, kills the leader, lets the
// workers go on, and returns what the run gave under the new leader.
func killLeader(t *testing.T, job string) result {
	c := startCoordinators(t, 3)
	dir := t.TempDir()
	submitted := quern(t, dir, "submit", job, "-p", "ds=2001-01-10", "-o", "json", "--run-id", "night-1", "--coordinator", c.urls())
	c.startWorkers(t, 2)

	done, total := 0, 0
	eventually(t, "the first finished task", func() bool {
		s, ok := c.status(submitted.RunID)
		done, total = 0, 0
		for _, stage := range s.Stages {
			done, total = done+stage.Done, total+stage.Tasks
		}
		return ok && done > 0
	})
	for _, w := range c.workers {
		w.signal(syscall.SIGSTOP)
	}
	if s, ok := c.status(submitted.RunID); !ok || s.State.Terminal() {
		t.Fatalf("the run was over before the leader could be killed: %+v", s)
	}
	leader := c.waitLeader(t)
	c.coordinators[leader].kill()
	delete(c.coordinators, leader)
	next := c.waitLeader(t)
	for _, w := range c.workers {
		w.signal(syscall.SIGCONT)
	}
	t.Logf("killed %s with %d of %d tasks done; %s leads", leader, done, total, next)
	return quern(t, dir, "submit", job, "-p", "ds=2001-01-10", "-q", "-o", "json", "--run-id", "night-1", "--wait", "--coordinator", c.urls())
}
