package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/worker/operator"
)

// Env is what the attempts of a worker share. Everything in it is safe for concurrent use.
type Env struct {
	Worker   string          // id, for failures
	Address  string          // where this worker serves its segments: what is there is read from disk
	Store    *storage.Store  // inputs and outputs
	Segments *shuffle.Store  // this worker's map outputs
	Fetch    *shuffle.Client // other workers' map outputs
	Locator  Locator
	Plugins  Plugins
	Memory   *Budget
	Builds   *Builds // nil: attempts share no build sides
	// Divisions of the partitions that attempts do slices of. Those of a nil one are not shared.
	Divisions *Divisions
	Scratch   string // folder for what operators spill; "" if nothing can
	// Allocator of batches; nil means the Go heap.
	Allocator memory.Allocator
	// BatchRows is the size of batches that leaves and operators make; 0 means operator.DefaultBatchRows.
	BatchRows int
	Plain     bool // scans hand out no dictionary codes
}

// Builds is what attempts of a worker share of their joins.
type Builds = operator.Builds

// NewBuilds keeps up to limit bytes of what no attempt uses just now.
func NewBuilds(limit int64) *Builds { return operator.NewBuilds(limit) }

// Locator tells where map outputs are.
type Locator interface {
	Outputs(ctx context.Context, run string, stage int, version uint64) (api.StageOutputs, error)
}

// Plugins opens plugin functions. The processes behind them outlive the attempt.
type Plugins interface {
	// Open binds functions for an attempt. What they log, and what their processes print, goes to log.
	Open(ctx context.Context, fns []plan.Function, log *slog.Logger) (Functions, error)
}

// Functions are an attempt's plugin functions. Closing them gives its processes back.
type Functions interface {
	operator.Caller
	// Read makes the rows of a task of a source function, of some columns of its output. Close the result.
	Read(ctx context.Context, function string, task int, columns []int) (operator.PluginRows, error)
	// Counters is what the functions have counted for themselves, by function and name, as "gaps.found".
	Counters() map[string]int64
	io.Closer
}

// Task is an assignment with its plan decoded.
type Task struct {
	api.Assignment
	Job   *plan.Job
	Log   *slog.Logger // the attempt's; nil is silent
	Meter *Meter       // nil: nobody looks while it runs
}

// Run runs an attempt and reports how it ended; Report.Seconds is left to the caller. When ctx is done the attempt stops
// soon and fails as cancelled. Nothing that an attempt runs into makes Run panic: this is the door where panics of the
// engine become failures of one attempt.
func Run(ctx context.Context, env Env, t Task) api.Report {
	report := api.Report{AttemptID: t.AttemptID}
	err := guard(func() error { return runAttempt(ctx, env, t, &report) })
	if err == nil {
		return report
	}
	return api.Report{AttemptID: t.AttemptID, Counts: report.Counts, Facts: report.Facts, Failure: failure(ctx, env, t, err)}
}

// failure gives an error its kind and its place. Once ctx is done, whatever went wrong went wrong because of that.
func failure(ctx context.Context, env Env, t Task, err error) *plan.Failure {
	f := plan.AsFailure(err)
	if ctx.Err() != nil && f.Kind != plan.FailureCancelled {
		f = plan.Failf(plan.FailureCancelled, "cancelled: %w", errors.Join(context.Cause(ctx), err))
	}
	f = env.remedied(f)
	f.Stage, f.Task, f.Attempt, f.Worker = t.Stage, t.Task, t.Attempt, env.Worker
	return f
}

