package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/quern-engine/quern/api"
)

// taskState says where a task is. A done task becomes pending again when its output is lost.
type taskState uint8

const (
	taskPending taskState = iota
	taskRunning
	taskDone
)

// task is a task of a stage. There may be a million of them, so what is rare is kept aside, and workers are places in
// the run's table, from 1; 0 is nobody.
type task struct {
	State    taskState
	Failures uint8
	Fetches  uint8 // failed for the want of an input
	Losses   uint8 // workers that vanished under it
	Missing  uint8 // grants that never arrived
	Memory   uint8 // times it ran out of memory
	Next     int32 // attempts granted so far

	Attempt int32 // while running
	Worker  int32 // while running; else where the last attempt failed
	Since   int64 // when Attempt was granted, in milliseconds since the epoch
	// Twin is a second attempt on TwinWorker, while running.
	Twin       int32
	TwinWorker int32

	Commit commit // the last one; it counts while State is taskDone
	Extra  *extra
}

// commit is what an accepted report leaves behind.
type commit struct {
	Attempt     int32
	Worker      int32 // 0: there was none
	Rows, Bytes int64
	Fingerprint [2]uint64 // of the partitions' rows and checksums
}

// extra is what few tasks have.
type extra struct {
	File  *api.FileInfo `json:"file,omitempty"`
	Heavy []HeavyPart   `json:"heavy,omitempty"`
	// Rejects is what the attempt has put aside.
	Rejects *api.Rejects `json:"rejects,omitempty"`
	Calls   []uint64     `json:"calls,omitempty"` // as of api.Report
	Floor   int64        `json:"floor,omitempty"` // the task needs a worker with more bytes of memory than this
}

// HeavyPart is a partition in which a map task wrote many rows, and which keys have many of them.
type HeavyPart struct {
	Partition int           `json:"partition"`
	Rows      int64         `json:"rows"`
	Keys      []api.KeyRows `json:"keys,omitempty"`
}

// mostKeys bounds the keys that are kept of a HeavyPart.
const mostKeys = 4

func (t *task) committed() bool { return t.Commit.Worker != 0 }

func (t *task) aside() *extra {
	if t.Extra == nil {
		t.Extra = &extra{}
	}
	return t.Extra
}

func (t *task) file() *api.FileInfo {
	if t.Extra == nil {
		return nil
	}
	return t.Extra.File
}

func (t *task) rejects() *api.Rejects {
	if t.Extra == nil {
		return nil
	}
	return t.Extra.Rejects
}

func (t *task) floor() int64 {
	if t.Extra == nil {
		return 0
	}
	return t.Extra.Floor
}

// runs reports whether an attempt is one that the task runs now, and on which worker.
func (t *task) runs(attempt int) (worker int32, ok bool) {
	switch {
	case t.State != taskRunning:
	case int(t.Attempt) == attempt:
		return t.Worker, true
	case t.TwinWorker != 0 && int(t.Twin) == attempt:
		return t.TwinWorker, true
	}
	return 0, false
}

// rival is the other attempt of a task that runs two.
func (t *task) rival(attempt int) (other int, worker int32, ok bool) {
	if t.State != taskRunning || t.TwinWorker == 0 {
		return 0, 0, false
	}
	if int(t.Attempt) == attempt {
		return int(t.Twin), t.TwinWorker, true
	}
	return int(t.Attempt), t.Worker, true
}

// taskList is the tasks of a stage. Its encoding goes by columns, since most tasks differ little from the one before.
type taskList []task

