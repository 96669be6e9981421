package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/worker/internal/jobtest"
	"github.com/quern-engine/quern/worker/operator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a worker's surroundings without a worker. Its end checks that attempts gave back all memory.
type bench struct {
	t       *testing.T
	env     Env
	dir     string
	outputs map[string]api.StageOutputs // by run/stage/version
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), outputs: map[string]api.StageOutputs{}}
	segments, err := shuffle.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	peers := &http.Client{Transport: shuffle.NewTransport(nil)}
	b.env = Env{
		Worker: "w1", Address: "here:1", Store: storage.New(), Segments: segments, Locator: b,
		Fetch:  shuffle.NewClient(peers, shuffle.ClientOptions{Mem: mem}),
		Memory: NewBudget(64<<20, 2), Allocator: mem,
	}
	t.Cleanup(func() {
		peers.CloseIdleConnections()
		if err := segments.Close(); err != nil {
			t.Error(err)
		}
		if err := b.env.Store.Close(); err != nil {
			t.Error(err)
		}
		if n := b.env.Memory.InUse(); n != 0 {
			t.Errorf("%d bytes of the budget are still in use", n)
		}
		if !t.Failed() {
			mem.AssertSize(t, 0)
		}
	})
	return b
}

// Outputs is the Locator.
func (b *bench) Outputs(_ context.Context, run string, stage int, version uint64) (api.StageOutputs, error) {
	o, ok := b.outputs[fmt.Sprint(run, stage, version)]
	if !ok {
		return o, fmt.Errorf("no outputs of stage %d", stage)
	}
	return o, nil
}

func (b *bench) url(name string) string { return "file://" + filepath.Join(b.dir, name) }

// input writes a file of events.
func (b *bench) input(name string, rows []jobtest.Event) plan.Split {
	return jobtest.WriteEvents(b.t, b.env.Store, b.url(name), rows)
}

func (b *bench) run(ctx context.Context, job *plan.Job, stage, task int) api.Report {
	b.t.Helper()
	if err := job.Validate(); err != nil {
		b.t.Fatal(err)
	}
	a := api.Assignment{
		AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: stage, Task: task}, Attempt: 2}, OutputURL: b.url("out/r"),
	}
	for _, in := range job.Stages[stage].Inputs {
		a.Inputs = append(a.Inputs, api.StageInput{Stage: in, Version: 1})
	}
	meter := &Meter{}
	r := Run(ctx, b.env, Task{Assignment: a, Job: job, Meter: meter})
	want := api.Live{
		RowsRead: r.Counts.RowsRead, BytesRead: r.Counts.BytesRead, RowsIn: r.Counts.RowsIn, RowsOut: r.Counts.RowsOut, Spilled: spilled(r.Counts),
	}
	if live := meter.Live(); r.Failure == nil && live != want {
		b.t.Errorf("while it ran it told of %+v, at the end of %+v", live, want)
	}
	return r
}

func spilled(c api.Counts) (bytes int64) {
	for _, o := range c.Operators {
		bytes += o.Spilled
	}
	return bytes
}

// succeed runs a task and makes its segment known to later stages.
func (b *bench) succeed(job *plan.Job, stage, task int) api.Report {
	b.t.Helper()
	r := b.run(b.t.Context(), job, stage, task)
	if r.Failure != nil {
		b.t.Fatalf("stage %d, task %d: %s: %s", stage, task, r.Failure.Kind, r.Failure.Message)
	}
	key := fmt.Sprint("r", stage, 1)
	o := b.outputs[key]
	o.Run, o.Stage, o.Version, o.Workers = "r", stage, 1, []string{b.env.Address}
	rows := int64(0)
	for _, p := range r.Partitions {
		rows += p.Rows
	}
	o.Tasks = append(o.Tasks, api.TaskLocation{Attempt: 2, Rows: rows})
	b.outputs[key] = o
	return r
}

