package logical

import (
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// isOneRow reports the relation of one row without columns, which SELECT without FROM reads.
func isOneRow(n Node) bool {
	v, ok := n.(*Values)
	return ok && len(v.Cols) == 0 && len(v.Rows) == 1
}

// overOneRow reports a SELECT without FROM: what it computes can be computed where it is used.
func overOneRow(n Node) bool {
	switch n := n.(type) {
	case *Project:
		return overOneRow(n.Input)
	case *Filter:
		return overOneRow(n.Input)
	}
	return isOneRow(n)
}

// oneRowAtMost reports a plan that has one row or none whatever its input.
func oneRowAtMost(n Node) bool {
	switch n := n.(type) {
	case *Project, *Filter, *Sort:
		return oneRowAtMost(n.Inputs()[0])
	case *Aggregate:
		return len(n.Keys) == 0
	case *Limit:
		return n.Count == 0 || n.Count == 1 || oneRowAtMost(n.Input)
	case *Values:
		return len(n.Rows) <= 1
	}
	return false
}

// overNoRows is what aggregate calls give for no rows: NULL, but for those that count or collect.
func (a *analyser) overNoRows(calls []AggCall) (map[int]*plan.Expr, error) {
	out := map[int]*plan.Expr{}
	for _, c := range calls {
		switch {
		case len(c.State) > 0:
			return nil, a.errorf(source.Span{}, "UNSUPPORTED_FEATURE", "plugin function %s in a correlated subquery is not supported", c.Func)
		case c.Nullable:
			out[c.ID] = plan.NullLiteral(c.Type)
		case c.Type.IsInteger() || c.Type.Kind == plan.KindArray:
			out[c.ID] = &plan.Expr{Op: plan.OpLiteral, Type: c.Type}
		default:
			return nil, a.errorf(source.Span{}, "UNSUPPORTED_FEATURE", "%s in a correlated subquery is not supported", c.Func)
		}
	}
	return out, nil
}

// withDefaults left-joins a subquery that always has a row, and says what its columns are over that join.
func (a *analyser) withDefaults(left Node, in unnested, cols []Column, span source.Span) (Node, []*plan.Expr, error) {
	right := &Project{Input: in.node}
	present := a.env.IDs.Column(plan.Field{Name: "present", Type: plan.Boolean})
	later := append([]*plan.Expr(nil), in.preds...)
	var values []*plan.Expr
	for _, c := range cols {
		e, ok := in.defs[c.ID]
		if !ok {
			e = columnIn(in.node, c).Ref()
		}
		missing := in.empty[c.ID]
		later = append(later, e)
		column := e.Op == plan.OpColumn && has(in.node, e.Column)
		v, err := a.valueOr(rightValue{overOuter(e, in.node), column, !e.Nullable}, missing, present, span)
		if err != nil {
			return nil, nil, err
		}
		values = append(values, v)
	}
	for _, c := range columnsRead(values...) {
		if c.Column == present.ID {
			right.Defs = append(right.Defs, Definition{Column: present, Expr: plan.BoolLiteral(true)})
		}
	}
	passOn(right, later)
	return &Join{Type: plan.JoinLeft, Left: left, Right: right, On: plan.And(in.preds...)}, values, nil
}

// rightValue is an expression over the right side of a left join: a column of it or not, and whether it is never NULL
// where a row matched.
type rightValue struct {
	expr          *plan.Expr
	column, never bool
}

// valueOr is a value of the right side of a left join, or another where no row matched.
func (a *analyser) valueOr(v rightValue, missing *plan.Expr, present Column, span source.Span) (*plan.Expr, error) {
	switch {
	case v.column && missing.IsLiteral() && missing.Value.Null:
		return v.expr, nil
	case v.column && v.never && !missing.Nullable:
		return a.call(span, "coalesce", v.expr, missing)
	case v.expr.Equal(missing):
		return missing, nil
	case v.never && !missing.Nullable:
		found, err := a.whenPresent(v.expr, plan.NullLiteral(v.expr.Type), present, span)
		if err != nil {
			return nil, err
		}
		return a.call(span, "coalesce", found, missing)
	}
	return a.whenPresent(v.expr, missing, present, span)
}

// overOuter adapts an expression to its place above an outer join whose missing side some of its columns come from.
func overOuter(e *plan.Expr, missing Node) *plan.Expr {
	cols := map[int]bool{}
	for _, c := range missing.Columns() {
		cols[c.ID] = true
	}
	return e.Transform(func(x *plan.Expr) *plan.Expr {
		if x.Nullable || x.Op == plan.OpLiteral {
			return x
		}
		null := x.Op == plan.OpColumn && cols[x.Column]
		for _, arg := range x.Args {
			null = null || arg.Nullable
		}
		if !null {
			return x
		}
		return asNullable(x)
	})
}

// whenPresent is an expression over the right side of a left join where a row matched, and missing elsewhere.
func (a *analyser) whenPresent(e, missing *plan.Expr, present Column, span source.Span) (*plan.Expr, error) {
	found, err := a.call(span, "isnotnull", nullable(present).Ref())
	if err != nil {
		return nil, err
	}
	return a.when2(found, e, missing, span)
}

// when2 is CASE WHEN cond THEN e ELSE other END.
func (a *analyser) when2(cond, e, other *plan.Expr, span source.Span) (*plan.Expr, error) {
	out, err := a.call(span, "case", cond, e, other)
	if err != nil {
		return nil, err
	}
	c := *out
	c.Nullable = true // what stands right of an outer join may be NULL though its type does not say so
	return &c, nil
}

func columnIn(n Node, c Column) Column {
	for _, x := range n.Columns() {
		if x.ID == c.ID {
			return x
		}
	}
	return c
}

// addColumns is a projection that adds columns to a node, except those that it has already.
func addColumns(n Node, cols []Column, values []*plan.Expr) Node {
	p := &Project{Input: n}
	defined := map[int]bool{}
	changed := false
	for i, c := range cols {
		v := values[i]
		same := v.Op == plan.OpColumn && v.Column == c.ID
		defined[c.ID] = true
		changed = changed || !same
		c.Nullable = v.Nullable
		p.Defs = append(p.Defs, Definition{Column: c, Expr: v})
	}
	if !changed {
		return n
	}
	var keep []Definition
	for _, d := range keepAll(n.Columns()) {
		if !defined[d.ID] {
			keep = append(keep, d)
		}
	}
	p.Defs = append(keep, p.Defs...)
	return p
}

// applyScalar adds the subquery's one column to left.
func (a *analyser) applyScalar(left Node, p *pending) (Node, error) {
	if _, isValues := p.node.(*Values); !isValues && oneRowAtMost(p.node) && len(freeColumns(p.node)) == 0 && !overOneRow(p.node) {
		return &Join{Type: plan.JoinSingle, Left: left, Right: p.node}, nil
	}
	return a.applyRows(left, p.node, rowsOf{one: true, outer: true, span: p.span})
}

// rowsOf says how applyRows joins a subquery's rows to those of left.
type rowsOf struct {
	one   bool // there must not be several
	outer bool // a row of left stays when there is none
	on    *plan.Expr
	span  source.Span
}

// applyRows joins to each row of left the rows that a subquery has for it; it adds the subquery's columns.
func (a *analyser) applyRows(left, sub Node, how rowsOf) (Node, error) {
	if g, ok := a.generated(left, sub, how); ok {
		return g, nil
	}
	cols := sub.Columns()
	n, values, err := a.joinRows(left, sub, how)
	if err != nil || areColumns(values, cols) {
		return n, err
	}
	// The columns are computed above the join, so something else has to go by their ids below it.
	sub, renamed := refreshed(sub, a.env.IDs)
	if how.on != nil {
		how.on = renumber(how.on, renamed)
	}
	if n, values, err = a.joinRows(left, sub, how); err != nil {
		return nil, err
	}
	return addColumns(n, cols, values), nil
}

func areColumns(values []*plan.Expr, cols []Column) bool {
	for i, v := range values {
		if v.Op != plan.OpColumn || v.Column != cols[i].ID {
			return false
		}
	}
	return true
}

// joinRows joins a subquery to left and says what its columns are over that join.
func (a *analyser) joinRows(left, sub Node, how rowsOf) (Node, []*plan.Expr, error) {
	in, err := a.unnest(sub, left, how.span)
	if err != nil {
		return nil, nil, err
	}
	cols := sub.Columns()
	switch {
	case isOneRow(in.node):
		return a.joinOneRow(left, in, cols, how)
	case in.empty != nil:
		return a.joinAlways(left, in, cols, how)
	}
	return a.joinSome(left, in, cols, how)
}

// joinOneRow computes in place what does not read a table.
func (a *analyser) joinOneRow(left Node, in unnested, cols []Column, how rowsOf) (Node, []*plan.Expr, error) {
	values := make([]*plan.Expr, len(cols))
	for i, c := range cols {
		values[i] = in.defs[c.ID]
	}
	cond := plan.And(in.preds...)
	if how.on != nil {
		cond = plan.And(cond, Substitute(how.on, in.defs))
	}
	return a.joinWhere(left, values, cond, how)
}

// joinWhere has values where a condition holds; elsewhere there are none, and the row goes unless the join is an outer
// one.
func (a *analyser) joinWhere(n Node, values []*plan.Expr, cond *plan.Expr, how rowsOf) (Node, []*plan.Expr, error) {
	if cond == nil {
		return n, values, nil
	}
	if !how.outer {
		return &Filter{Input: n, Predicate: cond}, values, nil
	}
	for i, v := range values {
		e, err := a.when2(cond, v, plan.NullLiteral(v.Type), how.span)
		if err != nil {
			return nil, nil, err
		}
		values[i] = e
	}
	return n, values, nil
}

// joinAlways joins a subquery that has one row for every row of left.
func (a *analyser) joinAlways(left Node, in unnested, cols []Column, how rowsOf) (Node, []*plan.Expr, error) {
	node, values, err := a.withDefaults(left, in, cols, how.span)
	if err != nil || how.on == nil {
		return node, values, err
	}
	by := map[int]*plan.Expr{}
	for i, c := range cols {
		by[c.ID] = values[i]
	}
	return a.joinWhere(node, values, Substitute(how.on, by), how)
}

// joinSome joins a subquery that may have any number of rows.
func (a *analyser) joinSome(left Node, in unnested, cols []Column, how rowsOf) (Node, []*plan.Expr, error) {
	on := plan.And(in.preds...)
	if how.on != nil {
		on = plan.And(on, Substitute(how.on, in.defs))
	}
	t := plan.JoinInner
	switch {
	case how.one && !in.single:
		t = plan.JoinSingle
	case how.outer:
		t = plan.JoinLeft
	case on == nil:
		t = plan.JoinCross
	}
	join := &Join{Type: t, Left: left, Right: in.node, On: on}
	present := a.env.IDs.Column(plan.Field{Name: "present", Type: plan.Boolean})
	values, marked := make([]*plan.Expr, len(cols)), false
	for i, c := range cols {
		e, ok := in.defs[c.ID]
		switch {
		case !ok:
			values[i] = columnIn(join, c).Ref()
		case !how.outer:
			values[i] = e
		case e.Op == plan.OpColumn && has(in.node, e.Column):
			values[i] = asNullable(e)
		default:
			v, err := a.whenPresent(overOuter(e, in.node), plan.NullLiteral(e.Type), present, how.span)
			if err != nil {
				return nil, nil, err
			}
			values[i], marked = v, true
		}
	}
	if marked {
		join.Right = addColumns(in.node, []Column{present}, []*plan.Expr{plan.BoolLiteral(true)})
	}
	return join, values, nil
}
