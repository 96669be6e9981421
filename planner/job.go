package planner

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
	"github.com/quern-engine/quern/planner/stage"
	"github.com/quern-engine/quern/planner/step"
)

// Params lists a job file's parameters, without values.
func Params(file, text string) ([]plan.Param, error) {
	job, err := jobfile.Parse(file, text)
	if err != nil {
		return nil, err
	}
	var params []plan.Param
	for _, p := range job.Params {
		params = append(params, plan.Param{Name: p.Name.Text, Type: p.Type})
	}
	return params, nil
}

// jobLoader turns a job file into relations and targets.
type jobLoader struct {
	*planning
	file   *jobfile.File
	params jobfile.Params
	steps  map[string]*step.Step // operators, by the lower-case name of their step
	checks []*step.OutputCheck
}

// loadJob analyses every step of a job file, and makes a target of each output. Texts come first: a typing error
// should not wait for a look at remote files.
func (p *planning) loadJob(ctx context.Context) error {
	l, trees, err := p.readJob()
	if err != nil {
		return err
	}
	for _, s := range l.file.Steps {
		p.filtered = append(p.filtered, filteredBy(&s)...)
	}
	if err := l.loadSources(ctx); err != nil {
		return err
	}
	if err := l.analyseSteps(trees, true); err != nil {
		return err
	}
	for i := range l.file.Outputs {
		if err := l.loadOutput(&l.file.Outputs[i]); err != nil {
			return err
		}
	}
	return l.verifyChecks()
}

// readJob reads the texts of a job file: trees are those of its steps, nil for operators.
func (p *planning) readJob() (_ *jobLoader, trees []*sql.Query, err error) {
	req := p.req.JobFile
	file, err := jobfile.Parse(req.File, req.Text)
	if err != nil {
		return nil, nil, err
	}
	params, err := file.Resolve(req.Params)
	if err != nil {
		return nil, nil, err
	}
	l := &jobLoader{planning: p, file: file, params: params, steps: map[string]*step.Step{}}
	p.name = file.Name.Text
	if err := l.checkFunctions(); err != nil {
		return nil, nil, err
	}
	l.loadParams()
	if trees, err = l.parseSteps(); err != nil {
		return nil, nil, err
	}
	return l, trees, l.parseChecks()
}

// filteredBy is the columns that conditions of a step name: any name in the expressions of an operator.
func filteredBy(s *jobfile.Step) []string {
	if s.SQL != nil {
		return sql.Filtered(s.SQL)
	}
	var names []string
	var walk func(t *jobfile.Tree)
	walk = func(t *jobfile.Tree) {
		if t == nil {
			return
		}
		if t.SQL != nil {
			names = append(names, sql.Names(t.SQL)...)
		}
		for _, item := range t.Items {
			walk(item)
		}
		for _, e := range t.Entries {
			walk(e.Value)
		}
	}
	walk(s.Options)
	return names
}

// checkFunctions makes sure that each function's name is free and that the caller has described it.
func (l *jobLoader) checkFunctions() error {
	described := map[string]bool{}
	for _, f := range l.req.Functions {
		described[f.Name] = true
	}
	for _, f := range l.file.Functions {
		if err := functionProblem(l.file, f); err != nil {
			return err
		}
		if !described[f.Name.Text] {
			return l.file.Errorf(f.Name.Span, "the plugin of function %q was not described to the planner", f.Name.Text).
				WithHint("whoever submits the job has to send the functions along")
		}
	}
	return nil
}

// functionProblem refuses a function that would hide one of ours.
func functionProblem(file *jobfile.File, f jobfile.Function) error {
	if _, builtIn := compute.Lookup(f.Name.Text); builtIn {
		return file.Errorf(f.Name.Span, "%q is the name of a built-in function", f.Name.Text).
			WithHint("give it another name here, and say export: %s", f.Export.Text)
	}
	return nil
}

func (l *jobLoader) loadParams() {
	l.job.Params = l.params.List()
	for _, p := range l.job.Params {
		if v, ok := l.params.Literal(p.Name); ok {
			l.planning.params = append(l.planning.params, logical.Param{Name: p.Name, Value: v})
		}
	}
}

// parseSteps reads the text of each step; trees has nil for operators.
func (l *jobLoader) parseSteps() (trees []*sql.Query, err error) {
	trees = make([]*sql.Query, len(l.file.Steps))
	for i := range l.file.Steps {
		s := &l.file.Steps[i]
		if s.SQL != nil {
			trees[i], err = sql.Parse(s.SQL)
		} else {
			l.steps[strings.ToLower(s.Name.Text)], err = step.Parse(l.file, s, l.params)
		}
		if err != nil {
			return nil, err
		}
	}
	return trees, nil
}