// fail runs a task that has to fail, and checks that it left neither a shard nor a segment.
func (b *bench) fail(ctx context.Context, kind plan.FailureKind, job *plan.Job, stage, task int) *plan.Failure {
	b.t.Helper()
	r := b.run(ctx, job, stage, task)
	if r.Failure == nil {
		b.t.Fatalf("stage %d, task %d succeeded; want %s", stage, task, kind)
	}
	if f := r.Failure; f.Kind != kind || f.Stage != stage || f.Task != task || f.Attempt != 2 || f.Worker != "w1" {
		b.t.Errorf("failure %+v, want %s", f, kind)
	}
	if r.File != nil || r.Partitions != nil {
		b.t.Errorf("a failure with output: %+v", r)
	}
	if left := b.files("out"); len(left) != 0 {
		b.t.Errorf("left behind: %q", left)
	}
	id := plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: stage, Task: task}, Attempt: 2}
	if seg, err := b.env.Segments.Open(id); err == nil {
		b.t.Errorf("left a segment behind")
		_ = seg.Close()
	}
	return r.Failure
}

// files lists every file below a folder.
func (b *bench) files(name string) (files []string) {
	root := filepath.Join(b.dir, name)
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	return files
}

func TestRunScansFiltersAggregatesAndWritesShards(t *testing.T) {
	b := newBench(t)
	null := jobtest.Event{Origin: "SFO"}
	splits := []plan.Split{
		b.input("a.parquet", append(jobtest.Delays("SFO", 5, -3, 7), null)),
		b.input("b.parquet", append(jobtest.Delays("SFO", 1, 0), jobtest.Delays("JFK", 100, 20)...)),
	}
	job := jobtest.LateByOrigin(splits, 2)
	first, second := b.succeed(job, 0, 0), b.succeed(job, 0, 1)
	if c := first.Counts; c.RowsRead != 4 || c.RowsKept != 2 || c.RowsIn != 0 || c.RowsOut != 1 || c.BytesRead == 0 || c.BytesOut == 0 {
		t.Errorf("counts of the first map task: %+v", c)
	}
	if c := second.Counts; c.RowsRead != 4 || c.RowsKept != 3 || c.RowsOut != 2 {
		t.Errorf("counts of the second map task: %+v", c)
	}
	if len(second.Partitions) != 2 || second.Partitions[0].Rows+second.Partitions[1].Rows != 2 {
		t.Errorf("partitions of the second map task: %+v", second.Partitions)
	}
	var rows []string
	var in int64
	for shard := range 2 {
		r := b.succeed(job, 1, shard)
		in += r.Counts.RowsIn
		b.checkFile(r, fmt.Sprintf("part-%05d-of-00002.2.zstd.parquet", shard))
		rows = append(rows, b.shardRows(job, r)...)
	}
	slices.Sort(rows)
	if want := []string{"JFK 2 120", "SFO 3 13"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
	if in != 3 {
		t.Errorf("%d rows in from the shuffle, want 3", in)
	}
	if files := b.files("out"); len(files) != 4 { // each with its list
		t.Errorf("output files %q", files)
	}
}

// checkFile checks that the report tells the truth about the shard.
func (b *bench) checkFile(r api.Report, name string) {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, "out", "r", name))
	if err != nil {
		b.t.Fatal(err)
	}
	want := []api.ShardInfo{{Key: name, Rows: r.Counts.RowsOut, Bytes: int64(len(data)), SHA256: plan.Digest(data)}}
	if got := b.written(r); !reflect.DeepEqual(got, want) {
		b.t.Errorf("the list says %+v, want %+v", got, want)
	}
	if f := r.File; f.Rows != r.Counts.RowsOut || f.Bytes != int64(len(data)) || r.Counts.BytesOut != f.Bytes || r.Counts.FilesOut != 1 {
		b.t.Errorf("reported %+v, counts %+v", f, r.Counts)
	}
}

// written is the shards that an attempt has written.
func (b *bench) written(r api.Report) []api.ShardInfo {
	b.t.Helper()
	return jobtest.Written(b.t, b.env.Store, b.url("out/r"), r)
}

// shardRows is the rows of an attempt's shards, in order.
func (b *bench) shardRows(job *plan.Job, r api.Report) (rows []string) {
	b.t.Helper()
	for _, s := range b.written(r) {
		rows = append(rows, jobtest.ReadRows(b.t, b.env.Store, b.url("out/r/"+s.Key), job.Outputs[0].FileSchema())...)
	}
	return rows
}

