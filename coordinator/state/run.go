package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// run is a submitted job.
//
//	queued ──first grant──▶ running ──JobCommit──▶ publishing ──RunPublished──▶ succeeded
//	   │                      │  └─last task, no outputs──▲────────────────────────▲
//	   │                      │         JobCommit, with checks                     │ (without outputs)
//	   │                      ├────────────▶ checking ──RunChecked──▶ blocked
//	   │                      │                 │   RunChecked, OverrideChecks ──▶ publishing
//	   └──────────────────────┴─────failure, cancel──▶ (Ending) ──RunCleaned──▶ failed, cancelled
type run struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Request   string        `json:"request"`
	Bound     string        `json:"bound,omitempty"`
	Plan      string        `json:"plan"`
	Blobs     []string      `json:"blobs,omitempty"`
	Priority  int           `json:"priority,omitempty"`
	Weight    int           `json:"weight"`
	State     api.RunState  `json:"state"`
	Ending    api.RunState  `json:"ending,omitempty"` // failed or cancelled, while its files may not all be gone
	Failure   *plan.Failure `json:"failure,omitempty"`
	Submitted time.Time     `json:"submitted"`
	Finished  time.Time     `json:"finished,omitzero"`
	Version   uint64        `json:"state_version"` // log index of the last change
	Stages    []*stage      `json:"stages"`
	Outputs   []Output      `json:"outputs,omitempty"`
	Result    plan.Schema   `json:"result,omitzero"`
	Workers   []runWorker   `json:"workers,omitempty"`  // that were given attempts, in order
	Stopping  []Granted     `json:"stopping,omitempty"` // attempts that ran when they ceased to count, until they stopped
	Wrote     bool          `json:"wrote,omitempty"`    // an attempt with a file sink was granted: there may be files
	Litter    bool          `json:"litter,omitempty"`   // one of Stopping may leave a file that no manifest names
	Released  bool          `json:"released,omitempty"`
	Purged    bool          `json:"purged,omitempty"` // to be forgotten as soon as it has ended

	Checks    int               `json:"checks,omitempty"` // how many; they are in the plan
	Parents   []string          `json:"parents,omitempty"`
	Results   []api.CheckResult `json:"results,omitempty"`
	BlockedAt time.Time         `json:"blocked_at,omitzero"`
	Override  *api.Override     `json:"override,omitempty"`
	ChecksOf  string            `json:"checks_of,omitempty"` // the run that it measures for
	Lines     []string          `json:"lines,omitempty"`     // what it has measured
	RetryOf   string            `json:"retry_of,omitempty"`  // the run that it repeats

	Traceparent string `json:"traceparent,omitempty"` // the span that it is a part of

	Journal journal   `json:"journal,omitempty"`
	Logs    []LogFile `json:"logs,omitempty"`          // in the order in which they came
	LeftOut int64     `json:"logs_left_out,omitempty"` // lines of attempts that are in none of Logs

	Facts   *runFacts `json:"facts,omitempty"`   // nil of a run of an older build, and when the profile is written down
	Profile string    `json:"profile,omitempty"` // digest of the run's profile, once that is written down

	places map[string]int32 // of Workers by id, from 1
}

// runWorker is a worker as a run knows it.
type runWorker struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	// Failed is the first task that failed there; when another does too, the run excludes the worker.
	Failed   *plan.TaskID `json:"failed,omitempty"`
	Excluded bool         `json:"excluded,omitempty"`
	// Slots and Memory are those of the worker, for the run's profile.
	Slots  int   `json:"slots,omitempty"`
	Memory int64 `json:"memory,omitempty"`
}

