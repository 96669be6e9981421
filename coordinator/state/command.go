package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	fastjson "github.com/go-json-experiment/json/v1"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// EntryVersion is the version of the log entries that this build writes, and the newest that it reads. Raise it when
// an entry comes to mean something that an older build would get wrong.
//
//  1. what there was first
//  2. plugin functions: a Shape with Rejects or Functions, and reports about these
//  3. logs: KeepLogs, events of runs are noted in the state, and what plugin functions count is kept
//  4. facts: where the time of runs goes is noted in the state, RunProfiled; runs that repeat others
//  5. runs whose functions the coordinator has bound
//  6. traces: runs that are a part of a trace
const EntryVersion = TracesVersion

// FunctionsVersion is the first version of entries about plugin functions, LogsVersion of those of which logs are kept,
// FactsVersion of those of which is kept where the time of runs goes, BoundVersion of those with SubmitRun.Bound, and
// TracesVersion of those with SubmitRun.Traceparent.
const (
	FunctionsVersion = 2
	LogsVersion      = 3
	FactsVersion     = 4
	BoundVersion     = 5
	TracesVersion    = 6
)

// Entry is one log entry: commands that are applied together, in order.
type Entry struct {
	Version  int       `json:"version"`
	Commands []Command `json:"commands"`
}

// Command is a decision to be recorded. Exactly one field is set. Fields are only ever added.
type Command struct {
	Submit     *SubmitRun      `json:"submit,omitempty"`
	Register   *RegisterWorker `json:"register,omitempty"`
	WorkerLost *WorkerLost     `json:"worker_lost,omitempty"`
	Grant      *Grant          `json:"grant,omitempty"`
	Report     *Report         `json:"report,omitempty"`
	Missing    *Missing        `json:"missing,omitempty"`
	Cancel     *CancelRun      `json:"cancel,omitempty"`
	Commit     *JobCommit      `json:"commit,omitempty"`
	Published  *RunPublished   `json:"published,omitempty"`
	Fail       *FailRun        `json:"fail,omitempty"`
	Cleaned    *RunCleaned     `json:"cleaned,omitempty"`
	Release    *ReleaseRun     `json:"release,omitempty"`
	Drain      *DrainWorker    `json:"drain,omitempty"`
	Adapt      *AdaptStage     `json:"adapt,omitempty"`
	Purge      *PurgeRuns      `json:"purge,omitempty"`
	Checked    *RunChecked     `json:"checked,omitempty"`
	Override   *OverrideChecks `json:"override,omitempty"`
	Logs       *KeepLogs       `json:"logs,omitempty"`
	Profiled   *RunProfiled    `json:"profiled,omitempty"`
}

// SubmitRun begins a run. Its idempotency key is the run's id; a different request under the same id is a conflict.
type SubmitRun struct {
	RunID   string `json:"run_id"`
	Name    string `json:"name"`
	Request string `json:"request"` // digest of what was asked for
	// Bound is the digest of the request with the plugin functions that the coordinator has bound, if there are any: what is planned,
	// kept and repeated. Of entries from BoundVersion on only.
	Bound string `json:"bound,omitempty"`
	// Plan is the digest of the encoded plan, which holds the job, its parameters, the inputs' identities and the plugins'
	// digests: two runs with one plan would do the same.
	Plan string `json:"plan"`
	// Attach makes the caller one more of a run with the same plan that goes on or has succeeded, if there is one.
	Attach   bool        `json:"attach,omitempty"`
	Priority int         `json:"priority,omitempty"` // runs of a higher one are served first
	Weight   int         `json:"weight,omitempty"`   // share among runs of one priority; 0 means 1
	Blobs    []string    `json:"blobs,omitempty"`    // digests that the run needs beside its plan
	Stages   []Shape     `json:"stages"`
	Outputs  []Output    `json:"outputs,omitempty"`
	Result   plan.Schema `json:"result,omitzero"` // of a query
	// Checks is how many conditions the outputs must meet before they are published.
	Checks int `json:"checks,omitempty"`
	// ChecksOf makes this the run that measures what the checks of another run are about.
	ChecksOf string `json:"checks_of,omitempty"`
	// RetryOf is the run that this one repeats. Of entries from FactsVersion on only.
	RetryOf string `json:"retry_of,omitempty"`
	// Traceparent is the span that the run is a part of. Of entries from TracesVersion on only.
	Traceparent string    `json:"traceparent,omitempty"`
	At          time.Time `json:"at"`
}

