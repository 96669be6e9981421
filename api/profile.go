package api

import (
	"time"

	"github.com/quern-engine/quern/plan"
)

// Profile is what GET /v1/runs/{run}/profile answers: what a run did and where its time went, up to now or to its end. It
// outlives the workers, and the leader that wrote it down. Times are in seconds if nothing else is said.
type Profile struct {
	RunID     string        `json:"run_id"`
	Name      string        `json:"name"`
	State     RunState      `json:"state"`
	Failure   *plan.Failure `json:"failure,omitempty"`
	Submitted time.Time     `json:"submitted"`
	Finished  time.Time     `json:"finished,omitzero"`
	Seconds   float64       `json:"seconds"` // since it was submitted, up to its end or to now
	// Partial says that times were not taken: the run is one of coordinators of an older build.
	Partial bool            `json:"partial,omitempty"`
	Phases  PhaseTimes      `json:"phases"`
	Stages  []StageProfile  `json:"stages"`
	Sources []SourceProfile `json:"sources,omitempty"`
	Workers []WorkerProfile `json:"workers,omitempty"` // that it was given to
	Lost    []LostWorker    `json:"lost_workers,omitempty"`
	// Findings are what stands out, most important first. They are found anew whenever somebody asks.
	Findings []Finding `json:"findings"`
}

// PhaseTimes is where the seconds of a run went; they add up.
type PhaseTimes struct {
	NoWorker float64 `json:"no_worker"` // none of its tasks ran: there was no worker
	Waiting  float64 `json:"waiting"`   // none of its tasks ran, though there were workers: their slots were busy, or it was in line
	Tasks    float64 `json:"tasks"`     // at least one ran
	Checks   float64 `json:"checks"`
	Blocked  float64 `json:"blocked"` // by its checks, until somebody decided
	Publish  float64 `json:"publish"` // deciding the files, manifests, pointers
	Ending   float64 `json:"ending"`  // failed or cancelled: stopping tasks, deleting files
}

// StageProfile is a stage. Of Facts it has the sums over the attempts that counted.
type StageProfile struct {
	ID      int    `json:"id"`
	Label   string `json:"label"`
	Adapted string `json:"adapted,omitempty"`
	Inputs  []int  `json:"inputs,omitempty"` // stages that it reads
	Sink    string `json:"sink,omitempty"`   // where its rows go, in words
	Keys    string `json:"keys,omitempty"`   // columns that a shuffle goes by
	Tasks   int    `json:"tasks"`
	Done    int    `json:"done"`
	Twins   int    `json:"twins,omitempty"`
	Counts  Counts `json:"counts"`
	// Operators are the plan, parents first.
	Operators []OperatorProfile `json:"operators,omitempty"`

	Ready float64 `json:"ready"`           // when its inputs were there, from the run's submission
	Began float64 `json:"began"`           // when its first task was given out
	Ended float64 `json:"ended,omitempty"` // when its last task was done; 0 if it is not

	AtOnce  int          `json:"at_once"` // most tasks that ran at the same time
	Took    Spread       `json:"took"`    // by a task, from being given out to being recorded as done
	RowsIn  Spread       `json:"rows_in"` // of a task, from sources and shuffles
	Busy    float64      `json:"busy"`    // Took of all tasks together
	Worked  float64      `json:"worked"`  // of Busy, on the workers
	Waited  float64      `json:"waited"`  // of all tasks together, from Ready to being given out
	Facts   AttemptFacts `json:"facts"`
	Spilled int          `json:"spilled,omitempty"` // tasks that wrote scratch files

	Slowest []TaskProfile `json:"slowest,omitempty"` // tasks, the slowest first; few
	Running []TaskProfile `json:"running,omitempty"` // tasks that run now, the longest first; few
	// Frequent are the keys that many of the rows have that it wrote, as far as samples tell, the most frequent first.
	Frequent []KeyRows       `json:"frequent,omitempty"`
	Lost     []LostAttempts  `json:"lost,omitempty"`
	Workers  []WorkerSeconds `json:"workers,omitempty"`
}

// Wall is how long the stage took, up to now if it goes on.
func (s *StageProfile) Wall(now float64) float64 {
	switch {
	case s.Ended > 0:
		return max(0, s.Ended-s.Began)
	case s.Began > 0 || s.Busy > 0 || len(s.Running) > 0:
		return max(0, now-s.Began)
	}
	return 0
}

