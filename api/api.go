// Package api is what coordinator, worker and client say to each other: JSON over HTTP/2, one port per process. The
// paths are versioned (/v1); fields are only ever added.
package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/plan"
)

// SubmitRequest asks for a run of a job file or of one SQL query; exactly one of Job and Query is set.
type SubmitRequest struct {
	RunID string `json:"run_id"` // chosen by the caller; submitting the same id again attaches to that run
	Job   *Job   `json:"job,omitempty"`
	Query *Query `json:"query,omitempty"`
	// Attach makes the caller one more of the run that does the same, if there is one that goes on or has succeeded: the same job
	// with the same parameters, inputs and plugins. The answer has that run's id.
	Attach bool `json:"attach,omitempty"`
	// Priority and Weight are for scheduling: see docs/operations.md. 0 is ordinary.
	Priority int `json:"priority,omitempty"`
	Weight   int `json:"weight,omitempty"`
	// Functions are the plugin functions that the job binds, described and pinned by the caller, who has uploaded the
	// executables (PUT /v1/blobs/{sha256}).
	Functions []plan.Function `json:"functions,omitempty"`
	// RetryOf is set by the coordinator of a request that repeats that of another run.
	RetryOf string `json:"retry_of,omitempty"`
}

// RetryRequest asks for what a run was asked for once more (POST /v1/runs/{id}/retry), as a new run.
type RetryRequest struct {
	RunID string `json:"run_id"` // of the new run, chosen by the caller; asking again with the same gives the same run
}

// Job is a job file as the caller has it.
type Job struct {
	File   string            `json:"file"` // name, for messages
	Dir    string            `json:"dir"`  // absolute folder of the file; relative source and output paths start here
	Work   string            `json:"work"` // absolute folder of the caller; default outputs go to ./out below it
	Text   string            `json:"text"`
	Params map[string]string `json:"params,omitempty"`
}

// Query is one SQL statement; its rows come back as the run's result.
type Query struct {
	File string `json:"file,omitempty"` // name, for messages
	Line int    `json:"line,omitempty"` // lines of the file before the statement, for messages
	SQL  string `json:"sql"`
	Dir  string `json:"dir,omitempty"` // absolute folder where the paths of files in FROM start; "" takes none

	Tables []Table `json:"tables,omitempty"`
	Views  []View  `json:"views,omitempty"` // each sees the tables and the other views
	// Namespace is the schema where names of tables are looked up that have none before them; "" is the schema default.
	Namespace string          `json:"namespace,omitempty"`
	Variables []plan.Constant `json:"variables,omitempty"`
	Routines  []Routine       `json:"routines,omitempty"` // each sees those before it
	Session   plan.Session    `json:"session,omitzero"`
	// Into writes the rows to a dataset instead of handing them to the caller.
	Into *Into `json:"into,omitempty"`
}

// Table binds a name to files.
type Table struct {
	Name string `json:"name"`
	// Namespace is the schema that the table lies in; "" for none, so that its name alone finds it everywhere.
	Namespace string            `json:"namespace,omitempty"`
	Path      string            `json:"path"`              // absolute, or a URL
	Format    string            `json:"format,omitempty"`  // "" goes by the files' names
	Options   map[string]string `json:"options,omitempty"` // of the format
	// Schema is the columns as DDL, "a INT NOT NULL, b STRING"; "" takes them from the files. With it there may be no file.
	Schema string `json:"schema,omitempty"`
}

// View binds a name to a query.
type View struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"` // as of a table
	// Current is the schema in which the view's own names are looked up.
	Current string   `json:"current,omitempty"`
	Columns []string `json:"columns,omitempty"` // other names for the query's columns
	File    string   `json:"file,omitempty"`
	Line    int      `json:"line,omitempty"`
	SQL     string   `json:"sql"`
}

