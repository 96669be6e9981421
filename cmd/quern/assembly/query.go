package assembly

import (
	"context"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/shuffle"
)

// Wait follows a run to its end, calling update (which may be nil) at each change and at least once a second.
func Wait(ctx context.Context, c *client.Client, id string, update func(*api.RunStatus)) (*api.RunStatus, error) {
	var version uint64
	for {
		status, err := c.Status(ctx, id, version, time.Second)
		if err != nil {
			return nil, err
		}
		if update != nil {
			update(status)
		}
		if status.State.Terminal() {
			return status, nil
		}
		version = status.Version
	}
}

// Rows streams the result of a query that succeeded; Close it when done.
func (e *Embedded) Rows(status *api.RunStatus) *shuffle.Stream {
	return shuffle.NewClient(e.peers, shuffle.ClientOptions{}).Fetch(*status.Result, 0, status.ResultSchema, "", nil)
}