// guard calls f and turns a panic into a FailureInternal with its stack.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if f, ok := p.(*plan.Failure); ok { // a kernel that has no other way out
				err = f
				return
			}
			err = plan.Failf(plan.FailureInternal, "the engine panicked, which is a defect of Quern: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// runAttempt wires the attempt together. Whatever it opens it closes, in reverse order, also after a panic: the sink is
// discarded unless it was committed, then the operators are closed, then the memory share, which they give back to.
func runAttempt(ctx context.Context, env Env, t Task, report *api.Report) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what the pieces below may have left waiting
	env.setDefaults()
	if t.Meter == nil {
		t.Meter = &Meter{}
	}
	if t.Exclusive {
		env.BatchRows = max(1, env.BatchRows/exclusiveBatches)
	}
	stage, err := t.stage()
	if err != nil {
		return err
	}
	share := env.share(t)
	defer share.Close()
	build := &builder{env: env, task: t, stage: stage, memory: share, counts: &report.Counts, rejects: rejects{store: env.Store, task: t}}
	if env.Scratch != "" {
		build.scratch = newScratch(env.Allocator, env.Scratch, t.AttemptID)
		defer func() { err = errors.Join(err, build.scratch.Close()) }()
	}
	report.Facts = &api.AttemptFacts{Memory: share.limit}
	defer func() { build.addFacts(report.Facts) }() // when the counts are complete
	defer build.addCounts()
	defer func() { err = errors.Join(err, build.closeFunctions()) }()
	root, err := build.root(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, guard(root.Close)) }()
	defer func() {
		if err != nil {
			err = errors.Join(err, build.rejects.discard())
		}
	}()
	sink, err := openSink(ctx, env, share, t, stage)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, guard(func() error { return sink.Discard() })) }()
	if err := drive(ctx, root, sink, report, t.Meter); err != nil {
		return err
	}
	if err := root.Close(); err != nil { // before the commit: a committed attempt has nothing left to fail at
		return err
	}
	rejected, err := build.rejects.commit(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	written, err := sink.Commit(ctx)
	report.Facts.Write += int64(time.Since(start))
	if err != nil {
		return err
	}
	if rejected != nil {
		report.Rejects, report.Counts.RowsRejected = rejected, rejected.Rows
	}
	report.Calls = build.calls()
	report.Partitions, report.File, report.Lines = written.Partitions, written.File, written.Lines
	report.Counts.BytesOut, report.Counts.FilesOut = written.Bytes, written.Files
	return nil
}

func (t Task) log() *slog.Logger {
	if t.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return t.Log
}

// exclusiveBatches is how many times smaller the batches of an attempt are that follows one which ran out of memory: most of
// what operators hold without a chance to spill it grows with them.
const exclusiveBatches = 4

func (e *Env) share(t Task) *Share {
	if t.Exclusive {
		return e.Memory.Whole()
	}
	return e.Memory.Share()
}

func (e *Env) setDefaults() {
	if e.Allocator == nil {
		e.Allocator = memory.DefaultAllocator
	}
	if e.BatchRows == 0 {
		e.BatchRows = operator.DefaultBatchRows
	}
}

// stage finds the task's stage and checks that the task is one of its tasks, of which there may be others than planned if
// they were divided anew.
func (t Task) stage() (*plan.Stage, error) {
	if t.Stage < 0 || t.Stage >= len(t.Job.Stages) {
		return nil, fmt.Errorf("assignment %s: the plan has %d stages", t.AttemptID, len(t.Job.Stages))
	}
	s := t.Job.Stages[t.Stage]
	if t.Task < 0 || (t.Task >= s.Tasks && !t.divided()) {
		return nil, fmt.Errorf("assignment %s: the stage has %d tasks", t.AttemptID, s.Tasks)
	}
	return s, nil
}

// drive pulls every batch out of the root and pushes it into the sink.
func drive(ctx context.Context, root operator.Operator, sink Sink, report *api.Report, meter *Meter) error {
	for {
		batch, err := root.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rows := batch.NumRows()
		if err = failpoint.HitBy("task/batch", report.AttemptID); err == nil {
			start := time.Now()
			err = sink.Write(ctx, batch)
			report.Facts.Write += int64(time.Since(start))
		}
		batch.Release()
		if err != nil {
			return err
		}
		report.Counts.RowsOut += rows
		meter.rowsOut.Store(report.Counts.RowsOut)
	}
}