// Routine is a function that is defined in SQL.
type Routine struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"` // "" of a temporary one
	Params    string `json:"params,omitempty"`    // columns as DDL
	// Defaults are the values of parameters that calls may leave out.
	Defaults []Default `json:"defaults,omitempty"`
	// Returns is the type, or with Table the columns, as DDL: "r INT". "" is whatever the body gives.
	Returns string `json:"returns,omitempty"`
	Table   bool   `json:"table,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	SQL     string `json:"sql"` // the body: an expression, or with Table a query
}

// Into says where the rows of a query go.
type Into struct {
	URL string `json:"url"` // base of a dataset
	// Schema is the columns of the table that is written, as DDL; "" takes the query's. The query's columns go by
	// position, or by name where Columns lists names, and are cast as an assignment: losslessly, or with an error.
	Schema  string   `json:"schema,omitempty"`
	Columns []string `json:"columns,omitempty"`
	// ByName matches the query's columns to the table's by their names.
	ByName bool `json:"by_name,omitempty"`
	// Defaults are the values of columns that the query does not give, and of the word DEFAULT in VALUES; others are NULL.
	Defaults []Default `json:"defaults,omitempty"`
	// Options of the files; see planner.Catalog.CheckOutput.
	Options map[string]string `json:"options,omitempty"`
}

// Default is the value of a column where none is given, as SQL.
type Default struct {
	Column string `json:"column"`
	SQL    string `json:"sql"`
}

// RunState is where a run is. Later states have larger numbers; a terminal state never changes.
type RunState string

// The states of a run.
const (
	RunQueued     RunState = "queued"
	RunRunning    RunState = "running"
	RunChecking   RunState = "checking"   // all tasks done and the file list decided; its checks are looked at
	RunBlocked    RunState = "blocked"    // a check does not hold; kept until somebody publishes or cancels it
	RunPublishing RunState = "publishing" // all tasks done, the file list decided and checks met; manifest being written
	RunSucceeded  RunState = "succeeded"
	RunFailed     RunState = "failed"
	RunCancelled  RunState = "cancelled"
)

// RunStates are all of them, in order.
func RunStates() []RunState {
	return []RunState{RunQueued, RunRunning, RunChecking, RunBlocked, RunPublishing, RunSucceeded, RunFailed, RunCancelled}
}

// Terminal reports a state that never changes again.
func (s RunState) Terminal() bool {
	return s == RunSucceeded || s == RunFailed || s == RunCancelled
}

// RunStatus is what GET /v1/runs/{id} answers.
type RunStatus struct {
	RunID     string                  `json:"run_id"`
	Name      string                  `json:"name"`
	State     RunState                `json:"state"`
	Reason    string                  `json:"reason,omitempty"` // why it waits, in words ("no worker has joined")
	Failure   *plan.Failure           `json:"failure,omitempty"`
	Submitted time.Time               `json:"submitted"`
	Finished  time.Time               `json:"finished,omitzero"`
	Version   uint64                  `json:"version"` // grows with every change; see the since parameter
	Priority  int                     `json:"priority,omitempty"`
	Weight    int                     `json:"weight,omitempty"`
	Stages    []StageStatus           `json:"stages"`
	Outputs   map[string]OutputStatus `json:"outputs,omitempty"`
	// Result says where the rows of a query that succeeded are, and ResultSchema what they look like.
	Result       *StageOutputs `json:"result,omitempty"`
	ResultSchema plan.Schema   `json:"result_schema,omitzero"`
	// Checks is what came of the checks of a job's outputs, and Override why it was published all the same.
	Checks   []CheckResult `json:"checks,omitempty"`
	Override *Override     `json:"override,omitempty"`
	// ChecksOf is set of a run that measures what the checks of another run are about: that run.
	ChecksOf string `json:"checks_of,omitempty"`
	// RetryOf is the run that this one repeats.
	RetryOf string `json:"retry_of,omitempty"`
}

// Rests reports a run that does not change by itself any more: it has ended, or its checks have blocked it.
func (s *RunStatus) Rests() bool {
	return s.State.Terminal() || (s.State == RunBlocked && s.Failure == nil)
}

// StageStatus is a stage's progress.
type StageStatus struct {
	ID       int    `json:"id"`
	Label    string `json:"label"` // "scan flights → shuffle"
	Tasks    int    `json:"tasks"`
	Running  int    `json:"running"`
	Done     int    `json:"done"`
	Failures int    `json:"failures,omitempty"` // attempts that failed
	Twins    int    `json:"twins,omitempty"`    // second attempts of slow tasks
	Adapted  string `json:"adapted,omitempty"`  // how its tasks were divided anew, in words
	// Median and Slowest are seconds from a task's grant to its report, of those that are done; Median is up to a quarter too long.
	Median  float64 `json:"median,omitempty"`
	Slowest float64 `json:"slowest,omitempty"`
	Counts  Counts  `json:"counts"`         // of the committed attempts
	Live    *Live   `json:"live,omitempty"` // of the attempts that run now; nil if nothing is known of them
}

// Spilled is what the operators of committed attempts and of those that run have written to scratch files, in bytes.
func (s *StageStatus) Spilled() int64 {
	n := int64(0)
	for _, o := range s.Counts.Operators {
		n += o.Spilled
	}
	if s.Live != nil {
		n += s.Live.Spilled
	}
	return n
}

// Counts are what an attempt, or a stage, has moved.
type Counts struct {
	RowsRead     int64 `json:"rows_read"`  // from sources
	BytesRead    int64 `json:"bytes_read"` // from sources, as stored
	RowsKept     int64 `json:"rows_kept"`  // of those read, what the filter right above the scan let through
	RowsIn       int64 `json:"rows_in"`    // from shuffles
	RowsOut      int64 `json:"rows_out"`
	BytesOut     int64 `json:"bytes_out"`
	FilesOut     int64 `json:"files_out,omitempty"` // shards written
	RowsRejected int64 `json:"rows_rejected,omitempty"`
	GroupsPruned int64 `json:"row_groups_pruned,omitempty"`
	GroupsBloom  int64 `json:"row_groups_bloom,omitempty"` // of GroupsPruned, those that Bloom filters ruled out
	PagesPruned  int64 `json:"pages_pruned,omitempty"`
	RowsPruned   int64 `json:"rows_pruned,omitempty"` // of RowsRead, those that were left out before they were decoded whole
	RowsLate     int64 `json:"rows_late,omitempty"`   // of RowsPruned, those that columns read before the others ruled out
	// Operators is what each operator of the stage did, by its place in the tree, parents first.
	Operators []OperatorCounts `json:"operators,omitempty"`
	// Tallies is what the tallies of the stage have counted, in order of their places.
	Tallies []plan.TallyCount `json:"tallies,omitempty"`
	// Counters is what plugin functions have counted for themselves, in order of their names: at most MaxCounters.
	Counters []Counter `json:"counters,omitempty"`
}

// MaxCounters is how many counters of plugin functions are kept of a stage.
const MaxCounters = 100

// Counter is a counter of a plugin function: "gaps.found" is the one that the function gaps calls found.
type Counter struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// OperatorCounts is what one operator did, in one attempt or in all of a stage's.
type OperatorCounts struct {
	Rows    int64 `json:"rows"` // put out
	Batches int64 `json:"batches"`
	Nanos   int64 `json:"nanos"`             // inside the operator and its inputs
	Spilled int64 `json:"spilled,omitempty"` // bytes written to scratch files
	Peak    int64 `json:"peak,omitempty"`    // most bytes of memory held at once by one task
	// Needed is, of an operator that has spilled, about the bytes of memory with which none of its tasks would have.
	Needed int64 `json:"needed,omitempty"`
}

// Add sums counts.
func (c *Counts) Add(o Counts) {
	c.RowsRead += o.RowsRead
	c.BytesRead += o.BytesRead
	c.RowsKept += o.RowsKept
	c.RowsIn += o.RowsIn
	c.RowsOut += o.RowsOut
	c.BytesOut += o.BytesOut
	c.FilesOut += o.FilesOut
	c.RowsRejected += o.RowsRejected
	c.GroupsPruned += o.GroupsPruned
	c.GroupsBloom += o.GroupsBloom
	c.PagesPruned += o.PagesPruned
	c.RowsPruned += o.RowsPruned
	c.RowsLate += o.RowsLate
	c.Tallies = addTallies(c.Tallies, o.Tallies)
	c.Counters = addCounters(c.Counters, o.Counters)
	if n := len(o.Operators); n > len(c.Operators) {
		c.Operators = append(slices.Clip(c.Operators), make([]OperatorCounts, n-len(c.Operators))...)
	}
	for i, p := range o.Operators {
		q := &c.Operators[i]
		q.Rows, q.Batches, q.Nanos, q.Spilled = q.Rows+p.Rows, q.Batches+p.Batches, q.Nanos+p.Nanos, q.Spilled+p.Spilled
		q.Peak, q.Needed = max(q.Peak, p.Peak), max(q.Needed, p.Needed)
	}
}

// addTallies is both lists together, in order of their places. It changes neither.
func addTallies(a, b []plan.TallyCount) []plan.TallyCount {
	if len(b) == 0 {
		return a
	}
	var out []plan.TallyCount
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Place < b[0].Place:
			out, a = append(out, a[0]), a[1:]
		case len(a) == 0 || b[0].Place < a[0].Place:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0].Add(b[0])), a[1:], b[1:]
		}
	}
	return out
}

// addCounters is both lists together, in order of names. It changes neither. Of more than are kept, those stay that a has.
func addCounters(a, b []Counter) []Counter {
	if len(b) == 0 {
		return a
	}
	out := slices.Clone(a)
	for _, c := range b {
		i, found := slices.BinarySearchFunc(out, c.Name, func(c Counter, name string) int { return strings.Compare(c.Name, name) })
		switch {
		case found:
			out[i].Value += c.Value
		case len(out) < MaxCounters:
			out = slices.Insert(out, i, c)
		}
	}
	return out
}

// OutputStatus is a published output.
type OutputStatus struct {
	Path        string `json:"path"`         // the dataset
	VersionPath string `json:"version_path"` // this run's folder in it
	Manifest    string `json:"manifest"`
	Rows        int64  `json:"rows"`
	Shards      int    `json:"shards"`
}

// DatasetVersion is what GET /v1/dataset answers.
type DatasetVersion struct {
	Path        string          `json:"path"`
	Version     string          `json:"version"` // the run that made it
	VersionPath string          `json:"version_path"`
	Manifest    json.RawMessage `json:"manifest"` // as it was written
}

// RunList is what GET /v1/runs answers, newest first.
type RunList struct {
	Runs []RunStatus `json:"runs"`
}

// WorkerList is what GET /v1/workers answers, in order of registration.
type WorkerList struct {
	Workers []WorkerStatus `json:"workers"`
}

// WorkerStatus is a worker as the leader knows it.
type WorkerStatus struct {
	WorkerID   string           `json:"worker_id"`
	Address    string           `json:"address"`
	Slots      int              `json:"slots"`
	Memory     int64            `json:"memory"`                // bytes
	MemoryUsed int64            `json:"memory_used,omitempty"` // what operators held when it last spoke
	Running    []plan.AttemptID `json:"running,omitempty"`
	Silent     time.Duration    `json:"silent"` // since its last word
	// Build is its program, and Clock by how much its clock is ahead of the leader's, in nanoseconds, when it last spoke, less the time
	// that its word took to arrive; neither is known of a worker of an older build, or that this leader has not heard yet.
	Build      string         `json:"build,omitempty"`
	Clock      *time.Duration `json:"clock,omitempty"`
	Draining   bool           `json:"draining,omitempty"`
	Quarantine time.Time      `json:"quarantine,omitzero"` // it is given nothing before, since tasks of several runs failed there
}

// RegisterRequest is a worker's first word to a leader, and again after the leader forgot it.
type RegisterRequest struct {
	WorkerID string `json:"worker_id"` // unique to the process: a restarted worker is another worker
	Address  string `json:"address"`   // host:port where it serves its segments
	Slots    int    `json:"slots"`
	Memory   int64  `json:"memory"` // bytes
}

// RegisterReply tells a worker the rules.
type RegisterReply struct {
	Lease     time.Duration `json:"lease"`     // it counts as lost after this long without a word
	Heartbeat time.Duration `json:"heartbeat"` // how often to send one
}

// LeaveRequest says that a worker is stopping (POST /v1/workers/leave): what it ran and the segments it holds are gone,
// and nobody need wait for its lease to run out.
type LeaveRequest struct {
	WorkerID string `json:"worker_id"`
}

// LeaseRequest asks for work. The answer waits up to Wait for some.
type LeaseRequest struct {
	WorkerID string        `json:"worker_id"`
	Free     int           `json:"free"` // slots
	Wait     time.Duration `json:"wait"`
}

// LeaseReply hands out attempts.
type LeaseReply struct {
	Assignments []Assignment `json:"assignments"`
}

// Assignment is the right to run an attempt.
type Assignment struct {
	plan.AttemptID
	Epoch uint64 `json:"epoch"` // raft term of the leader that granted it; a worker refuses an epoch below the highest seen
	Plan  string `json:"plan"`  // digest of the encoded plan.Job: GET /v1/blobs/{digest}
	// Inputs names, for each stage that the task reads, which version of its locations to use.
	Inputs []StageInput `json:"inputs,omitempty"`
	// OutputURL is the version folder for a file sink: attempt files go right below it.
	OutputURL string `json:"output_url,omitempty"`
	// RejectsURL is the version folder for rows that plugin functions could not do, where the job wants them.
	RejectsURL string `json:"rejects_url,omitempty"`
	// Exclusive says that an attempt of the task ran out of memory: this one has the worker to itself, with all of its memory.
	Exclusive bool `json:"exclusive,omitempty"`
	// Traceparent is the span that the run is a part of, if it was submitted with one.
	Traceparent string `json:"traceparent,omitempty"`
}

// StageInput names a version of a stage's locations: GET /v1/runs/{run}/stages/{stage}/outputs?version=n.
type StageInput struct {
	Stage   int    `json:"stage"`
	Version uint64 `json:"version"`
	// Part is what the task reads of it; nil: the partition of the task's own number, or all of a broadcast.
	Part *Selection `json:"part,omitempty"`
}

// Selection is the part of a stage's output that a task reads: the rows between two positions in each of the partitions
// From ≤ p < To, partition by partition, each in map order. Where the reader sorts them, it may be one slice of that order;
// and it may be the rows of a share of the keys.
type Selection struct {
	From  int      `json:"from"`
	To    int      `json:"to"`
	Begin Position `json:"begin,omitzero"`
	End   Position `json:"end,omitzero"` // exclusive; zero: the end
	Slice Slice    `json:"slice,omitzero"`
	Share Share    `json:"share,omitzero"`
}

// Slice is the Number-th, from 0, of Of parts of about equal size of sorted rows; zero: all of them. Readers find out for
// themselves where the parts begin, from the rows.
type Slice struct {
	Number int `json:"number"`
	Of     int `json:"of"`
}

// Share is the keys that go to the Number-th, from 0, of Of parts by another hash than the partitions; zero: all of them.
type Share struct {
	Number int `json:"number"`
	Of     int `json:"of"`
}

// Position is a place in one partition of a stage's output: Row rows into what map task Task wrote.
type Position struct {
	Task int   `json:"task"`
	Row  int64 `json:"row,omitempty"` // from 0
}

// StageOutputs tells where the committed map outputs of a stage are.
type StageOutputs struct {
	Run     string `json:"run"`
	Stage   int    `json:"stage"`
	Version uint64 `json:"version"`
	// Workers are addresses; Tasks[i] is where the output of map task i is.
	Workers []string       `json:"workers"`
	Tasks   []TaskLocation `json:"tasks"`
}

// TaskLocation is a committed map output.
type TaskLocation struct {
	Worker  int   `json:"worker"` // index in StageOutputs.Workers
	Attempt int   `json:"attempt"`
	Rows    int64 `json:"rows"` // over all partitions
}

// ReportRequest tells how attempts ended. The answer comes when it is durable.
type ReportRequest struct {
	WorkerID string   `json:"worker_id"`
	Reports  []Report `json:"reports"`
}

// Report is the end of an attempt: a failure, or what it made.
type Report struct {
	plan.AttemptID
	Failure *plan.Failure `json:"failure,omitempty"`
	Counts  Counts        `json:"counts"`
	Seconds float64       `json:"seconds"`
	// Partitions describes a shuffle or result sink's segment, File what a file sink has written, and Lines is the rows of a
	// report sink.
	Partitions []PartitionInfo `json:"partitions,omitempty"`
	File       *FileInfo       `json:"file,omitempty"`
	Lines      []string        `json:"lines,omitempty"`
	// Rejects is what plugin functions could not do; nil for nothing.
	Rejects *Rejects `json:"rejects,omitempty"`
	// Calls stand for what the stage's scalar plugin functions have answered, in the order of plan.Stage.ScalarCalls: two executions
	// are compared by them. Of sinks on scratch disks only.
	Calls []uint64 `json:"calls,omitempty"`
	// Facts is where the attempt's time went; nil of workers of an older build.
	Facts *AttemptFacts `json:"facts,omitempty"`
}

// Wrote reports that the attempt has left files in an output's folder.
func (r *Report) Wrote() bool { return r.File != nil || r.Rejects != nil }

// PartitionInfo is one partition of a segment.
type PartitionInfo struct {
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`
	Checksum string `json:"checksum"` // order-independent 128-bit sum of row hashes, hex
	// Keys are those that have a large part of the rows, as far as a sample tells, the most frequent first; few.
	Keys []KeyRows `json:"keys,omitempty"`
}

