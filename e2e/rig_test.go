package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
)

// breakableBinary is the build with failpoints.
var breakableBinary = sync.OnceValues(func() (string, error) {
	plain, err := quernBinary()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(plain), "quern-failpoint")
	out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", path, "../cmd/quern").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build quern with failpoints: %w\n%s", err, out)
	}
	return path, nil
})

// rig is a cluster to be broken: of the build with failpoints, with a job whose answer is known. Its oracles look at what
// all of its processes have said, the dead ones too.
type rig struct {
	*testing.T
	*cluster
	*ledger
	arms    string                     // folder with a file per process: what its failpoints do
	before  func(name string) []string // words before a command, such as those that put it into a namespace
	runs    atomic.Int64
	checked int // runs whose answer was right
}

// newRig has n coordinators on loopback, not started yet.
func newRig(t *testing.T, l *ledger, n int) *rig {
	t.Helper()
	return rigAt(t, l, freeAddresses(t, n))
}

func rigAt(t *testing.T, l *ledger, addresses []string) *rig {
	t.Helper()
	breakable, err := breakableBinary()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, cluster: newCluster(t, addresses), ledger: l, arms: t.TempDir()}
	r.command = func(name string, args ...string) *exec.Cmd {
		words := append([]string{breakable}, args...)
		if r.before != nil {
			words = append(r.before(name), words...)
		}
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = append(os.Environ(), "QUERN_FAILPOINTS=@"+filepath.Join(r.arms, name))
		return cmd
	}
	return r
}

// ready starts coordinators and workers.
func ready(t *testing.T, l *ledger, coordinators, workers int) *rig {
	t.Helper()
	r := newRig(t, l, coordinators)
	r.begin(t)
	r.startWorkers(t, workers)
	return r
}

// arm has a process take an action at a failpoint.
func (r *rig) arm(name, text string) {
	r.Helper()
	path := filepath.Join(r.arms, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		r.Fatal(err)
	}
}

// disarm lets all processes be.
func (r *rig) disarm() {
	for _, name := range names(r.arms) {
		os.Remove(filepath.Join(r.arms, name))
	}
}

// armCoordinators arms each of them: whoever leads will take the action.
func (r *rig) armCoordinators(text string) {
	for _, a := range r.addresses {
		r.arm(r.id(a), text)
	}
}

// submission is a run that somebody waits for.
type submission struct {
	*process
	run, dir string
}

// submit starts a run.
func (r *rig) submit() submission {
	s := submission{run: fmt.Sprintf("run-%d", r.runs.Add(1)), dir: r.TempDir()}
	s.process = r.resubmit(s)
	return s
}

// resubmit asks for the same run again.
func (r *rig) resubmit(s submission) *process {
	args := r.credentials.caller([]string{"submit", r.job, "-q", "-o", "json", "--wait", "--run-id", s.run, "--coordinator", r.urls()})
	return startIn(r.T, s.dir, "submit "+s.run, args...)
}

// stream submits one run after the other until it is ended.
type stream struct {
	once  sync.Once // closes stop
	stop  chan struct{}
	runs  chan []submission
	ended atomic.Int64 // runs
}

func (r *rig) stream() *stream {
	s := &stream{stop: make(chan struct{}), runs: make(chan []submission, 1)}
	r.Cleanup(func() { s.end() })
	go func() {
		var list []submission
		defer func() { s.runs <- list; close(s.runs) }()
		for {
			select {
			case <-s.stop:
				return
			default:
			}
			next := r.submit()
			list = append(list, next)
			<-next.done
			s.ended.Add(1)
		}
	}()
	return s
}

// goesOn waits until another run has begun and ended.
func (s *stream) goesOn(t *testing.T) {
	t.Helper()
	before := s.ended.Load()
	eventually(t, "runs to go on", func() bool { return s.ended.Load() >= before+2 })
}

// end waits for the last run, and returns all of them.
func (s *stream) end() []submission {
	s.once.Do(func() { close(s.stop) })
	return <-s.runs
}

// died waits until a process has ended that was not known to, and returns it.
func (r *rig) died() *process {
	r.Helper()
	var dead *process
	eventually(r.T, "a process to die", func() bool {
		for _, p := range r.all {
			if !p.alive() && !p.seen {
				dead = p
				return true
			}
		}
		return false
	})
	dead.seen = true
	return dead
}

// succeeds waits for a run, and checks its answer: the same bytes, every row once, nothing beside what the manifest
// names, one commit a task.
func (r *rig) succeeds(s submission) {
	r.Helper()
	if status := s.wait(r.T, 2*deadline); status != 0 {
		r.Fatalf("%s ended with status %d:\n%s", s.name, status, s.log)
	}
	var got result
	if err := json.Unmarshal([]byte(s.out.String()), &got); err != nil {
		r.Fatalf("%s printed %q: %v", s.name, s.out, err)
	}
	if sums := digests(r.T, got.Outputs["kept"]); !slices.Equal(sums, r.sums) {
		r.Errorf("run %s has other bytes:\n got %v\nwant %v", s.run, sums, r.sums)
	}
	r.conserved(r.T, got)
	var problem string
	if !poll(20*time.Second, func() bool { problem = stray(s.dir, s.run); return problem == "" }) {
		r.Error(problem)
	}
	r.committedOnce(s.run)
	r.checked++
}