// OperatorProfile is an operator of a stage, and what it did in all tasks together.
type OperatorProfile struct {
	Depth int         `json:"depth"`
	Op    plan.NodeOp `json:"op"`
	Text  string      `json:"text"`
	OperatorCounts
	Own            int64 `json:"own_nanos"`                    // of Nanos, without its inputs
	FoldersDropped int   `json:"folders_dropped,omitempty"`    // of a scan, when it was planned: not even listed
	FilesDropped   int   `json:"files_dropped,omitempty"`      // likewise
	GroupsDropped  int   `json:"row_groups_dropped,omitempty"` // likewise
}

// Spread is how something is spread over the tasks of a stage. Median is up to a quarter too large.
type Spread struct {
	Least  float64 `json:"least"`
	Median float64 `json:"median"`
	Most   float64 `json:"most"`
}

// TaskProfile is a task of a stage.
type TaskProfile struct {
	Task     int           `json:"task"`
	Attempt  int           `json:"attempt"` // that counted, from 0
	Worker   string        `json:"worker"`
	Seconds  float64       `json:"seconds"`            // from being given out to being recorded as done, or to now
	Waited   float64       `json:"waited,omitempty"`   // from the stage's Ready to being given out
	Failures int           `json:"failures,omitempty"` // attempts before that did not succeed
	Twin     bool          `json:"twin,omitempty"`     // a second attempt was done first
	RowsIn   int64         `json:"rows_in,omitempty"`
	RowsOut  int64         `json:"rows_out,omitempty"`
	Spilled  int64         `json:"spilled,omitempty"`
	Peak     int64         `json:"peak,omitempty"` // most bytes that one of its operators held
	Facts    *AttemptFacts `json:"facts,omitempty"`
}

// LostAttempts are attempts of a stage that did not count, for one kind of reason.
type LostAttempts struct {
	Kind     plan.FailureKind `json:"kind"` // "" of outputs that were lost and computed again
	Attempts int              `json:"attempts"`
	Seconds  float64          `json:"seconds"`
	Worker   string           `json:"worker,omitempty"`  // of the last one
	Message  string           `json:"message,omitempty"` // likewise
}

// WorkerSeconds is what a worker did for a stage.
type WorkerSeconds struct {
	Worker  string  `json:"worker"`
	Tasks   int     `json:"tasks"`
	Seconds float64 `json:"seconds"`
	Rows    int64   `json:"rows"` // in
}

// SourceProfile is a source of a job, as it was planned.
type SourceProfile struct {
	Name  string `json:"name"`
	Files int    `json:"files"` // that are read
	Bytes int64  `json:"bytes"` // of these files
	Stage int    `json:"stage"`
}

// WorkerProfile is a worker that a run was given to.
type WorkerProfile struct {
	Worker string `json:"worker"`
	Slots  int    `json:"slots,omitempty"`
	Memory int64  `json:"memory,omitempty"` // bytes
}

// LostWorker is a worker that vanished while it worked for a run.
type LostWorker struct {
	Worker string  `json:"worker"`
	At     float64 `json:"at"` // since the run was submitted
}

// FindingKind says what was found.
type FindingKind string

// The kinds of findings.
const (
	FindingHotKey      FindingKind = "hot_key"      // one key has so many rows that one task works much longer than others
	FindingSkew        FindingKind = "skew"         // a task has many more rows than others
	FindingSlowWorker  FindingKind = "slow_worker"  // a worker is slower than others at the same work
	FindingStraggler   FindingKind = "straggler"    // a task took much longer than others for another reason
	FindingSpill       FindingKind = "spill"        // an operator did not fit in memory
	FindingSmallFiles  FindingKind = "small_files"  // a source is many small files
	FindingFetch       FindingKind = "fetch"        // tasks waited for data of other workers
	FindingPlugin      FindingKind = "plugin"       // tasks waited for plugin functions
	FindingNoWorker    FindingKind = "no_worker"    // there was no worker
	FindingWaiting     FindingKind = "waiting"      // there were workers, and no slot for the run
	FindingSlots       FindingKind = "slots"        // more slots would have made it shorter
	FindingShortTasks  FindingKind = "short_tasks"  // tasks took less time than handing them out
	FindingRetries     FindingKind = "retries"      // attempts failed
	FindingLostWorkers FindingKind = "lost_workers" // workers vanished
	FindingChecks      FindingKind = "checks"       // measuring for the checks took long
	FindingBlocked     FindingKind = "blocked"      // nobody released it
	FindingPublish     FindingKind = "publish"      // writing manifests and pointers took long
)

// Finding is something that made a run slow.
type Finding struct {
	Kind  FindingKind `json:"kind"`
	Stage int         `json:"stage"` // -1 of the run as a whole
	// Seconds is about how much of the run's time it is about.
	Seconds float64  `json:"seconds"`
	Title   string   `json:"title"`
	Why     []string `json:"why,omitempty"` // figures, a sentence each
	Do      string   `json:"do"`            // what would help
}
