package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/worker/internal/jobtest"
)

// jobInput writes three files of events, 3000 rows with 40 origins, and returns the job over them.
func jobInput(t *testing.T, store *storage.Store, dir string) *plan.Job {
	t.Helper()
	var splits []plan.Split
	for file := range 3 {
		var rows []jobtest.Event
		for i := range 1000 {
			rows = append(rows, jobtest.Delays(fmt.Sprintf("A%02d", (i*7+file)%40), int64(i%50-20))...)
		}
		splits = append(splits, jobtest.WriteEvents(t, store, "file://"+filepath.Join(dir, fmt.Sprintf("in-%d.parquet", file)), rows))
	}
	return jobtest.LateByOrigin(splits, 4)
}

// The same job on one worker and on two gives the same bytes, and the rows that a plain loop computes.
func TestJobOnOneWorkerAndOnTwo(t *testing.T) {
	var want []string
	counts, totals := map[string]int64{}, map[string]int64{}
	for file := range 3 {
		for i := range 1000 {
			if d := int64(i%50 - 20); d > 0 {
				counts[fmt.Sprintf("A%02d", (i*7+file)%40)]++
				totals[fmt.Sprintf("A%02d", (i*7+file)%40)] += d
			}
		}
	}
	for origin, n := range counts {
		want = append(want, fmt.Sprintf("%s %d %d", origin, n, totals[origin]))
	}
	slices.Sort(want)
	var sums [][]string
	for _, workers := range []int{1, 2} {
		store, dir := storage.New(), t.TempDir()
		t.Cleanup(func() { _ = store.Close() })
		job := jobInput(t, store, dir)
		f := startFake(t)
		// Each worker alone could take every task, so with one slot each, both are needed to take two at once.
		for range workers {
			startWorker(t, f, Options{Store: store, Slots: 1})
		}
		f.wait("the workers", func() bool { return len(f.workers) == workers && len(f.leases) >= workers })
		reports := f.runJob("r1", job, "file://"+filepath.Join(dir, "out", "r1"))
		var rows, shards []string
		for _, r := range reports[1] {
			folder := "file://" + filepath.Join(dir, "out", "r1")
			for _, s := range jobtest.Written(t, store, folder, r.Report) {
				rows = append(rows, jobtest.ReadRows(t, store, folder+"/"+s.Key, job.Outputs[0].Schema)...)
				shards = append(shards, s.SHA256)
			}
		}
		slices.Sort(rows)
		if !slices.Equal(rows, want) {
			t.Errorf("%d workers: rows %q\nwant %q", workers, rows, want)
		}
		sums = append(sums, shards)
		f.checkWork(workers, reports)
	}
	if !slices.Equal(sums[0], sums[1]) {
		t.Errorf("shards differ:\n%q\n%q", sums[0], sums[1])
	}
}

// checkWork checks that plan and locations were fetched once by each worker, and that all workers had a part.
func (f *fakeCoordinator) checkWork(workers int, reports [][]received) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, n := range f.fetches {
		if n > workers {
			f.t.Errorf("%s fetched %d times by %d workers", path, n, workers)
		}
	}
	busy := map[string]bool{}
	for _, stage := range reports {
		for _, r := range stage {
			busy[r.worker] = true
			if r.Seconds <= 0 {
				f.t.Errorf("%s took %v s", r.AttemptID, r.Seconds)
			}
		}
	}
	if len(busy) != workers {
		f.t.Errorf("%d of %d workers did something", len(busy), workers)
	}
}

// A division by zero in the data is the user's error, with the place where it happened, and leaves no shard.
func TestJobWithAnErrorInItsData(t *testing.T) {
	store, dir := storage.New(), t.TempDir()
	t.Cleanup(func() { _ = store.Close() })
	split := jobtest.WriteEvents(t, store, "file://"+filepath.Join(dir, "in.parquet"), jobtest.Delays("SFO", 0))
	scan := jobtest.ScanNode()
	column := plan.ColumnExpr(1, scan.Schema.Fields[1])
	root := &plan.Node{
		Op: plan.NodeProject, Inputs: []*plan.Node{scan},
		Schema:  plan.Schema{Fields: []plan.Field{{Name: "x", Type: plan.Int64, Nullable: true}}},
		Project: &plan.Project{Exprs: []*plan.Expr{plan.CallExpr("div", plan.Int64, plan.Int64Literal(1), column)}},
	}
	stage := jobtest.FileStage(0, root, 1)
	stage.Splits = [][]plan.Split{{split}}
	job := &plan.Job{
		Version: plan.JobVersion, Name: "bad", Stages: []*plan.Stage{stage}, Outputs: []plan.Output{jobtest.OutputOf(0, root.Schema, 1)},
	}
	f := startFake(t)
	w := startWorker(t, f, Options{Store: store})
	a := api.Assignment{AttemptID: attemptID("r1", 0, 0, 3), Plan: f.addPlan(job), OutputURL: "file://" + filepath.Join(dir, "out")}
	f.grant(a)
	r := f.await(a.AttemptID)
	if r.Failure == nil || r.Failure.Kind != plan.FailureUser || r.Failure.Attempt != 3 || r.Failure.Worker != w.ID() {
		t.Fatalf("reported %+v", r.Failure)
	}
	if !strings.Contains(r.Failure.Message, "DIVIDE_BY_ZERO") {
		t.Errorf("message %q", r.Failure.Message)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "out")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A reducer whose map output went with its worker names it.
func TestJobThatLostAMapOutput(t *testing.T) {
	store, dir := storage.New(), t.TempDir()
	t.Cleanup(func() { _ = store.Close() })
	job := jobInput(t, store, dir)
	f := startFake(t)
	first := startWorker(t, f, Options{Store: store})
	digest := f.addPlan(job)
	var maps []received
	for task := range 3 {
		a := api.Assignment{AttemptID: attemptID("r1", 0, task, 0), Plan: digest}
		f.grant(a)
		maps = append(maps, f.await(a.AttemptID))
	}
	f.locate("r1", 0, 1, maps)
	first.stop(t)
	startWorker(t, f, Options{Store: store})
	a := api.Assignment{AttemptID: attemptID("r1", 1, 0, 0), Plan: digest, Inputs: []api.StageInput{{Stage: 0, Version: 1}}, OutputURL: "file://" + filepath.Join(dir, "out")}
	f.grant(a)
	r := f.await(a.AttemptID)
	if r.Failure == nil || r.Failure.Kind != plan.FailureFetch || r.Failure.LostStage != 0 || r.Failure.LostTask != 0 || r.Failure.LostAttempt != 0 {
		t.Fatalf("reported %+v", r.Failure)
	}
}