// stray says what is in a version's folder that its manifest does not name, or the other way round.
func stray(dir, run string) string {
	version := filepath.Join(dir, "out", "ledger", "kept", run)
	data, err := os.ReadFile(filepath.Join(version, "manifest.json"))
	if err != nil {
		return err.Error()
	}
	var manifest struct{ Shards []struct{ Key string } }
	if err := json.Unmarshal(data, &manifest); err != nil {
		return err.Error()
	}
	want := []string{"_SUCCESS", "_job.json", "manifest.json"}
	for _, s := range manifest.Shards {
		want = append(want, s.Key)
	}
	slices.Sort(want)
	if have := names(version); !slices.Equal(have, want) {
		return fmt.Sprintf("%s has %v, not %v", version, have, want)
	}
	return ""
}

// event is what a coordinator has told of a run.
type event struct {
	at      time.Time
	message string
	task    string // "stage/task"; "" if it is not about one
	attempt string // its number
}

// events reads what all coordinators, the dead ones too, have told of a run, in order of time.
func (r *rig) events(run string) (list []event) {
	r.Helper()
	for _, p := range r.all {
		for line := range strings.Lines(p.log.String()) {
			if !p.isCoordinator() || !strings.Contains(line, " run="+run+" ") {
				continue
			}
			at, err := time.Parse(time.RFC3339Nano, logged(line, "time"))
			if err != nil {
				r.Fatalf("%s wrote no time in %q", p.name, line)
			}
			e := event{at: at, message: logged(line, "msg"), attempt: logged(line, "attempt")}
			if e.attempt != "" {
				e.task = logged(line, "stage") + "/" + logged(line, "task")
			}
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b event) int { return a.at.Compare(b.at) })
	return list
}

// logged is the value of a key in a line of a log.
func logged(line, key string) string {
	_, value, _ := strings.Cut(" "+strings.TrimSpace(line), " "+key+"=")
	if quoted, ok := strings.CutPrefix(value, `"`); ok {
		value, _, _ = strings.Cut(quoted, `"`)
	} else {
		value, _, _ = strings.Cut(value, " ")
	}
	return value
}

// committedOnce reads the ledger of tasks from the coordinators' logs: a task is committed once, and once more for each
// time that its output was lost. (A leader that died before it could tell of a commit leaves a gap, never a double.)
func (r *rig) committedOnce(run string) {
	r.Helper()
	commits := map[string][]string{} // attempts by task
	lost := false
	for _, e := range r.events(run) {
		lost = lost || e.message == "output lost"
		if e.message != "task committed" {
			continue
		}
		if e.task == "" {
			r.Fatalf("a coordinator told of a commit, and not of which task: %+v", e)
		}
		if !slices.Contains(commits[e.task], e.attempt) {
			commits[e.task] = append(commits[e.task], e.attempt)
		}
	}
	if len(commits) == 0 {
		r.Errorf("no coordinator told of a task of run %s: there is nothing to check", run)
	}
	for task, attempts := range commits {
		if len(attempts) > 1 && !lost {
			r.Errorf("task %s was committed by %v, and no output was lost", task, attempts)
		}
	}
}

// nothingAgain checks that no task was given out again once it was committed.
func (r *rig) nothingAgain(run string) {
	r.Helper()
	committed := map[string]time.Time{}
	for _, e := range r.events(run) {
		switch at, done := committed[e.task]; {
		case e.message == "task committed":
			committed[e.task] = e.at
		case e.message == "task granted" && done && e.at.After(at):
			r.Errorf("attempt %s of task %s was granted %v after the task was committed", e.attempt, e.task, e.at.Sub(at))
		}
	}
	if len(committed) == 0 {
		r.Errorf("no coordinator told of a task of run %s: there is nothing to check", run)
	}
}

// agree waits until all coordinators have applied the same log, and checks that they got the same state. The workers are
// quiet then, or the log would go on.
func (r *rig) agree() {
	r.Helper()
	var cluster api.ClusterStatus
	same := poll(deadline, func() bool {
		if r.get(r.waitLeader(r.T), "/v1/cluster", &cluster) != http.StatusOK || len(cluster.Members) != len(r.addresses) {
			return false
		}
		for _, m := range cluster.Members {
			if m.State == "" || m.Applied != cluster.Members[0].Applied {
				return false
			}
		}
		return true
	})
	if !same {
		r.Fatalf("the coordinators do not come to the same log: %+v", cluster)
	}
	for _, m := range cluster.Members {
		if m.State != cluster.Members[0].State {
			r.Errorf("coordinators have diverged: %+v", cluster)
		}
	}
}

// heal restarts what is dead, disarmed, and waits for a leader and as many workers as there were.
func (r *rig) heal() {
	r.Helper()
	r.disarm()
	for _, a := range r.addresses {
		if p := r.coordinators[a]; p == nil || !p.alive() {
			r.startCoordinator(r.T, a)
		}
	}
	missing := 0
	r.workers = slices.DeleteFunc(r.workers, func(p *process) bool {
		if !p.alive() {
			missing++
		}
		return !p.alive()
	})
	r.startWorkers(r.T, missing)
	for _, p := range r.all {
		p.seen = !p.alive()
	}
	r.waitLeader(r.T)
}

// sane looks for what no process may ever say.
func (r *rig) sane() {
	r.Helper()
	for _, p := range r.all {
		for _, bad := range []string{"panic:", "fatal error:", "DATA RACE"} {
			if text := p.log.String(); strings.Contains(text, bad) {
				r.Errorf("%s said: %.2000s", p.name, text[strings.Index(text, bad):])
			}
		}
	}
}

// isCoordinator tells coordinators from workers.
func (p *process) isCoordinator() bool { return strings.HasPrefix(p.name, "c") }
