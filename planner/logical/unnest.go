package logical

import (
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// unnested is a subquery freed of the columns of the query around it. For an outer row, the subquery's rows are those
// of node for which all of preds hold; a column in defs is not among node's but computed by that expression. preds and
// defs read columns of node and of the outer row, so they have their place in or above the join of both.
type unnested struct {
	node  Node
	preds []*plan.Expr
	defs  map[int]*plan.Expr
	// empty, when not nil, says that the subquery has exactly one row for each outer row, and what its columns are
	// where node has none: an aggregation of no rows. The expressions read outer columns at most.
	empty map[int]*plan.Expr
	// single says that there is at most one row for each outer row.
	single bool
}

// unnester turns a subquery that is evaluated for each row of left into one that is evaluated once: what refers to left
// moves upwards until it is part of the join of left and the subquery. Where an operator needs the outer values itself
// (an aggregation below a comparison that is no equality, say), the domain is joined in: the distinct values that left
// has. This is general unnesting after Neumann and Kemper, with the domain left out wherever equalities make it
// unnecessary, which is nearly everywhere.
type unnester struct {
	*analyser
	left  Node
	outer map[int]Column
	span  source.Span
}

func (a *analyser) unnest(n, left Node, span source.Span) (unnested, error) {
	u := &unnester{analyser: a, left: left, outer: map[int]Column{}, span: span}
	for _, c := range left.Columns() {
		u.outer[c.ID] = c
	}
	return u.run(n)
}

func (u *unnester) readsOuter(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpColumn && u.isOuter(x.Column)
		return !found
	})
	return found
}

func (u *unnester) isOuter(id int) bool {
	_, ok := u.outer[id]
	return ok
}

func (u *unnester) correlated(n Node) bool {
	for _, c := range freeColumns(n) {
		if u.isOuter(c.Column) {
			return true
		}
	}
	return false
}

// pair is a predicate that equates an expression over outer columns with one over the subquery's.
type pair struct {
	outer, inner *plan.Expr
	nullSafe     bool
}

func (u *unnester) pair(p *plan.Expr) (pair, bool) {
	if p.Op != plan.OpCall || p.Name != "=" && p.Name != "<=>" || HasUDF(p) {
		return pair{}, false
	}
	isInner := func(id int) bool { return !u.isOuter(id) }
	l, r := p.Args[0], p.Args[1]
	switch {
	case !l.Type.Equal(r.Type):
		return pair{}, false
	case ReadsOnly(l, u.isOuter) && ReadsOnly(r, isInner):
		return pair{l, r, p.Name == "<=>"}, true
	case ReadsOnly(r, u.isOuter) && ReadsOnly(l, isInner):
		return pair{r, l, p.Name == "<=>"}, true
	}
	return pair{}, false
}

// pairs divides predicates into equalities and those that look at the outer row alone. ok is false when there are
// others.
func (u *unnester) pairs(preds []*plan.Expr) (pairs []pair, outerOnly []*plan.Expr, ok bool) {
	for _, p := range preds {
		if x, isPair := u.pair(p); isPair {
			pairs = append(pairs, x)
			continue
		}
		for _, c := range columnsRead(p) {
			if !u.isOuter(c.Column) {
				return nil, nil, false
			}
		}
		outerOnly = append(outerOnly, p)
	}
	return pairs, outerOnly, true
}

// equal compares two expressions of the same type.
func equal(l, r *plan.Expr, nullSafe bool) *plan.Expr {
	if nullSafe {
		return &plan.Expr{Op: plan.OpCall, Name: "<=>", Type: plan.Boolean, Args: []*plan.Expr{l, r}}
	}
	return &plan.Expr{Op: plan.OpCall, Name: "=", Type: plan.Boolean, Nullable: l.Nullable || r.Nullable, Args: []*plan.Expr{l, r}}
}

