package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A worker that is slow: it runs for 5 ms of every 100. Its tasks are done elsewhere as well.
func TestF24(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, longLedger), 1, 3)
	quiet := r.timed()
	slow, stop := r.workers[0], make(chan struct{})
	throttled := make(chan struct{})
	go func() {
		defer close(throttled)
		for {
			slow.signal(syscall.SIGSTOP)
			time.Sleep(95 * time.Millisecond) // the injected fault
			slow.signal(syscall.SIGCONT)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	took := r.timed()
	close(stop)
	<-throttled
	second := 0
	for _, e := range r.events(fmt.Sprintf("run-%d", r.runs.Load())) {
		if e.message == "second attempt granted" {
			second++
		}
	}
	if second == 0 {
		t.Error("no task of the slow worker was given to another: it was not slow, or nobody noticed")
	}
	r.agree()
	t.Logf("%v with three workers, %v with one of them at 5 %%; %d second attempts", quiet, took, second)
}

// timed runs the job and tells how long that took.
func (r *rig) timed() time.Duration {
	r.Helper()
	begin := time.Now()
	s := r.submit()
	s.wait(r.T, 2*deadline)
	took := time.Since(begin).Round(time.Millisecond)
	r.succeeds(s)
	return took
}

// A worker whose disk is slow: every read, write (also to the network) and opening takes 20 ms longer.
func TestF25(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, longLedger), 1, 2)
	quiet := r.timed()
	slow := r.workers[0]
	stop, calls := r.trace(slow, "pread64,pwrite64,write,openat:delay_enter=20000")
	defer stop()
	took := r.timed()
	delayed := strings.Count(calls(), "(DELAYED)")
	if delayed < 100 {
		t.Errorf("%d calls were delayed: the disk was not slow", delayed)
	}
	if held := slow.resident(); held > residentMost {
		t.Errorf("the slow worker holds %d MiB", held>>20)
	}
	for _, p := range r.all {
		if p.isCoordinator() && contains(p, `msg="worker lost"`) {
			t.Error("the slow worker was given up")
		}
	}
	t.Logf("%v with quick disks, %v with a slow one, on which %d calls were delayed; the slow worker held %s at most", quiet, took, delayed, slow.kernel("VmHWM"))
}

// memoryCgroup makes a cgroup with a limit, and returns its folder and the words that have a command run in it.
func memoryCgroup(t *testing.T, limit int) (dir string, before []string) {
	t.Helper()
	root, file := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if _, err := os.Stat(root); err != nil {
		root, file = "/sys/fs/cgroup", "memory.max"
	}
	dir = filepath.Join(root, fmt.Sprintf("quern-e2e-%d-%d", os.Getpid(), limit))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no memory cgroup can be made here: %v", err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	if err := os.WriteFile(filepath.Join(dir, file), []byte(fmt.Sprint(limit)), 0o644); err != nil {
		t.Skipf("no memory cgroup can be limited here: %v", err)
	}
	return dir, []string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, dir}
}

// A worker that believes to have more memory than its cgroup allows: the kernel kills it, as often as it is started again, and
// the other one does the work. Then one that has been told the truth: it goes to its disk, and is not killed.
func TestF26(t *testing.T) {
	long(t)
	dir, before := memoryCgroup(t, 40<<20)
	r := ready(t, newLedger(t, longLedger), 1, 1)
	r.before = func(string) []string { return before }
	liar, killed := r.startWorker(t, "liar", "127.0.0.1:0"), 0
	s := r.submit()
	for s.alive() {
		if !poll(100*time.Millisecond, func() bool { return !liar.alive() }) {
			continue
		}
		if killed++; killed == 1 { // a task that has lost three workers is given up
			liar = r.startWorker(t, fmt.Sprintf("liar%d", killed), "127.0.0.1:0")
		} else {
			s.wait(t, 2*deadline)
		}
	}
	r.succeeds(s)
	if killed == 0 {
		t.Errorf("the limit of %s was never met", dir)
	}
	liar.kill()

	honest, before := memoryCgroup(t, 256<<20)
	big := newRig(t, newLedger(t, hugeLedger), 1)
	big.begin(t)
	big.before = func(string) []string { return before }
	worker := big.startWorker(t, "honest", "127.0.0.1:0", "--memory", "96MiB")
	big.succeeds(big.submit())
	if !worker.alive() {
		t.Error("a worker with --memory 96MiB was killed in a cgroup of 256 MiB")
	}
	t.Logf("killed %d times in 40 MiB, the run right; with --memory 96MiB in a cgroup of 256 MiB (%s) it held %s at most", killed, filepath.Base(honest), worker.kernel("VmHWM"))
}

