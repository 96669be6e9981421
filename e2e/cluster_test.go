package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
)

// TestSameBytesEverywhere is the promise: the same job writes the same bytes with 1, 2 and 5 embedded workers, and on a
// cluster of three coordinators and two workers, whatever of it is killed in the middle.
func TestSameBytesEverywhere(t *testing.T) {
	job, err := filepath.Abs(flightJob)
	if err != nil {
		t.Fatal(err)
	}
	want := digests(t, quern(t, t.TempDir(), "run", job, "-p", "ds=2001-01-10", "-q", "-o", "json").Outputs["examples"])
	if len(want) != 8+1 { // and what the manifest says of the steps
		t.Fatalf("%d shards, want 8", len(want)-1)
	}
	for _, workers := range []string{"2", "5"} {
		t.Run("embedded with "+workers+" workers", func(t *testing.T) {
			r := quern(t, t.TempDir(), "run", job, "-p", "ds=2001-01-10", "-q", "-o", "json", "--workers", workers)
			sameBytes(t, r, want)
		})
	}
	t.Run("cluster", func(t *testing.T) { testCluster(t, flightJobWithPlugin(t), want) })
}

func sameBytes(t *testing.T, r result, want []string) {
	t.Helper()
	if got := digests(t, r.Outputs["examples"]); !slices.Equal(got, want) {
		t.Errorf("other bytes:\n got %v\nwant %v", got, want)
	}
}