// columns are the numbers of a task in a snapshot, by the names that they have there.
var columns = []struct {
	name string
	get  func(*task) int64
	set  func(*task, int64)
}{
	{"state", func(t *task) int64 { return int64(t.State) }, func(t *task, v int64) { t.State = taskState(v) }},
	{"failures", func(t *task) int64 { return int64(t.Failures) }, func(t *task, v int64) { t.Failures = uint8(v) }},
	{"fetches", func(t *task) int64 { return int64(t.Fetches) }, func(t *task, v int64) { t.Fetches = uint8(v) }},
	{"losses", func(t *task) int64 { return int64(t.Losses) }, func(t *task, v int64) { t.Losses = uint8(v) }},
	{"missing", func(t *task) int64 { return int64(t.Missing) }, func(t *task, v int64) { t.Missing = uint8(v) }},
	{"memory", func(t *task) int64 { return int64(t.Memory) }, func(t *task, v int64) { t.Memory = uint8(v) }},
	{"next", func(t *task) int64 { return int64(t.Next) }, func(t *task, v int64) { t.Next = int32(v) }},
	{"attempt", func(t *task) int64 { return int64(t.Attempt) }, func(t *task, v int64) { t.Attempt = int32(v) }},
	{"worker", func(t *task) int64 { return int64(t.Worker) }, func(t *task, v int64) { t.Worker = int32(v) }},
	{"since", func(t *task) int64 { return t.Since }, func(t *task, v int64) { t.Since = v }},
	{"twin", func(t *task) int64 { return int64(t.Twin) }, func(t *task, v int64) { t.Twin = int32(v) }},
	{"twin_worker", func(t *task) int64 { return int64(t.TwinWorker) }, func(t *task, v int64) { t.TwinWorker = int32(v) }},
	{"made_by", func(t *task) int64 { return int64(t.Commit.Attempt) }, func(t *task, v int64) { t.Commit.Attempt = int32(v) }},
	{"made_at", func(t *task) int64 { return int64(t.Commit.Worker) }, func(t *task, v int64) { t.Commit.Worker = int32(v) }},
	{"rows", func(t *task) int64 { return t.Commit.Rows }, func(t *task, v int64) { t.Commit.Rows = v }},
	{"bytes", func(t *task) int64 { return t.Commit.Bytes }, func(t *task, v int64) { t.Commit.Bytes = v }},
	{"sum1", func(t *task) int64 { return int64(t.Commit.Fingerprint[0]) }, func(t *task, v int64) { t.Commit.Fingerprint[0] = uint64(v) }},
	{"sum2", func(t *task) int64 { return int64(t.Commit.Fingerprint[1]) }, func(t *task, v int64) { t.Commit.Fingerprint[1] = uint64(v) }},
}

// encodedTasks is a taskList in a snapshot: for each column that is not all zeros, the differences from task to task as
// variable-length integers.
type encodedTasks struct {
	Tasks   int               `json:"tasks"`
	Columns map[string][]byte `json:"columns,omitempty"`
	Extra   []encodedExtra    `json:"extra,omitempty"`
}

type encodedExtra struct {
	Task int `json:"task"`
	extra
}

// MarshalJSON encodes the list.
func (l taskList) MarshalJSON() ([]byte, error) {
	e := encodedTasks{Tasks: len(l), Columns: map[string][]byte{}}
	for _, c := range columns {
		var packed []byte
		last, zeros := int64(0), true
		for i := range l {
			v := c.get(&l[i])
			zeros = zeros && v == 0
			packed = binary.AppendVarint(packed, v-last)
			last = v
		}
		if !zeros {
			e.Columns[c.name] = packed
		}
	}
	for i := range l {
		if x := l[i].Extra; x != nil {
			e.Extra = append(e.Extra, encodedExtra{Task: i, extra: *x})
		}
	}
	return json.Marshal(e)
}

// maxTasks bounds the tasks of a stage.
const maxTasks = 10_000_000

// UnmarshalJSON decodes the list.
func (l *taskList) UnmarshalJSON(data []byte) error {
	var e encodedTasks
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	if e.Tasks < 0 || e.Tasks > maxTasks {
		return fmt.Errorf("a stage of %d tasks", e.Tasks)
	}
	list := make(taskList, e.Tasks)
	for _, c := range columns {
		packed, ok := e.Columns[c.name]
		if !ok {
			continue
		}
		last := int64(0)
		for i := range list {
			d, n := binary.Varint(packed)
			if n <= 0 {
				return errors.New("column " + c.name + " of the tasks is cut off")
			}
			packed = packed[n:]
			last += d
			c.set(&list[i], last)
		}
	}
	for _, x := range e.Extra {
		if x.Task < 0 || x.Task >= len(list) {
			return fmt.Errorf("task %d of %d", x.Task, len(list))
		}
		kept := x.extra
		list[x.Task].Extra = &kept
	}
	*l = list
	return nil
}
