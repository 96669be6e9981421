// Package sim is a cluster in one goroutine: the real state machine, scheduler, adaptive rules and leases, and a model of
// everything else (a replicated log, coordinators, workers, their disks, the network, the output store, the clock). What
// happens is drawn from a seed: messages are lost, doubled and overtaken, workers crash, stall and come back as others,
// leaders are lost with proposals under way whose outcome nobody knows, tasks fail, callers submit twice and cancel.
// After every step the promises of package state are checked; then the faults end, and every run has to end too.
//
// A seed that fails prints what happened, and happens again exactly so.
package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// Report is what a simulation came to.
type Report struct {
	Seed      uint64
	Events    int
	Entries   int // of the log
	Succeeded int
	Failed    int
	Cancelled int
	Faults    map[string]int
	Seen      map[state.EventKind]int // what the faults led to
	Virtual   time.Duration
	Violation string // empty if all promises were kept
	History   []string
}

// Durations of the model. They are those of a real cluster, a little shorter, so that little happens while nothing does.
const (
	leaseTerm   = 3 * time.Second
	heartbeats  = 500 * time.Millisecond
	grace       = time.Second
	pollTime    = 2 * time.Second
	callTimeout = time.Second
	// patience is how long after the last fault every run has to have ended.
	patience = 30 * time.Minute
	// maxEvents bounds a simulation that goes in circles.
	maxEvents = 2_000_000
)

// Sim is a simulation in progress.
type Sim struct {
	rng    *rand.Rand
	now    time.Duration // since the beginning
	queue  events
	seq    int
	trace  bool
	report Report

	mix      mix
	healed   bool
	log      *raftLog
	workers  []*worker // all that ever were
	jobs     []*job
	files    map[string][]uint64 // of the output store: rows by name
	store    map[string]string   // run → the files that its manifest names
	terminal map[string]string   // run → how it ended, as first seen
	done     map[plan.TaskID]int // attempts that count
	seen     int                 // entries that were checked
}

// mix is how much of each fault there is.
type mix struct {
	loss, double float64 // of messages
	slowest      time.Duration
	workerFault  time.Duration // mean time between
	leaderFault  time.Duration
	taskFails    float64
	straggles    float64
	oom          float64
	healAt       time.Duration
}

// Run simulates a seed. With trace, the report has the history.
func Run(seed uint64, trace bool) (r Report) {
	s := &Sim{
		rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), trace: trace,
		report: Report{Seed: seed, Faults: map[string]int{}, Seen: map[state.EventKind]int{}},
		files:  map[string][]uint64{}, store: map[string]string{}, terminal: map[string]string{}, done: map[plan.TaskID]int{},
	}
	defer func() {
		if p := recover(); p != nil {
			v, broken := p.(violation)
			if !broken {
				panic(p)
			}
			s.report.Violation = string(v)
			r = s.report
		}
	}()
	s.setUp()
	s.loop()
	return s.report
}

// violation is a promise that was not kept.
type violation string

func (s *Sim) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.note("VIOLATION: %s", text)
	panic(violation(text))
}

func (s *Sim) note(format string, args ...any) {
	if s.trace {
		s.report.History = append(s.report.History, fmt.Sprintf("%9.3f ", s.now.Seconds())+fmt.Sprintf(format, args...))
	}
}

// Tail is the end of a history.
func (r Report) Tail(lines int) string {
	return strings.Join(r.History[max(0, len(r.History)-lines):], "\n")
}

func (s *Sim) setUp() {
	levels := []float64{0, 0, 0.01, 0.05, 0.2}
	pick := func() float64 { return levels[s.rng.IntN(len(levels))] }
	s.mix = mix{
		loss: pick(), double: pick(), taskFails: pick() / 4, straggles: pick() / 2, oom: pick() / 8,
		slowest:     time.Duration(1+s.rng.IntN(100)) * time.Millisecond,
		workerFault: time.Duration(200+s.rng.IntN(8000)) * time.Millisecond,
		leaderFault: time.Duration(500+s.rng.IntN(15000)) * time.Millisecond,
		healAt:      time.Duration(5+s.rng.IntN(25)) * time.Second,
	}
	s.log = newLog(s)
	for range 2 + s.rng.IntN(3) {
		s.addWorker(fmt.Sprintf("host%d:1", len(s.workers)))
	}
	for i := range 1 + s.rng.IntN(3) {
		s.addJob(i)
	}
	s.after(s.exponential(s.mix.workerFault), s.workerTrouble)
	s.after(s.exponential(s.mix.leaderFault), s.leaderTrouble)
	s.after(s.mix.healAt, s.heal)
}

func (s *Sim) loop() {
	for len(s.queue) > 0 {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		if s.report.Events++; s.report.Events > maxEvents {
			s.violated("still busy after %d events", maxEvents)
		}
		e.do()
		if s.healed && s.settled() {
			break
		}
		if s.now > s.mix.healAt+patience {
			s.stuck()
		}
	}
	s.report.Virtual = s.now
	s.final()
}

// heal ends all faults.
func (s *Sim) heal() {
	s.note("healed")
	s.healed = true
	s.mix.loss, s.mix.double, s.mix.taskFails, s.mix.straggles, s.mix.oom = 0, 0, 0, 0, 0
	for _, w := range s.workers {
		if w.alive && w.stalled {
			w.resume()
		}
	}
	s.addWorker("healthy1:1")
	s.addWorker("healthy2:1")
	s.log.healAll()
}

// exponential draws a time with a mean.
func (s *Sim) exponential(mean time.Duration) time.Duration {
	return time.Duration(s.rng.ExpFloat64() * float64(mean))
}

func (s *Sim) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// delay is how long a message takes.
func (s *Sim) delay() time.Duration {
	return time.Duration(s.rng.Int64N(int64(s.mix.slowest))) + 100*time.Microsecond
}

// wall is the time as commands carry it.
func (s *Sim) wall() time.Time { return time.Unix(1_000_000_000, 0).UTC().Add(s.now) }

// after has something happen later.
func (s *Sim) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, event{at: s.now + d, seq: s.seq, do: do})
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

// events is a heap, the next one first.
type events []event

// Len is how many there are.
func (q events) Len() int { return len(q) }

// Less reports which comes first.
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].seq < q[j].seq)
}

// Swap exchanges two.
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds one.
func (q *events) Push(x any) { *q = append(*q, x.(event)) }

// Pop takes the last.
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