// Rejects reports that rows of the run may be put aside.
func (c *SubmitRun) Rejects() bool {
	return slices.ContainsFunc(c.Stages, func(s Shape) bool { return s.Rejects })
}

// consistent reports that the references between stages and outputs hold.
func (c *SubmitRun) consistent() bool {
	for i, s := range c.Stages {
		if s.Tasks < 1 || s.Tasks > maxTasks || slices.ContainsFunc(s.Inputs, func(in int) bool { return in < 0 || in >= i }) {
			return false
		}
		if s.Adapt != nil && !c.adapts(s) {
			return false
		}
	}
	return len(c.Stages) > 0 && !slices.ContainsFunc(c.Outputs, func(o Output) bool {
		return o.Stage < 0 || o.Stage >= len(c.Stages) || c.Stages[o.Stage].Sink != plan.SinkFile
	})
}

// adapts reports that a stage which adapts reads shuffles with a partition for each of its tasks. A stage that writes
// shards may not: there are as many as the user asked for.
func (c *SubmitRun) adapts(s Shape) bool {
	return s.Sink.Scratch() && len(s.Adapt.Inputs) > 0 && !slices.ContainsFunc(s.Adapt.Inputs, func(in plan.AdaptInput) bool {
		return !slices.Contains(s.Inputs, in.Stage) || c.Stages[in.Stage].Partitions != s.Tasks
	})
}

// Shape is what the machine needs to know of a stage; the rest is in the plan.
type Shape struct {
	Label      string        `json:"label"`
	Tasks      int           `json:"tasks"`
	Inputs     []int         `json:"inputs,omitempty"` // stages with smaller ids
	Sink       plan.SinkKind `json:"sink"`
	Partitions int           `json:"partitions,omitempty"` // of a shuffle sink
	Output     string        `json:"output,omitempty"`     // of a file sink
	Adapt      *plan.Adapt   `json:"adapt,omitempty"`
	Rejects    bool          `json:"rejects,omitempty"`   // plugin functions of it may put rows aside
	Functions  []string      `json:"functions,omitempty"` // plugin functions whose answers reports stand for, in order
}

// writes reports that attempts leave files in the folder of an output.
func (s *Shape) writes() bool { return s.Sink == plan.SinkFile || s.Rejects }

// Output is a dataset that a run publishes.
type Output struct {
	Name        string `json:"name"`
	Stage       int    `json:"stage"`
	URL         string `json:"url"`
	VersionURL  string `json:"version_url"`  // this run's folder; attempts write right below it
	Path        string `json:"path"`         // the dataset, as people write it
	VersionPath string `json:"version_path"` // likewise, this run's folder
	Manifest    string `json:"manifest"`
}

// RegisterWorker makes a worker known, or corrects what is known of it. A worker at an address that another id has used
// replaces that other one: a restarted process is a new worker.
type RegisterWorker struct {
	ID      string    `json:"id"`
	Address string    `json:"address"`
	Slots   int       `json:"slots"`
	Memory  int64     `json:"memory,omitempty"` // bytes
	At      time.Time `json:"at"`
}

// DrainWorker gives a worker nothing more: it is about to stop.
type DrainWorker struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// WorkerLost gives a worker up: what it runs, and the outputs it holds that are still needed, are to be done again.
type WorkerLost struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// Grant gives attempts to workers. Each is checked again here, where it is certain to be current.
type Grant struct {
	Epoch    uint64    `json:"epoch"`
	Attempts []Granted `json:"attempts"`
	At       time.Time `json:"at"`
}

// Granted is an attempt and the worker that may run it.
type Granted struct {
	plan.AttemptID
	Worker string `json:"worker"`
	// Twin makes this a second attempt beside one that runs: whichever commits first counts.
	Twin bool `json:"twin,omitempty"`
	// Exclusive gives the attempt all slots of the worker.
	Exclusive bool `json:"exclusive,omitempty"`
}

