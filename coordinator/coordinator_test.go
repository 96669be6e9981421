package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

func outputURL(t *testing.T) (url, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "out", "examples")
	url, err := storage.URL("/", dir)
	if err != nil {
		t.Fatal(err)
	}
	return url, dir
}

func submit(ctx context.Context, t *testing.T, cl *client.Client, r api.SubmitRequest) *api.RunStatus {
	t.Helper()
	s, err := cl.Submit(ctx, r)
	if err != nil {
		t.Fatalf("submit %s: %v", r.RunID, err)
	}
	return s
}

func TestJobIsPublished(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	first := submit(ctx, t, cl, jobRequest("r1", url))
	if first.State != api.RunQueued || first.Reason != "no worker has joined yet" {
		t.Errorf("a run without workers is %s, %q", first.State, first.Reason)
	}
	if want := []string{"scan flights → shuffle", "read 0 → write examples"}; first.Stages[0].Label != want[0] || first.Stages[1].Label != want[1] {
		t.Errorf("labels %q, %q", first.Stages[0].Label, first.Stages[1].Label)
	}
	w := startWorker(c, "w1", 2, nil)
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	version := filepath.Join(dir, "r1")
	want := api.OutputStatus{Path: dir, VersionPath: version, Manifest: filepath.Join(version, "manifest.json"), Rows: 20, Shards: 2}
	if s.Outputs["examples"] != want {
		t.Errorf("output %+v, want %+v", s.Outputs["examples"], want)
	}
	for path, want := range map[string]string{filepath.Join(dir, "_LATEST"): "r1\n", filepath.Join(version, "_SUCCESS"): ""} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	var m manifest
	data, err := os.ReadFile(want.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	if m.Rows != 20 || len(m.Shards) != 2 || m.Shards[1].Key != "part-00001-of-00002.0.zstd.parquet" || m.Schema[0].Type != "string" {
		t.Errorf("manifest %s", data)
	}
	if strings.Contains(string(data), "r1") {
		t.Errorf("the manifest knows the run: %s", data)
	}
	made, err := os.ReadFile(filepath.Join(version, "_job.json"))
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := DecodeMadeBy(made); err != nil || kept.Plan != m.Plan || kept.Job.File != "job.yaml" || kept.Job.Text != url || strings.Contains(string(made), "r1") {
		t.Errorf("what made it: %v\n%s", err, made)
	}
	eventually(t, "the worker to be told to forget the run", func() bool {
		return w.has(func(w *fakeWorker) bool { return slices.Contains(w.forgot, "r1") })
	})
}

func TestManifestBytesDoNotDependOnTheRun(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	startWorker(c, "w1", 2, nil)
	var bytesOf [2][]byte
	for i, id := range []string{"first", "second"} {
		submit(ctx, t, cl, jobRequest(id, url))
		waitState(ctx, t, cl, id)
		data, err := os.ReadFile(filepath.Join(dir, id, "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		bytesOf[i] = data
	}
	if !bytes.Equal(bytesOf[0], bytesOf[1]) {
		t.Errorf("manifests differ:\n%s\n%s", bytesOf[0], bytesOf[1])
	}
}

func TestSubmitIsIdempotent(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	submit(ctx, t, cl, queryRequest("q", "select 1"))
	again := submit(ctx, t, cl, queryRequest("q", "select 1"))
	if again.RunID != "q" {
		t.Errorf("run %q", again.RunID)
	}
	if _, err := cl.Submit(ctx, queryRequest("q", "select 2")); !isCode(err, api.CodeConflict) {
		t.Errorf("another request under the same id: %v", err)
	}
	list, err := cl.Runs(ctx)
	if err != nil || len(list.Runs) != 1 {
		t.Errorf("runs %v, %v", list, err)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	_, err := cl.Submit(ctx, queryRequest("q", "bad"))
	if !isCode(err, api.CodeInvalid) || err.Error() != "bad.sql:1:1: this is\nover two lines" {
		t.Errorf("planning error: %v", err)
	}
	began := time.Now()
	if _, err = cl.Submit(ctx, queryRequest("q", "no store")); !isCode(err, api.CodeStorage) || err.Error() != "the bucket does not answer" {
		t.Errorf("a store that does not answer: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second { // the client's patience is 10 s
		t.Errorf("the client asked again, for %v", took)
	}
	for name, r := range map[string]api.SubmitRequest{
		"no id": queryRequest("", "x"), "a path": queryRequest("../x", "x"), "nothing to do": {RunID: "x"},
		"both": {RunID: "x", Query: &api.Query{}, Job: &api.Job{}},
	} {
		if _, err := cl.Submit(ctx, r); !isCode(err, api.CodeInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	lost := queryRequest("q", "x")
	lost.Functions = []plan.Function{{Name: "f", SHA256: strings.Repeat("0", 64)}}
	if _, err := cl.Submit(ctx, lost); !isCode(err, api.CodeNotFound) {
		t.Errorf("a plugin that was not uploaded: %v", err)
	}
	if _, err := cl.Status(ctx, "none", 0, 0); !isCode(err, api.CodeNotFound) {
		t.Errorf("status of no run: %v", err)
	}
	if _, err := cl.Heartbeat(ctx, api.HeartbeatRequest{WorkerID: "nobody"}); !isCode(err, api.CodeUnknownWorker) {
		t.Errorf("heartbeat of no worker: %v", err)
	}
	if _, err := cl.Register(ctx, api.RegisterRequest{WorkerID: "w", Address: "nowhere", Slots: 1}); !isCode(err, api.CodeInvalid) {
		t.Errorf("worker without an address: %v", err)
	}
}

func TestQueryResult(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	w := startWorker(c, "w1", 1, nil)
	submit(ctx, t, cl, queryRequest("q", "select 1"))
	s := waitState(ctx, t, cl, "q")
	if s.State != api.RunSucceeded || s.Result == nil || len(s.Result.Tasks) != 2 || s.Result.Workers[0] != "w1:1" {
		t.Fatalf("status %+v", s)
	}
	if len(s.ResultSchema.Fields) != 2 {
		t.Errorf("schema %v", s.ResultSchema)
	}
	if w.has(func(w *fakeWorker) bool { return len(w.forgot) > 0 }) {
		t.Error("the worker was told to forget a result that nobody has read")
	}
	if err := cl.Release(ctx, "q"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the result to be forgotten", func() bool {
		return w.has(func(w *fakeWorker) bool { return slices.Contains(w.forgot, "q") })
	})
}

func TestUserErrorFailsAtOnceAndLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	startWorker(c, "w1", 2, func(_ context.Context, a api.Assignment) *api.Report {
		r := success(a) // the shard is written
		if a.Stage == 1 && a.Task == 1 {
			r.Failure, r.File = plan.Failf(plan.FailureUser, "division by zero"), nil
		}
		return r
	})
	submit(ctx, t, cl, jobRequest("r1", url))
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunFailed || s.Failure == nil || s.Failure.Message != "division by zero" || s.Failure.Stage != 1 || s.Failure.Task != 1 {
		t.Fatalf("status %s, %+v", s.State, s.Failure)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("something is left in the output: %v", err)
	}
}

func TestCancelStopsTasksAndLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	started := make(chan struct{}, 2)
	var w *fakeWorker
	ready := make(chan struct{})
	w = startWorker(c, "w1", 2, func(ctx context.Context, a api.Assignment) *api.Report {
		<-ready
		r := success(a)
		if a.Stage == 0 {
			return r
		}
		started <- struct{}{}
		w.mu.Lock()
		stopped := w.stopping(a.AttemptID)
		w.mu.Unlock()
		select {
		case <-stopped:
		case <-ctx.Done():
		}
		return &api.Report{AttemptID: a.AttemptID, Failure: plan.Failf(plan.FailureCancelled, "stopped")}
	})
	close(ready)
	submit(ctx, t, cl, jobRequest("r1", url))
	<-started
	s, err := cl.Cancel(ctx, "r1")
	if err != nil {
		t.Fatal(err)
	}
	if s.State.Terminal() || !strings.Contains(s.Reason, "cancelled; waiting for") {
		t.Errorf("while tasks write, the run is %s (%s)", s.State, s.Reason)
	}
	s = waitState(ctx, t, cl, "r1")
	if s.State != api.RunCancelled {
		t.Fatalf("run %s", s.State)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("something is left in the output: %v", err)
	}
	if again, err := cl.Cancel(ctx, "r1"); err != nil || again.State != api.RunCancelled {
		t.Errorf("cancelled twice: %v, %v", again, err)
	}
}

func TestLostWorkerAndLateReport(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, func(o *Options) { o.Lease, o.Heartbeat = 300*time.Millisecond, 50*time.Millisecond })
	cl := c.client()
	url, dir := outputURL(t)
	// A worker that takes an attempt and falls silent.
	if _, err := cl.Register(ctx, api.RegisterRequest{WorkerID: "zombie", Address: "z:1", Slots: 1}); err != nil {
		t.Fatal(err)
	}
	submit(ctx, t, cl, jobRequest("r1", url))
	lease, err := cl.Lease(ctx, api.LeaseRequest{WorkerID: "zombie", Free: 1, Wait: deadline})
	if err != nil || len(lease.Assignments) != 1 {
		t.Fatalf("lease %+v, %v", lease, err)
	}
	late := lease.Assignments[0]
	startWorker(c, "w1", 1, nil)
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunSucceeded || s.Stages[late.Stage].Failures != 1 {
		t.Fatalf("run %s: %+v", s.State, s.Stages)
	}
	// It wakes up: it is unknown, registers, and its report does not count.
	report := api.ReportRequest{WorkerID: "zombie", Reports: []api.Report{*success(late)}}
	if _, err := cl.Report(ctx, report); !isCode(err, api.CodeUnknownWorker) {
		t.Errorf("report of a lost worker: %v", err)
	}
	if _, err := cl.Register(ctx, api.RegisterRequest{WorkerID: "zombie", Address: "z:1", Slots: 1}); err != nil {
		t.Fatal(err)
	}
	reply, err := cl.Report(ctx, report)
	if err != nil || reply.Accepted[0] {
		t.Errorf("late report: %+v, %v", reply, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "r1", "part-00000-of-00002.0.zstd.parquet")); err != nil {
		t.Errorf("a published shard is gone: %v", err)
	}
}

// A run that was cancelled or failed can be asked for again: what it repeats is recorded, and asking twice gives one run. Other runs
// are refused with a reason.
func TestRetry(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	retry := func(run, id string) (*api.RunStatus, error) { return cl.Retry(ctx, run, api.RetryRequest{RunID: id}) }
	if _, err := retry("r1", "r2"); !isCode(err, api.CodeNotFound) {
		t.Errorf("of no run: %v", err)
	}
	submit(ctx, t, cl, jobRequest("r1", url))
	if _, err := retry("r1", "r2"); !isCode(err, api.CodeConflict) || !strings.Contains(err.Error(), "cancel it first") {
		t.Errorf("of a run that goes on: %v", err)
	}
	if _, err := cl.Cancel(ctx, "r1"); err != nil {
		t.Fatal(err)
	}
	waitState(ctx, t, cl, "r1")
	if _, err := retry("r1", "no/id"); !isCode(err, api.CodeInvalid) {
		t.Errorf("under a name that is none: %v", err)
	}
	for range 2 {
		if s, err := retry("r1", "r2"); err != nil || s.RunID != "r2" || s.RetryOf != "r1" {
			t.Fatalf("retry: %+v, %v", s, err)
		}
	}
	// The same is asked for by another: there is a run that does it.
	if s, err := retry("r1", "r3"); err != nil || s.RunID != "r2" {
		t.Errorf("retried by another: %+v, %v", s, err)
	}
	startWorker(c, "w1", 1, nil)
	if s := waitState(ctx, t, cl, "r2"); s.State != api.RunSucceeded || s.RetryOf != "r1" {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	if _, err := os.Stat(filepath.Join(dir, "r2", "_SUCCESS")); err != nil {
		t.Error(err)
	}
	if _, err := retry("r2", "r4"); !isCode(err, api.CodeConflict) || !strings.Contains(err.Error(), "has succeeded") {
		t.Errorf("of a run that has succeeded: %v", err)
	}
	forged := jobRequest("r5", url)
	forged.RetryOf = "r1"
	if _, err := cl.Submit(ctx, forged); !isCode(err, api.CodeInvalid) {
		t.Errorf("a request that says what it repeats: %v", err)
	}
	list, err := cl.RunsIn(ctx, 0, api.RunCancelled, api.RunFailed)
	if err != nil || len(list.Runs) != 1 || list.Runs[0].RunID != "r1" {
		t.Errorf("runs that have come to nothing: %+v, %v", list, err)
	}
	if list, err = cl.RunsIn(ctx, 1); err != nil || len(list.Runs) != 1 || list.Runs[0].RunID != "r2" {
		t.Errorf("the newest run: %+v, %v", list, err)
	}
	if _, err = cl.RunsIn(ctx, 0, "lost"); !isCode(err, api.CodeInvalid) {
		t.Errorf("in a state that is none: %v", err)
	}
}

// What heartbeats tell of running attempts is in the status while these run: of two attempts of a task the one that has come
// further, and nothing of other stages or of attempts that have ended.
func TestProgressOfRunningAttempts(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, func(o *Options) { o.Lease = time.Hour })
	cl := c.client()
	url, _ := outputURL(t)
	if _, err := cl.Register(ctx, api.RegisterRequest{WorkerID: "w1", Address: "w:1", Slots: 2, Memory: 100}); err != nil {
		t.Fatal(err)
	}
	submit(ctx, t, cl, jobRequest("r1", url))
	lease, err := cl.Lease(ctx, api.LeaseRequest{WorkerID: "w1", Free: 1, Wait: deadline})
	if err != nil || len(lease.Assignments) != 1 {
		t.Fatalf("lease %+v, %v", lease, err)
	}
	a := lease.Assignments[0]
	twin, other := a.AttemptID, a.AttemptID
	twin.Attempt++
	other.Stage = 1
	beat := api.HeartbeatRequest{WorkerID: "w1", Running: []plan.AttemptID{a.AttemptID}, MemoryUsed: 42, Build: "b1", Now: time.Now().Add(time.Hour), Progress: []api.AttemptProgress{
		{AttemptID: a.AttemptID, Live: api.Live{RowsRead: 7, BytesRead: 70, Spilled: 5}},
		{AttemptID: twin, Live: api.Live{RowsRead: 3, BytesRead: 30}},
		{AttemptID: other, Live: api.Live{RowsRead: 1000}},
	}}
	if _, err := cl.Heartbeat(ctx, beat); err != nil {
		t.Fatal(err)
	}
	s, err := cl.Status(ctx, "r1", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if live := s.Stages[0].Live; live == nil || *live != (api.Live{RowsRead: 7, BytesRead: 70, Spilled: 5}) || s.Stages[1].Live != nil {
		t.Errorf("live %+v and %+v", live, s.Stages[1].Live)
	}
	workers, err := cl.Workers(ctx)
	if err == nil {
		w := workers.Workers[0]
		if w.Build != "b1" || w.Clock == nil || *w.Clock > time.Hour || *w.Clock < time.Hour-deadline {
			t.Errorf("the worker is of build %q, its clock ahead by %v", w.Build, w.Clock)
		}
	}
	if err != nil || workers.Workers[0].MemoryUsed != 42 {
		t.Errorf("workers %+v, %v", workers, err)
	}
	if _, err := cl.Report(ctx, api.ReportRequest{WorkerID: "w1", Reports: []api.Report{*success(a)}}); err != nil {
		t.Fatal(err)
	}
	if s, err = cl.Status(ctx, "r1", 0, 0); err != nil || s.Stages[0].Live != nil {
		t.Errorf("live after the end: %+v, %v", s.Stages[0].Live, err)
	}
}

// What a worker that leaves was running, and what it held, is done again at once; nobody waits for its lease, and no task
// is blamed, however many workers leave under it.
func TestWorkerLeaves(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, func(o *Options) { o.Lease = time.Hour; o.Heartbeat = time.Minute })
	cl := c.client()
	url, dir := outputURL(t)
	submit(ctx, t, cl, jobRequest("r1", url))
	for i := range 4 {
		id := fmt.Sprintf("leaver-%d", i)
		w := startWorker(c, id, 1, func(_ context.Context, a api.Assignment) *api.Report {
			if a.Stage == 0 && a.Task == 0 {
				return success(a)
			}
			return nil
		})
		eventually(t, "an attempt that hangs", func() bool {
			return w.has(func(w *fakeWorker) bool { return len(w.ran) == 2 })
		})
		w.close()
		if err := cl.Leave(ctx, api.LeaveRequest{WorkerID: id}); err != nil {
			t.Fatal(err)
		}
	}
	startWorker(c, "stayer", 1, nil)
	if s := waitState(ctx, t, cl, "r1"); s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	if _, err := os.Stat(filepath.Join(dir, "r1", "_SUCCESS")); err != nil {
		t.Error(err)
	}
	if err := cl.Leave(ctx, api.LeaveRequest{WorkerID: "leaver-0"}); !isCode(err, api.CodeUnknownWorker) {
		t.Errorf("left twice: %v", err)
	}
}

// Files of attempts that were killed are gone when the marker says that a version is whole.
func TestPublishingSweepsStrayFiles(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	startWorker(c, "w1", 1, func(_ context.Context, a api.Assignment) *api.Report {
		if a.OutputURL == "" {
			return success(a)
		}
		r := success(a)
		for _, stray := range []string{"part-00000-of-00002.7.zstd.parquet", ".part-00000-of-00002.8.zstd.parquet.1234"} {
			if err := os.WriteFile(filepath.Join(dir, "r1", stray), []byte("torn"), 0o644); err != nil {
				t.Error(err)
			}
		}
		return r
	})
	submit(ctx, t, cl, jobRequest("r1", url))
	if s := waitState(ctx, t, cl, "r1"); s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "r1"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"_SUCCESS", "_job.json", "manifest.json", "part-00000-of-00002.0.zstd.parquet", "part-00001-of-00002.0.zstd.parquet"}
	if !slices.Equal(names, want) {
		t.Errorf("published %v, want %v", names, want)
	}
}

// TestShardsInPartitions publishes what several files of a task in folders are, and sweeps the rest.
func TestShardsInPartitions(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	startWorker(c, "w1", 1, func(_ context.Context, a api.Assignment) *api.Report {
		r := success(a)
		if a.OutputURL == "" {
			return r
		}
		var list api.FileList
		for _, day := range []string{"day=1", "day=2"} {
			shard := api.ShardInfo{Key: fmt.Sprintf("%s/part-%d.parquet", day, a.Task), Rows: 5, Bytes: 1, SHA256: plan.Digest([]byte("x"))}
			list.Files = append(list.Files, shard)
			for _, name := range []string{shard.Key, shard.Key + ".7"} { // and one that an attempt that lost has left
				path := filepath.Join(dir, "r1", name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644)); err != nil {
					t.Error(err)
				}
			}
		}
		content, err := json.Marshal(list)
		if err != nil {
			t.Error(err)
		}
		r.File.SHA256, r.Counts.FilesOut = plan.Digest(content), 2
		if err := os.WriteFile(filepath.Join(dir, "r1", r.File.Name), content, 0o644); err != nil {
			t.Error(err)
		}
		return r
	})
	submit(ctx, t, cl, jobRequest("r1", url))
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunSucceeded || s.Outputs["examples"].Shards != 4 {
		t.Fatalf("run %s: %v, %+v", s.State, s.Failure, s.Outputs)
	}
	var names []string
	err := filepath.WalkDir(filepath.Join(dir, "r1"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(filepath.Join(dir, "r1"), path)
			names = append(names, name)
		}
		return err
	})
	want := []string{"_SUCCESS", "_job.json", "day=1/part-0.parquet", "day=1/part-1.parquet", "day=2/part-0.parquet", "day=2/part-1.parquet", "manifest.json"}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("published %v, %v, want %v", names, err, want)
	}
}

