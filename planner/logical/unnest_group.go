package logical

import "github.com/quern-engine/quern/plan"

// aggregate groups by what the outer row will be compared with, too.
func (u *unnester) aggregate(n *Aggregate) (unnested, error) {
	in, err := u.run(n.Input)
	if err != nil {
		return in, err
	}
	in, pairs, outerOnly, err := u.grouped(in, exprsOf(n)...)
	if err != nil {
		return in, err
	}
	bound := n.mapExprs(func(e *plan.Expr) *plan.Expr { return Substitute(e, in.defs) }).(*Aggregate)
	out := &Aggregate{Input: in.node, Keys: bound.Keys, Aggs: bound.Aggs}
	preds := outerOnly
	for _, p := range pairs {
		preds = append(preds, equal(p.outer, keyOf(out, p.inner, u.env.IDs).Ref(), p.nullSafe))
	}
	result := unnested{node: out, preds: preds}
	if len(n.Keys) == 0 {
		result.single = true
		if result.empty, err = u.overNoRows(n.Aggs); err != nil {
			return result, err
		}
	}
	return result, nil
}

// keyOf finds or adds a grouping key.
func keyOf(n *Aggregate, e *plan.Expr, ids *IDs) Column {
	if c, ok := definedBy(n.Keys, e); ok {
		return c
	}
	d := Definition{Column: ids.Column(fieldOf(columnText(e), e)), Expr: e}
	n.Keys = append(n.Keys, d)
	return d.Column
}

func columnText(e *plan.Expr) string {
	if e.Op == plan.OpColumn {
		return e.Name
	}
	return "outer key"
}

// grouped prepares an input for an operator that treats the rows of one outer row together: beyond equalities nothing
// may be left to the join above, and none of exprs, which the operator computes, may read the outer row.
func (u *unnester) grouped(in unnested, exprs ...*plan.Expr) (unnested, []pair, []*plan.Expr, error) {
	var err error
	if in.empty != nil {
		if in, err = u.materialise(in); err != nil {
			return in, nil, nil, err
		}
	}
	pairs, outerOnly, ok := u.pairs(in.preds)
	for _, e := range exprs {
		ok = ok && !u.readsOuter(Substitute(e, in.defs))
	}
	if !ok {
		if in, err = u.bind(in, exprs...); err != nil {
			return in, nil, nil, err
		}
		pairs, outerOnly, _ = u.pairs(in.preds)
	}
	return in, pairs, outerOnly, nil
}

// exprsOf lists a node's own expressions.
func exprsOf(n Node) []*plan.Expr {
	var out []*plan.Expr
	n.mapExprs(func(e *plan.Expr) *plan.Expr {
		out = append(out, e)
		return e
	})
	return out
}

func (u *unnester) window(n *Window) (unnested, error) {
	in, err := u.run(n.Input)
	if err != nil {
		return in, err
	}
	in, pairs, outerOnly, err := u.grouped(in, exprsOf(n)...)
	if err != nil {
		return in, err
	}
	out := n.mapExprs(func(e *plan.Expr) *plan.Expr { return Substitute(e, in.defs) }).(*Window)
	out.Input = in.node
	preds := outerOnly
	for _, p := range pairs {
		out.PartitionBy = append(out.PartitionBy, p.inner)
		preds = append(preds, equal(p.outer, p.inner, p.nullSafe))
	}
	return unnested{node: out, preds: preds, defs: in.defs, single: in.single}, nil
}

func (u *unnester) generate(n *Generate) (unnested, error) {
	in, err := u.run(n.Input)
	if err == nil && in.empty != nil {
		in, err = u.materialise(in)
	}
	if err != nil {
		return in, err
	}
	if u.readsOuter(Substitute(n.Call, in.defs)) {
		if in, err = u.bind(in, n.Call); err != nil {
			return in, err
		}
	}
	in.node = &Generate{Input: in.node, Call: Substitute(n.Call, in.defs), Cols: n.Cols, Outer: n.Outer}
	in.single = false
	return in, nil
}

func (u *unnester) expand(n *Expand) (unnested, error) {
	in, err := u.run(n.Input)
	if err != nil {
		return in, err
	}
	in, pairs, outerOnly, err := u.grouped(in, exprsOf(n)...)
	if err != nil {
		return in, err
	}
	out := n.mapExprs(func(e *plan.Expr) *plan.Expr { return Substitute(e, in.defs) }).(*Expand)
	out.Input = in.node
	out.Cols = append([]Column(nil), n.Cols...)
	preds := outerOnly
	for _, p := range pairs {
		c := u.env.IDs.Column(fieldOf(columnText(p.inner), p.inner))
		out.Cols = append(out.Cols, c)
		for i := range out.Projections {
			out.Projections[i] = append(out.Projections[i], p.inner)
		}
		preds = append(preds, equal(p.outer, c.Ref(), p.nullSafe))
	}
	return unnested{node: out, preds: preds}, nil
}