// A worker that is told to end while it holds map outputs: it serves them to the end, and nothing is computed again.
func TestF29(t *testing.T) {
	long(t)
	r := ready(t, newLedger(t, longLedger), 3, 2)
	const times = 3
	var slowest time.Duration
	for range times {
		s := r.submit()
		eventually(t, "finished tasks", func() bool { return r.done(s.run) >= 4 })
		leaver := r.workers[0]
		r.startWorkers(t, 1)
		begin := time.Now()
		r.ends(leaver, workerEnds)
		slowest = max(slowest, time.Since(begin).Round(time.Millisecond))
		r.workers = r.workers[1:]
		r.succeeds(s)
		r.nothingAgain(s.run)
		if n := r.failures(s.run); n > 0 {
			t.Errorf("%d attempts failed or were lost", n)
		}
	}
	r.agree()
	t.Logf("%d times: nothing computed again, gone %v after SIGTERM at most", times, slowest)
}

// Two attempts of a task that end at one moment, again and again: one of them counts.
func TestF41(t *testing.T) {
	long(t)
	const times = 10
	r := ready(t, newLedger(t, shortLedger), 1, 2)
	first := r.submit()
	r.succeeds(first)
	status, _ := r.status(first.run)
	last := status.Stages[len(status.Stages)-1].ID
	waiting := func() (n int) {
		for _, w := range r.workers {
			n += strings.Count(w.log.String(), "failpoint task/file-written: until")
		}
		return n
	}
	late := 0
	for i := range times {
		both := filepath.Join(t.TempDir(), "both")
		for _, w := range r.workers {
			r.arm(w.name, fmt.Sprintf("task/file-written@/%d/0.=0*until:%s", last, both))
		}
		s := r.submit()
		eventually(t, "two attempts with their files", func() bool { return waiting() == 2*(i+1) || !s.alive() })
		if err := os.WriteFile(both, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		r.succeeds(s)
	}
	for _, w := range r.workers {
		late += strings.Count(w.log.String(), "came too late")
	}
	r.agree()
	t.Logf("%d times two attempts at one moment: one counted each time; %d were told so, the others were stopped first", times, late)
}

// A task that brings down every worker that it meets. It is given up, and another run goes on.
func TestF48(t *testing.T) {
	long(t)
	r := newRig(t, newLedger(t, shortLedger), 3)
	for i := range 8 {
		r.arm(fmt.Sprintf("w%d", i+1), "task/batch@run-1/0/0.=0*kill")
	}
	r.begin(t)
	r.startWorkers(t, 2)
	s, other := r.submit(), r.submit()
	lost := 0
	for s.alive() || other.alive() {
		i := slices.IndexFunc(r.workers, func(p *process) bool { return !p.alive() })
		if i < 0 {
			<-time.After(10 * time.Millisecond)
			continue
		}
		if lost++; lost > 6 {
			t.Fatal("it goes on killing workers")
		}
		r.workers = slices.Delete(r.workers, i, i+1)
		r.startWorkers(t, 1)
	}
	if status := s.wait(t, deadline); status != 1 || lost > 3 {
		t.Errorf("status %d after %d workers were lost", status, lost)
	}
	got, _ := r.status(s.run)
	if got.Failure == nil || got.Failure.Stage != 0 || got.Failure.Task != 0 || !strings.Contains(got.Failure.Message, "has lost 3 workers") {
		t.Errorf("the failure is %+v", got.Failure)
	}
	r.succeeds(other)
	r.agree()
	t.Logf("%d workers lost: %v", lost, got.Failure)
}
