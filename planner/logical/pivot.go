package logical

import (
	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// pivot analyses PIVOT: the aggregates are computed per group and pivot value, and a second aggregation puts the values
// of a group into one row. A pivot value that a group does not have gives NULL, of count too.
func (a *analyser) pivot(ref *sql.Pivot, with *named) (relation, error) {
	in, err := a.tableRef(ref.Ref, with)
	if err != nil {
		return in, err
	}
	p := &pivoting{block: &block{analyser: a, in: in, aggs: &aggregation{}}, ref: ref}
	if err := p.columns(); err != nil {
		return in, err
	}
	if err := p.aggregates(); err != nil {
		return in, err
	}
	return p.build()
}

type pivoting struct {
	*block
	ref    *sql.Pivot
	by     []*plan.Expr // the pivot columns, over in
	values []*plan.Expr // the aggregates, over the first aggregation
	names  []string     // of the aggregates
}

func (p *pivoting) columns() error {
	for _, e := range p.ref.Columns {
		x, err := p.expr(e, &exprContext{scope: p.in.scope, clause: "PIVOT"})
		if err != nil {
			return err
		}
		if hasMap(x.Type) {
			return p.errorf(e.Pos(), "INCOMPARABLE_PIVOT_COLUMN", "maps cannot be compared, and the pivot column is %s", x.Type)
		}
		p.by = append(p.by, x)
	}
	return nil
}

func (p *pivoting) aggregates() error {
	var exprs []*plan.Expr
	for _, it := range p.ref.Aggregates {
		before := len(p.aggs.calls)
		e, err := p.expr(it.Expr, &exprContext{scope: p.in.scope, clause: "PIVOT", aggs: p.aggs})
		if err != nil {
			return err
		}
		if !p.usesAggregate(e) && len(p.aggs.calls) == before {
			return p.errorf(it.Expr.Pos(), "", "PIVOT needs an aggregate function here")
		}
		name := sql.ColumnName(it.Expr)
		if it.Alias != nil {
			name = it.Alias.Name
		}
		exprs, p.names = append(exprs, e), append(p.names, name)
	}
	used := map[int]bool{}
	for _, e := range append(exprsOf(&Aggregate{Aggs: p.aggs.calls}), p.by...) {
		e.Columns(used)
	}
	for _, c := range p.in.scope.visible() {
		if !used[c.ID] {
			p.addKey(c.Ref(), c.Name, p.ref.Span)
		}
	}
	p.aggregated = true
	for i, e := range exprs {
		g, err := p.group(e, p.ref.Aggregates[i].Expr.Pos())
		if err != nil {
			return err
		}
		p.values = append(p.values, g)
	}
	return nil
}

// build stacks up both aggregations.
func (p *pivoting) build() (relation, error) {
	groups := len(p.keys)
	for i, e := range p.by {
		p.keys = append(p.keys, Definition{Column: p.env.IDs.Column(fieldOf(sql.ColumnName(p.ref.Columns[i]), e)), Expr: e})
	}
	first := &Aggregate{Input: p.in.node, Keys: p.keys, Aggs: p.aggs.calls}
	below := &Project{Input: first, Defs: keepAll(columnsOf(p.keys))}
	for i, e := range p.values {
		below.Defs = append(below.Defs, Definition{Column: p.env.IDs.Column(fieldOf(p.names[i], e)), Expr: e})
	}
	second := &Aggregate{Input: below}
	for _, k := range p.keys[:groups] {
		second.Keys = append(second.Keys, Definition{Column: p.env.IDs.Column(k.Field), Expr: k.Ref()})
	}
	for _, v := range p.ref.Values {
		match, name, err := p.match(v, p.keys[groups:])
		if err != nil {
			return relation{}, err
		}
		for i, d := range below.Defs[len(p.keys):] {
			call, err := p.valueOf(match, d.Column)
			if err != nil {
				return relation{}, err
			}
			call.Name = name
			if len(p.values) > 1 {
				call.Name = name + "_" + p.names[i]
			}
			second.Aggs = append(second.Aggs, call)
		}
	}
	alias := ""
	if p.ref.Alias != nil {
		alias = p.ref.Alias.Name
	}
	return relation{node: second, scope: scopeOf(alias, second.Columns())}, nil
}

// match compares the pivot columns with one of the values, and names that value.
func (p *pivoting) match(v sql.PivotValue, by []Definition) (*plan.Expr, string, error) {
	if len(v.Items) != len(by) {
		return nil, "", p.errorf(v.Span, "PIVOT_VALUE_DATA_TYPE_MISMATCH", "%d values for %d pivot columns", len(v.Items), len(by))
	}
	var match *plan.Expr
	var texts []string
	for i, e := range v.Items {
		x, err := p.expr(e, &exprContext{scope: p.in.scope, clause: "PIVOT"})
		if err != nil {
			return nil, "", err
		}
		c, ok := p.constant(x)
		if !ok {
			return nil, "", p.errorf(e.Pos(), "NON_LITERAL_PIVOT_VALUES", "the values of PIVOT must be constants")
		}
		if !compute.CanCast(c.Type, by[i].Type) {
			return nil, "", p.errorf(e.Pos(), "PIVOT_VALUE_DATA_TYPE_MISMATCH", "the value is %s, the pivot column %s", c.Type, by[i].Type)
		}
		eq, err := p.call(e.Pos(), "<=>", by[i].Ref(), compute.Cast(c, by[i].Type))
		if err != nil {
			return nil, "", err
		}
		match = plan.And(match, eq)
		text, err := p.valueText(c, e)
		if err != nil {
			return nil, "", err
		}
		texts = append(texts, text)
	}
	switch {
	case v.Alias != nil:
		return match, v.Alias.Name, nil
	case len(texts) == 1:
		return match, texts[0], nil
	}
	name := "{" + texts[0]
	for _, t := range texts[1:] {
		name += ", " + t
	}
	return match, name + "}", nil
}

// valueText is a value as a column's name.
func (p *pivoting) valueText(c *plan.Expr, e sql.Expr) (string, error) {
	if c.Value.Null {
		return "null", nil
	}
	text, ok := p.constant(compute.Cast(c, plan.String))
	if !ok {
		return "", p.errorf(e.Pos(), "NON_LITERAL_PIVOT_VALUES", "the value has no text form: give it an alias")
	}
	return string(text.Value.Bytes), nil
}

// valueOf is the value of one aggregate in the one row of a group that matches.
func (p *pivoting) valueOf(match *plan.Expr, c Column) (AggCall, error) {
	arg, err := p.call(p.ref.Span, "case", match, c.Ref())
	if err != nil {
		return AggCall{}, err
	}
	call := AggCall{Func: "first", Args: []*plan.Expr{arg}, Params: []*plan.Expr{plan.BoolLiteral(true)}}
	call.Column = p.env.IDs.Column(plan.Field{Type: c.Type, Nullable: true})
	return call, nil
}
