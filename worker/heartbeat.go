package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/quern-engine/quern/api"
)

// defaultHeartbeat is used when a leader names no interval.
const defaultHeartbeat = time.Second

// heartbeatLoop renews the worker's lease, and does what the answers say: stop attempts, forget runs, end when drained. The
// first attempt of a run asks out of turn: a run that has just ended should not be in memory any longer when the next one
// needs room.
func (w *Worker) heartbeatLoop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	draining := w.draining
	for {
		select {
		case <-timer.C:
		case <-w.attempts.begun:
		case <-draining:
			draining = nil // said from now on
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		reply, err := w.heartbeat(ctx)
		if err != nil {
			return fmt.Errorf("heartbeat: %w", err)
		}
		for _, id := range reply.Stop {
			w.attempts.stop(id)
		}
		for _, run := range reply.Forget {
			if w.attempts.forget(run) {
				w.forget(run)
			}
		}
		if reply.Drained {
			return errDrained
		}
		timer.Reset(w.heartbeatInterval())
	}
}

func (w *Worker) heartbeatInterval() time.Duration {
	interval := defaultHeartbeat
	if _, rules := w.session.current(); rules.Heartbeat > 0 {
		interval = rules.Heartbeat
	}
	if w.isDraining() {
		interval = min(interval, drainBeat)
	}
	return interval
}

func (w *Worker) heartbeat(ctx context.Context) (reply api.HeartbeatReply, err error) {
	err = w.line.ask(ctx, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, max(2*w.heartbeatInterval(), time.Second))
		defer cancel()
		request := api.HeartbeatRequest{
			WorkerID: w.opts.ID, Running: w.attempts.list(), Draining: w.isDraining(), Progress: w.attempts.progress(), MemoryUsed: w.env.Memory.InUse(),
			Build: w.opts.Build, Now: time.Now(),
		}
		reply, err = w.client.Heartbeat(ctx, request)
		return err
	})
	return reply, err
}

// forget drops a run's segments and build sides.
func (w *Worker) forget(run string) {
	w.builds.Forget(run)
	if err := w.segments.Forget(run); err != nil {
		w.opts.Log.Warn("could not remove the segments of a finished run", "run", run, "error", err)
	}
}
