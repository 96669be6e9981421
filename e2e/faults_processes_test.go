package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
)

func contains(p *process, text string) bool { return strings.Contains(p.log.String(), text) }

// A leader killed in the middle of a run.
func TestF01(t *testing.T) {
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	times := 1
	if all() {
		times = 5
	}
	for range times {
		s := r.submit()
		r.stopInMidRun(t, s.run)
		old := r.waitLeader(t)
		r.coordinators[old].kill()
		_, took := r.nextLeader(old)
		if took > 3*time.Second {
			t.Errorf("another leader after %v", took)
		}
		r.goOn()
		r.heal()
		r.succeeds(s)
		t.Logf("another leader after %v", took)
	}
	r.agree()
	r.sane()
}

// A follower that comes back with an empty disk, and needs a snapshot because the log no longer begins at the beginning.
func TestF03(t *testing.T) {
	long(t)
	r := newRig(t, newLedger(t, shortLedger), 3)
	r.armCoordinators("consensus/snapshot-often=0*error")
	r.begin(t)
	r.startWorkers(t, 2)
	r.succeeds(r.submit())
	follower := r.others(r.waitLeader(t))[0]
	r.coordinators[follower].kill()
	if err := os.RemoveAll(filepath.Join(r.state, r.id(follower))); err != nil {
		t.Fatal(err)
	}
	s := r.submit()
	r.startCoordinator(t, follower)
	r.succeeds(s)
	r.agree()
	t.Log("the empty follower has the same state again")
}

// Two of three coordinators dead.
func TestF04(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	s := r.submit()
	r.stopInMidRun(t, s.run)
	r.goOn()
	leader := r.waitLeader(t)
	for _, a := range r.others(leader) {
		r.coordinators[a].kill()
	}
	eventually(t, "a leader that knows that it is alone", func() bool { return r.get(leader, "/v1/runs", nil) == http.StatusServiceUnavailable })
	begin := time.Now()
	status := r.get(leader, "/v1/runs", nil)
	if took := time.Since(begin); took > 2*time.Second || status != http.StatusServiceUnavailable {
		t.Errorf("status %d after %v", status, took)
	}
	r.heal()
	r.succeeds(s)
	r.agree()
}

// All processes killed at once. What the kernel has in its caches survives that, so the disk is not put to the test.
func TestF05(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	s := r.submit()
	r.stopInMidRun(t, s.run)
	killAll(append(slices.Clone(r.all), s.process)...)
	r.heal()
	s.process = r.resubmit(s)
	r.succeeds(s)
	r.agree()
}

// A leader stopped for 10 s that goes on as if nothing had happened.
func TestF10(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	s := r.submit()
	r.half(s)
	old := r.waitLeader(t)
	r.coordinators[old].signal(syscall.SIGSTOP)
	next, took := r.nextLeader(old)
	r.succeeds(s)
	r.coordinators[old].signal(syscall.SIGCONT)
	for range 50 { // it must not answer from what it knew
		if r.get(old, "/v1/runs/"+s.run, nil) == http.StatusOK && r.waitLeader(t) != old {
			var status api.RunStatus
			if r.get(old, "/v1/runs/"+s.run, &status); !status.State.Terminal() {
				t.Fatalf("the woken leader says that the run is %s", status.State)
			}
		}
	}
	r.succeeds(r.submit())
	r.agree()
	t.Logf("%s led after %v; the woken leader said nothing old", r.id(next), took)
}

// trace has a running process's system calls fail or hang, until stop is called. made tells which there were up to now.
func (r *rig) trace(p *process, inject string) (stop func(), made func() string) {
	r.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		r.Skip("strace is not installed: apt-get install strace")
	}
	calls, _, _ := strings.Cut(inject, ":")
	log := filepath.Join(r.TempDir(), "calls")
	tracer := launch(r.T, "strace", exec.Command("strace", "-f", "-o", log, "-e", "trace="+calls, "-e", "inject="+inject, "-p", strconv.Itoa(p.cmd.Process.Pid)))
	if !poll(10*time.Second, func() bool { return contains(tracer, "attached") || !tracer.alive() }) || !tracer.alive() {
		r.Skipf("strace cannot attach here: %s", tracer.log)
	}
	return tracer.kill, func() string {
		text, err := os.ReadFile(log)
		if err != nil {
			r.Error(err)
		}
		return string(text)
	}
}

// The disk of the leader's log hangs.
func TestF11(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	old := r.waitLeader(t)
	stop, _ := r.trace(r.coordinators[old], "fdatasync:delay_enter=60000000")
	s := r.submit()
	_, took := r.nextLeader(old)
	if took > 15*time.Second {
		t.Errorf("another leader after %v", took)
	}
	r.succeeds(s)
	r.coordinators[old].kill()
	stop()
	r.heal()
	r.agree()
	t.Logf("another leader after %v", took)
}

// Syncing the leader's log fails.
func TestF12(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	old := r.waitLeader(t)
	stop, _ := r.trace(r.coordinators[old], "fdatasync:error=EIO")
	s := r.submit()
	_, took := r.nextLeader(old)
	status := r.coordinators[old].wait(t, 30*time.Second)
	if status == 0 {
		t.Error("it ended with status 0")
	}
	stop()
	r.succeeds(s)
	r.heal()
	r.agree()
	t.Logf("it ended with status %d; another leader after %v", status, took)
}

// A worker killed in the middle of a task.
func TestF20(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, longLedger), 3, 2)
	r.arm("w1", "task/batch=3*kill")
	s := r.submit()
	dead := r.died()
	r.heal()
	r.succeeds(s)
	t.Logf("%s died in its third batch; %d attempts failed", dead.name, r.failures(s.run))
}

// Workers killed after their map outputs were committed, and their folders gone.
func TestF21(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 1, 2)
	s := r.submit()
	r.stopInMidRun(t, s.run)
	killAll(r.workers...)
	if err := os.RemoveAll(r.scratch); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(r.scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	r.heal()
	r.succeeds(s)
}

// A worker stopped between writing its file and reporting it, for longer than its lease; the task is done elsewhere, and
// then the zombie reports.
func TestF23(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, shortLedger), 3, 2)
	zombie := r.workers[0]
	r.arm(zombie.name, "task/file-written=pause:500ms")
	s := r.submit()
	eventually(t, "the file", func() bool { return contains(zombie, "failpoint task/file-written") || !s.alive() })
	zombie.signal(syscall.SIGSTOP)
	status := s.wait(t, 2*deadline)
	zombie.signal(syscall.SIGCONT)
	if status != 0 {
		t.Fatalf("status %d: %s", status, s.log)
	}
	r.succeeds(s)
	if !contains(zombie, "came too late") {
		t.Log("the zombie's report was not refused: it was told to stop first")
	}
	r.agree()
}

// The same address, a new process, within the lease.
func TestF30(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, longLedger), 3, 1)
	address := freeAddresses(t, 1)[0]
	w := r.startWorker(t, "w9", address)
	s := r.submit()
	r.half(s)
	w.kill()
	r.workers = append(r.workers, r.startWorker(t, "w10", address))
	begin := time.Now()
	r.succeeds(s)
	t.Logf("the run ended right, %v after the restart", time.Since(begin).Round(time.Millisecond))
}