// run is the one place that knows what each kind of node does with what comes from below.
func (u *unnester) run(n Node) (unnested, error) {
	if isOneRow(n) || !u.correlated(n) && !overOneRow(n) {
		return unnested{node: n, single: oneRowAtMost(n)}, nil
	}
	switch n := n.(type) {
	case *Filter:
		return u.filter(n)
	case *Project:
		return u.project(n)
	case *Aggregate:
		return u.aggregate(n)
	case *Join:
		return u.join(n)
	case *Sort: // nothing that is joined keeps an order; limit looks for the sort below it itself
		return u.run(n.Input)
	case *Limit:
		return u.limit(n)
	case *Union:
		return u.union(n)
	case *Window:
		return u.window(n)
	case *Generate:
		return u.generate(n)
	case *Expand:
		return u.expand(n)
	}
	return unnested{}, u.errorf(u.span, "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.ACCESSING_OUTER_QUERY_COLUMN_IS_NOT_ALLOWED",
		"a subquery cannot use columns of the query around it inside of %T", n)
}

func (u *unnester) filter(n *Filter) (unnested, error) {
	in, err := u.run(n.Input)
	if err != nil {
		return in, err
	}
	if in.empty != nil {
		// Rows that the filter takes away must not look like those that were never there.
		v, ok := u.constant(Substitute(n.Predicate, in.empty))
		if ok && !v.IsTrue() {
			in.empty = nil
		} else if in, err = u.materialise(in); err != nil {
			return in, err
		}
	}
	var here []*plan.Expr
	for _, p := range plan.Conjuncts(Substitute(n.Predicate, in.defs)) {
		if u.readsOuter(p) || isOneRow(in.node) {
			in.preds = append(in.preds, p)
		} else {
			here = append(here, p)
		}
	}
	if len(here) > 0 {
		in.node = &Filter{Input: in.node, Predicate: plan.And(here...)}
	}
	return in, nil
}

func (u *unnester) project(n *Project) (unnested, error) {
	in, err := u.run(n.Input)
	if err != nil {
		return in, err
	}
	out := unnested{preds: in.preds, defs: map[int]*plan.Expr{}, single: in.single}
	if isOneRow(in.node) {
		return u.projectOneRow(n, in), nil
	}
	below := &Project{Input: in.node}
	later := append([]*plan.Expr(nil), in.preds...)
	for _, d := range n.Defs {
		e := Substitute(d.Expr, in.defs)
		passed := d.Expr.Op == plan.OpColumn && d.Expr.Column == d.ID
		if u.readsOuter(e) || passed && e != d.Expr {
			out.defs[d.ID] = e
			later = append(later, e)
		} else {
			below.Defs = append(below.Defs, Definition{Column: d.Column, Expr: e})
		}
	}
	if in.empty != nil {
		out.empty = map[int]*plan.Expr{}
		for _, d := range n.Defs {
			e := Substitute(d.Expr, in.empty)
			if v, ok := u.constant(e); ok {
				e = v
			}
			out.empty[d.ID] = e
		}
	}
	passOn(below, later)
	out.node = below
	return out, nil
}

// projectOneRow leaves everything to where the value is used.
func (u *unnester) projectOneRow(n *Project, in unnested) unnested {
	out := unnested{node: in.node, preds: in.preds, defs: map[int]*plan.Expr{}, single: true}
	for _, d := range n.Defs {
		out.defs[d.ID] = Substitute(d.Expr, in.defs)
	}
	return out
}

// passOn has a projection keep those columns of its input that expressions further up read.
func passOn(p *Project, later []*plan.Expr) {
	have := map[int]bool{}
	for _, d := range p.Defs {
		have[d.ID] = true
	}
	in := map[int]Column{}
	for _, c := range p.Input.Columns() {
		in[c.ID] = c
	}
	for _, e := range columnsRead(later...) {
		if c, ok := in[e.Column]; ok && !have[c.ID] {
			have[c.ID] = true
			p.Defs = append(p.Defs, Definition{Column: c, Expr: c.Ref()})
		}
	}
}