// testCluster is the life of one cluster: each step leaves it fit for the next.
func testCluster(t *testing.T, job string, want []string) {
	c := startCoordinators(t, 3)
	dir := t.TempDir()
	join := func(n int) { c.startWorkers(t, n) } // until the end of the test, not of a step
	submission := func(run, ds string) []string {
		return []string{"submit", job, "-p", "ds=" + ds, "-o", "json", "--run-id", run, "--wait", "--coordinator", c.urls()}
	}
	step := func(name string, f func(t *testing.T)) {
		t.Helper()
		if !t.Run(name, f) {
			t.FailNow()
		}
	}
	submit := func(run string) *process { return startIn(t, dir, "submit "+run, submission(run, "2001-01-10")...) }
	succeeded := func(t *testing.T, p *process) {
		t.Helper()
		if status := p.wait(t, deadline); status != 0 {
			t.Fatalf("%s ended with status %d:\n%s", p.name, status, p.log)
		}
		var r result
		if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
			t.Fatalf("%s printed %q: %v", p.name, p.out, err)
		}
		sameBytes(t, r, want)
	}

	step("without a worker it waits, and says so", func(t *testing.T) {
		p := submit("early")
		eventually(t, "the reason", func() bool { return strings.Contains(p.log.String(), "waiting: no worker has joined yet\n") })
		if s, ok := c.status("early"); !ok || s.State != api.RunQueued || s.Reason != "no worker has joined yet" {
			t.Errorf("the run is %q because %q", s.State, s.Reason)
		}
		join(2)
		succeeded(t, p)
	})
	step("the same run id attaches", func(t *testing.T) {
		before, _ := c.status("early")
		succeeded(t, submit("early"))
		if after, ok := c.status("early"); !ok || after.Version != before.Version || !after.Submitted.Equal(before.Submitted) {
			t.Errorf("attaching changed the run:\n%+v\n%+v", before, after)
		}
		p := startIn(t, dir, "other request", submission("early", "2001-01-09")...)
		if status := p.wait(t, deadline); status != 2 || !strings.Contains(p.log.String(), "use another run id") {
			t.Errorf("another request under the same id: status %d, %s", status, p.log)
		}
	})
	step("cancelled from elsewhere", func(t *testing.T) {
		p := submit("unwanted")
		c.stopInMidRun(t, "unwanted")
		cancel := start(t, "cancel", "cancel", "unwanted", "--coordinator", c.urls())
		if status := cancel.wait(t, deadline); status != 0 {
			t.Errorf("cancel ended with status %d:\n%s", status, cancel.log)
		}
		c.goOn()
		if status := p.wait(t, deadline); status != 130 {
			t.Errorf("the submitter ended with status %d:\n%s", status, p.log)
		}
		if s, _ := c.status("unwanted"); s.State != api.RunCancelled {
			t.Errorf("the run is %s", s.State)
		}
		if left := names(filepath.Join(dir, "out", "flight_delay", "examples", "unwanted")); len(left) > 0 {
			t.Errorf("left in the output: %v", left)
		}
	})
	step("worker terminated", func(t *testing.T) {
		p := submit("leave")
		c.stopInMidRun(t, "leave")
		leaver := c.workers[0]
		leaver.signal(syscall.SIGTERM)
		c.goOn()
		begin := time.Now()
		if status := leaver.wait(t, 5*time.Second); status != 0 {
			t.Errorf("the worker ended with status %d:\n%s", status, leaver.log)
		}
		succeeded(t, p)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the run ended %v after the worker said that it stops: somebody waited for its lease", took)
		}
		if s, _ := c.status("leave"); slices.ContainsFunc(s.Stages, func(s api.StageStatus) bool { return s.Failures > 0 }) {
			t.Errorf("it left before it had drained: %+v", s.Stages)
		}
		c.workers = c.workers[1:]
		if locks, _ := filepath.Glob(filepath.Join(c.scratch, "*.lock")); len(locks) != 1 {
			t.Errorf("one worker lives, but the scratch folder has %v", locks)
		}
		join(1)
	})
	step("leader killed", func(t *testing.T) {
		p := submit("failover")
		c.stopInMidRun(t, "failover")
		leader := c.waitLeader(t)
		c.coordinators[leader].kill()
		delete(c.coordinators, leader)
		next := c.waitLeader(t)
		c.goOn()
		t.Logf("killed %s; %s leads", leader, next)
		succeeded(t, p)
	})
	step("worker killed", func(t *testing.T) {
		p := submit("loss")
		c.stopInMidRun(t, "loss")
		c.workers[0].kill()
		c.workers = c.workers[1:]
		c.goOn()
		succeeded(t, p)
		shards := names(filepath.Join(dir, "out", "flight_delay", "examples", "loss"))
		if len(shards) != 8+len([]string{"manifest.json", "_job.json", "_SUCCESS"}) {
			t.Errorf("the version has %v", shards)
		}
		join(1) // which also clears away what the killed one has left
	})
	step("all coordinators dead", func(t *testing.T) {
		for _, p := range c.coordinators {
			p.kill()
		}
		var askers []*process
		for _, args := range [][]string{{"runs"}, {"status", "loss"}, {"cancel", "loss"}, {"submit", job, "-p", "ds=2001-01-10"}} {
			askers = append(askers, start(t, args[0], append(args, "--coordinator", c.urls())...))
		}
		for _, p := range askers {
			if status := p.wait(t, deadline); status != 3 || !strings.Contains(p.log.String(), "no coordinator can be reached at "+c.addresses[0]) {
				t.Errorf("%s ended with status %d:\n%s", p.name, status, p.log)
			}
		}
	})
	for _, w := range c.workers {
		w.signal(syscall.SIGTERM)
		if status := w.wait(t, 5*time.Second); status != 0 {
			t.Errorf("%s ended with status %d:\n%s", w.name, status, w.log)
		}
	}
	if left, err := os.ReadDir(c.scratch); err != nil || len(left) > 0 {
		t.Errorf("left in the scratch folder: %v, %v", left, err)
	}
}

// stopInMidRun stops all workers when the first task of a run has finished and the last has not, so that what happens
// next is certain to happen in the middle.
func (c *cluster) stopInMidRun(t *testing.T, run string) {
	t.Helper()
	eventually(t, "the first finished task", func() bool { return c.done(run) > 0 })
	for _, w := range c.workers {
		w.signal(syscall.SIGSTOP)
	}
	if s, ok := c.status(run); !ok || s.State.Terminal() {
		t.Fatalf("the run was over before its workers could be stopped: %+v", s)
	}
}

func (c *cluster) goOn() {
	for _, w := range c.workers {
		w.signal(syscall.SIGCONT)
	}
}
