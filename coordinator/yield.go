package coordinator

import (
	"context"
	"time"

	"github.com/quern-engine/quern/coordinator/consensus"
)

// yield hands leadership to another coordinator that is fit for it, if one is, and says for want of what.
func (c *Coordinator) yield(ctx context.Context, want string, fit func(*consensus.Report) bool) {
	for _, r := range c.node.AskAll(ctx, c.node.Members()) {
		if r == nil || r.ID == c.options.ID || !fit(r) {
			continue
		}
		// Success may be told as the end of the term that the caller belongs to.
		if err := c.node.Transfer(ctx, r.ID); err != nil && c.node.IsLeader() {
			c.log.Info("could not hand leadership over for want of "+want, "to", r.ID, "error", err)
			continue
		}
		c.log.Warn("handed leadership over for want of "+want, "to", r.ID)
		return
	}
}

func (c *Coordinator) yieldForSpace(ctx context.Context) {
	c.yield(ctx, "disk space", func(r *consensus.Report) bool { return !r.DiskLow })
}

// deafLoop hands leadership over if no worker reaches this coordinator while they do reach another. By itself a leader cannot
// tell that from a cluster without workers; but those whom the workers ask instead can. It looks after half a lease of
// silence, so that nobody is given up meanwhile whom the next leader hears.
func (c *Coordinator) deafLoop(ctx context.Context, t *term) {
	patience := c.options.Lease / 2
	for wait := patience; ; {
		select {
		case <-t.clock.After(wait):
		case <-ctx.Done():
			return
		}
		quiet := t.quiet()
		if quiet < patience {
			wait = patience - quiet
			continue
		}
		wait = patience
		if !c.node.Alone() {
			c.yield(ctx, "workers", func(r *consensus.Report) bool { return r.Sought > 0 && time.Duration(r.Sought) < patience })
		}
	}
}