// TestShardsOfOlderWorkers are reported as they are, without a list.
func TestShardsOfOlderWorkers(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, dir := outputURL(t)
	startWorker(c, "w1", 1, func(_ context.Context, a api.Assignment) *api.Report {
		if a.OutputURL == "" {
			return success(a)
		}
		s := writeShard(a)
		return &api.Report{
			AttemptID: a.AttemptID, Counts: api.Counts{RowsOut: 10}, File: &api.FileInfo{Name: s.Key, Rows: s.Rows, Bytes: s.Bytes, SHA256: s.SHA256},
		}
	})
	submit(ctx, t, cl, jobRequest("r1", url))
	if s := waitState(ctx, t, cl, "r1"); s.State != api.RunSucceeded || s.Outputs["examples"].Shards != 2 {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	data, err := os.ReadFile(filepath.Join(dir, "r1", "manifest.json"))
	if err != nil || strings.Count(string(data), `"key": "part-`) != 2 {
		t.Errorf("%s, %v", data, err)
	}
}

// TestDamagedListFailsTheRun has a list that is not what was reported, and one with keys that lead out of the folder.
func TestDamagedListFailsTheRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ list, want string }{{"{}", "is not what was reported"}, {`{"files":[{"key":"../x"}]}`, `shard "../x"`}} {
		ctx := testContext(t)
		cluster := newCluster(t, 1, nil)
		cl := cluster.client()
		url, dir := outputURL(t)
		startWorker(cluster, "w1", 1, func(_ context.Context, a api.Assignment) *api.Report {
			r := success(a)
			if a.OutputURL == "" {
				return r
			}
			if err := os.WriteFile(filepath.Join(dir, "r1", r.File.Name), []byte(c.list), 0o644); err != nil {
				t.Error(err)
			}
			if strings.Contains(c.want, "shard") {
				r.File.SHA256 = plan.Digest([]byte(c.list))
			}
			return r
		})
		submit(ctx, t, cl, jobRequest("r1", url))
		s := waitState(ctx, t, cl, "r1")
		if s.State != api.RunFailed || s.Failure.Kind != plan.FailureStorage || !strings.Contains(s.Failure.Message, c.want) {
			t.Errorf("run %s: %+v, want %s", s.State, s.Failure, c.want)
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("something is left: %v", err)
		}
	}
}

