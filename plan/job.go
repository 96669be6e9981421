package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Job is a planned run: what the coordinator schedules and workers execute. Its encoding is deterministic, so its
// digest names it.
type Job struct {
	Version   int        `json:"version"` // of this encoding
	Name      string     `json:"name"`
	Session   Session    `json:"session,omitzero"`
	Stages    []*Stage   `json:"stages"` // a stage's inputs come before it
	Outputs   []Output   `json:"outputs,omitempty"`
	Functions []Function `json:"functions,omitempty"`
	Params    []Param    `json:"params,omitempty"`
	Inputs    []Input    `json:"inputs,omitempty"`
	Checks    []Check    `json:"checks,omitempty"`
	Steps     []Step     `json:"steps,omitempty"` // of the job file, in its order
}

// Session is the settings that expressions depend on. The zero value is UTC and ANSI mode.
type Session struct {
	// TimeZone is an IANA name, or an offset such as +02:00; empty for UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Legacy turns Spark's ANSI mode off: overflow wraps or gives NULL, division by zero and malformed casts give NULL.
	Legacy bool `json:"legacy,omitempty"`
	// Now is what current_timestamp and its kin say, in microseconds since the epoch; 0 refuses them. It comes from the
	// caller, so that a plan stays a function of its input.
	Now int64 `json:"now,omitempty"`
	// Turned are the switches that do not stand as they do by default, in order of their keys.
	Turned []Switch `json:"turned,omitempty"`
}

// Constant is a value with a name: a variable of a SQL session.
type Constant struct {
	Name  string  `json:"name"`
	Type  Type    `json:"type"`
	Value Literal `json:"value"`
}

// JobVersion is the newest version of the encoding that this code reads.
//
//  1. what there was first
//  2. outputs with PartitionBy, RowsPerFile or Time, which a worker that does not know these would write as if they were not
//     there
//  3. functions with a Treatment, which a worker that does not know it would not heed; tallies, which it cannot build
const JobVersion = 3

// NeededVersion is the oldest version whose readers understand the job.
func (j *Job) NeededVersion() int {
	if slices.ContainsFunc(j.Steps, func(s Step) bool { return len(s.Tallies) > 0 }) {
		return 3
	}
	for _, f := range j.Functions {
		if f.Treatment != (Treatment{}) {
			return 3
		}
	}
	for _, o := range j.Outputs {
		if len(o.PartitionBy) > 0 || o.RowsPerFile > 0 || o.Time > 0 {
			return 2
		}
	}
	return 1
}

// Param is a resolved job parameter, for the manifest.
type Param struct {
	Name  string `json:"name"`
	Type  Type   `json:"type"`
	Value string `json:"value"`
}

// Input is a file that the job reads, for the manifest.
type Input struct {
	Source string `json:"source"`
	URL    string `json:"url"`
	Size   int64  `json:"size"`
	ETag   string `json:"etag"`
}

// Output is a dataset that the job publishes.
type Output struct {
	Name        string `json:"name"`
	URL         string `json:"url"` // base; versions are folders below it
	Format      string `json:"format"`
	Compression string `json:"compression"`
	// Options of the format, by Spark's names: see parquetio.ParseWriterOptions.
	Options map[string]string `json:"options,omitempty"`
	Schema  Schema            `json:"schema"`
	Shards  int               `json:"shards"`
	Stage   int               `json:"stage"` // the stage that writes it, one shard a task
	// PartitionBy are columns of Schema by whose values files lie in folders; the files are without them. Rows come sorted by
	// these columns.
	PartitionBy []int `json:"partition_by,omitempty"`
	RowsPerFile int64 `json:"rows_per_file,omitempty"` // a shard is cut into files of so many rows; 0: it is one file
	// SortBy is the order in which the rows of each file come.
	SortBy []SortKey `json:"sort_by,omitempty"`
	// Time is 1 + the place of the column that has a row's time; 0: none is declared.
	Time int `json:"time,omitempty"`
}

// FileSchema is the columns of the output's files.
func (o *Output) FileSchema() Schema {
	if len(o.PartitionBy) == 0 {
		return o.Schema
	}
	var s Schema
	for i, f := range o.Schema.Fields {
		if !slices.Contains(o.PartitionBy, i) {
			s.Fields = append(s.Fields, f)
		}
	}
	return s
}

// Stage is a pipeline of operators between shuffles, run as Tasks tasks.
type Stage struct {
	ID    int   `json:"id"` // index in Job.Stages
	Root  *Node `json:"root"`
	Sink  Sink  `json:"sink"`
	Tasks int   `json:"tasks"`
	// Splits has the files of each task of a stage that scans (at most one NodeScan a stage); nil otherwise, and then
	// task i reads partition i of its shuffles.
	Splits [][]Split `json:"splits,omitempty"`
	Inputs []int     `json:"inputs,omitempty"` // stages read by NodeShuffleRead, ascending
	// Adapt is set where the tasks may be divided anew once the sizes of the inputs are known.
	Adapt *Adapt `json:"adapt,omitempty"`
}

