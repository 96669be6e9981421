package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
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

// roundLimit bounds a run with one fault: a lease that has to run out, an election, and the work twice over.
const roundLimit = 60 * time.Second

// TestSoak breaks a cluster once or twice per run, at random moments while other runs go on, and looks at what is left. It runs as many rounds as
// QUERN_SOAK says. Round i draws from seed+i, so QUERN_SOAK=1 QUERN_SOAK_SEED=<seed of a round> repeats its draws; the
// processes' own timing cannot be repeated. QUERN_SOAK_FAULT keeps to one fault.
func TestSoak(t *testing.T) {
	soakRounds(t, func() *soak { return newSoak(t, flightSubject(t), 2) })
}

// TestSoakTraining does the same to the training set of testdata/jobs/ranking, on 1, 3 and 8 workers with the least
// memory that there can be, so that much is spilled, and each slow by another pause, so that tasks come in other orders.
func TestSoakTraining(t *testing.T) {
	for _, n := range []int{1, 3, 8} {
		t.Run(fmt.Sprintf("%d workers", n), func(t *testing.T) {
			soakRounds(t, func() *soak { return newSoak(t, trainingSubject(t), n, "--memory", "16MiB") })
		})
	}
}

func soakRounds(t *testing.T, begin func() *soak) {
	t.Helper()
	rounds, err := strconv.Atoi(os.Getenv("QUERN_SOAK"))
	if err != nil {
		t.Skip("QUERN_SOAK=<rounds> runs the soak; see `make soak`")
	}
	seed := uint64(time.Now().UnixNano()) % 1_000_000
	if text := os.Getenv("QUERN_SOAK_SEED"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	s := begin()
	only := os.Getenv("QUERN_SOAK_FAULT")
	for i := range uint64(rounds) {
		s.round(seed+i, only)
		if t.Failed() {
			return
		}
	}
	s.report()
}

// soak is a cluster with the answer that it must always give.
type soak struct {
	*rig
	subject
	crew  int           // workers
	tasks int           // of a run
	quiet time.Duration // how long a run takes when nothing breaks
	begun time.Time
	seen  map[string]int // how often each fault met each end
	kinds map[string]int // how often each fault was injected
}

// subject is a job that is run over and over.
type subject struct {
	args    []string // the job and its parameters
	output  string
	dataset string   // where it writes, from the folder that the run is submitted in
	uneven  bool     // workers are slowed down, and something must be spilled
	want    []string // digests of the shards
}

// load is how many ledgers are kept at the same time as the run that is looked at most.
const load = 2

func newSoak(t *testing.T, what subject, workers int, flags ...string) *soak {
	r := newRig(t, newLedger(t, shortLedger), 3)
	r.begin(t)
	r.workerFlags = flags
	s := &soak{rig: r, subject: what, crew: workers, begun: time.Now(), seen: map[string]int{}, kinds: map[string]int{}}
	s.startWorkers(t, workers)
	for i := range 2 { // the first also starts the plugins
		begin, run := time.Now(), fmt.Sprint("quiet-", i)
		r := quern(t, t.TempDir(), s.submitting(run)...)
		s.quiet = time.Since(begin)
		s.right(r)
		s.tasks = s.done(run)
	}
	status, _ := s.status("quiet-1")
	spilled := int64(0)
	for _, stage := range status.Stages {
		for _, o := range stage.Counts.Operators {
			spilled += o.Spilled
		}
	}
	if s.uneven && spilled == 0 {
		t.Error("nothing was spilled")
	}
	t.Logf("a quiet run has %d tasks, takes %v and spills %d KiB", s.tasks, s.quiet.Round(time.Millisecond), spilled>>10)
	return s
}

// submitting is the command that submits the job and waits for its end.
func (s *soak) submitting(run string) []string {
	return slices.Concat([]string{"submit"}, s.args, []string{"-q", "-o", "json", "--wait", "--run-id", run, "--coordinator", s.urls()})
}

// right checks the bytes of a run.
func (s *soak) right(r result) {
	s.Helper()
	if got := digests(s.T, r.Outputs[s.output]); !slices.Equal(got, s.want) {
		s.Errorf("other bytes:\n got %v\nwant %v", got, s.want)
	}
}

// flightSubject is the flights job.
func flightSubject(t *testing.T) subject {
	t.Helper()
	s := subject{args: []string{flightJobWithPlugin(t), "-p", "ds=2001-01-10"}, output: "examples", dataset: "out/flight_delay/examples"}
	s.want = digests(t, quern(t, t.TempDir(), slices.Concat([]string{"run"}, s.args, []string{"-q", "-o", "json"})...).Outputs[s.output])
	return s
}

// trainingSubject is the training set of the ranking jobs.
func trainingSubject(t *testing.T) subject {
	t.Helper()
	made := newTrainings(t, 40_000)
	here := strings.Replace(made.text, "    path: out/training\n", "", 1) // beside each submitter, not beside the job
	if err := os.WriteFile(filepath.Join(made.dir, "training.yaml"), []byte(here), 0o644); err != nil {
		t.Fatal(err)
	}
	s := subject{args: made.args("", 0)[1:6], output: "training", dataset: "out/ranking_training/training", uneven: true}
	s.want = digests(t, quern(t, t.TempDir(), slices.Concat([]string{"run"}, s.args, []string{"-q", "-o", "json"})...).Outputs[s.output])
	return s
}

// flightJobWithPlugin is the flights job with absolute paths and its plugin built, so that no run waits for a compiler.
func flightJobWithPlugin(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	data, err := filepath.Abs("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(dir, "distance")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", plugin, ".")
	build.Dir = filepath.Join(data, "plugins", "distance")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build plugin: %v\n%s", err, out)
	}
	text, err := os.ReadFile(flightJob)
	if err != nil {
		t.Fatal(err)
	}
	job := strings.NewReplacer("../flights", filepath.Join(data, "flights"), "../plugins/distance", plugin).Replace(string(text))
	path := filepath.Join(dir, "flight_delay.yaml")
	if err := os.WriteFile(path, []byte(job), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// fault breaks something of a cluster, and returns how to mend it; mending may be nil. It may also cancel the run.
type fault struct {
	name    string
	side    side
	cancels bool
	inject  func(s *soak, r *rand.Rand, run string, submitter *process) (mend func())
}

// side is what a fault breaks. Two faults at once are on different sides, so that a majority of the coordinators lives.
type side int

const (
	coordinators side = iota
	workers
	client
)

var faults = []fault{
	{name: "leader killed", side: coordinators, inject: func(s *soak, _ *rand.Rand, _ string, _ *process) func() {
		s.coordinators[s.waitLeader(s.T)].kill()
		return nil
	}},
	{name: "leader stopped for 5 s", side: coordinators, inject: func(s *soak, _ *rand.Rand, _ string, _ *process) func() {
		return s.pause(s.coordinators[s.waitLeader(s.T)], 5*time.Second)
	}},
	{name: "leader killed at a step of a commit", side: coordinators, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		s.arm(s.id(s.waitLeader(s.T)), fmt.Sprintf("%s=%d*kill", leaderSteps[r.IntN(len(leaderSteps))], 1+r.IntN(3)))
		return s.disarm
	}},
	{name: "follower killed", side: coordinators, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		s.follower(r).kill()
		return nil
	}},
	{name: "follower stopped for 5 s", side: coordinators, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		return s.pause(s.follower(r), 5*time.Second)
	}},
	{name: "coordinator restarted", side: coordinators, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		address := s.addresses[r.IntN(len(s.addresses))]
		s.coordinators[address].kill()
		s.startCoordinator(s.T, address)
		return nil
	}},
	{name: "coordinator terminated", side: coordinators, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		s.terminate(s.coordinators[s.addresses[r.IntN(len(s.addresses))]], coordinatorEnds)
		return nil
	}},
	{name: "all coordinators killed", side: coordinators, inject: func(s *soak, _ *rand.Rand, _ string, _ *process) func() {
		killAll(slices.Collect(maps.Values(s.coordinators))...)
		for _, a := range s.addresses {
			s.startCoordinator(s.T, a)
		}
		return nil
	}},
	{name: "worker killed", side: workers, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		s.someWorker(r).kill()
		s.startWorkers(s.T, 1)
		return nil
	}},
	{name: "worker killed at a step of a task", side: workers, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		s.arm(s.someWorker(r).name, fmt.Sprintf("%s=%d*kill", workerSteps[r.IntN(len(workerSteps))], 1+r.IntN(6)))
		if s.crew == 1 { // nobody else would be left
			s.startWorkers(s.T, 1)
		}
		return s.disarm
	}},
	{name: "segments damaged", side: workers, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		damage(s.scratch, r.Int64())
		return nil
	}},
	{name: "all workers killed", side: workers, inject: func(s *soak, _ *rand.Rand, _ string, _ *process) func() {
		killAll(s.workers...)
		s.startWorkers(s.T, s.crew)
		return nil
	}},
	{name: "worker stopped beyond its lease", side: workers, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		return s.pause(s.someWorker(r), 12*time.Second)
	}},
	{name: "worker stopped for 3 s", side: workers, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		return s.pause(s.someWorker(r), 3*time.Second)
	}},
	{name: "worker terminated", side: workers, inject: func(s *soak, r *rand.Rand, _ string, _ *process) func() {
		s.terminate(s.someWorker(r), workerEnds)
		s.startWorkers(s.T, 1)
		return nil
	}},
	{name: "cancelled", side: client, cancels: true, inject: func(s *soak, _ *rand.Rand, run string, _ *process) func() {
		// Before the submit has arrived there is nothing to cancel, and the status says so.
		start(s.T, "cancel", "cancel", run, "--coordinator", s.urls()).wait(s.T, roundLimit)
		return nil
	}},
	{name: "submitter interrupted", side: client, cancels: true, inject: func(s *soak, _ *rand.Rand, _ string, submitter *process) func() {
		submitter.signal(syscall.SIGINT)
		return nil
	}},
	{name: "submitter killed", side: client, inject: func(s *soak, _ *rand.Rand, _ string, submitter *process) func() {
		submitter.kill()
		return nil
	}},
}

