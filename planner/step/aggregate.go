package step

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// aggregate is a call of an aggregate function over a relation, as a user writes it in an option.
type aggregate struct {
	name     string
	distinct bool
	args     []argument
	filter   *argument
}

// argument is a constant, or a column of the relation that has the value.
type argument struct {
	column   string
	constant *plan.Expr
	text     string // of the constant
}

// aggregate reads a call. What is no constant in it becomes columns of the relation.
func (p *planning) aggregate(r *relation, e *jobfile.Tree) (a aggregate) {
	call, ok := p.parsed(e).(*sql.Call)
	switch {
	case p.err != nil:
		return a
	case !ok || call.Over != nil || call.Names != nil || call.IgnoreNulls != nil:
		p.fail(e.Value, "this must be the call of an aggregate function, such as sum(x), count(*) or max(x) FILTER (WHERE y > 0)")
		return a
	}
	a.name, a.distinct = call.Name.Name, call.Distinct
	for _, x := range call.Args {
		if _, star := x.(*sql.Star); !star {
			arg, _ := p.argument(r, e.SQL, x)
			a.args = append(a.args, arg)
		}
	}
	if call.Filter != nil {
		arg, t := p.argument(r, e.SQL, call.Filter)
		if a.filter = &arg; p.err == nil && t.Kind != plan.KindBoolean {
			p.fail(e.Value, "FILTER (WHERE …) must be a condition, and is of type %s", t)
		}
	}
	return a
}

func (p *planning) argument(r *relation, text *source.Text, e sql.Expr) (argument, plan.Type) {
	d := p.defined(r, text, e)
	if p.err == nil && d.Expr != nil && !readsColumns(d.Expr) {
		return argument{constant: d.Expr, text: text.Body[e.Pos().Start:e.Pos().End]}, d.Type
	}
	return argument{column: d.Name}, d.Type
}

func readsColumns(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpColumn
		return !found
	})
	return found
}

// expr is the argument over the relation, or what was made of it with all its columns.
func (a *argument) expr(r *relation) *plan.Expr {
	if a.constant != nil {
		return a.constant
	}
	return r.ref(a.column)
}

func (a *argument) sql() string {
	if a.constant != nil {
		return a.text
	}
	return ident(a.column)
}

// spec is the call as a feature of windows of events.
func (a *aggregate) spec(r *relation) logical.EventFeatureSpec {
	spec := logical.EventFeatureSpec{Func: a.name, Distinct: a.distinct}
	for i := range a.args {
		spec.Args = append(spec.Args, a.args[i].expr(r))
	}
	if a.filter != nil {
		spec.Filter = a.filter.expr(r)
	}
	return spec
}

// sql is the call in SQL.
func (a *aggregate) sql() string {
	var args []string
	for i := range a.args {
		args = append(args, a.args[i].sql())
	}
	if len(args) == 0 {
		args = []string{"*"}
	}
	text := strings.Join(args, ", ")
	if a.distinct {
		text = "DISTINCT " + text
	}
	text = a.name + "(" + text + ")"
	if a.filter != nil {
		text += " FILTER (WHERE " + a.filter.sql() + ")"
	}
	return text
}
