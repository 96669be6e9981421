package worker

import (
	"context"
	"fmt"
	"sync"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/lines"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/plan"
)

// outbox holds reports until a leader has taken them. It is safe for concurrent use.
type outbox struct {
	mu      sync.Mutex
	reports []api.Report // guarded by mu
	filled  chan struct{}
}

func newOutbox() *outbox { return &outbox{filled: make(chan struct{}, 1)} }

func (o *outbox) put(r api.Report) {
	o.mu.Lock()
	o.reports = append(o.reports, r)
	o.mu.Unlock()
	select {
	case o.filled <- struct{}{}:
	default:
	}
}

// take empties the outbox. Whoever takes the reports sees to their delivery.
func (o *outbox) take() []api.Report {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.reports
	o.reports = nil
	return taken
}

// reportLoop delivers reports at once, and together those that gather while a delivery is under way.
func (w *Worker) reportLoop(ctx context.Context) error {
	for {
		select {
		case <-w.outbox.filled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		reports := w.outbox.take()
		if len(reports) == 0 {
			continue
		}
		w.sendLast(ctx, reports)
		if err := w.deliver(ctx, reports); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
}

// deliver sends reports until a leader has taken them. When a leader calls the request wrong, it sends them one by one,
// so that a bad report does not keep back the others.
func (w *Worker) deliver(ctx context.Context, reports []api.Report) error {
	err := w.send(ctx, reports)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		for _, r := range reports {
			w.attempts.settle(r.AttemptID)
		}
		return nil
	}
	for _, r := range reports {
		if err := w.deliverAlone(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// deliverAlone sends one report, or, when it is refused for good, a short failure in its place: the leader must not
// wait for an attempt that is over.
func (w *Worker) deliverAlone(ctx context.Context, r api.Report) error {
	err := w.send(ctx, []api.Report{r})
	if err != nil && ctx.Err() == nil {
		lines.Of(w.opts.Log, r.AttemptID).Error("the leader refuses a report", "error", err)
		f := plan.Failf(plan.FailureInternal, "the leader refused the attempt's report: %w", err)
		err = w.send(ctx, []api.Report{failed(r.AttemptID, w.opts.ID, f)})
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		lines.Of(w.opts.Log, r.AttemptID).Error("the leader refuses even a failure; dropped", "error", err)
	}
	w.attempts.settle(r.AttemptID)
	return nil
}

// send delivers one request. Reports that do not count any more are not undone here: the answer to a first delivery
// may have been lost and the run be over since, and then what the attempt wrote is published.
func (w *Worker) send(ctx context.Context, reports []api.Report) error {
	return w.line.ask(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if err := failpoint.Hit("worker/before-report"); err != nil {
			return err
		}
		reply, err := w.client.Report(ctx, api.ReportRequest{WorkerID: w.opts.ID, Reports: reports})
		if err != nil {
			return err
		}
		if err := failpoint.Hit("worker/after-report"); err != nil {
			return err
		}
		for i, r := range reports {
			if i >= len(reply.Accepted) || !reply.Accepted[i] {
				lines.Of(w.opts.Log, r.AttemptID).Debug("a report came too late to count")
			}
		}
		return nil
	})
}
