// Package planner turns a job file or a query into stages of tasks. It is the façade over its rooms: jobfile and sql
// read text, logical gives it types, optimize rewrites it, stage cuts it. The only look at the world is through the
// [Catalog] that the caller hands in; everything else is a function of its input, so that the same job on the same
// files gives the same plan, byte for byte.
package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/optimize"
	"github.com/quern-engine/quern/planner/stage"
)

// Request asks for a plan; exactly one of JobFile and Query is set.
type Request struct {
	JobFile *JobRequest
	Query   *QueryRequest
	// Functions are the plugin functions that SQL can call, described and pinned by the caller.
	Functions []plan.Function
	Session   plan.Session
	Options   Options
}

// JobRequest is a job file as the caller has it.
type JobRequest struct {
	File   string // name, for messages
	Dir    string // absolute folder of the file; relative paths start here
	Work   string // absolute folder of the caller; default outputs go to out/ below it
	Text   string
	Params map[string]string
}

// Options tune planning; the zero value is good.
type Options struct {
	Optimize optimize.Options
	Stage    stage.Options
}

// Plan plans a request. Mistakes in its texts are of type *source.Error, other mistakes of the caller's are
// plan.FailureUser failures.
func Plan(ctx context.Context, req Request, cat Catalog) (*plan.Job, error) {
	p, err := planRequest(ctx, req, cat)
	if err != nil {
		return nil, err
	}
	return p.job, nil
}

// planning is a request on its way through the rooms, with what each has made of it.
type planning struct {
	req Request
	cat Catalog
	ids *logical.IDs

	name      string
	filtered  []string // columns that conditions of its texts name
	relations []logical.Relation
	params    []logical.Param
	routines  []logical.Routine
	targets   []target
	job       *plan.Job
}

// target is a plan whose rows are wanted, at each level.
type target struct {
	name      string
	analysed  logical.Node
	optimised logical.Node
	fired     []string
	output    *plan.Output // nil for a query's result
	placement stage.Output // how the rows are divided among an output's shards
	report    bool         // the rows go to the coordinator
	last      int          // the stage that its rows come out of
}

func planRequest(ctx context.Context, req Request, cat Catalog) (*planning, error) {
	p := &planning{req: req, cat: cat, ids: &logical.IDs{}}
	if (req.JobFile == nil) == (req.Query == nil) {
		return nil, plan.Failf(plan.FailureUser, "plan either a job file or a query")
	}
	for _, f := range req.Functions {
		if _, builtIn := compute.Lookup(f.Name); builtIn {
			return nil, plan.Failf(plan.FailureUser, "function %s: that is the name of a built-in function; bind the plugin's function under another name", f.Name)
		}
	}
	load := p.loadQuery
	if req.JobFile != nil {
		load = p.loadJob
	}
	return p, p.run(ctx, load)
}

// run takes a request through the rooms: load makes its targets.
func (p *planning) run(ctx context.Context, load func(context.Context) error) error {
	p.job = &plan.Job{Version: plan.JobVersion, Session: p.req.Session}
	for _, step := range []func(context.Context) error{load, p.optimise, p.cut} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// environment is what the next statement can name.
func (p *planning) environment() *logical.Environment {
	env := &logical.Environment{Relations: p.relations, Params: p.params, Functions: p.req.Functions, Routines: p.routines, IDs: p.ids, Session: p.req.Session}
	if p.req.Query != nil {
		env.Variables = p.req.Query.Variables
	}
	return env
}

// addTable looks a source up and makes it a relation.
func (p *planning) addTable(ctx context.Context, src plan.Source) error {
	if slices.ContainsFunc(p.relations, func(r logical.Relation) bool {
		return strings.EqualFold(r.Name, src.Name) && strings.EqualFold(r.Schema, src.Namespace)
	}) {
		return plan.Failf(plan.FailureUser, "table %s is defined twice", src.Name)
	}
	src.Filtered = p.filtered
	table, err := p.cat.Table(ctx, src)
	if err != nil {
		return fmt.Errorf("look up table %s: %w", src.Name, err)
	}
	p.relations = append(p.relations, logical.Relation{Name: src.Name, Schema: src.Namespace, Table: table})
	return nil
}

// optimise runs both tables of rules, and between them has the catalog look into the files that are left.
func (p *planning) optimise(ctx context.Context) error {
	opts := p.req.Options.Optimize
	opts.Session = p.req.Session
	for i := range p.targets {
		t := &p.targets[i]
		r, err := optimize.Run(optimize.Structure(), t.analysed, p.ids, opts)
		if err != nil {
			return err
		}
		t.optimised, t.fired = r.Plan, r.Fired
	}
	if err := p.unfold(ctx, opts); err != nil {
		return err
	}
	if err := p.fillStatistics(ctx); err != nil {
		return err
	}
	for i := range p.targets {
		t := &p.targets[i]
		r, err := optimize.Run(optimize.Statistics(), t.optimised, p.ids, opts)
		if err != nil {
			return err
		}
		t.optimised, t.fired = r.Plan, append(t.fired, r.Fired...)
	}
	return nil
}

// cut makes the stages and the job around them.
func (p *planning) cut(context.Context) error {
	targets := make([]stage.Target, len(p.targets))
	for i, t := range p.targets {
		targets[i].Plan, targets[i].Report = t.optimised, t.report
		if t.output != nil {
			placement := t.placement
			placement.Name, placement.Shards = t.output.Name, t.output.Shards
			targets[i].Output = &placement
		}
	}
	stages, last, err := stage.Cut(targets, p.req.Options.Stage)
	if err != nil {
		return err
	}
	p.job.Name, p.job.Stages = p.name, stages
	for i, t := range p.targets {
		p.targets[i].last = last[i]
		if t.output == nil {
			continue
		}
		out := *t.output
		out.Stage, out.Schema = last[i], stages[last[i]].Root.Schema
		p.job.Outputs = append(p.job.Outputs, out)
	}
	p.job.Functions = p.usedFunctions()
	p.job.Version = p.job.NeededVersion()
	p.job.Inputs = p.inputs()
	if err := p.job.Validate(); err != nil {
		return plan.Failf(plan.FailureInternal, "validate plan: %w", err)
	}
	return nil
}

func (p *planning) usedFunctions() []plan.Function {
	used := map[string]bool{}
	for _, s := range p.job.Stages {
		s.Root.Walk(func(n *plan.Node) {
			for _, name := range n.Functions() {
				used[name] = true
			}
		})
	}
	var out []plan.Function
	for _, f := range p.req.Functions {
		if used[f.Name] {
			out = append(out, f)
		}
	}
	return out
}

// inputs lists the files that the optimised plans read, each once, by source and URL.
func (p *planning) inputs() []plan.Input {
	var out []plan.Input
	for _, t := range p.targets {
		for _, s := range scansOf(t.optimised) {
			for _, f := range s.Files {
				if s.Table.Source.Format == plan.FormatFunction {
					continue
				}
				out = append(out, plan.Input{Source: s.Source, URL: f.File.URL, Size: f.File.Size, ETag: f.File.ETag})
			}
		}
	}
	slices.SortFunc(out, func(a, b plan.Input) int {
		return strings.Compare(a.Source+"\x00"+a.URL, b.Source+"\x00"+b.URL)
	})
	return slices.Compact(out)
}

func scansOf(n logical.Node) []*logical.Scan {
	var scans []*logical.Scan
	logical.Walk(n, func(n logical.Node) {
		if s, ok := n.(*logical.Scan); ok {
			scans = append(scans, s)
		}
	})
	return scans
}