// Adapt says how the tasks of a stage that reads hash-partitioned inputs may be divided anew.
type Adapt struct {
	Target int64        `json:"target"` // bytes that a task had best read
	Inputs []AdaptInput `json:"inputs"` // those that are partitioned, ascending; the others are broadcast
	// Shares says that the keys of a partition may be divided among several tasks, each of which keeps those of its share of all
	// inputs.
	Shares bool `json:"shares,omitempty"`
}

// AdaptInput is a hash-partitioned input of a stage that adapts.
type AdaptInput struct {
	Stage    int   `json:"stage"`
	RowBytes int64 `json:"row_bytes"` // estimated width of a row in memory
	// Splits says that the rows of one partition may go to several tasks, if each of these reads that partition of the other
	// inputs whole.
	Splits bool `json:"splits,omitempty"`
	// Slices says that several tasks may read the same partition whole, all inputs, if each keeps another slice of this
	// input's rows in the order that the stage sorts them in, and what it needs of the others; see [Node.Slicing].
	Slices bool `json:"slices,omitempty"`
}

// SinkKind says where a stage's rows go.
type SinkKind string

// A shuffle sink writes a segment for the stages that read it; a result sink writes one, with one partition, for the
// caller who submitted a query; a file sink writes one shard of an output; a report sink hands the rows, of one text
// column and few, to the coordinator with the report.
const (
	SinkShuffle SinkKind = "shuffle"
	SinkResult  SinkKind = "result"
	SinkFile    SinkKind = "file"
	SinkReport  SinkKind = "report"
)

// Scratch reports a sink that leaves its rows on the worker's disk.
func (k SinkKind) Scratch() bool { return k == SinkShuffle || k == SinkResult }

// Sink says where a stage's rows go.
type Sink struct {
	Kind       SinkKind     `json:"kind"`
	Partitions int          `json:"partitions,omitempty"` // shuffle: how many; 1 gathers (or broadcasts)
	Keys       []int        `json:"keys,omitempty"`       // shuffle: columns of the root that are hashed
	Hash       HashFunction `json:"hash,omitempty"`       // shuffle with more than one partition
	Output     string       `json:"output,omitempty"`     // file: name in Job.Outputs
}

// HashFunction names a fixed, versioned way from key columns to a partition.
type HashFunction string

const (
	// HashExchange is the vectorised hash between operators (package compute/hash): free to differ between releases.
	HashExchange HashFunction = "exchange-v1"
	// HashShard is the canonical hash for what users see: which shard of an output a row lands in. Purpose "part",
	// empty salt, bucket by multiplication. It never changes.
	HashShard HashFunction = "shard-v1"
	// PlaceValue is no hash: the only key column, a bigint, is the partition's number.
	PlaceValue HashFunction = "value-v1"
)

// Split is a part of a file: its row groups from RowGroupStart up to RowGroupEnd.
type Split struct {
	URL           string    `json:"url"`
	Size          int64     `json:"size"` // bytes of the file when planned
	ETag          string    `json:"etag"` // identity of the file's content when planned
	RowGroupStart int       `json:"row_group_start"`
	RowGroupEnd   int       `json:"row_group_end"`
	Rows          int64     `json:"rows"`
	Partition     []Literal `json:"partition,omitempty"` // values of the partition columns
}

// Encode is the job's deterministic encoding.
func (j *Job) Encode() ([]byte, error) { return json.Marshal(j) }

// Digest is the hex SHA-256 of an encoded job or of any other content that is stored by digest.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// DecodeJob reads an encoded job and validates it.
func DecodeJob(data []byte) (*Job, error) {
	var j Job
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, fmt.Errorf("decode plan: %w", err)
	}
	if j.Version < 1 || j.Version > JobVersion {
		return nil, fmt.Errorf("plan version %d; this build reads up to version %d", j.Version, JobVersion)
	}
	if err := j.Validate(); err != nil {
		return nil, err
	}
	return &j, nil
}

// Output returns the output with that name.
func (j *Job) Output(name string) (*Output, bool) {
	for i := range j.Outputs {
		if j.Outputs[i].Name == name {
			return &j.Outputs[i], true
		}
	}
	return nil, false
}

// Function returns the plugin function with that name.
func (j *Job) Function(name string) (*Function, bool) {
	for i := range j.Functions {
		if j.Functions[i].Name == name {
			return &j.Functions[i], true
		}
	}
	return nil, false
}
