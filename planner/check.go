package planner

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
	"github.com/quern-engine/quern/planner/step"
)

// Check is what can be said of a job file without a look at its data and plugins.
type Check struct {
	Name                               string
	Sources, Functions, Steps, Outputs int
	Missing                            []string // parameters that have neither value nor default
	// Typed: names and types of columns were checked, too, since the job file declares all columns that it reads.
	Typed    bool
	Mistakes []error
	Doubts   []error // what is allowed, and perhaps not meant
}

// CheckJob finds the mistakes of a job file: of its YAML only the first, since that leaves the rest in doubt, else as many as
// show on their own. Of the catalog it asks only whether outputs can be written.
func CheckJob(ctx context.Context, req JobRequest, cat Catalog) Check {
	file, err := jobfile.Parse(req.File, req.Text)
	if err != nil {
		return Check{Mistakes: []error{err}}
	}
	c := &checker{file: file}
	c.Name, c.Sources, c.Functions, c.Steps, c.Outputs = file.Name.Text, len(file.Sources), len(file.Functions), len(file.Steps), len(file.Outputs)
	c.params, c.Missing, c.Mistakes = file.Check(req.Params)
	for _, f := range file.Functions {
		c.add(functionProblem(file, f))
	}
	for i := range file.Sources {
		c.source(&file.Sources[i])
	}
	for i := range file.Steps {
		c.step(&file.Steps[i])
	}
	for _, o := range file.Outputs {
		c.path(o.Path)
	}
	for i := range file.Checks {
		c.outputCheck(&file.Checks[i])
	}
	if len(c.Mistakes) == 0 && declaresAll(file) {
		c.Typed = true
		c.add(c.analyse(ctx, req, cat))
	}
	slices.SortStableFunc(c.Mistakes, func(a, b error) int { return lineOf(a) - lineOf(b) })
	return c.Check
}

// lineOf is where in the job file a mistake is; 0 where it is not in it.
func lineOf(err error) int {
	var e *source.Error
	if errors.As(err, &e) {
		return e.Line
	}
	return 0
}

type checker struct {
	Check
	file   *jobfile.File
	params jobfile.Params
	known  []string // sources, and the steps up to here
}

func (c *checker) add(err error) {
	if err != nil {
		c.Mistakes = append(c.Mistakes, err)
	}
}

// path checks the values of parameters in a path. One that has no value yet is as good as it needs to be.
func (c *checker) path(v jobfile.Value) {
	_, err := c.params.Expand(c.file, v)
	c.add(err)
}

func (c *checker) source(s *jobfile.Source) {
	c.path(s.Path)
	_, err := columnsOf(s.Columns)
	c.add(err)
	c.known = append(c.known, s.Name.Text)
}

func (c *checker) step(s *jobfile.Step) {
	if s.SQL != nil {
		c.query(s.SQL)
	} else if op, err := step.Parse(c.file, s, c.params); err != nil {
		c.add(err)
	} else {
		c.Mistakes = append(c.Mistakes, op.Check(c.known, c.parameters)...)
		for _, d := range op.Doubts() {
			c.Doubts = append(c.Doubts, d)
		}
	}
	c.known = append(c.known, s.Name.Text)
}

func (c *checker) outputCheck(check *jobfile.Check) {
	k, err := step.ParseOutputCheck(c.file, check, c.params)
	if err != nil {
		c.add(err)
		return
	}
	known := slices.Clone(c.known)
	for _, o := range c.file.Outputs {
		known = append(known, o.Name.Text)
	}
	c.Mistakes = append(c.Mistakes, k.Check(known, c.parameters)...)
}

// query checks the syntax of a step's SQL, and the names in FROM.
func (c *checker) query(text *source.Text) {
	tables, err := sql.Reads(text)
	if err != nil {
		c.add(err)
		return
	}
	for _, t := range tables {
		name := t.Parts[len(t.Parts)-1].Name
		if slices.ContainsFunc(c.known, func(k string) bool { return strings.EqualFold(k, name) }) || len(t.Parts) > 1 {
			continue // a qualified name is left to analysis
		}
		e := text.Errorf(t.Span, "TABLE_OR_VIEW_NOT_FOUND", "no table, step or CTE %q", name)
		if near := source.Nearest(name, c.known); near != "" {
			e.WithHint("did you mean %q?", near)
		} else if len(c.known) > 0 {
			e.WithHint("there are: %s", strings.Join(c.known, ", "))
		}
		c.add(e)
	}
	c.parameters(text)
}

// parameters checks the names of the parameters in SQL.
func (c *checker) parameters(text *source.Text) {
	var names []string
	for _, p := range c.params.List() {
		names = append(names, p.Name)
	}
	for _, p := range sql.Params(text) {
		if slices.Contains(names, p.Name) {
			continue
		}
		e := text.Errorf(p.Span, "UNBOUND_SQL_PARAMETER", "no parameter %q", p.Name)
		if near := source.Nearest(p.Name, names); near != "" {
			e.WithHint("did you mean ${%s}?", near)
		}
		c.add(e)
	}
}

// declaresAll reports that a job file says itself which columns its sources have, and calls no plugin.
func declaresAll(f *jobfile.File) bool {
	if len(f.Functions) > 0 {
		return false
	}
	return !slices.ContainsFunc(f.Sources, func(s jobfile.Source) bool { return len(s.Columns) == 0 || mayBePartitioned(s.Path.Text) })
}

// mayBePartitioned reports that the files of a path may lie in folders whose names are columns: that it is a folder, as far as
// one can see, or has a pattern before its last element.
func mayBePartitioned(p string) bool {
	p, _, _ = strings.Cut(p, "?") // of a URL
	dir, name := path.Split(p)
	return path.Ext(name) == "" || strings.ContainsAny(dir, "*[=")
}

// analyse finds the first mistake in the names and types of columns.
func (c *checker) analyse(ctx context.Context, req JobRequest, cat Catalog) error {
	given := map[string]string{}
	for _, p := range c.params.List() {
		given[p.Name] = p.Value
	}
	req.Params = given
	p := &planning{req: Request{JobFile: &req}, cat: declared{cat}, ids: &logical.IDs{}, job: &plan.Job{}}
	return p.loadJob(ctx)
}

// declared is a catalog of tables that have the columns which their sources declare, and no files.
type declared struct{ Catalog }

func (declared) Table(_ context.Context, src plan.Source) (*plan.Table, error) {
	if src.Schema == nil {
		return nil, errors.New("the source declares no columns")
	}
	return &plan.Table{Source: src, Schema: *src.Schema}, nil
}

func (declared) Statistics(_ context.Context, _ *plan.Table, files []plan.File) ([]plan.File, error) {
	return files, nil
}