func TestFetchFailureRunsTheMapAgain(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	url, _ := outputURL(t)
	failed := make(chan struct{}, 1)
	failed <- struct{}{}
	w := startWorker(c, "w1", 1, func(_ context.Context, a api.Assignment) *api.Report {
		if a.Stage == 1 {
			select {
			case <-failed:
				f := plan.Failf(plan.FailureFetch, "map output 0/1.0 is gone")
				f.LostStage, f.LostTask, f.LostAttempt = 0, 1, 0
				return &api.Report{AttemptID: a.AttemptID, Failure: f}
			default:
			}
		}
		return success(a)
	})
	submit(ctx, t, cl, jobRequest("r1", url))
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	want := []string{"r1/0/0.0", "r1/0/1.0", "r1/1/0.0", "r1/0/1.1", "r1/1/0.1", "r1/1/1.0"}
	if got := w.attempts(); !slices.Equal(got, want) {
		t.Errorf("attempts %v, want %v", got, want)
	}
}

func TestUndeliveredGrantIsGivenAgain(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	submit(ctx, t, cl, queryRequest("q", "select 1"))
	if _, err := cl.Register(ctx, api.RegisterRequest{WorkerID: "w1", Address: "w1:1", Slots: 1}); err != nil {
		t.Fatal(err)
	}
	// The answer to this lease is thrown away, as if its connection had broken.
	lost, err := cl.Lease(ctx, api.LeaseRequest{WorkerID: "w1", Free: 1, Wait: deadline})
	if err != nil || len(lost.Assignments) != 1 {
		t.Fatalf("lease %+v, %v", lost, err)
	}
	startWorker(c, "w1", 1, nil) // goes on under the same id and never mentions the attempt
	if s := waitState(ctx, t, cl, "q"); s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
}

