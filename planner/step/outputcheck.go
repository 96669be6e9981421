package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

// checkKinds lists the kinds of checks in the order of the documentation.
var checkKinds = []*Kind{
	rowsCheck, nullsCheck, uniqueCheck, rangeCheck, acceptedCheck, whereCheck, rateCheck, referencesCheck, disjointCheck, driftCheck, samplingCheck,
}

// CheckKinds lists the kinds of checks. The caller must not change them.
func CheckKinds() []*Kind { return slices.Clone(checkKinds) }

// measurer is a check whose options have been read.
type measurer interface {
	// check says what is checked, and adds to the query what has to be measured for it.
	check(p *checkPlanning, out *relation) plan.Check
}

// OutputCheck is a check of an output in a job file.
type OutputCheck struct {
	Kind     *Kind
	file     *jobfile.File
	check    *jobfile.Check
	options  *jobfile.Tree
	measurer measurer
}

// ParseOutputCheck reads the options of a check.
func ParseOutputCheck(f *jobfile.File, c *jobfile.Check, params jobfile.Params) (*OutputCheck, error) {
	i := slices.IndexFunc(checkKinds, func(k *Kind) bool { return k.Name == c.Kind.Text })
	if i < 0 {
		names := []string{"output", "name", "severity"}
		for _, k := range checkKinds {
			names = append(names, k.Name)
		}
		return nil, hint(f.Errorf(c.Kind.Span, "there is no check %q", c.Kind.Text), c.Kind.Text, names, "the checks are "+strings.Join(names[3:], ", "))
	}
	kind := checkKinds[i]
	options := inFull(c.Options, kind)
	o := newOptions(f, params, c.Kind, kind.Name, kind.Fields, options)
	measurer := kind.readCheck(o)
	if *o.err != nil {
		return nil, *o.err
	}
	return &OutputCheck{Kind: kind, file: f, check: c, options: options, measurer: measurer}, nil
}

// Check is [Step.Check] of a check.
func (c *OutputCheck) Check(known []string, expression func(*source.Text)) []error {
	m := &checker{file: c.file, known: known, expression: expression}
	m.mapping(c.Kind.Fields, c.options)
	return m.mistakes
}

// inFull is the options of a kind that may be given by one of them alone.
func inFull(t *jobfile.Tree, kind *Kind) *jobfile.Tree {
	if t.Form == jobfile.Mapping || t.Form == jobfile.Nothing || kind.Short == "" {
		return t
	}
	return &jobfile.Tree{Value: t.Value, Form: jobfile.Mapping, Entries: []jobfile.Entry{{Key: jobfile.Value{Text: kind.Short, Span: t.Span}, Value: t}}}
}

// Reads lists the sources and steps that checks look into beside the outputs.
func Reads(checks []*OutputCheck) (names []string) {
	for _, c := range checks {
		if r, ok := c.measurer.(*references); ok && !hasOutput(c.file, r.to.Text) {
			names = append(names, r.to.Text)
		}
	}
	return names
}

func hasOutput(f *jobfile.File, name string) bool {
	return slices.ContainsFunc(f.Outputs, func(o jobfile.Output) bool { return o.Name.Text == name })
}

// PlanOutputChecks plans the query that measures what checks are about: rows of one text column, each an object in JSON. The
// environment has the sources and steps, outputs the outputs that are checked. All that can be measured together of an
// output is measured in one pass over it.
func PlanOutputChecks(checks []*OutputCheck, env *logical.Environment, outputs []logical.Relation) (logical.Node, []plan.Check, error) {
	var defs []plan.Check
	p := &checkPlanning{passes: map[string]*pass{}, outputs: outputs}
	for i, c := range checks {
		p.planning = &planning{file: c.file, step: &jobfile.Step{Name: c.check.Kind, Operator: c.check.Kind}, env: env}
		p.index = i
		def := c.measurer.check(p, p.output(c.check.Output))
		if p.err != nil {
			return nil, nil, p.err
		}
		def.Kind, def.Output, def.Warn = plan.CheckKind(c.Kind.Name), c.check.Output.Text, c.check.Warn
		if c.check.Name.Text != "" {
			def.Name = c.check.Name.Text
		}
		defs = append(defs, def)
	}
	node, err := p.query()
	return node, defs, err
}