// KeyRows is a key, by the hash that partitions go by, and about how many rows have it.
type KeyRows struct {
	Hash uint64 `json:"hash"`
	Rows int64  `json:"rows"`
	// Value is the key as text, for people, if it was met often enough; "" of a worker of an older build.
	Value string `json:"value,omitempty"`
}

// FileInfo is a file that an attempt with a file sink has written: its shard, or the list of its shards if the name says so
// (see [ListName]). Of a list, Rows and Bytes are those of all shards in it, and SHA256 is the list's own.
type FileInfo struct {
	Name   string `json:"name"` // below the version folder
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// ReportReply says, report by report, whether it counted: false for an attempt that is no longer current.
type ReportReply struct {
	Accepted []bool `json:"accepted"`
}

// HeartbeatRequest renews a worker's lease and names the attempts that it runs.
type HeartbeatRequest struct {
	WorkerID string           `json:"worker_id"`
	Running  []plan.AttemptID `json:"running"`
	// Draining says that the worker is about to stop: it takes no more work, and finishes what it has.
	Draining bool `json:"draining,omitempty"`
	// Progress is how far these attempts have come, of those that have something to show.
	Progress []AttemptProgress `json:"progress,omitempty"`
	// MemoryUsed is what the operators of all attempts hold, in bytes.
	MemoryUsed int64 `json:"memory_used,omitempty"`
	// Build names the worker's program, and Now is its clock when it sent this.
	Build string    `json:"build,omitempty"`
	Now   time.Time `json:"now,omitzero"`
}

// AttemptProgress is how far an attempt has come that runs.
type AttemptProgress struct {
	plan.AttemptID
	Live
}

// Live is what has been done by attempts that run now, as their workers last said. It is for people: no leader writes it down, and
// the next one knows nothing of it until the workers speak.
type Live struct {
	RowsRead  int64 `json:"rows_read,omitempty"`  // from sources
	BytesRead int64 `json:"bytes_read,omitempty"` // from sources, as stored
	RowsIn    int64 `json:"rows_in,omitempty"`    // from shuffles
	RowsOut   int64 `json:"rows_out,omitempty"`
	Spilled   int64 `json:"spilled,omitempty"` // bytes written to scratch files
}

// Add sums.
func (l *Live) Add(o Live) {
	l.RowsRead += o.RowsRead
	l.BytesRead += o.BytesRead
	l.RowsIn += o.RowsIn
	l.RowsOut += o.RowsOut
	l.Spilled += o.Spilled
}

// HeartbeatReply names the attempts to stop and the runs whose scratch can go.
type HeartbeatReply struct {
	Stop   []plan.AttemptID `json:"stop,omitempty"`
	Forget []string         `json:"forget,omitempty"` // runs
	// Drained tells a worker that is draining that nobody needs it any more: it runs nothing, and no run that goes on reads
	// what it holds.
	Drained bool `json:"drained,omitempty"`
}

// Code says what kind of error an answer is, independent of the HTTP status.
type Code string

// The error codes.
const (
	CodeInvalid       Code = "invalid"        // 400: the job, query or request is wrong; Message may have several lines
	CodeUnauthorized  Code = "unauthorized"   // 401: no token, or a wrong one
	CodeForbidden     Code = "forbidden"      // 403: known, but not allowed to do this
	CodeNotFound      Code = "not_found"      // 404
	CodeConflict      Code = "conflict"       // 409: same run id, other content
	CodeUnknownWorker Code = "unknown_worker" // 409: register (again) first
	CodeNotLeader     Code = "not_leader"     // 421: Leader says who is, if known
	CodeBusy          Code = "busy"           // 429: the queue is full; RetryAfter says when to try again
	CodeUnavailable   Code = "unavailable"    // 503: no leader now, or shutting down; try again
	CodeStorage       Code = "storage"        // 502: a store does not answer as it should; it has been asked again and again
	CodeInternal      Code = "internal"       // 500
)

// Error is the body of every answer that is not a success.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Leader  string `json:"leader,omitempty"` // host:port
	// RetryAfter is how long a caller should wait before it asks again, with CodeBusy.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Errorf makes an error with a code.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
