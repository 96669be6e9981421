package logical

import (
	"slices"

	"github.com/quern-engine/quern/plan"
)

// hasSubquery reports an expression that reads the result of a subquery which is still to be joined in.
func (a *analyser) hasSubquery(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpColumn && a.pending[x.Column] != nil
		return !found
	})
	return found
}

// attach joins in, above a node, the subqueries that expressions over it read. Every operator that evaluates
// expressions gets its input through here.
func (a *analyser) attach(n Node, exprs ...*plan.Expr) (Node, error) {
	for _, c := range columnsRead(exprs...) {
		p := a.pending[c.Column]
		if p == nil || has(n, c.Column) {
			continue
		}
		var err error
		if n, err = a.attach(n, p.free()...); err != nil {
			return nil, err
		}
		if n, err = a.apply(n, p); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// apply adds the result of one subquery as a column.
func (a *analyser) apply(n Node, p *pending) (Node, error) {
	switch p.kind {
	case "exists":
		return a.applyExists(n, p)
	case "in":
		return a.applyIn(n, p)
	}
	return a.applyScalar(n, p)
}

// existsCore leaves out what does not change whether there are rows. always: there are some in any case.
func existsCore(n Node) (core Node, always bool) {
	switch n := n.(type) {
	case *Project:
		return existsCore(n.Input)
	case *Sort:
		return existsCore(n.Input)
	case *Window:
		return existsCore(n.Input)
	case *Limit:
		if n.Count != 0 && n.Offset == 0 {
			return existsCore(n.Input)
		}
	case *Aggregate:
		if len(n.Keys) == 0 {
			return n, true
		}
		return existsCore(n.Input)
	}
	return n, isOneRow(n)
}

// exists frees the subquery of EXISTS; a constant comes where no join is needed.
func (a *analyser) exists(n Node, p *pending) (unnested, *plan.Expr, error) {
	core, always := existsCore(p.node)
	old := a.env.Session.Is(plan.LegacyCountOfNoRows) && len(p.free()) > 0
	if always && !old {
		return unnested{}, plan.BoolLiteral(true), nil
	}
	in, err := a.unnest(core, n, p.span)
	if err != nil {
		return in, nil, err
	}
	if old {
		in.empty = nil // no rows are no row, even of an aggregate without GROUP BY
	}
	switch {
	case in.empty != nil:
		return in, plan.BoolLiteral(true), nil
	case isOneRow(in.node):
		cond := plan.And(in.preds...)
		if cond == nil {
			return in, plan.BoolLiteral(true), nil
		}
		if cond.Nullable {
			cond, err = a.call(p.span, "coalesce", cond, plan.BoolLiteral(false))
		}
		return in, cond, err
	}
	return in, nil, nil
}

func (a *analyser) applyExists(n Node, p *pending) (Node, error) {
	in, cond, err := a.exists(n, p)
	if err != nil {
		return nil, err
	}
	if cond != nil {
		return addColumns(n, []Column{p.col}, []*plan.Expr{cond}), nil
	}
	return &Join{Type: plan.JoinMark, Left: n, Right: in.node, On: plan.And(in.preds...), Mark: p.col}, nil
}

// in frees the subquery of IN. value comes where no join is needed; else compared are the comparisons over the join.
func (a *analyser) inRows(n Node, p *pending) (below Node, in unnested, compared []*plan.Expr, value *plan.Expr, err error) {
	if in, err = a.unnest(p.node, n, p.span); err != nil {
		return nil, in, nil, nil, err
	}
	if a.env.Session.Is(plan.LegacyCountOfNoRows) {
		in.empty = nil
	}
	by := in.defs
	cols := p.node.Columns()
	switch {
	case in.empty != nil:
		var values []*plan.Expr
		if n, values, err = a.withDefaults(n, in, cols, p.span); err != nil {
			return nil, in, nil, nil, err
		}
		by = map[int]*plan.Expr{}
		for i, c := range cols {
			by[c.ID] = values[i]
		}
		value = plan.And(substituteEach(p.compared, by)...)
	case isOneRow(in.node):
		value = plan.And(substituteEach(p.compared, by)...)
		if cond := plan.And(in.preds...); cond != nil {
			value, err = a.when2(cond, value, plan.BoolLiteral(false), p.span)
		}
	default:
		u := &unnester{analyser: a, left: n, outer: map[int]Column{}, span: p.span}
		for _, c := range n.Columns() {
			u.outer[c.ID] = c
		}
		for _, c := range cols {
			if e := in.defs[c.ID]; e != nil && u.readsOuter(e) {
				if in, err = u.bind(in); err != nil {
					return nil, in, nil, nil, err
				}
				break
			}
		}
		compared = substituteOwn(p.compared, in.defs, cols)
	}
	return n, in, compared, value, err
}

func substituteEach(exprs []*plan.Expr, by map[int]*plan.Expr) []*plan.Expr {
	return mapAll(exprs, func(e *plan.Expr) *plan.Expr { return Substitute(e, by) })
}

// substituteOwn replaces the subquery's own columns only: a definition that stands for a column of the outer row, once
// a domain is joined in, must not reach the left side of a comparison.
func substituteOwn(exprs []*plan.Expr, defs map[int]*plan.Expr, cols []Column) []*plan.Expr {
	by := map[int]*plan.Expr{}
	for _, c := range cols {
		if e := defs[c.ID]; e != nil {
			by[c.ID] = e
		}
	}
	return substituteEach(exprs, by)
}

// applyIn adds whether IN, or NOT IN, surely holds.
func (a *analyser) applyIn(n Node, p *pending) (Node, error) {
	below, in, compared, value, err := a.inRows(n, p)
	if err != nil {
		return nil, err
	}
	if value != nil {
		// Of a constant row Spark makes a comparison, which may be NULL.
		if value, err = a.negated(p, value); err == nil && !isConstantRow(p.node) {
			value, err = a.call(p.span, "coalesce", value, plan.BoolLiteral(false))
		}
		return addColumns(below, []Column{p.col}, []*plan.Expr{value}), err
	}
	join := &Join{Type: plan.JoinMark, Left: below, Right: in.node, Mark: p.col}
	if !p.not {
		join.Mark.Nullable = false
		join.On = plan.And(append(in.preds[:len(in.preds):len(in.preds)], compared...)...)
		return join, nil
	}
	join.Mark = a.env.IDs.Column(p.col.Field)
	join.compare(in.preds, compared)
	join.Mark.Nullable = join.NullAware
	if value, err = a.negated(p, join.Mark.Ref()); err == nil && join.NullAware {
		value, err = a.call(p.span, "coalesce", value, plan.BoolLiteral(false))
	}
	return addColumns(join, []Column{p.col}, []*plan.Expr{value}), err
}

// isConstantRow reports SELECT without FROM and WHERE.
func isConstantRow(n Node) bool {
	p, ok := n.(*Project)
	return isOneRow(n) || ok && isConstantRow(p.Input)
}

func (a *analyser) negated(p *pending, e *plan.Expr) (*plan.Expr, error) {
	return a.negate(p.not, p.span, e, nil)
}

// compare joins rows that IN compares, by preds, and where it then does not say no.
func (n *Join) compare(preds, compared []*plan.Expr) {
	n.On = plan.And(preds...)
	var null bool
	var rest []*plan.Expr
	for _, c := range compared {
		if slices.ContainsFunc(preds, c.Equal) {
			continue // rows of which it is not true are not compared at all
		}
		n.On = plan.And(n.On, c)
		rest, null = append(rest, c), null || c.Nullable
	}
	if null && n.Type != plan.JoinLeftSemi {
		n.NullAware, n.Compared = true, rest
	}
}