// pause stops a process, and lets it go on after a while. The returned function waits for that.
func (s *soak) pause(p *process, d time.Duration) func() {
	p.signal(syscall.SIGSTOP)
	resumed := make(chan struct{})
	time.AfterFunc(d, func() {
		p.signal(syscall.SIGCONT)
		close(resumed)
	})
	return func() { <-resumed }
}

// someWorker is one that lives.
func (s *soak) someWorker(r *rand.Rand) *process {
	living := slices.DeleteFunc(slices.Clone(s.workers), func(p *process) bool { return !p.alive() })
	return living[r.IntN(len(living))]
}

func (s *soak) follower(r *rand.Rand) *process {
	leader := s.waitLeader(s.T)
	others := slices.DeleteFunc(slices.Clone(s.addresses), func(a string) bool { return a == leader })
	return s.coordinators[others[r.IntN(len(others))]]
}

// How long a process may take to end in good order: a worker may have to wait for a run that needs it.
const (
	coordinatorEnds = 3 * time.Second
	workerEnds      = 27 * time.Second // --drain-timeout and a little
)

// terminate asks a process to end, which it must do soon and in good order.
func (s *soak) terminate(p *process, soon time.Duration) {
	begin := time.Now()
	p.signal(syscall.SIGTERM)
	if status := p.wait(s.T, soon+10*time.Second); status != 0 {
		s.Errorf("%s ended with status %d after SIGTERM:\n%s", p.name, status, p.log)
	}
	if took := time.Since(begin); took > soon {
		s.Errorf("%s took %v to end after SIGTERM", p.name, took)
	}
}