func TestRunWritesSegmentAndShardOfNoRows(t *testing.T) {
	b := newBench(t)
	job := jobtest.LateByOrigin([]plan.Split{b.input("a.parquet", jobtest.Delays("SFO", -1))}, 3)
	r := b.succeed(job, 0, 0)
	if len(r.Partitions) != 3 || r.Counts.RowsRead != 1 || r.Counts.RowsKept != 0 || r.Counts.RowsOut != 0 {
		t.Errorf("map task: %+v", r)
	}
	for shard := range 3 {
		r := b.succeed(job, 1, shard)
		b.checkFile(r, fmt.Sprintf("part-%05d-of-00003.2.zstd.parquet", shard))
		if rows := b.shardRows(job, r); len(rows) != 0 {
			t.Errorf("shard %d has %q", shard, rows)
		}
	}
}

// scanTo is a job of one stage: the events of a file, through operators, into a shard.
func scanTo(split plan.Split, above func(scan *plan.Node) *plan.Node) *plan.Job {
	root := above(jobtest.ScanNode())
	stage := jobtest.FileStage(0, root, 1)
	stage.Splits = [][]plan.Split{{split}}
	return &plan.Job{
		Version: plan.JobVersion, Name: "t", Stages: []*plan.Stage{stage},
		Outputs:   []plan.Output{jobtest.OutputOf(0, root.Schema, 1)},
		Functions: []plan.Function{{Name: "f", Export: "f", Args: []plan.Type{plan.Int64}, Returns: plan.Int64}},
	}
}

// calling puts a call of the plugin function f(delay) above a node.
func calling(in *plan.Node) *plan.Node {
	fields := append(slices.Clone(in.Schema.Fields), plan.Field{Name: "f", Type: plan.Int64, Nullable: true})
	return &plan.Node{
		Op: plan.NodeUDF, Schema: plan.Schema{Fields: fields}, Inputs: []*plan.Node{in},
		UDF: &plan.UDF{Calls: []plan.UDFCall{{Function: "f", Args: []int{1}}}},
	}
}

// callFunc is a plugin function without a process.
type callFunc func(ctx context.Context, args arrow.Record) (arrow.Array, error)

func (f callFunc) Open(context.Context, []plan.Function, *slog.Logger) (Functions, error) {
	return f, nil
}

func (f callFunc) Close() error { return nil }

func (f callFunc) Counters() map[string]int64 { return map[string]int64{"f.odd": 2, "f.even": 1} }

func (f callFunc) Fold(context.Context, string, operator.Fold) (arrow.Record, error) {
	return nil, errors.New("no aggregate function")
}

func (f callFunc) Read(context.Context, string, int, []int) (operator.PluginRows, error) {
	return nil, errors.New("no source function")
}

func (f callFunc) Table(context.Context, string, operator.PluginInput) (operator.PluginRows, error) {
	return nil, errors.New("no table function")
}

func (f callFunc) TablePart(context.Context, string, arrow.Record, []uint32) ([]arrow.Record, []plan.Rejection, error) {
	return nil, nil, errors.New("no table function")
}

func (f callFunc) Call(ctx context.Context, _ string, args arrow.Record) (arrow.Array, []plan.Rejection, error) {
	col, err := f(ctx, args)
	return col, nil, err
}

func TestRunWithoutFilterKeepsAllRowsRead(t *testing.T) {
	b := newBench(t)
	b.env.Plugins = callFunc(func(_ context.Context, args arrow.Record) (arrow.Array, error) {
		args.Column(0).Retain()
		return args.Column(0), nil
	})
	job := scanTo(b.input("a.parquet", jobtest.Delays("SFO", 1, 2, 3)), calling)
	r := b.succeed(job, 0, 0)
	if r.Counts.RowsRead != 3 || r.Counts.RowsKept != 3 || r.Counts.RowsOut != 3 {
		t.Errorf("counts %+v", r.Counts)
	}
	if want := []api.Counter{{Name: "f.even", Value: 1}, {Name: "f.odd", Value: 2}}; !slices.Equal(r.Counts.Counters, want) {
		t.Errorf("counters %v, want %v", r.Counts.Counters, want)
	}
	rows := b.shardRows(job, r)
	if want := []string{"SFO 1 1", "SFO 2 2", "SFO 3 3"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
}

func TestRunTurnsAPanicIntoAFailure(t *testing.T) {
	b := newBench(t)
	b.env.Plugins = callFunc(func(context.Context, arrow.Record) (arrow.Array, error) { panic("boom") })
	b.env.Allocator = memory.DefaultAllocator // a panic in the middle of an operator loses the batch it holds
	job := scanTo(b.input("a.parquet", jobtest.Delays("SFO", 1)), calling)
	f := b.fail(t.Context(), plan.FailureInternal, job, 0, 0)
	for _, want := range []string{"boom", "task_test.go"} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("message lacks %q: %s", want, f.Message)
		}
	}
}

