package worker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/lines"
	"github.com/quern-engine/quern/plan"
)

// leaseGrace is what a lease request may take beyond the wait it asks for.
const leaseGrace = 3 * time.Second

// leaseLoop asks for work whenever slots are free, until the worker is to drain. One request is out at a time: giving up on
// one in order to ask for more slots could lose an answer that hands out attempts, and those would hang until their lease runs
// out.
func (w *Worker) leaseLoop(ctx context.Context) error {
	for {
		if w.isDraining() {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		free := w.attempts.free()
		if free == 0 {
			select {
			case <-w.attempts.freed:
			case <-w.draining:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		}
		assignments, err := w.lease(ctx, free)
		if err != nil {
			return fmt.Errorf("lease: %w", err)
		}
		for _, a := range assignments {
			w.accept(ctx, a)
		}
	}
}

func (w *Worker) lease(ctx context.Context, free int) (assignments []api.Assignment, err error) {
	request := api.LeaseRequest{WorkerID: w.opts.ID, Free: free, Wait: w.opts.LeaseWait}
	err = w.line.ask(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, w.opts.LeaseWait+leaseGrace)
		defer cancel()
		reply, err := w.client.Lease(ctx, request)
		if err == nil {
			assignments = reply.Assignments
		}
		return err
	})
	return assignments, err
}

// accept starts an attempt. A leader that is no longer one may have granted it: then it goes back at once, as lost,
// since the grant may be in the log and the new leader would otherwise wait for it.
func (w *Worker) accept(ctx context.Context, a api.Assignment) {
	attemptCtx, cancel := context.WithCancelCause(ctx)
	switch w.attempts.admit(a, cancel) {
	case duplicate:
		cancel(nil)
		return
	case outdated:
		cancel(nil)
		lines.Of(w.opts.Log, a.AttemptID).Info("refused an assignment of an earlier leader", "epoch", a.Epoch)
		refusal := plan.Failf(plan.FailureLostWorker, "worker %s refused the attempt: an earlier leader (epoch %d) granted it", w.opts.ID, a.Epoch)
		w.outbox.put(failed(a.AttemptID, w.opts.ID, refusal))
		return
	}
	w.running.Go(func() {
		defer cancel(nil)
		w.runAttempt(attemptCtx, a)
	})
}

// runAttempt waits for its slots, runs the attempt, and hands its report to the report loop. The report is in the outbox
// before the slot is free, so the leader hears of the end no later than of the wish for more.
func (w *Worker) runAttempt(ctx context.Context, a api.Assignment) {
	start := time.Now()
	log := w.logger(a.AttemptID)
	report := w.execute(ctx, a, log)
	report.Seconds = time.Since(start).Seconds()
	w.logEnd(report, log)
	w.measures.ended(&report)
	w.trace(&a, &report, start)
	forget := w.attempts.end(a.AttemptID) // before the report loop settles it
	w.outbox.put(report)
	if forget {
		w.forget(a.Run)
	}
	w.attempts.release(a)
}

func (w *Worker) execute(ctx context.Context, a api.Assignment, log *slog.Logger) api.Report {
	slots, start := int64(w.attempts.weight(a)), time.Now()
	if w.slots.Acquire(ctx, slots) != nil {
		return failed(a.AttemptID, w.opts.ID, plan.Failf(plan.FailureCancelled, "cancelled before it began: %w", context.Cause(ctx)))
	}
	defer w.slots.Release(slots)
	waited := time.Since(start)
	report := w.run(ctx, a, log)
	if report.Facts != nil {
		report.Facts.Slot = int64(waited)
	}
	return report
}

// failed is the report of an attempt that has nothing to show.
func failed(id plan.AttemptID, worker string, f *plan.Failure) api.Report {
	f.Stage, f.Task, f.Attempt, f.Worker = id.Stage, id.Task, id.Attempt, worker
	return api.Report{AttemptID: id, Failure: f}
}

// logEnd logs how an attempt has ended: a failure into its own log, too, unless that is nobody's concern.
func (w *Worker) logEnd(r api.Report, log *slog.Logger) {
	switch {
	case r.Failure == nil:
		if w.opts.Log.Enabled(context.Background(), slog.LevelDebug) { // there may be a million
			lines.Of(w.opts.Log, r.AttemptID).Debug("attempt done", "seconds", r.Seconds, "rows", r.Counts.RowsOut)
		}
	case r.Failure.Kind == plan.FailureCancelled:
		lines.Of(w.opts.Log, r.AttemptID).Info("attempt cancelled", "seconds", r.Seconds, "reason", r.Failure.Message)
	default:
		log.Warn("attempt failed", "kind", r.Failure.Kind, "seconds", r.Seconds, lines.TextKey, r.Failure.Message)
	}
}