// Report is how an attempt ended. What the log needs to know of its partitions is in Made; the report's own list, one
// entry for each pair of a map task and a partition, is left out then.
type Report struct {
	Worker string     `json:"worker"`
	Report api.Report `json:"report"`
	Made   *Made      `json:"made,omitempty"`
	At     time.Time  `json:"at"`
}

// AdaptStage divides the tasks of a stage anew, before the first of them is granted. Tasks[i] is what task i reads of the
// partitioned inputs; none leaves the tasks as they were planned.
type AdaptStage struct {
	RunID string    `json:"run_id"`
	Stage int       `json:"stage"`
	Tasks [][]Part  `json:"tasks,omitempty"`
	Note  string    `json:"note,omitempty"` // for people
	At    time.Time `json:"at"`
}

// Part is what a task reads of a stage's output.
type Part struct {
	Stage int `json:"stage"`
	api.Selection
}

// PurgeRuns forgets runs that have ended, and those that are blocked by their checks, after what these wrote is deleted.
type PurgeRuns struct {
	RunIDs []string  `json:"run_ids"`
	At     time.Time `json:"at,omitzero"`
}

// Missing says that a worker, though alive, does not run these attempts: their grant never reached it.
type Missing struct {
	Worker   string           `json:"worker"`
	Attempts []plan.AttemptID `json:"attempts"`
	At       time.Time        `json:"at"`
}

// CancelRun ends a run on request. It comes too late for a run whose files are decided.
type CancelRun struct {
	RunID  string    `json:"run_id"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// JobCommit fixes the files of a run's outputs: the committed attempt of each shard. Its checks follow, then publishing.
type JobCommit struct {
	RunID string `json:"run_id"`
	// Parents are the runs that the outputs' pointers named then, output by output; empty where there was none.
	Parents []string  `json:"parents,omitempty"`
	At      time.Time `json:"at"`
}

// RunPublished says that manifests, markers and pointers are written.
type RunPublished struct {
	RunID string    `json:"run_id"`
	At    time.Time `json:"at"`
}

// FailRun ends a run for a reason that no task reported: publishing was not possible.
type FailRun struct {
	RunID   string        `json:"run_id"`
	Failure *plan.Failure `json:"failure"`
	At      time.Time     `json:"at"`
}

// RunCleaned says that nothing is left of a failed or cancelled run's outputs.
type RunCleaned struct {
	RunID string    `json:"run_id"`
	At    time.Time `json:"at"`
}

// ReleaseRun says that nobody will read a query's result again, so workers may drop it.
type ReleaseRun struct {
	RunID string `json:"run_id"`
}

// Encode is the entry as it goes into the log.
func (e Entry) Encode() ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode log entry: %w", err)
	}
	return data, nil
}

// DecodeEntry reads a log entry. It refuses a version or a command that this build does not know: a coordinator that
// skipped such an entry would no longer know what the others know, so it has to stop instead. An unknown field inside
// a known command is ignored: a change that matters raises EntryVersion.
func DecodeEntry(data []byte) (Entry, error) { return DecodeEntryUpTo(data, EntryVersion) }

// DecodeEntryUpTo is [DecodeEntry] of a build that reads entries up to a version.
func DecodeEntryUpTo(data []byte, version int) (Entry, error) {
	var e Entry
	// What is to become the standard library's next version, with the semantics of this one: four times as fast, and every
	// coordinator reads every entry.
	if err := fastjson.Unmarshal(data, &e); err != nil {
		return Entry{}, fmt.Errorf("decode log entry: %w", err)
	}
	if e.Version < 1 || e.Version > version {
		return Entry{}, fmt.Errorf("log entry of version %d; this build reads up to version %d: upgrade this coordinator", e.Version, version)
	}
	for i, c := range e.Commands {
		if !c.known() {
			return Entry{}, fmt.Errorf("log entry: this build does not know command %d: upgrade this coordinator", i)
		}
	}
	return e, nil
}

func (c Command) known() bool {
	return c.Submit != nil || c.Register != nil || c.WorkerLost != nil || c.Grant != nil || c.Report != nil ||
		c.Missing != nil || c.Cancel != nil || c.Commit != nil || c.Published != nil || c.Fail != nil ||
		c.Cleaned != nil || c.Release != nil || c.Drain != nil || c.Adapt != nil || c.Purge != nil ||
		c.Checked != nil || c.Override != nil || c.Logs != nil || c.Profiled != nil
}
