package logical

import (
	"math"

	"github.com/quern-engine/quern/plan"
)

// limit counts rows for each outer row by itself.
func (u *unnester) limit(n *Limit) (unnested, error) {
	if p, ok := n.Input.(*Project); ok { // a projection keeps number and order of rows
		c := *n
		c.Input = p.Input
		return u.project(&Project{Input: &c, Defs: p.Defs})
	}
	var order []OrderKey
	from := n.Input
	if s, ok := from.(*Sort); ok {
		from = s.Input
		for _, k := range s.Keys {
			order = append(order, OrderKey{Expr: k.Column.Ref(), Descending: k.Descending, NullsLast: k.NullsLast})
		}
	}
	in, err := u.run(from)
	if err != nil {
		return in, err
	}
	if in.single && n.Count != 0 && n.Offset == 0 {
		return in, nil
	}
	var exprs []*plan.Expr
	for _, k := range order {
		exprs = append(exprs, k.Expr)
	}
	in, pairs, outerOnly, err := u.grouped(in, exprs...)
	if err != nil {
		return in, err
	}
	if len(pairs) == 0 {
		out := &Limit{Input: in.node, Count: n.Count, Offset: n.Offset}
		if len(order) > 0 {
			out.Input = u.sortedBy(in, order)
		}
		return unnested{node: out, preds: outerOnly, defs: in.defs, single: n.Count == 1}, nil
	}
	w := &Window{Input: in.node}
	for i, k := range order {
		k.Expr = Substitute(exprs[i], in.defs)
		w.OrderBy = append(w.OrderBy, k)
	}
	preds := outerOnly
	for _, p := range pairs {
		w.PartitionBy = append(w.PartitionBy, p.inner)
		preds = append(preds, equal(p.outer, p.inner, p.nullSafe))
	}
	number := u.rowNumber(w)
	keep, err := u.numbered(number, n)
	return unnested{node: &Filter{Input: w, Predicate: keep}, preds: preds, defs: in.defs, single: n.Count == 1}, err
}

// sortedBy sorts by expressions.
func (u *unnester) sortedBy(in unnested, order []OrderKey) Node {
	p := &Project{Input: in.node, Defs: keepAll(in.node.Columns())}
	s := &Sort{Input: p, Limit: -1}
	for _, k := range order {
		e := Substitute(k.Expr, in.defs)
		col, ok := definedBy(p.Defs, e)
		if !ok {
			col = u.env.IDs.Column(fieldOf("sort key", e))
			p.Defs = append(p.Defs, Definition{Column: col, Expr: e})
		}
		s.Keys = append(s.Keys, SortKey{Column: col, Descending: k.Descending, NullsLast: k.NullsLast})
	}
	return s
}

// rowNumber adds row_number() to a window.
func (a *analyser) rowNumber(w *Window) Column {
	col := a.env.IDs.Column(plan.Field{Name: "row_number", Type: plan.Int32})
	frame := plan.Frame{Unit: plan.FrameRows, Start: plan.FrameBound{Kind: "unbounded"}, End: plan.FrameBound{Kind: "current"}}
	w.Calls = append(w.Calls, WindowCall{AggCall: AggCall{Column: col, Func: "row_number"}, Frame: frame})
	return col
}

// numbered is the condition that a row's number is one that LIMIT and OFFSET leave.
func (u *unnester) numbered(number Column, n *Limit) (*plan.Expr, error) {
	var keep *plan.Expr
	if n.Offset > 0 {
		p, err := u.call(u.span, ">", number.Ref(), plan.Int64Literal(n.Offset))
		if err != nil {
			return nil, err
		}
		keep = p
	}
	if n.Count >= 0 {
		last := n.Offset + n.Count
		if last < 0 {
			last = math.MaxInt64
		}
		p, err := u.call(u.span, "<=", number.Ref(), plan.Int64Literal(last))
		if err != nil {
			return nil, err
		}
		keep = plan.And(keep, p)
	}
	if keep == nil {
		keep = plan.BoolLiteral(true)
	}
	return keep, nil
}