// round runs the job, breaks something meanwhile, and checks everything.
func (s *soak) round(seed uint64, only string) {
	r := rand.New(rand.NewPCG(seed, 0))
	f := faults[r.IntN(len(faults))]
	if i := slices.IndexFunc(faults, func(f fault) bool { return f.name == only }); i >= 0 {
		f = faults[i]
	}
	// Half of the faults come after a while, the other half when so many tasks are done, which is surely in mid-run.
	after, tasks := time.Duration(r.Float64()*1.2*float64(s.quiet)), r.IntN(2*s.tasks)
	run := fmt.Sprintf("soak-%d-%d", seed, s.seen[""])
	s.seen[""]++
	dir := s.TempDir()
	submit := s.submitting(run)
	for _, w := range s.workers {
		if s.uneven {
			s.arm(w.name, fmt.Sprintf("task/batch=0*pause:%dms", r.IntN(4)))
		}
	}
	begin := time.Now()
	submitter := startIn(s.T, dir, "submit", submit...)
	var beside []submission
	for range load {
		beside = append(beside, s.submit())
	}
	moment := fmt.Sprintf("after %v", after.Round(time.Millisecond))
	if tasks < s.tasks {
		moment = fmt.Sprintf("with %d of %d tasks done", tasks, s.tasks)
		poll(roundLimit, func() bool { return s.done(run) >= tasks || !submitter.alive() })
	} else {
		<-time.After(after)
	}
	mends := []func(){f.inject(s, r, run, submitter)}
	s.kinds[f.name]++
	if second, pause := faults[r.IntN(len(faults))], time.Duration(r.IntN(1000))*time.Millisecond; r.IntN(3) == 0 && only == "" && second.side != f.side {
		select {
		case <-time.After(pause):
			mends = append(mends, second.inject(s, r, run, submitter))
			s.kinds[second.name]++
			f.name, f.cancels = f.name+" and "+second.name, f.cancels || second.cancels
		case <-submitter.done: // there is nothing left to break
		}
	}
	if !submitter.alive() && submitter.cmd.ProcessState.ExitCode() < 0 {
		submitter = startIn(s.T, dir, "submit", submit...) // whoever asks again attaches to the run
	}
	status := s.outlast(submitter)
	took := time.Since(begin)
	s.check(f, run, dir, submitter, status)
	for _, other := range beside {
		s.succeeds(other)
	}
	for _, mend := range mends {
		if mend != nil {
			mend()
		}
	}
	s.disarm()
	s.heal()
	s.nothingLeft(dir, run)
	s.agree()
	s.seen[fmt.Sprintf("%s: status %d", f.name, status)]++
	s.Logf("seed %d: %s %s: status %d, %v", seed, f.name, moment, status, took.Round(time.Millisecond))
	if s.Failed() {
		s.Logf("repeat with QUERN_SOAK=1 QUERN_SOAK_SEED=%d", seed)
	}
}

