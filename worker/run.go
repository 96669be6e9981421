package worker

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/task"
)

const (
	// plansHeld is how many decoded plans a worker keeps: one per run that is likely to be going on at once.
	plansHeld = 16
	// outputsHeld is how many stages' locations it keeps: a task reads two or three.
	outputsHeld = 256
	// planLimit bounds the size of an encoded plan.
	planLimit = 256 << 20
)

// run runs an attempt whose slot is free.
func (w *Worker) run(ctx context.Context, a api.Assignment, log *slog.Logger) api.Report {
	job, err := w.plans.get(ctx, a.Plan, func(ctx context.Context) (*plan.Job, error) { return w.loadPlan(ctx, a.Plan) })
	if err != nil {
		f := plan.AsFailure(fmt.Errorf("load plan %s: %w", a.Plan, err))
		if ctx.Err() != nil {
			f.Kind = plan.FailureCancelled
		}
		return failed(a.AttemptID, w.opts.ID, f)
	}
	return task.Run(ctx, w.env, task.Task{Assignment: a, Job: job, Log: log, Meter: w.attempts.meter(a.AttemptID)})
}

// loadPlan fetches a plan. The client checks that what arrives has the digest that was asked for.
func (w *Worker) loadPlan(ctx context.Context, digest string) (job *plan.Job, err error) {
	var data []byte
	err = w.line.ask(ctx, func(ctx context.Context) error {
		body, err := w.client.GetBlob(ctx, digest)
		if err != nil {
			return err
		}
		defer body.Close()
		data, err = io.ReadAll(io.LimitReader(body, planLimit+1))
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(data) > planLimit {
		return nil, fmt.Errorf("it is larger than %d bytes", planLimit)
	}
	return plan.DecodeJob(data)
}

// executable fetches a plugin's executable.
func (w *Worker) executable(ctx context.Context, sha256 string) (body io.ReadCloser, err error) {
	err = w.line.ask(ctx, func(ctx context.Context) (err error) {
		body, err = w.client.GetBlob(ctx, sha256)
		return err
	})
	return body, err
}

// outputsKey names a version of a stage's locations, which never changes.
type outputsKey struct {
	run     string
	stage   int
	version uint64
}

// locator answers tasks from what the worker has asked before.
type locator struct{ w *Worker }

var _ task.Locator = locator{}

// Outputs asks the leader once per version. When the leader does not have that version any more, outputs were lost
// since the attempt was granted: that is a failed fetch without a map output to blame.
func (l locator) Outputs(ctx context.Context, run string, stage int, version uint64) (api.StageOutputs, error) {
	return l.w.outputs.get(ctx, outputsKey{run, stage, version}, func(ctx context.Context) (outputs api.StageOutputs, err error) {
		err = l.w.line.ask(ctx, func(ctx context.Context) (err error) {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			outputs, err = l.w.client.Outputs(ctx, run, stage, version)
			return err
		})
		if code := codeOf(err); code == api.CodeNotFound || code == api.CodeConflict {
			f := plan.Failf(plan.FailureFetch, "version %d of the output of stage %d is gone: %w", version, stage, err)
			f.LostStage = -1
			return outputs, f
		}
		return outputs, err
	})
}
