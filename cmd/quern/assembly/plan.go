// Package assembly puts the rooms together: the planner behind a coordinator, a whole embedded cluster in one process,
// and SQL scripts over it. The binary, the end-to-end tests and the benchmarks share it.
package assembly

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
)

// PlanWith is a coordinator's planner: requests become plans against what the store holds.
func PlanWith(store *storage.Store, opts planner.Options) func(context.Context, api.SubmitRequest) (*plan.Job, error) {
	return planOver(scan.NewCatalog(store), opts)
}

func planOver(catalog planner.Catalog, opts planner.Options) func(context.Context, api.SubmitRequest) (*plan.Job, error) {
	return func(ctx context.Context, req api.SubmitRequest) (*plan.Job, error) {
		request, err := PlannerRequest(req)
		if err != nil {
			return nil, err
		}
		request.Options = opts
		return planner.Plan(ctx, request, catalog)
	}
}

// checksPlanner is coordinator.Options.PlanChecks.
type checksPlanner = func(context.Context, api.SubmitRequest, []coordinator.WrittenOutput) (*plan.Job, error)

// PlanChecksWith is a coordinator's planner of what a job's checks have to measure.
func PlanChecksWith(store *storage.Store, opts planner.Options) checksPlanner {
	return planChecksOver(scan.NewCatalog(store), opts)
}

func planChecksOver(catalog planner.Catalog, opts planner.Options) checksPlanner {
	return func(ctx context.Context, req api.SubmitRequest, outputs []coordinator.WrittenOutput) (*plan.Job, error) {
		request, err := PlannerRequest(req)
		if err != nil {
			return nil, err
		}
		request.Options = opts
		var written []planner.Written
		for _, o := range outputs {
			written = append(written, planner.Written(o))
		}
		return planner.PlanChecks(ctx, request, written, catalog)
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
	q := req.Query
	out.Session = q.Session
	out.Query = &planner.QueryRequest{File: q.File, Line: q.Line, SQL: q.SQL, Dir: q.Dir, Namespace: q.Namespace, Variables: q.Variables}
	for _, t := range q.Tables {
		source := plan.Source{Name: t.Name, Namespace: t.Namespace, Path: t.Path, Format: t.Format, Options: t.Options}
		var err error
		if source.Schema, err = declared(t.Schema); err != nil {
			return out, fmt.Errorf("columns of table %s: %w", t.Name, err)
		}
		out.Query.Tables = append(out.Query.Tables, source)
	}
	for _, v := range q.Views {
		out.Query.Views = append(out.Query.Views, planner.View(v))
	}
	for _, r := range q.Routines {
		routine, err := routineOf(r)
		if err != nil {
			return out, fmt.Errorf("function %s: %w", r.Name, err)
		}
		out.Query.Routines = append(out.Query.Routines, routine)
	}
	if q.Into == nil {
		return out, nil
	}
	schema, err := declared(q.Into.Schema)
	if err != nil {
		return out, fmt.Errorf("columns of the table: %w", err)
	}
	out.Query.Into = &planner.Into{
		URL: q.Into.URL, Schema: schema, Columns: q.Into.Columns, ByName: q.Into.ByName, Defaults: map[string]string{}, Options: q.Into.Options,
	}
	for _, d := range q.Into.Defaults {
		out.Query.Into.Defaults[d.Column] = d.SQL
	}
	return out, nil
}

func routineOf(r api.Routine) (planner.Routine, error) {
	out := planner.Routine{
		Name: r.Name, Namespace: r.Namespace, Defaults: map[string]string{}, Table: r.Table, File: r.File, Line: r.Line, SQL: r.SQL,
	}
	for _, d := range r.Defaults {
		out.Defaults[d.Column] = d.SQL
	}
	params, err := declared(r.Params)
	if err != nil {
		return out, err
	}
	if params != nil {
		out.Params = params.Fields
	}
	out.Returns, err = declared(r.Returns)
	return out, err
}

// declared reads columns as DDL; nil where there are none.
func declared(ddl string) (*plan.Schema, error) {
	if ddl == "" {
		return nil, nil
	}
	schema, err := planner.ParseSchema(ddl)
	return &schema, err
}
