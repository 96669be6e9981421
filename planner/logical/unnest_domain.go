package logical

import (
	"maps"
	"slices"

	"github.com/quern-engine/quern/plan"
)

// domain is the distinct values of some outer columns, under new ids.
type domain struct {
	node Node
	by   map[int]*plan.Expr // outer column → the domain's
	cols []*plan.Expr       // the outer columns
}

// domainOf makes the domain of the outer columns that expressions read.
func (u *unnester) domainOf(exprs ...*plan.Expr) domain {
	d := domain{by: map[int]*plan.Expr{}}
	ids := map[int]bool{}
	for _, c := range columnsRead(exprs...) {
		if col, ok := u.outer[c.Column]; ok && !ids[col.ID] {
			ids[col.ID] = true
			d.cols = append(d.cols, col.Ref())
		}
	}
	from, renamed := refreshed(narrowest(u.left, ids), u.env.IDs)
	distinct := &Aggregate{Input: from}
	for _, c := range d.cols {
		e := *c
		e.Column = renamed[c.Column]
		col := u.env.IDs.Column(fieldOf(c.Name, c))
		distinct.Keys = append(distinct.Keys, Definition{Column: col, Expr: &e})
		d.by[c.Column] = col.Ref()
	}
	d.node = distinct
	return d
}

// narrowest is the smallest part of a plan that has all values of some columns; it may have more.
func narrowest(n Node, ids map[int]bool) Node {
	switch n := n.(type) {
	case *Join:
		left, right := produces(n.Left, ids), produces(n.Right, ids)
		switch {
		case left && n.Type != plan.JoinFull:
			return narrowest(n.Left, ids)
		case right && (n.Type == plan.JoinInner || n.Type == plan.JoinCross):
			return narrowest(n.Right, ids)
		}
	case *Filter:
		in := narrowest(n.Input, ids)
		if in == n.Input {
			return n
		}
		var keep *plan.Expr
		for _, p := range plan.Conjuncts(n.Predicate) {
			if ReadsOnly(p, func(id int) bool { return has(in, id) }) {
				keep = plan.And(keep, p)
			}
		}
		if keep == nil {
			return in
		}
		return &Filter{Input: in, Predicate: keep}
	case *Project:
		if produces(n.Input, ids) {
			return narrowest(n.Input, ids)
		}
	case *Window:
		if produces(n.Input, ids) {
			return narrowest(n.Input, ids)
		}
	case *Sort:
		return narrowest(n.Input, ids)
	}
	return n
}

func produces(n Node, ids map[int]bool) bool {
	found := 0
	for _, c := range n.Columns() {
		if ids[c.ID] {
			found++
		}
	}
	return found == len(ids)
}

// pairs are the predicates that tie the domain's columns to the outer row.
func (d domain) pairs() []*plan.Expr {
	var preds []*plan.Expr
	for _, c := range d.cols {
		preds = append(preds, equal(c, d.by[c.Column], c.Nullable))
	}
	return preds
}

// bind joins the domain in, so that what is left for the join above is equalities alone, and exprs, which may name
// columns in defs, can be computed below it.
func (u *unnester) bind(in unnested, exprs ...*plan.Expr) (unnested, error) {
	needed := append([]*plan.Expr(nil), in.preds...)
	for _, id := range sortedKeys(in.defs) {
		needed = append(needed, in.defs[id])
	}
	needed = append(needed, exprs...)
	d := u.domainOf(needed...)
	if len(d.cols) == 0 {
		return in, nil
	}
	var on *plan.Expr
	for _, p := range in.preds {
		on = plan.And(on, Substitute(p, d.by))
	}
	out := unnested{preds: d.pairs(), defs: map[int]*plan.Expr{}, single: in.single}
	out.node = u.withDomain(in.node, d, on)
	var late []Definition
	for _, id := range sortedKeys(in.defs) {
		switch e := in.defs[id]; {
		case u.isOuter(id): // of an earlier domain
		case !u.readsOuter(e):
			out.defs[id] = e
		default:
			e = Substitute(e, d.by)
			col := u.env.IDs.Column(fieldOf("outer", e))
			late = append(late, Definition{Column: col, Expr: e})
			out.defs[id] = col.Ref()
		}
	}
	if len(late) > 0 {
		out.node = &Project{Input: out.node, Defs: append(keepAll(out.node.Columns()), late...)}
	}
	for id, e := range d.by { // what still reads the outer row reads the domain from here on
		out.defs[id] = e
	}
	return out, nil
}

func (u *unnester) withDomain(n Node, d domain, on *plan.Expr) Node {
	switch {
	case isOneRow(n) && on == nil:
		return d.node
	case isOneRow(n):
		return &Filter{Input: d.node, Predicate: on}
	case on == nil:
		return &Join{Type: plan.JoinCross, Left: n, Right: d.node}
	}
	return &Join{Type: plan.JoinInner, Left: n, Right: d.node, On: on}
}

// materialise gives every value of the domain its row, those over no rows included.
func (u *unnester) materialise(in unnested) (unnested, error) {
	var needed []*plan.Expr
	needed = append(needed, in.preds...)
	for _, id := range sortedKeys(in.empty) {
		needed = append(needed, in.empty[id])
		if e := in.defs[id]; e != nil {
			needed = append(needed, e)
		}
	}
	d := u.domainOf(needed...)
	bound := unnested{node: in.node, single: true, defs: map[int]*plan.Expr{}, empty: map[int]*plan.Expr{}}
	for _, p := range in.preds {
		bound.preds = append(bound.preds, Substitute(p, d.by))
	}
	for id, e := range in.defs {
		bound.defs[id] = Substitute(e, d.by)
	}
	var cols []Column
	for _, id := range sortedKeys(in.empty) {
		bound.empty[id] = Substitute(in.empty[id], d.by)
		cols = append(cols, u.columnOf(in, id))
	}
	node, values, err := u.withDefaults(d.node, bound, cols, u.span)
	if err != nil {
		return in, err
	}
	out := unnested{preds: d.pairs(), defs: map[int]*plan.Expr{}, single: true}
	p := &Project{Input: node, Defs: keepAll(node.Columns())}
	for i, c := range cols {
		col := u.env.IDs.Column(fieldOf(c.Name, values[i]))
		p.Defs = append(p.Defs, Definition{Column: col, Expr: values[i]})
		out.defs[c.ID] = col.Ref()
	}
	for id, e := range d.by {
		out.defs[id] = e
	}
	out.node = p
	return out, nil
}

// columnOf describes a column of the subquery, which may be one in defs.
func (u *unnester) columnOf(in unnested, id int) Column {
	for _, c := range in.node.Columns() {
		if c.ID == id {
			return c
		}
	}
	e := in.defs[id]
	return Column{ID: id, Field: fieldOf(columnText(e), e)}
}

func sortedKeys[V any](m map[int]V) []int { return slices.Sorted(maps.Keys(m)) }