// outlast waits for the submitter. If it hangs, every process is made to show its goroutines.
func (s *soak) outlast(p *process) int {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(roundLimit):
	}
	s.Errorf("the run has not ended after %v", roundLimit)
	hung := append(slices.Clone(s.workers), p)
	for _, c := range s.coordinators {
		hung = append(hung, c)
	}
	for _, p := range hung {
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGQUIT)
	}
	return p.wait(s.T, 10*time.Second)
}

func (s *soak) check(f fault, run, dir string, submitter *process, status int) {
	switch {
	case status == 0:
		var r result
		if err := json.Unmarshal([]byte(submitter.out.String()), &r); err != nil {
			s.Errorf("submit printed %q: %v", submitter.out, err)
			return
		}
		s.right(r)
	case f.cancels && (status == 130 || (status == -1 && submitter.out.String() == "")):
		// -1: interrupted so early that nothing listened to signals yet.
	default:
		s.Errorf("the run ended with status %d:\n%s%s", status, submitter.out, submitter.log)
	}
}

// heal brings the cluster back to three coordinators and all workers, and looks at those that ended.
func (s *soak) heal() {
	for _, a := range s.addresses {
		if p := s.coordinators[a]; !p.alive() {
			s.inspect(p)
			s.startCoordinator(s.T, a)
		}
	}
	s.waitLeader(s.T)
	s.workers = slices.DeleteFunc(s.workers, func(p *process) bool {
		if !p.alive() {
			s.inspect(p)
		}
		return !p.alive()
	})
	for len(s.workers) > s.crew {
		s.terminate(s.workers[0], workerEnds)
		s.workers = s.workers[1:]
	}
	s.startWorkers(s.T, s.crew-len(s.workers))
	for _, p := range s.processes() {
		s.inspect(p)
	}
}

func (s *soak) processes() []*process {
	list := slices.Clone(s.workers)
	for _, a := range s.addresses {
		list = append(list, s.coordinators[a])
	}
	return list
}

// residentMost is the memory that a process may have: what workers are allowed, and a quarter for what is not counted, such
// as the runtime's own. Coordinators get no limit, and need far less.
const residentMost = workerMemory * 5 / 4

