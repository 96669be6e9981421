package logical

import "github.com/quern-engine/quern/plan"

// join frees both sides. What the outer row decides about the left side, or about either side of an inner join, can
// wait for the join above; what it decides about rows that are only looked up cannot.
func (u *unnester) join(n *Join) (unnested, error) {
	left, err := u.side(n.Left)
	if err != nil {
		return left, err
	}
	right, err := u.side(n.Right)
	if err != nil {
		return right, err
	}
	switch n.Type {
	case plan.JoinInner, plan.JoinCross:
		return u.joinInner(n, left, right), nil
	case plan.JoinFull:
		return u.joinFull(n, left, right)
	}
	return u.joinLookup(n, left, right)
}

// side is an input of a join, whose rows are all there.
func (u *unnester) side(n Node) (unnested, error) {
	in, err := u.run(n)
	if err == nil && in.empty != nil {
		in, err = u.materialise(in)
	}
	return in, err
}

func (u *unnester) joinInner(n *Join, left, right unnested) unnested {
	out := unnested{preds: left.preds, defs: map[int]*plan.Expr{}, single: left.single && right.single}
	for _, in := range []unnested{left, right} {
		for id, e := range in.defs {
			out.defs[id] = e
		}
	}
	ties, rest := u.tie(left.preds, right.preds)
	out.preds = append(out.preds[:len(out.preds):len(out.preds)], rest...)
	on := plan.And(ties...)
	for _, p := range plan.Conjuncts(n.On) {
		if p = Substitute(p, out.defs); u.readsOuter(p) {
			out.preds = append(out.preds, p)
		} else {
			on = plan.And(on, p)
		}
	}
	if isOneRow(left.node) || isOneRow(right.node) {
		if out.node = right.node; isOneRow(right.node) {
			out.node = left.node
		}
		if on != nil {
			out.node = &Filter{Input: out.node, Predicate: on}
		}
		return out
	}
	t := plan.JoinInner
	if on == nil {
		t = plan.JoinCross
	}
	out.node = &Join{Type: t, Left: left.node, Right: right.node, On: on, Broadcast: n.Broadcast}
	return out
}

// tie turns equalities that both sides have with the same outer expression into equalities of the sides; rest is what
// remains of the right one's.
func (u *unnester) tie(left, right []*plan.Expr) (ties, rest []*plan.Expr) {
	for _, p := range right {
		r, ok := u.pair(p)
		tied := false
		for _, q := range left {
			l, isPair := u.pair(q)
			if ok && isPair && l.outer.Equal(r.outer) {
				ties = append(ties, equal(l.inner, r.inner, l.nullSafe && r.nullSafe))
				tied = true
				break
			}
		}
		if !tied {
			rest = append(rest, p)
		}
	}
	return ties, rest
}

// joinLookup is left, semi, anti, mark and single: the right side's rows are looked up for each row of the left one, so
// what says which they are has to be in the condition.
func (u *unnester) joinLookup(n *Join, left, right unnested) (unnested, error) {
	right, err := u.solid(right)
	if err != nil {
		return right, err
	}
	ties, rest := u.tie(left.preds, right.preds)
	var on []*plan.Expr
	if n.On != nil {
		on = plan.Conjuncts(n.On)
	}
	bound := func(e *plan.Expr) *plan.Expr { return Substitute(Substitute(e, right.defs), left.defs) }
	open := append([]*plan.Expr(nil), rest...)
	for _, p := range on {
		open = append(open, bound(p))
	}
	reads := false
	for _, p := range open {
		reads = reads || u.readsOuter(p)
	}
	if reads {
		if left, err = u.bind(left, open...); err != nil {
			return left, err
		}
	}
	out := *n
	out.Left, out.Right, out.On = left.node, right.node, plan.And(ties...)
	for _, p := range rest {
		out.On = plan.And(out.On, Substitute(p, left.defs))
	}
	for _, p := range on {
		out.On = plan.And(out.On, bound(p))
	}
	out.Compared = mapAll(n.Compared, bound)
	result := unnested{node: &out, preds: left.preds, defs: map[int]*plan.Expr{}}
	if n.Type != plan.JoinLeft {
		result.single = left.single
	}
	for id, e := range right.defs {
		if !u.isOuter(id) {
			result.defs[id] = asNullable(e)
		}
	}
	for id, e := range left.defs {
		result.defs[id] = e
	}
	if out.On == nil && n.Type == plan.JoinInner {
		out.Type = plan.JoinCross
	}
	return result, nil
}

// solid makes columns of all that is defined by expressions: those that a join may put NULL in place of.
func (u *unnester) solid(in unnested) (unnested, error) {
	for _, id := range sortedKeys(in.defs) {
		if !u.isOuter(id) && u.readsOuter(in.defs[id]) {
			var err error
			if in, err = u.bind(in); err != nil {
				return in, err
			}
			break
		}
	}
	p := &Project{Input: in.node, Defs: keepAll(in.node.Columns())}
	defs := map[int]*plan.Expr{}
	for _, id := range sortedKeys(in.defs) {
		e := in.defs[id]
		if !u.isOuter(id) && e.Op != plan.OpColumn {
			d := Definition{Column: u.env.IDs.Column(fieldOf("outer", e)), Expr: e}
			p.Defs = append(p.Defs, d)
			e = d.Ref()
		}
		defs[id] = e
	}
	if in.defs = defs; len(p.Defs) > len(in.node.Columns()) {
		in.node = p
	}
	return in, nil
}

// joinFull has the domain on both sides, as part of what is joined by.
func (u *unnester) joinFull(n *Join, left, right unnested) (unnested, error) {
	all := append(append([]*plan.Expr(nil), left.preds...), right.preds...)
	all = append(all, plan.Conjuncts(n.On)...)
	for _, in := range []unnested{left, right} {
		for _, id := range sortedKeys(in.defs) {
			all = append(all, in.defs[id])
		}
	}
	left, err := u.bind(left, all...)
	if err != nil {
		return left, err
	}
	if right, err = u.bind(right, all...); err != nil {
		return right, err
	}
	if left, err = u.solid(left); err != nil {
		return left, err
	}
	if right, err = u.solid(right); err != nil {
		return right, err
	}
	out := *n
	out.Left, out.Right, out.On = left.node, right.node, nil
	for _, p := range plan.Conjuncts(n.On) {
		out.On = plan.And(out.On, Substitute(Substitute(p, left.defs), right.defs))
	}
	result := unnested{defs: map[int]*plan.Expr{}}
	above := &Project{Input: &out}
	var keys []Definition
	for _, c := range columnsRead(all...) {
		outer, ok := u.outer[c.Column]
		if !ok {
			continue
		}
		l, r := left.defs[c.Column], right.defs[c.Column]
		out.On = plan.And(out.On, equal(l, r, true))
		e, err := u.call(u.span, "coalesce", asNullable(l), asNullable(r))
		if err != nil {
			return result, err
		}
		col := u.env.IDs.Column(fieldOf(c.Name, e))
		keys = append(keys, Definition{Column: col, Expr: e})
		result.preds = append(result.preds, equal(outer.Ref(), col.Ref(), true))
	}
	for _, in := range []unnested{left, right} {
		for id, e := range in.defs {
			if !u.isOuter(id) {
				result.defs[id] = asNullable(e)
			}
		}
	}
	above.Defs = append(keepAll(out.Columns()), keys...)
	result.node = above
	return result, nil
}

// asNullable is a column reference over an outer join.
func asNullable(e *plan.Expr) *plan.Expr {
	c := *e
	c.Nullable = true
	return &c
}