// stage is a stage of a run. Its list is nil once nobody needs it.
type stage struct {
	Shape
	Locations uint64     `json:"locations"` // version of the outputs' places: grows when one is lost
	Reruns    int        `json:"reruns,omitempty"`
	Failures  int        `json:"failures,omitempty"`
	Twins     int        `json:"twins,omitempty"` // second attempts granted
	Done      int        `json:"done"`
	Counts    api.Counts `json:"counts"` // of each task's first commit: a later one makes the same rows
	List      taskList   `json:"list,omitzero"`
	Took      durations  `json:"took,omitempty"`    // by attempts that committed
	Slowest   int64      `json:"slowest,omitempty"` // of Took, in milliseconds
	// Parts is how many rows the tasks wrote to each partition. Kept for readers that adapt.
	Parts []int64 `json:"parts,omitempty"`
	// Adapted says that an AdaptStage has come; Layout is what it said, if it changed the tasks.
	Adapted bool     `json:"adapted,omitempty"`
	Layout  [][]Part `json:"layout,omitempty"`
	Note    string   `json:"note,omitempty"`

	Facts *stageFacts `json:"facts,omitempty"` // as of the run

	sized  bool             // a reader adapts
	live   map[int]struct{} // tasks that run
	cursor int              // no task before it is pending
	prefer []Held           // workers that hold much of the inputs, while these are there
}

func newRun(c *SubmitRun) *run {
	r := &run{
		ID: c.RunID, Name: c.Name, Request: c.Request, Bound: c.Bound, Plan: c.Plan, Blobs: c.Blobs, Priority: c.Priority, Weight: max(1, c.Weight),
		State: api.RunQueued, Submitted: c.At, Outputs: c.Outputs, Result: c.Result, Checks: c.Checks, ChecksOf: c.ChecksOf, RetryOf: c.RetryOf,
		Traceparent: c.Traceparent,
	}
	for _, shape := range c.Stages {
		r.Stages = append(r.Stages, &stage{Shape: shape, Locations: 1, List: make(taskList, shape.Tasks)})
	}
	r.derive()
	return r
}

// derive computes what a snapshot leaves out.
func (r *run) derive() {
	r.places = map[string]int32{}
	for i, w := range r.Workers {
		r.places[w.ID] = int32(i + 1)
	}
	for _, s := range r.Stages {
		s.derive()
		if s.waits() {
			for _, in := range s.Adapt.Inputs {
				r.Stages[in.Stage].sized = true
			}
		}
	}
	for i := range r.Stages {
		r.weigh(i)
	}
}

func (s *stage) derive() {
	s.live, s.sized = map[int]struct{}{}, false
	s.cursor = len(s.List)
	for i := range s.List {
		switch s.List[i].State {
		case taskRunning:
			s.live[i] = struct{}{}
		case taskPending:
			s.cursor = min(s.cursor, i)
		}
	}
}

// copied is a run that shares nothing that changes with the original.
func (r *run) copied() *run {
	c := *r
	c.Workers, c.Stopping, c.Journal = slices.Clone(r.Workers), slices.Clone(r.Stopping), slices.Clone(r.Journal)
	c.places, c.Facts = nil, r.Facts.copied()
	c.Stages = make([]*stage, len(r.Stages))
	for i, s := range r.Stages {
		k := *s
		k.List, k.Took, k.Parts = slices.Clone(s.List), slices.Clone(s.Took), slices.Clone(s.Parts)
		k.Counts.Operators = slices.Clone(s.Counts.Operators)
		for j := range k.List {
			if x := k.List[j].Extra; x != nil {
				kept := *x
				k.List[j].Extra = &kept
			}
		}
		k.live, k.prefer, k.Facts = nil, nil, s.Facts.copied()
		c.Stages[i] = &k
	}
	return &c
}

// live reports a run that takes grants and reports.
func (r *run) live() bool {
	return (r.State == api.RunQueued || r.State == api.RunRunning) && r.Ending == ""
}

// complete reports that every task of every stage has committed.
func (r *run) complete() bool {
	return !slices.ContainsFunc(r.Stages, func(s *stage) bool { return !s.complete() })
}

// ready reports a stage whose inputs are there.
func (r *run) ready(i int) bool {
	return !slices.ContainsFunc(r.Stages[i].Inputs, func(in int) bool { return !r.Stages[in].complete() })
}

// needed reports that a task which has yet to end reads the stage, or that the caller will.
func (r *run) needed(i int) bool {
	if r.Stages[i].Sink == plan.SinkResult {
		return true
	}
	return slices.ContainsFunc(r.Stages[i+1:], func(s *stage) bool {
		return !s.complete() && slices.Contains(s.Inputs, i)
	})
}

// done is how many tasks have committed, over all stages.
func (r *run) done() int {
	n := 0
	for _, s := range r.Stages {
		n += s.Done
	}
	return n
}

