package assembly

import (
	"context"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/storage"
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
		if status.Rests() {
			return status, nil
		}
		version = status.Version
	}
}

// Rows streams the result of a query that succeeded; Close it when done.
func (e *Embedded) Rows(status *api.RunStatus) *shuffle.Stream {
	return shuffle.NewClient(e.peers, shuffle.ClientOptions{}).Fetch(*status.Result, api.Partition(0), status.ResultSchema, "", nil)
}

// Plan plans a query without running it, as the coordinator would.
func (e *Embedded) Plan(ctx context.Context, q *api.Query) (*plan.Job, error) {
	request, err := e.planRequest(api.SubmitRequest{Query: q})
	if err != nil {
		return nil, err
	}
	return planner.Plan(ctx, request, e.catalog)
}

// Store is the cluster's: what it remembers of files, its workers have at hand.
func (e *Embedded) Store() *storage.Store { return e.store }

// Catalog is what jobs are planned over.
func (e *Embedded) Catalog() planner.Catalog { return e.catalog }

// Explain shows a query at each level of planning.
func (e *Embedded) Explain(ctx context.Context, q *api.Query) (string, error) {
	request, err := e.planRequest(api.SubmitRequest{Query: q})
	if err != nil {
		return "", err
	}
	levels, err := planner.Explain(ctx, request, e.catalog)
	return levels.String(), err
}

func (e *Embedded) planRequest(r api.SubmitRequest) (planner.Request, error) {
	request, err := PlannerRequest(r)
	request.Options = e.planning
	return request, err
}