func TestRunPassesOnTheKindOfAnError(t *testing.T) {
	b := newBench(t)
	job := scanTo(b.input("a.parquet", jobtest.Delays("SFO", 1)), calling)
	for _, kind := range []plan.FailureKind{plan.FailureUser, plan.FailurePlugin} {
		b.env.Plugins = callFunc(func(context.Context, arrow.Record) (arrow.Array, error) {
			return nil, fmt.Errorf("call: %w", plan.Failf(kind, "row 0 is wrong"))
		})
		if f := b.fail(t.Context(), kind, job, 0, 0); !strings.Contains(f.Message, "row 0 is wrong") {
			t.Errorf("message %q", f.Message)
		}
	}
}

func TestRunThatIsCancelledLeavesNothing(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	b.env.Plugins = callFunc(func(ctx context.Context, _ arrow.Record) (arrow.Array, error) {
		cancel(fmt.Errorf("told to stop"))
		<-ctx.Done()
		return nil, fmt.Errorf("connection reset")
	})
	job := scanTo(b.input("a.parquet", jobtest.Delays("SFO", 1)), calling)
	f := b.fail(ctx, plan.FailureCancelled, job, 0, 0)
	if !strings.Contains(f.Message, "told to stop") {
		t.Errorf("message %q", f.Message)
	}
}

func TestRunBeyondItsMemoryFails(t *testing.T) {
	b := newBench(t)
	job := jobtest.LateByOrigin([]plan.Split{b.input("a.parquet", jobtest.Delays("SFO", 1))}, 1)
	b.succeed(job, 0, 0)
	b.env.Memory = NewBudget(64, 2)
	f := b.fail(t.Context(), plan.FailureOutOfMemory, job, 1, 0)
	if !strings.Contains(f.Message, "raise --memory or lower --slots") {
		t.Errorf("message %q", f.Message)
	}
}

func TestRunNamesTheLostMapOutput(t *testing.T) {
	b := newBench(t)
	split := b.input("a.parquet", jobtest.Delays("SFO", 1))
	job := jobtest.LateByOrigin([]plan.Split{split, split}, 1)
	b.succeed(job, 0, 0)
	b.succeed(job, 0, 1)
	if err := b.env.Segments.Forget("r"); err != nil {
		t.Fatal(err)
	}
	f := b.fail(t.Context(), plan.FailureFetch, job, 1, 0)
	if f.LostStage != 0 || f.LostTask != 0 || f.LostAttempt != 2 {
		t.Errorf("lost %d/%d.%d", f.LostStage, f.LostTask, f.LostAttempt)
	}
}

func TestRunRefusesAssignmentsThatDoNotFitThePlan(t *testing.T) {
	b := newBench(t)
	job := jobtest.LateByOrigin([]plan.Split{b.input("a.parquet", nil)}, 1)
	for name, a := range map[string]api.Assignment{
		"2 stages":                       {AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: 2}}},
		"1 tasks":                        {AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: "r", Task: 1}}},
		"where the output of stage 0 is": {AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: 1}}},
		"no outputs of stage 0":          {AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: 1}}, Inputs: []api.StageInput{{Stage: 0, Version: 7}}},
		`run id "../r"`:                  {AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: "../r"}}},
	} {
		r := Run(t.Context(), b.env, Task{Assignment: a, Job: job})
		if r.Failure == nil || !strings.Contains(r.Failure.Message, name) {
			t.Errorf("%s: %+v", name, r.Failure)
		}
	}
}
