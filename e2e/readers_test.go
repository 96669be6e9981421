package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/plan"
)

// cycles is how often a run is crashed and run again: few times every day, QUERN_CYCLES times when it is asked for.
func cycles(t *testing.T, few int) (n int, r *rand.Rand) {
	t.Helper()
	n, seed := few, uint64(time.Now().UnixNano())%1_000_000
	for name, set := range map[string]func(v uint64){"QUERN_CYCLES": func(v uint64) { n = int(v) }, "QUERN_SOAK_SEED": func(v uint64) { seed = v }} {
		if text := os.Getenv(name); text != "" {
			v, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			set(v)
		}
	}
	t.Logf("QUERN_SOAK_SEED=%d", seed)
	return n, rand.New(rand.NewPCG(seed, 1))
}

// trainings is the ranking training set, which is another one in each epoch: the same rows in another order, in other shards.
type trainings struct {
	*testing.T
	cluster *assembly.Embedded // where nothing breaks
	dir     string             // has the events, the labels and the job
	text    string
}

func newTrainings(t *testing.T, impressions int64) *trainings {
	t.Helper()
	e, err := assembly.StartEmbedded(assembly.Options{Workers: 1, Slots: 2, Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &trainings{T: t, cluster: e, dir: t.TempDir()}
	makeEvents(t, filepath.Join(s.dir, "events"), impressions)
	for _, file := range []string{"labels.yaml", "training.yaml"} {
		text, err := os.ReadFile(filepath.Join("../testdata/jobs/ranking", file))
		if err == nil {
			err = os.WriteFile(filepath.Join(s.dir, file), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.text = string(text)
	}
	labels, err := os.ReadFile(filepath.Join(s.dir, "labels.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	shardsOf(t, e, s.dir, "labels", string(labels), rankingDay)
	return s
}

// want is what the shards of an epoch must be, as shardsOf tells them.
func (s *trainings) want(epoch int) []string {
	s.Helper()
	quiet := s.TempDir() // or readers would see this version, too
	for _, name := range []string{"events", "out"} {
		if err := os.Symlink(filepath.Join(s.dir, name), filepath.Join(quiet, name)); err != nil {
			s.Fatal(err)
		}
	}
	text := strings.Replace(s.text, "path: out/training", "path: quiet/training", 1)
	return shardsOf(s.T, s.cluster, quiet, fmt.Sprint("quiet-", epoch), text, map[string]string{"ds": rankingDay["ds"], "epoch": strconv.Itoa(epoch)})["training"]
}

// args are a command that makes the set of an epoch.
func (s *trainings) args(verb string, epoch int, more ...string) []string {
	return append([]string{verb, filepath.Join(s.dir, "training.yaml"), "-p", "ds=" + rankingDay["ds"], "-p", fmt.Sprintf("epoch=%d", epoch), "-q", "-o", "json"}, more...)
}

// readers read a dataset over and over, by its pointer and by its folders, as those do who train on it.
type readers struct {
	dataset string
	stop    chan struct{}
	done    sync.WaitGroup

	mu       sync.Mutex
	epochs   map[int][]string // what each epoch's shards must be
	problems []string
	reads    int            // of whole versions
	seen     map[string]int // versions by the epoch that is in them
	last     int            // the epoch that _LATEST last led to
}

func (s *trainings) read() *readers {
	r := &readers{dataset: filepath.Join(s.dir, "out", "training"), stop: make(chan struct{}), epochs: map[int][]string{}, seen: map[string]int{}, last: -1}
	r.done.Go(func() {
		for {
			select {
			case <-r.stop:
				return
			default:
				r.pass()
			}
		}
	})
	s.Cleanup(func() { r.end() })
	return r
}

// end stops reading.
func (r *readers) end() {
	select {
	case <-r.stop:
	default:
		close(r.stop)
	}
	r.done.Wait()
}

// pass looks once at the version that the pointer names, and at each that says it is whole.
func (r *readers) pass() {
	pointer, err := os.ReadFile(filepath.Join(r.dataset, "_LATEST"))
	r.mu.Lock()
	defer r.mu.Unlock()
	var versions []string
	switch version, ok := strings.CutSuffix(string(pointer), "\n"); {
	case errors.Is(err, fs.ErrNotExist) && r.last < 0: // nothing has been published
	case err != nil || !ok || version == "":
		r.problems = append(r.problems, fmt.Sprintf("_LATEST has %q: %v", pointer, err))
	default:
		epoch := r.whole(version)
		if epoch < r.last {
			r.problems = append(r.problems, fmt.Sprintf("_LATEST led to epoch %d, and then to %d", r.last, epoch))
		}
		r.last = epoch
	}
	for _, version := range names(r.dataset) {
		if _, known := r.seen[version]; known {
			continue
		}
		if _, err := os.Stat(filepath.Join(r.dataset, version, "_SUCCESS")); err == nil {
			versions = append(versions, version)
		}
	}
	for _, version := range versions {
		r.whole(version)
	}
}

// whole reads all of a version, and returns which epoch it is of.
func (r *readers) whole(version string) (epoch int) {
	folder := filepath.Join(r.dataset, version)
	wrong := func(format string, args ...any) int {
		r.problems = append(r.problems, version+": "+fmt.Sprintf(format, args...))
		return r.last
	}
	if _, err := os.Stat(filepath.Join(folder, "_SUCCESS")); err != nil {
		return wrong("%v", err)
	}
	var manifest struct {
		outputsManifest
		Params []struct {
			Name  string
			Value any
		}
	}
	data, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
	if err == nil {
		err = json.Unmarshal(data, &manifest)
	}
	if err != nil {
		return wrong("%v", err)
	}
	for _, p := range manifest.Params {
		if p.Name == "epoch" {
			fmt.Sscan(fmt.Sprint(p.Value), &epoch)
		}
	}
	var shards []string
	for _, s := range manifest.Shards {
		content, err := os.ReadFile(filepath.Join(folder, s.Key))
		if err != nil || plan.Digest(content) != s.SHA256 {
			return wrong("shard %s is not what the manifest says: %v", s.Key, err)
		}
		shards = append(shards, fmt.Sprintf("%d rows %s", s.Rows, s.SHA256))
	}
	if !slices.Equal(shards, r.epochs[epoch]) {
		return wrong("of epoch %d has the shards %v, not %v", epoch, shards, r.epochs[epoch])
	}
	r.reads++
	r.seen[version] = epoch
	return epoch
}

// expect tells what an epoch must be, before it is made.
func (r *readers) expect(epoch int, shards []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epochs[epoch] = shards
}

// arrived waits until somebody has read an epoch by the pointer, and fails the test for what was seen that must not be.
func (r *readers) arrived(t *testing.T, epoch int) {
	t.Helper()
	eventually(t, fmt.Sprintf("epoch %d to be read", epoch), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, p := range r.problems {
			t.Error(p)
		}
		if len(r.problems) > 0 {
			t.FailNow()
		}
		return r.last == epoch
	})
}

// TestReaders kills `quern run` at random moments and at each step of a commit, and runs it again, while a dataset is read:
// no reader sees a version that is not whole, or has files of two.
func TestReaders(t *testing.T) {
	n, draw := cycles(t, 3)
	s := newTrainings(t, 2000)
	breakable, err := breakableBinary()
	if err != nil {
		t.Fatal(err)
	}
	r := s.read()
	scratch := t.TempDir()
	run := func(epoch int, failpoints string) *process {
		cmd := exec.Command(breakable, s.args("run", epoch)...)
		cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "QUERN_FAILPOINTS="+failpoints, "TMPDIR="+scratch)
		return launch(t, "run", cmd)
	}
	killed := map[string]int{}
	die := func(epoch int, step string, hit int) {
		if p := run(epoch, fmt.Sprintf("%s=%d*kill", step, hit)); p.wait(t, deadline) == 0 {
			t.Errorf("a run did not come to %s %d times", step, hit)
		}
		killed[step]++
	}
	var quiet time.Duration // how long a run takes
	for epoch := range n {
		begin := time.Now()
		r.expect(epoch, s.want(epoch))
		quiet = max(quiet, time.Since(begin))
		switch draw.IntN(3) {
		case 0:
			for ended := true; ended; { // a run that ends before that does not count
				p := run(epoch, "")
				select {
				case <-time.After(time.Duration(draw.Int64N(int64(quiet)))):
				case <-p.done:
				}
				p.kill()
				ended = p.cmd.ProcessState.ExitCode() == 0
			}
			killed["a random moment"]++
		case 1:
			die(epoch, leaderSteps[draw.IntN(len(leaderSteps))], 1)
		default:
			die(epoch, workerSteps[draw.IntN(len(workerSteps))], 1+draw.IntN(4))
		}
		if p := run(epoch, ""); p.wait(t, deadline) != 0 {
			t.Fatalf("run again, it ended with %v:\n%s", p.cmd.ProcessState, p.log)
		}
		r.arrived(t, epoch)
	}
	r.end()
	t.Logf("%d cycles, killed at %v; whole versions were read %d times, %d of them different ones", n, killed, r.reads, len(r.seen))
}

// TestReadersOfACluster does the same to a cluster: leaders die at the steps of a commit, their successors finish it, and workers die.
func TestReadersOfACluster(t *testing.T) {
	n, draw := cycles(t, 2)
	s := newTrainings(t, 2000)
	c := ready(t, &ledger{}, 3, 2)
	r := s.read()
	killed := map[string]int{}
	for epoch := range n {
		r.expect(epoch, s.want(epoch))
		args := s.args("submit", epoch, "--wait", "--run-id", fmt.Sprint("epoch-", epoch), "--coordinator", c.urls())
		var broken string
		switch draw.IntN(4) {
		case 0:
			broken = workerSteps[draw.IntN(len(workerSteps))]
			c.arm(c.workers[draw.IntN(len(c.workers))].name, fmt.Sprintf("%s=%d*kill", broken, 1+draw.IntN(3)))
		case 1: // whoever leads dies there, and the next one, if it comes there
			broken = leaderSteps[draw.IntN(len(leaderSteps))]
			c.armCoordinators(broken + "=kill")
		default:
			broken = leaderSteps[2+draw.IntN(len(leaderSteps)-2)]
			c.arm(c.id(c.waitLeader(t)), broken+"=kill")
		}
		p := startIn(t, s.dir, "submit", args...)
		poll(deadline, func() bool {
			return !p.alive() || slices.ContainsFunc(c.all, func(q *process) bool { return !q.alive() && !q.seen })
		})
		if slices.ContainsFunc(c.all, func(q *process) bool { return !q.alive() && !q.seen }) {
			killed[broken]++
		}
		c.heal()
		if p.wait(t, 2*deadline) != 0 {
			if p = startIn(t, s.dir, "submit", args...); p.wait(t, 2*deadline) != 0 { // attaches
				t.Fatalf("run again, it ended with %v:\n%s", p.cmd.ProcessState, p.log)
			}
		}
		r.arrived(t, epoch)
	}
	r.end()
	c.sane()
	t.Logf("%d cycles, killed at %v; whole versions were read %d times, %d of them different ones", n, killed, r.reads, len(r.seen))
}
