package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

// number gives a tally its number; 0 where nothing is counted.
func (p *planning) number(info plan.TallyInfo) int {
	if p.first == 0 || p.err != nil {
		return 0
	}
	info.Number = p.first + len(p.tallies)
	p.tallies = append(p.tallies, info)
	return info.Number
}

// counted counts the rows of a plan under a name.
func (p *planning) counted(node logical.Node, name string) logical.Node {
	if n := p.number(plan.TallyInfo{All: name}); n > 0 {
		return &logical.Tally{Input: node, Step: p.step.Name.Text, Number: n}
	}
	return node
}

// condition is a boolean column of a relation, and what the rows are called for which it is true, and for which it is not.
type counting struct{ column, name, other string }

// kept is the rows of a statement for which the column `__kept` is true, out being what is selected of them: counted are all rows,
// the kept ones, and those of other columns.
func (p *planning) kept(text, out string, relations map[string]*relation, others ...counting) logical.Node {
	rows := made("input", p.sql(text, relations))
	info := plan.TallyInfo{All: plan.RowsIn}
	tally := logical.Tally{Input: rows.node, Fixed: true}
	for _, c := range others {
		info.Where, info.Else = append(info.Where, c.name), append(info.Else, c.other)
		tally.Where = append(tally.Where, rows.ref(c.column))
	}
	return p.keep(rows, out, info, tally)
}

// keep counts rows and leaves out those that are not kept.
func (p *planning) keep(rows *relation, out string, info plan.TallyInfo, tally logical.Tally) logical.Node {
	if tally.Step, tally.Number = p.step.Name.Text, p.number(info); tally.Number > 0 {
		rows.node = &tally
	}
	return p.sql("SELECT "+out+" FROM input WHERE `__kept`", map[string]*relation{"input": rows})
}

// out is the name of the rows that a step keeps, beside what it calls those that it does not.
func out(column, dropped string) counting { return counting{column, plan.RowsOut, dropped} }

// constantText is a constant of the user's as a value of a type; "" if it is none, or one that cannot be computed.
func (p *planning) constantText(r *relation, e *jobfile.Tree, t plan.Type) string {
	d := p.defined(r, e.SQL, p.parsed(e))
	if p.err != nil || d.Expr == nil || readsColumns(d.Expr) {
		return ""
	}
	v, err := compute.Fold(compute.Cast(compute.Cast(d.Expr, t), plan.String), p.env.Session)
	if err != nil || !v.IsLiteral() || v.Value.Null {
		return ""
	}
	return string(v.Value.Bytes)
}

// Info describes the step, with what the latest Plan counts of it.
func (s *Step) Info() plan.Step {
	return plan.Step{
		Name: s.step.Name.Text, Operator: s.Kind.Name, Reads: slices.Clone(s.reads), Watermark: s.watermark, Tallies: s.tallies,
		Definition: plan.Digest([]byte(s.Kind.Name + " " + treeText(s.step.Options))),
	}
}

// treeText is a value of a job file in one form, whatever its layout.
func treeText(t *jobfile.Tree) string {
	var parts []string
	switch t.Form {
	case jobfile.List:
		for _, item := range t.Items {
			parts = append(parts, treeText(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case jobfile.Mapping:
		for _, e := range t.Entries {
			parts = append(parts, fmt.Sprintf("%q: %s", e.Key.Text, treeText(e.Value)))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprintf("%q", t.Text)
}