func TestSingleNodeResumesFromItsState(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, func(o *Options) { o.Volatile = false })
	cl := c.client()
	url, _ := outputURL(t)
	hold := make(chan struct{})
	w := startWorker(c, "w1", 2, holding(1, hold))
	submit(ctx, t, cl, jobRequest("r1", url))
	eventually(t, "the second stage", func() bool { return len(w.attempts()) == 4 })
	c.kill("c1")
	c.restart("c1")
	close(hold)
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	if got := w.attempts(); len(got) != 4 {
		t.Errorf("tasks ran again: %v", got)
	}
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	data := []byte("a plugin")
	digest := plan.Digest(data)
	if _, err := cl.GetBlob(ctx, digest); !isCode(err, api.CodeNotFound) {
		t.Errorf("a blob that is not there: %v", err)
	}
	if err := cl.PutBlob(ctx, digest, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := cl.PutBlob(ctx, digest, bytes.NewReader(data)); err != nil {
		t.Errorf("put twice: %v", err)
	}
	if got := getBlob(ctx, t, cl, digest); !bytes.Equal(got, data) {
		t.Errorf("got %q", got)
	}
	if err := cl.PutBlob(ctx, plan.Digest([]byte("x")), bytes.NewReader(data)); !isCode(err, api.CodeInvalid) {
		t.Errorf("content with another digest: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(c.dir, "c1", "blobs", ".upload-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestRoutesForPeople(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil)
	c.leader()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	plain := &http.Client{Transport: transport} // HTTP/1.1
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/v1/runs": 200, "/v1/blobs/zz": 400, "/v1/runs/none": 404, "/v1/raft": 426, "/v1/cluster": 200, "/nothing": 404,
		"/v1/runs/x?wait=soon": 400,
	} {
		response, err := plain.Get("http://" + c.peers["c1"] + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, response.StatusCode, want)
		}
	}
}