// checkPlanning is checks on their way to a query.
type checkPlanning struct {
	*planning
	index   int // of the check
	outputs []logical.Relation
	passes  map[string]*pass // by output
	order   []string
	queries []logical.Node
}

// pass is what is measured of an output in one pass.
type pass struct {
	relation *relation
	measures []string // alternately names, as SQL strings, and aggregates
}

// output is the relation of an output, which the checks of it share.
func (p *checkPlanning) output(name jobfile.Value) *relation {
	if known := p.passes[name.Text]; known != nil {
		return known.relation
	}
	i := slices.IndexFunc(p.outputs, func(r logical.Relation) bool { return r.Name == name.Text })
	r := p.read(p.outputs[i], name) // the job file has been found to have it
	p.passes[name.Text] = &pass{relation: r}
	p.order = append(p.order, name.Text)
	return r
}

// measured is the name of a measure of the check, as a SQL string.
func (p *checkPlanning) measured(name string) string {
	return quote(fmt.Sprintf("%d.%s", p.index, name))
}

// measure adds an aggregate over an output's rows.
func (p *checkPlanning) measure(out *relation, name, aggregate string) {
	s := p.passes[out.name]
	s.measures = append(s.measures, p.measured(name), aggregate)
}

// apart adds measures that need a query of their own: alternately their names and expressions over what is in from.
func (p *checkPlanning) apart(from string, relations map[string]*relation, measures ...string) {
	for i := 0; i < len(measures); i += 2 {
		measures[i] = p.measured(measures[i])
	}
	p.queries = append(p.queries, p.sql(lineOf(measures)+" FROM "+from, relations))
}

func lineOf(measures []string) string {
	return "SELECT to_json(named_struct(" + strings.Join(measures, ", ") + ")) AS line"
}

// query is all queries, one behind the other.
func (p *checkPlanning) query() (logical.Node, error) {
	var queries []logical.Node
	for _, name := range p.order {
		if s := p.passes[name]; len(s.measures) > 0 {
			queries = append(queries, p.sql(lineOf(s.measures)+" FROM input", map[string]*relation{"input": s.relation}))
		}
	}
	queries = append(queries, p.queries...)
	relations := map[string]*relation{}
	var parts []string
	for i, q := range queries {
		name := fmt.Sprintf("q%d", i)
		relations[name] = &relation{name: name, node: q}
		parts = append(parts, "SELECT line FROM "+name)
	}
	node := p.sql(strings.Join(parts, " UNION ALL "), relations)
	return node, p.err
}

// number is a bound that may be missing.
func (o *options) number(name string, least, most float64) *float64 {
	if !o.has(name) {
		return nil
	}
	v := o.real(name, least, most, 0)
	return &v
}

// bounds reads min and max, of which at least one is needed.
func (o *options) bounds(least, most float64) (lowest, highest *float64) {
	lowest, highest = o.number("min", least, most), o.number("max", least, most)
	if lowest != nil && highest != nil && *lowest > *highest {
		o.fail(o.place("max"), "max of %s is below min", o.what)
	}
	return lowest, highest
}

// titles joins the names of columns for people.
func titles(cols []logical.Column) string { return strings.Join(columnNames(cols), ", ") }

func columnNames(cols []logical.Column) []string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return names
}

// shown is the values of columns as one text, for people, cut where it is long.
func shown(cols []logical.Column) string {
	if len(cols) == 1 {
		return fmt.Sprintf("left(CAST(%s AS STRING), 100)", ident(cols[0].Name))
	}
	return fmt.Sprintf("left(to_json(struct(%s)), 100)", idents("", cols))
}