func (r *run) task(id plan.TaskID) (*stage, *task) {
	if id.Stage < 0 || id.Stage >= len(r.Stages) {
		return nil, nil
	}
	s := r.Stages[id.Stage]
	if id.Task < 0 || id.Task >= len(s.List) {
		return s, nil
	}
	return s, &s.List[id.Task]
}

// place is where a worker stands in the run's table, where it is entered if it is new.
func (r *run) place(w *worker) int32 {
	at, known := r.places[w.ID]
	if !known {
		entry := runWorker{ID: w.ID, Address: w.Address}
		if r.Facts != nil {
			entry.Slots, entry.Memory = w.Slots, w.Memory
		}
		r.Workers = append(r.Workers, entry)
		at = int32(len(r.Workers))
		r.places[w.ID] = at
		w.runs[r.ID] = r
	}
	return at
}

// worker is the id at a place; empty for nobody.
func (r *run) worker(place int32) string {
	if place == 0 {
		return ""
	}
	return r.Workers[place-1].ID
}

// stopped takes an attempt off the list of those that the run waits for.
func (r *run) stopped(a plan.AttemptID) bool {
	before := len(r.Stopping)
	r.Stopping = slices.DeleteFunc(r.Stopping, func(g Granted) bool { return g.AttemptID == a })
	return len(r.Stopping) < before
}

// stop has the run wait for an attempt that has ceased to count while it runs.
func (r *run) stop(id plan.TaskID, attempt int, worker int32) {
	r.Stopping = append(r.Stopping, Granted{AttemptID: plan.AttemptID{TaskID: id, Attempt: attempt}, Worker: r.worker(worker)})
}

func (r *run) describe(i int) string {
	return fmt.Sprintf("stage %d (%s)", i, r.Stages[i].Label)
}

func (s *stage) complete() bool { return s.Done == s.Tasks }

// pend makes a task wait for a grant.
func (s *stage) pend(i int) {
	t := &s.List[i]
	delete(s.live, i)
	t.State, t.TwinWorker = taskPending, 0
	s.cursor = min(s.cursor, i)
}

// drop ends one of a task's attempts without success. A task that has a second one runs on with it.
func (s *stage) drop(i, attempt int) {
	t := &s.List[i]
	if _, _, two := t.rival(attempt); !two {
		s.pend(i)
		return
	}
	if int(t.Attempt) == attempt {
		t.Attempt, t.Worker = t.Twin, t.TwinWorker
	}
	t.TwinWorker = 0
}

// start marks a task as running.
func (s *stage) start(i int) {
	s.List[i].State = taskRunning
	s.live[i] = struct{}{}
	for s.cursor < len(s.List) && s.List[s.cursor].State != taskPending {
		s.cursor++
	}
}

// finish marks a task as done.
func (s *stage) finish(i int) {
	t := &s.List[i]
	t.State, t.TwinWorker = taskDone, 0
	delete(s.live, i)
	s.Done++
}

// lose takes back a committed output.
func (s *stage) lose(i int) {
	s.pend(i)
	s.Done--
	s.Locations++
}

// running lists the tasks that run, in order.
func (s *stage) running() []int { return slices.Sorted(maps.Keys(s.live)) }

// A worker that holds so much of a task's inputs is worth waiting for, or at least asking first: one in so many bytes.
// More finely divided, the rest comes over the network wherever the task runs.
const preferredShare = 5

// weigh notes which workers hold much of a stage's inputs, if these are there: most first.
func (r *run) weigh(i int) {
	s := r.Stages[i]
	s.prefer = nil
	if s.complete() || len(s.Inputs) == 0 || !r.ready(i) {
		return
	}
	held, total := make([]int64, len(r.Workers)+1), int64(0)
	for _, in := range s.Inputs {
		list := r.Stages[in].List
		for j := range list {
			held[list[j].Commit.Worker] += list[j].Commit.Bytes
			total += list[j].Commit.Bytes
		}
	}
	for place, bytes := range held {
		if bytes > 0 && bytes >= total/preferredShare {
			s.prefer = append(s.prefer, Held{Worker: r.worker(int32(place)), Bytes: bytes})
		}
	}
	slices.SortStableFunc(s.prefer, func(a, b Held) int { return cmp.Compare(b.Bytes, a.Bytes) })
}