// loadSources looks up every source, used or not: a path that leads nowhere is a mistake in any case.
func (l *jobLoader) loadSources(ctx context.Context) error {
	for _, s := range l.file.Sources {
		if s.Function.Text != "" {
			if err := l.makeSource(s); err != nil {
				return err
			}
			continue
		}
		path, err := l.params.Expand(l.file, s.Path)
		if err != nil {
			return err
		}
		src := plan.Source{Name: s.Name.Text, Path: absolute(l.req.JobFile.Dir, path), Format: s.Format, Options: optionMap(s.Options)}
		if src.Schema, err = columnsOf(s.Columns); err != nil {
			return err
		}
		for _, p := range s.Partitions {
			if src.Partitions == nil {
				src.Partitions = map[string]plan.Type{}
			}
			src.Partitions[p.Column.Text] = p.Type
		}
		if err := l.addTable(ctx, src); err != nil {
			return l.sourceError(s, err)
		}
	}
	return nil
}

// makeSource makes a relation of what a source function makes.
func (l *jobLoader) makeSource(s jobfile.Source) error {
	for _, f := range l.req.Functions {
		switch {
		case !strings.EqualFold(f.Name, s.Function.Text):
		case !f.Is(plan.FunctionSource):
			return l.file.Errorf(s.Function.Span, "source %s: function %s is no source function, and makes no rows of nothing", s.Name.Text, f.Name).
				WithHint("call it in a step")
		default:
			l.relations = append(l.relations, logical.Relation{Name: s.Name.Text, Table: logical.SourceTable(f)})
			return nil
		}
	}
	return plan.Failf(plan.FailureInternal, "source %s: function %s was not described", s.Name.Text, s.Function.Text)
}

// sourceError shows where the job file names a source that the user got wrong.
func (l *jobLoader) sourceError(s jobfile.Source, err error) error {
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureUser {
		return err
	}
	if e := l.optionError(s.Options, err); e != nil {
		return e
	}
	return l.file.Errorf(s.Path.Span, "source %s: %s", s.Name.Text, f.Message)
}

// analyseSteps makes relations of the steps. If they are counted, the job says what is.
func (l *jobLoader) analyseSteps(trees []*sql.Query, counted bool) error {
	next := 0 // number of the next tally
	if counted {
		next = 1
	}
	for i := range l.file.Steps {
		s := &l.file.Steps[i]
		var node logical.Node
		var info plan.Step
		var ahead int64
		var err error
		if s.SQL != nil {
			node, info, err = l.analyseQuery(s, trees[i], next)
			ahead = l.looksAhead(info.Reads)
		} else {
			op := l.steps[strings.ToLower(s.Name.Text)]
			node, err = op.Plan(l.environment(), next)
			info, ahead = op.Info(), op.LooksAhead()
		}
		if err != nil {
			return err
		}
		if counted {
			next += len(info.Tallies)
			l.job.Steps = append(l.job.Steps, info)
		}
		l.relations = append(l.relations, logical.Relation{Name: s.Name.Text, Plan: node, LooksAhead: ahead})
	}
	return nil
}

// looksAhead is the farthest that labels of relations look.
func (l *jobLoader) looksAhead(names []string) (ahead int64) {
	for _, r := range l.relations {
		if slices.Contains(names, r.Name) {
			ahead = max(ahead, r.LooksAhead)
		}
	}
	return ahead
}

func (l *jobLoader) analyseQuery(s *jobfile.Step, tree *sql.Query, number int) (logical.Node, plan.Step, error) {
	info := plan.Step{Name: s.Name.Text, Operator: "sql", Reads: []string{}, Definition: plan.Digest([]byte("sql " + s.SQL.Body))}
	node, err := logical.Analyse(s.SQL, tree, l.environment())
	if err != nil {
		return nil, info, err
	}
	tables, err := sql.Reads(s.SQL)
	if err != nil {
		return nil, info, err
	}
	for _, t := range tables {
		r, ok := l.environment().Relation(t.Parts[len(t.Parts)-1].Name)
		if ok && !slices.Contains(info.Reads, r.Name) {
			info.Reads = append(info.Reads, r.Name)
		}
	}
	if number > 0 {
		node = &logical.Tally{Input: node, Step: info.Name, Number: number}
		info.Tallies = []plan.TallyInfo{{Number: number, All: plan.RowsOut}}
	}
	return node, info, nil
}

