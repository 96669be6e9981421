package planner

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/step"
)

// Written is an output as a run has written it.
type Written struct {
	Output plan.Output
	URL    string   // of the folder that the files lie in
	Files  []string // their names in it
}

// PlanChecks plans what a job's checks have to measure, over the files that a run has written: the rows of the plan, one
// text column, are for the judge. Sources and steps are looked up only if a check reads one.
func PlanChecks(ctx context.Context, req Request, written []Written, cat Catalog) (*plan.Job, error) {
	if req.JobFile == nil {
		return nil, errors.New("only jobs have checks")
	}
	p := &planning{req: req, cat: cat, ids: &logical.IDs{}}
	err := p.run(ctx, func(ctx context.Context) error { return p.loadChecks(ctx, written) })
	return p.job, err
}

func (p *planning) loadChecks(ctx context.Context, written []Written) error {
	l, trees, err := p.readJob()
	if err != nil {
		return err
	}
	if len(step.Reads(l.checks)) > 0 {
		if err := l.loadSources(ctx); err != nil {
			return err
		}
		if err := l.analyseSteps(trees, false); err != nil {
			return err
		}
	}
	var outputs []logical.Relation
	for _, w := range written {
		table, err := p.cat.Table(ctx, w.source())
		if err != nil {
			return err
		}
		outputs = append(outputs, writtenRelation(w.Output.Name, table))
	}
	p.relations = append(p.relations, outputs...)
	node, _, err := step.PlanOutputChecks(l.checks, l.environment(), outputs)
	if err != nil {
		return err
	}
	p.name = "checks of " + p.name
	p.targets = []target{{name: "checks", analysed: node, report: true}}
	return nil
}

// writtenRelation is an output as a relation. It lies in a schema of its own: a source or step may have its name.
func writtenRelation(name string, table *plan.Table) logical.Relation {
	return logical.Relation{Name: name, Schema: "output", Table: table}
}

// source is the output as a table to read.
func (w Written) source() plan.Source {
	s := plan.Source{Name: w.Output.Name, Path: w.URL, Files: w.Files, Format: w.Output.Format, Options: w.readOptions()}
	schema := w.Output.Schema
	if s.Schema = &schema; len(w.Files) == 0 {
		return s // no path says that there are partitions
	}
	schema = w.Output.FileSchema()
	for _, c := range w.Output.PartitionBy {
		if s.Partitions == nil {
			s.Partitions = map[string]plan.Type{}
		}
		s.Partitions[w.Output.Schema.Fields[c].Name] = w.Output.Schema.Fields[c].Type
	}
	return s
}

// sharedOptions are those of outputs in text that say how the text is to be read, too.
var sharedOptions = []string{
	"header", "sep", "delimiter", "quote", "escape", "nullvalue", "emptyvalue", "linesep", "dateformat", "timestampformat", "timestampntzformat", "timezone",
}

// readOptions are those that the output's files are read with. A record that cannot be read is no NULL, but an error.
func (w Written) readOptions() map[string]string {
	if w.Output.Format != "csv" && w.Output.Format != "json" {
		return nil
	}
	options := map[string]string{"mode": "FAILFAST"}
	for name, value := range w.Output.Options {
		if name = strings.ToLower(name); slices.Contains(sharedOptions, name) {
			options[name] = value
		}
	}
	return options
}

func (l *jobLoader) parseChecks() error {
	for i := range l.file.Checks {
		c, err := step.ParseOutputCheck(l.file, &l.file.Checks[i], l.params)
		if err != nil {
			return err
		}
		l.checks = append(l.checks, c)
	}
	return nil
}

// verifyChecks plans the checks as if the outputs had no files yet, as they have not, so that a mistake in one is told
// before the job runs.
func (l *jobLoader) verifyChecks() error {
	if len(l.checks) == 0 {
		return nil
	}
	var outputs []logical.Relation
	for _, t := range l.targets {
		table := &plan.Table{Source: plan.Source{Name: t.output.Name}}
		cols := t.analysed.Columns()
		if t.placement.Visible > 0 {
			cols = cols[:t.placement.Visible]
		}
		for _, c := range cols {
			table.Schema.Fields = append(table.Schema.Fields, c.Field)
		}
		outputs = append(outputs, writtenRelation(t.output.Name, table))
	}
	_, defs, err := step.PlanOutputChecks(l.checks, l.environment(), outputs)
	l.job.Checks = defs
	return err
}