// union puts the branches together with, beside their own columns, what the outer row is compared with.
func (u *unnester) union(n *Union) (unnested, error) {
	branches := make([]unnested, len(n.Ins))
	for i, in := range n.Ins {
		b, err := u.run(in)
		if err == nil && b.empty != nil {
			b, err = u.materialise(b)
		}
		if err != nil {
			return b, err
		}
		branches[i] = b
	}
	keys, ok := u.commonPairs(branches)
	if !ok {
		return u.unionBound(n, branches)
	}
	return u.unionOver(n, branches, keys), nil
}

// commonPairs lists, per branch, equalities with the same outer expressions; ok is false when the branches differ.
func (u *unnester) commonPairs(branches []unnested) (keys [][]pair, ok bool) {
	for i, b := range branches {
		pairs, outerOnly, good := u.pairs(b.preds)
		if !good || len(outerOnly) > 0 || i > 0 && len(pairs) != len(keys[0]) {
			return nil, false
		}
		for _, id := range sortedKeys(b.defs) {
			if u.readsOuter(b.defs[id]) {
				return nil, false
			}
		}
		if i > 0 {
			if pairs = inOrderOf(keys[0], pairs); pairs == nil {
				return nil, false
			}
		}
		keys = append(keys, pairs)
	}
	return keys, true
}

// inOrderOf sorts equalities to go with others by their outer expressions; nil when they do not.
func inOrderOf(order, pairs []pair) []pair {
	out := make([]pair, 0, len(order))
	for _, o := range order {
		for _, p := range pairs {
			if p.outer.Equal(o.outer) && p.inner.Type.Equal(o.inner.Type) && p.nullSafe == o.nullSafe {
				out = append(out, p)
				break
			}
		}
	}
	if len(out) != len(order) {
		return nil
	}
	return out
}

// unionBound joins the same domain into every branch.
func (u *unnester) unionBound(n *Union, branches []unnested) (unnested, error) {
	var all []*plan.Expr
	for _, b := range branches {
		all = append(all, b.preds...)
		for _, id := range sortedKeys(b.defs) {
			all = append(all, b.defs[id])
		}
	}
	keys := make([][]pair, len(branches))
	for i := range branches {
		b, err := u.bind(branches[i], all...)
		if err != nil {
			return b, err
		}
		branches[i] = b
		if keys[i], _, _ = u.pairs(b.preds); i > 0 {
			keys[i] = inOrderOf(keys[0], keys[i])
		}
	}
	return u.unionOver(n, branches, keys), nil
}

func (u *unnester) unionOver(n *Union, branches []unnested, keys [][]pair) unnested {
	out := &Union{Cols: append([]Column(nil), n.Cols...)}
	for i, b := range branches {
		p := &Project{Input: b.node}
		for _, c := range n.Ins[i].Columns() {
			e := Substitute(c.Ref(), b.defs)
			p.Defs = append(p.Defs, Definition{Column: u.env.IDs.Column(fieldOf(c.Name, e)), Expr: e})
		}
		for _, k := range keys[i] {
			p.Defs = append(p.Defs, Definition{Column: u.env.IDs.Column(fieldOf(columnText(k.inner), k.inner)), Expr: k.inner})
		}
		out.Ins = append(out.Ins, p)
	}
	var preds []*plan.Expr
	for j, k := range keys[0] {
		f := fieldOf(columnText(k.inner), k.inner)
		for i := range keys {
			f.Nullable = f.Nullable || keys[i][j].inner.Nullable
		}
		c := u.env.IDs.Column(f)
		out.Cols = append(out.Cols, c)
		preds = append(preds, equal(k.outer, c.Ref(), k.nullSafe))
	}
	return unnested{node: out, preds: preds}
}
