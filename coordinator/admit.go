package coordinator

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

// busyFor is how long a caller who is sent away should wait: about as long as it takes a short run to end.
const busyFor = 5 * time.Second

// planners is how many requests are planned at a time: planning lists files and reads footers, and a leader has better
// things to do than a hundred of these at once.
const planners = 4

// gate bounds what submits may ask of a leader: planning is dear, and every run that is under way takes memory.
type gate struct {
	inside atomic.Int64  // requests that plan or wait for it
	turn   chan struct{} // holds an item for each that plans
}

func newGate() *gate { return &gate{turn: make(chan struct{}, planners)} }

// admit lets a request plan, or sends it away because too many runs are under way or too many requests wait already. The
// caller calls leave when the run is in the log, or will not be.
func (c *Coordinator) admit(ctx context.Context) (leave func(), err error) {
	g := c.gate
	inside := g.inside.Add(1)
	live := 0
	c.node.Read(func(m *state.Machine) { live = m.Live() })
	switch {
	case int(inside)+live > c.options.MaxQueued:
		err = busy("%d runs are under way or in line, which is as many as this cluster takes", live)
	case int(inside) > c.options.MaxPlanning:
		err = busy("%d requests wait to be planned, which is as many as this cluster takes", inside-1)
	}
	if err != nil {
		g.inside.Add(-1)
		return nil, err
	}
	select {
	case g.turn <- struct{}{}:
		return func() { <-g.turn; g.inside.Add(-1) }, nil
	case <-ctx.Done():
		g.inside.Add(-1)
		return nil, ctx.Err()
	}
}

func busy(format string, args ...any) error {
	e := api.Errorf(api.CodeBusy, format+"; try again later", args...)
	e.RetryAfter = busyFor
	return e
}

// retainEvery is how often runs are looked for that need not be remembered any longer.
const retainEvery = 10 * time.Minute

// retainLoop forgets runs that ended long ago.
func (c *Coordinator) retainLoop(ctx context.Context) {
	for {
		var old []string
		c.node.Read(func(m *state.Machine) { old = m.Expired(c.now().Add(-c.options.Retain)) })
		if len(old) > 0 {
			if _, err := c.propose(ctx, state.Command{Purge: &state.PurgeRuns{RunIDs: old, At: c.now()}}); err != nil {
				c.log.Info("could not forget old runs", "error", err)
			}
		}
		select {
		case <-c.options.Clock.After(retainEvery):
		case <-ctx.Done():
			return
		}
	}
}

// collectLoop deletes plans and plugins that no run needs any more, nor the retry of one, and the logs of runs that are forgotten.
func (c *Coordinator) collectLoop(ctx context.Context) {
	for {
		select {
		case <-c.options.Clock.After(retainEvery):
		case <-ctx.Done():
			return
		}
		keep := map[string]bool{}
		c.node.Read(func(m *state.Machine) {
			for _, digest := range slices.Concat(m.Blobs(), m.RetryBlobs(), m.LogBlobs()) {
				keep[digest] = true
			}
		})
		if n, err := c.blobs.collect(func(digest string) bool { return keep[digest] }, time.Now().Add(-blobGrace)); err != nil || n > 0 {
			c.log.Info("deleted plans and plugins that no run needs", "blobs", n, "error", err)
		}
	}
}
