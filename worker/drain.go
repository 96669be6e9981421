package worker

import (
	"context"
	"errors"
	"time"
)

// errDrained ends the loops of a worker that nobody needs any more.
var errDrained = errors.New("the worker has drained")

// drainBeat is how often a worker that drains asks whether it is needed still: it should end soon after the last reader of
// its segments.
const drainBeat = 100 * time.Millisecond

// Drain has the worker take no more work, finish and report what it runs, and go on serving its segments until the leader
// says that nobody needs them; then Run returns. How long that takes depends on the runs that read them: whoever cannot wait
// for it cancels Run's context. It may be called at any time, more than once.
func (w *Worker) Drain() {
	w.drain.Do(func() {
		w.opts.Log.Info("draining")
		close(w.draining)
	})
}

func (w *Worker) isDraining() bool {
	select {
	case <-w.draining:
		return true
	default:
		return false
	}
}

// defaultLeaderless is how long a worker that drains and runs nothing waits for a leader to tell whether it is needed. An election
// takes less: a cluster without one for longer is being shut down, or is not served by one worker that stays.
const defaultLeaderless = 3 * time.Second

// leaveAlone ends a worker that is to drain where there is nobody to say that it has: it has nothing that anybody could need,
// or no coordinator answers.
func (w *Worker) leaveAlone(ctx context.Context) error {
	select {
	case <-w.draining:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ticker := time.NewTicker(drainBeat)
	defer ticker.Stop()
	for {
		if w.attempts.empty() {
			return errDrained
		}
		if w.attempts.free() == w.opts.Slots && w.line.silence() > w.opts.leaderless {
			w.opts.Log.Warn("no coordinator says whether this worker is needed: it leaves")
			return errDrained
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