func (l *jobLoader) loadOutput(o *jobfile.Output) error {
	node, placement, err := l.outputRows(o)
	if err != nil {
		return err
	}
	cols := node.Columns()
	if placement.Visible > 0 {
		cols = cols[:placement.Visible]
	}
	if problem, hint := outputProblem(cols); problem != "" {
		return l.file.Errorf(o.From.Span, "output %s: %s", o.Name.Text, problem).WithHint("%s", hint)
	}
	if !placement.Placed {
		if placement.ShardBy, err = l.shardColumns(o, cols); err != nil {
			return err
		}
	}
	base, err := l.outputURL(o)
	if err != nil {
		return err
	}
	out := &plan.Output{Name: o.Name.Text, URL: base, Format: o.Format, Compression: o.Compression, Options: optionMap(o.Options), Shards: o.Shards}
	if err := l.layOut(o, out, &placement, cols); err != nil {
		return err
	}
	if err := l.checkOutput(o, out, cols); err != nil {
		return err
	}
	l.targets = append(l.targets, target{name: "output " + o.Name.Text, analysed: node, placement: placement, output: out})
	return nil
}

// outputRows is the plan of an output's rows. A step that puts rows in an order says how they are divided among shards.
func (l *jobLoader) outputRows(o *jobfile.Output) (logical.Node, stage.Output, error) {
	if s := l.steps[strings.ToLower(o.From.Text)]; s != nil {
		a, ok, err := s.Arrange(l.environment(), o.Shards)
		if err != nil {
			return nil, stage.Output{}, err
		}
		if ok && len(o.ShardBy) > 0 {
			return nil, stage.Output{}, l.file.Errorf(o.ShardBy[0].Span, "output %s: the step %s decides about shards", o.Name.Text, o.From.Text).
				WithHint("leave shard_by out")
		}
		if ok && len(o.SortBy) > 0 {
			return nil, stage.Output{}, l.file.Errorf(o.SortBy[0].Column.Span, "output %s: the step %s decides about the order of rows", o.Name.Text, o.From.Text).
				WithHint("leave sort_by out")
		}
		if ok {
			return a.Node, stage.Output{ShardBy: []int{a.Shard}, Placed: true, Order: a.Order, Visible: a.Visible}, nil
		}
	}
	r, ok := l.environment().Relation(o.From.Text)
	switch {
	case !ok:
		return nil, stage.Output{}, l.file.Errorf(o.From.Span, "no step or source %q", o.From.Text)
	case r.Plan == nil:
		return logical.ScanTable(r.Name, r.Table, l.ids), stage.Output{}, nil
	}
	return logical.Refresh(r.Plan, l.ids), stage.Output{}, nil
}

// checkOutput asks whether the output's format takes the columns and the options.
func (l *jobLoader) checkOutput(o *jobfile.Output, out *plan.Output, cols []logical.Column) error {
	check := *out
	for _, c := range cols {
		check.Schema.Fields = append(check.Schema.Fields, c.Field)
	}
	err := l.cat.CheckOutput(check)
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureUser {
		return err
	}
	if e := l.optionError(o.Options, err); e != nil {
		return e
	}
	return l.file.Errorf(o.From.Span, "output %s: %s", o.Name.Text, f.Message)
}

// outputProblem says what keeps columns from being written, "" if nothing does.
func outputProblem(cols []logical.Column) (problem, hint string) {
	seen := map[string]bool{}
	for _, c := range cols {
		name := strings.ToLower(c.Name)
		switch {
		case name == "":
			return "a column has no name", "give it one with AS"
		case seen[name]:
			return fmt.Sprintf("two columns are named %q", c.Name), "rename one with AS"
		case c.Type.Kind == plan.KindNull:
			return fmt.Sprintf("column %q is always NULL and has no type", c.Name), "CAST it to the type that it should have"
		}
		seen[name] = true
	}
	return "", ""
}

// shardColumns finds the columns that rows are assigned to shards by.
func (l *jobLoader) shardColumns(o *jobfile.Output, cols []logical.Column) ([]int, error) {
	var shardBy []int
	for _, v := range o.ShardBy {
		i, err := l.outputColumn(o, v, cols, "to shard by")
		if err != nil {
			return nil, err
		}
		shardBy = append(shardBy, i)
	}
	return shardBy, nil
}

// outputURL is where a dataset goes: the given path, relative to the job file, or out/<job>/<output> below the
// caller's folder.
func (l *jobLoader) outputURL(o *jobfile.Output) (string, error) {
	path := filepath.Join(l.req.JobFile.Work, "out", l.name, o.Name.Text)
	if o.Path.Text != "" {
		given, err := l.params.Expand(l.file, o.Path)
		if err != nil {
			return "", err
		}
		path = absolute(l.req.JobFile.Dir, given)
	}
	if isURL(path) {
		return strings.TrimRight(path, "/"), nil
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Clean(path))}).String(), nil
}

// absolute completes a path of the job file: what is neither a URL nor absolute is relative to dir.
func absolute(dir, path string) string {
	if isURL(path) || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func isURL(path string) bool {
	scheme, _, ok := strings.Cut(path, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/.")
}
