package plan

import (
	"fmt"
	"regexp"
)

// TaskID names a task of a run.
type TaskID struct {
	Run   string `json:"run"`
	Stage int    `json:"stage"`
	Task  int    `json:"task"`
}

// String is "run/stage/task".
func (t TaskID) String() string { return fmt.Sprintf("%s/%d/%d", t.Run, t.Stage, t.Task) }

// AttemptID names one try at a task.
type AttemptID struct {
	TaskID
	Attempt int `json:"attempt"` // from 0, never reused for the task
}

// String is "run/stage/task.attempt".
func (a AttemptID) String() string { return fmt.Sprintf("%s.%d", a.TaskID, a.Attempt) }

var idPattern = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$`)

// ValidateID refuses ids that could mean something in a path, a URL or a log line.
func ValidateID(what, id string) error {
	if !idPattern.MatchString(id) {
		return Failf(FailureUser, "%s %q: use 1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit", what, id)
	}
	return nil
}

// FileName is [ShardName] for one of the files that a shard is cut into, counted from 0:
// "part-00003-of-00008-00000.0.zstd.parquet".
func FileName(shard, shards, file, attempt int, extension string) string {
	return fmt.Sprintf("part-%05d-of-%05d-%05d.%d.%s", shard, shards, file, attempt, extension)
}

// ShardName is the file name of an output shard written by an attempt: "part-00003-of-00008.0.zstd.parquet".
func ShardName(shard, shards, attempt int, extension string) string {
	return fmt.Sprintf("part-%05d-of-%05d.%d.%s", shard, shards, attempt, extension)
}