// inspect looks for what a process must never say, for one that ended by itself, and for one that holds too much memory.
func (s *soak) inspect(p *process) {
	text := p.log.String()
	for _, bad := range []string{"panic:", "fatal error:", "DATA RACE"} {
		if i := strings.Index(text, bad); i >= 0 {
			s.Errorf("%s said: %.2000s", p.name, text[max(0, i-200):])
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "level=ERROR") && !strings.Contains(line, "segment is damaged on disk") { // which the test does itself
			s.Errorf("%s said: %s", p.name, line)
		}
	}
	if held := p.resident(); held > residentMost {
		s.Errorf("%s holds %d MiB, more than %d", p.name, held>>20, residentMost>>20)
	}
	if !p.alive() && p.cmd.ProcessState.ExitCode() > 0 {
		s.Errorf("%s ended with status %d:\n%s", p.name, p.cmd.ProcessState.ExitCode(), text)
	}
}

// nothingLeft checks that a version folder has what its manifest names and nothing else, or is not there at all; that
// no plugin has lost its worker; and that scratch folders belong to workers that live.
func (s *soak) nothingLeft(dir, run string) {
	var problem string
	ok := poll(20*time.Second, func() bool {
		problem = s.leftovers(dir, run)
		return problem == ""
	})
	if !ok {
		s.Errorf("%s", problem)
	}
}

func (s *soak) leftovers(dir, run string) string {
	dataset := filepath.Join(dir, s.dataset)
	version := filepath.Join(dataset, run)
	status, known := s.status(run)
	if known && !status.State.Terminal() {
		return "the run is still " + string(status.State)
	}
	published := known && status.State == api.RunSucceeded
	var want []string
	if published {
		want = append(s.shards(filepath.Join(version, "manifest.json")), "_SUCCESS", "_job.json", "manifest.json")
		slices.Sort(want)
	}
	if have := names(version); !slices.Equal(have, want) {
		return fmt.Sprintf("%s has %v, not %v", version, have, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); !published && err == nil {
		return fmt.Sprintf("a run that published nothing has left folders in %s", dir)
	}
	if _, err := os.Stat(filepath.Join(dataset, "_LATEST")); published && err != nil {
		return err.Error()
	}
	if problem := s.orphans(); problem != "" {
		return problem
	}
	if locks, _ := filepath.Glob(filepath.Join(s.scratch, "*.lock")); len(locks) > len(s.workers) {
		// A killed worker's folder stays until the next worker starts.
		return fmt.Sprintf("%d workers live, but the scratch folder has %v", len(s.workers), locks)
	}
	return ""
}

func (s *soak) shards(path string) []string {
	var manifest struct{ Shards []struct{ Key string } }
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &manifest)
	}
	if err != nil {
		s.Error(err)
	}
	var keys []string
	for _, shard := range manifest.Shards {
		keys = append(keys, shard.Key)
	}
	return keys
}

// names lists a folder, hidden files included; one that is not there is empty.
func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// orphans looks for plugin processes, whose executables are in a scratch folder, that are not a living worker's.
func (s *soak) orphans() string {
	parents := map[string]bool{}
	for _, w := range s.workers {
		parents[strconv.Itoa(w.cmd.Process.Pid)] = true
	}
	executables, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range executables {
		exe, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(exe, s.scratch) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(link), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if !parents[fields[1]] {
			return fmt.Sprintf("plugin process %s (%s) has outlived its worker", filepath.Base(filepath.Dir(link)), exe)
		}
	}
	return ""
}

// report sums up, with what the processes hold after it all.
func (s *soak) report() {
	var lines []string
	for what, n := range s.seen {
		if what != "" {
			lines = append(lines, fmt.Sprintf("%3d × %s", n, what))
		}
	}
	slices.Sort(lines)
	for _, p := range s.processes() {
		files := len(names(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)))
		lines = append(lines, fmt.Sprintf("%s: %s at most, %s now, %s threads, %d files", p.name, p.kernel("VmHWM"), p.kernel("VmRSS"), p.kernel("Threads"), files))
	}
	faults, kinds := 0, []string{}
	for kind, n := range s.kinds {
		faults += n
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(kinds)
	s.Logf("%d rounds in %v\n%s", s.seen[""], time.Since(s.begun).Round(time.Second), strings.Join(lines, "\n"))
	s.Logf("%d rounds, %d faults (%s), %d runs of which %d ledgers of %d rows, 0 violations", s.seen[""], faults, strings.Join(kinds, ", "),
		s.seen[""]*(1+load), s.checked, ledgerFiles*shortLedger)
}
