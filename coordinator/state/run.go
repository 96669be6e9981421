package state

import (
	"fmt"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// run is a submitted job.
//
//	queued ──first grant──▶ running ──JobCommit──▶ publishing ──RunPublished──▶ succeeded
//	   │                      │  └─last task, no outputs──────────────────────────▲
//	   └──────────────────────┴─────failure, cancel──▶ (Ending) ──RunCleaned──▶ failed, cancelled
type run struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Request   string        `json:"request"`
	Plan      string        `json:"plan"`
	State     api.RunState  `json:"state"`
	Ending    api.RunState  `json:"ending,omitempty"` // failed or cancelled, while its files may not all be gone
	Failure   *plan.Failure `json:"failure,omitempty"`
	Submitted time.Time     `json:"submitted"`
	Finished  time.Time     `json:"finished,omitzero"`
	Version   uint64        `json:"state_version"` // log index of the last change
	Stages    []*stage      `json:"stages"`
	Outputs   []Output      `json:"outputs,omitempty"`
	Result    plan.Schema   `json:"result,omitzero"`
	Workers   []string      `json:"workers,omitempty"`  // that were given attempts, in order
	Stopping  []Granted     `json:"stopping,omitempty"` // attempts that were running when the run ended, until they stopped
	Wrote     bool          `json:"wrote,omitempty"`    // an attempt with a file sink was granted: there may be files
	Released  bool          `json:"released,omitempty"`
}

// stage is a stage of a run. Tasks is nil once nobody needs it.
type stage struct {
	Shape
	Locations uint64     `json:"locations"` // version of the outputs' places: grows when one is lost
	Reruns    int        `json:"reruns,omitempty"`
	Failures  int        `json:"failures,omitempty"`
	Done      int        `json:"done"`
	Counts    api.Counts `json:"counts"` // of the committed attempts
	List      []*task    `json:"list,omitempty"`

	running int    // tasks that run
	cursor  int    // no task before it is pending
	held    []Held // bytes of output by worker, while complete
}

// taskState says where a task is. A done task becomes pending again when its output is lost.
type taskState int

const (
	taskPending taskState = iota
	taskRunning
	taskDone
)

type task struct {
	State    taskState `json:"state"`
	Next     int       `json:"next"`              // attempts granted so far
	Attempt  int       `json:"attempt,omitempty"` // while running
	Worker   string    `json:"worker,omitempty"`  // while running; else where the last attempt failed
	Failures int       `json:"failures,omitempty"`
	Fetches  int       `json:"fetches,omitempty"`
	Losses   int       `json:"losses,omitempty"`
	Missing  int       `json:"missing,omitempty"`
	Commit   *commit   `json:"commit,omitempty"` // the last one; it counts while State is taskDone
}

// commit is what an accepted report leaves behind.
type commit struct {
	Attempt     int           `json:"attempt"`
	Worker      string        `json:"worker"`
	Address     string        `json:"address"`
	Rows        int64         `json:"rows"`
	Bytes       int64         `json:"bytes"`
	Fingerprint string        `json:"fingerprint,omitempty"` // of the partitions' rows and checksums
	File        *api.FileInfo `json:"file,omitempty"`
	Counts      api.Counts    `json:"counts"`
}

func newRun(c *SubmitRun) *run {
	r := &run{
		ID: c.RunID, Name: c.Name, Request: c.Request, Plan: c.Plan, State: api.RunQueued, Submitted: c.At, Outputs: c.Outputs,
		Result: c.Result,
	}
	for _, shape := range c.Stages {
		s := &stage{Shape: shape, Locations: 1, List: make([]*task, shape.Tasks)}
		for i := range s.List {
			s.List[i] = &task{}
		}
		r.Stages = append(r.Stages, s)
	}
	return r
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

func (r *run) task(id plan.TaskID) (*stage, *task) {
	if id.Stage < 0 || id.Stage >= len(r.Stages) {
		return nil, nil
	}
	s := r.Stages[id.Stage]
	if id.Task < 0 || id.Task >= len(s.List) {
		return s, nil
	}
	return s, s.List[id.Task]
}

// stopped takes an attempt off the list of those that an ended run waits for.
func (r *run) stopped(a plan.AttemptID) bool {
	before := len(r.Stopping)
	r.Stopping = slices.DeleteFunc(r.Stopping, func(g Granted) bool { return g.AttemptID == a })
	return len(r.Stopping) < before
}

func (r *run) describe(i int) string {
	return fmt.Sprintf("stage %d (%s)", i, r.Stages[i].Label)
}

func (s *stage) complete() bool { return s.Done == s.Tasks }

// pend makes a task wait for a grant.
func (s *stage) pend(i int) {
	t := s.List[i]
	if t.State == taskRunning {
		s.running--
	}
	t.State = taskPending
	s.cursor = min(s.cursor, i)
}

// start marks a task as running.
func (s *stage) start(i int) {
	s.List[i].State = taskRunning
	s.running++
	for s.cursor < len(s.List) && s.List[s.cursor].State != taskPending {
		s.cursor++
	}
}

// lose takes back a committed output.
func (s *stage) lose(i int) {
	c := s.List[i].Commit.Counts
	s.pend(i)
	s.Done--
	s.Locations++
	s.held = nil
	s.Counts.Add(negated(c))
}

func negated(c api.Counts) api.Counts {
	return api.Counts{
		RowsRead: -c.RowsRead, BytesRead: -c.BytesRead, RowsKept: -c.RowsKept, RowsIn: -c.RowsIn, RowsOut: -c.RowsOut,
		BytesOut: -c.BytesOut, GroupsPruned: -c.GroupsPruned, GroupsBloom: -c.GroupsBloom, PagesPruned: -c.PagesPruned,
		RowsPruned: -c.RowsPruned, RowsLate: -c.RowsLate,
	}
}

// weigh notes how much of a complete stage's output each worker holds, in order of first task.
func (s *stage) weigh() {
	at := map[string]int{}
	s.held = nil
	for _, t := range s.List {
		i, known := at[t.Commit.Worker]
		if !known {
			i = len(s.held)
			at[t.Commit.Worker] = i
			s.held = append(s.held, Held{Worker: t.Commit.Worker})
		}
		s.held[i].Bytes += t.Commit.Bytes
	}
}
