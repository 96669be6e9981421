// Package assembly puts the rooms together: the planner behind a coordinator, and a whole embedded cluster in one
// process. The binary, the end-to-end tests and the benchmarks share it.
package assembly

import (
	"context"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// PlanWith is a coordinator's planner: requests become plans against what the store holds.
func PlanWith(store *storage.Store, opts planner.Options) func(context.Context, api.SubmitRequest) (*plan.Job, error) {
	catalog := parquetio.NewCatalog(store)
	return func(ctx context.Context, req api.SubmitRequest) (*plan.Job, error) {
		request, err := PlannerRequest(req)
		if err != nil {
			return nil, err
		}
		request.Options = opts
		return planner.Plan(ctx, request, catalog)
	}
}

// PlannerRequest turns a submitted request into the planner's own terms.
func PlannerRequest(req api.SubmitRequest) (planner.Request, error) {
	out := planner.Request{Functions: req.Functions}
	if (req.Job == nil) == (req.Query == nil) {
		return out, plan.Failf(plan.FailureUser, "submit either a job or a query")
	}
	if req.Job != nil {
		out.JobFile = &planner.JobRequest{File: req.Job.File, Dir: req.Job.Dir, Work: req.Job.Work, Text: req.Job.Text, Params: req.Job.Params}
		return out, nil
	}
	q := &planner.QueryRequest{File: req.Query.File, SQL: req.Query.SQL}
	for _, t := range req.Query.Tables {
		q.Tables = append(q.Tables, plan.Source{Name: t.Name, Path: t.Path, Format: "parquet"})
	}
	out.Query = q
	return out, nil
}
