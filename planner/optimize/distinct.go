package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// splitDistinct turns an aggregation whose aggregates are all DISTINCT over the same arguments into one that drops
// duplicates and one that aggregates what is left: both can then run in two phases, which DISTINCT itself cannot.
func splitDistinct(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		agg, ok := n.(*logical.Aggregate)
		if !ok || !sameDistinct(agg.Aggs) || slices.ContainsFunc(agg.Aggs, func(a logical.AggCall) bool { return !simpleDistinct(a) }) {
			return n
		}
		inner := &logical.Aggregate{Input: agg.Input}
		outer := &logical.Aggregate{Input: inner}
		for _, k := range agg.Keys {
			col := r.ids.Column(k.Field)
			inner.Keys = append(inner.Keys, logical.Definition{Column: col, Expr: k.Expr})
			outer.Keys = append(outer.Keys, logical.Definition{Column: k.Column, Expr: col.Ref()})
		}
		var args []*plan.Expr
		for _, x := range agg.Aggs[0].Args {
			col := r.ids.Column(plan.Field{Name: "distinct", Type: x.Type, Nullable: x.Nullable})
			inner.Keys = append(inner.Keys, logical.Definition{Column: col, Expr: x})
			args = append(args, col.Ref())
		}
		for _, a := range agg.Aggs {
			a.Args, a.Distinct = args, false
			outer.Aggs = append(outer.Aggs, a)
		}
		return outer
	})
}

func sameDistinct(aggs []logical.AggCall) bool {
	if len(aggs) == 0 {
		return false
	}
	first := aggs[0].Args
	for _, a := range aggs {
		if !a.Distinct || len(a.Args) != len(first) {
			return false
		}
		for i, x := range a.Args {
			if !x.Equal(first[i]) {
				return false
			}
		}
	}
	return true
}

// simpleDistinct reports a DISTINCT call without order and filter.
func simpleDistinct(a logical.AggCall) bool { return len(a.OrderBy) == 0 && a.Filter == nil }

// expandDistinct splits an aggregation that has DISTINCT over several arguments, or plain aggregates beside. Each row is
// put out once for the plain aggregates, if there are any, and once for each set of DISTINCT arguments, with a number that says which and
// NULL in place of the others' arguments. A first aggregation by the keys, the number and the arguments drops
// duplicates and computes the plain aggregates; a second one puts together what belongs to a group:
//
//	Aggregate k: count(x) filter (which = 1), count(y) filter (which = 2), first(s) filter (which = 0)
//	  Aggregate k, which, x, y: sum(z) as s
//	    Expand (k, 0, NULL, NULL, z) (k, 1, x, NULL, NULL) (k, 2, NULL, y, NULL)
//
// It pays where the aggregation could not be split else, and there are enough rows.
func expandDistinct(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		agg, ok := n.(*logical.Aggregate)
		if !ok || !expandable(agg) || !r.paysToExpand(agg) {
			return n
		}
		return r.expanded(agg)
	})
}

// expandable reports an aggregation of which all parts can be done in two steps.
func expandable(n *logical.Aggregate) bool {
	distinct := false
	for _, a := range n.Aggs {
		switch {
		case len(a.OrderBy) > 0:
			return false
		case a.Distinct && (a.Filter != nil || !skipsNull(a.Func)):
			return false
		case !a.Distinct && !splits(a.Func), a.Filter != nil && canFail(a.Filter):
			return false
		}
		distinct = distinct || a.Distinct
	}
	return distinct
}

// skipsNull reports aggregates that do not see rows with NULL arguments, so that NULL can stand for "not here".
func skipsNull(name string) bool {
	switch name {
	case "count", "sum", "avg", "min", "max":
		return true
	}
	return false
}

// splits reports aggregates that have small states, or else nothing is won.
func splits(name string) bool {
	switch name {
	case "count_if", "bool_and", "bool_or", "stddev_samp", "stddev_pop", "var_samp", "var_pop", "bit_and", "bit_or", "bit_xor", "any_value":
		return true
	}
	return skipsNull(name)
}

// expandRows is the input from which two steps are taken.
const expandRows = 100_000

func (r *rewriter) paysToExpand(n *logical.Aggregate) bool {
	sizes := logical.NewEstimator()
	rows := sizes.Profile(n.Input).Rows
	if rows < expandRows {
		return false
	}
	if len(n.Keys) == 0 {
		return true // all rows would go to one task
	}
	groups := *n
	groups.Aggs = nil
	for _, a := range n.Aggs {
		if a.Distinct {
			for _, x := range a.Args {
				groups.Keys = append(groups.Keys[:len(groups.Keys):len(groups.Keys)], logical.Definition{Column: r.ids.Column(fieldOf(x)), Expr: x})
			}
		}
	}
	return sizes.Profile(&groups).Rows < rows/4
}

func fieldOf(e *plan.Expr) plan.Field {
	name := "computed"
	if e.Op == plan.OpColumn {
		name = e.Name
	}
	return plan.Field{Name: name, Type: e.Type, Nullable: e.Nullable}
}

// expansion is the parts of an aggregation that is being expanded.
type expansion struct {
	*rewriter
	from   *logical.Aggregate
	sets   [][]*plan.Expr // sets of DISTINCT arguments
	expand *logical.Expand
	inner  *logical.Aggregate
	outer  *logical.Aggregate
	which  logical.Column
}

func (r *rewriter) expanded(n *logical.Aggregate) logical.Node {
	x := &expansion{rewriter: r, from: n, expand: &logical.Expand{Input: n.Input}}
	x.inner = &logical.Aggregate{Input: x.expand}
	x.outer = &logical.Aggregate{Input: x.inner}
	for _, a := range n.Aggs {
		if a.Distinct && x.set(a) < 0 {
			x.sets = append(x.sets, a.Args)
		}
	}
	x.expand.Projections = make([][]*plan.Expr, 1+len(x.sets))
	for _, k := range n.Keys {
		in := x.passed(k.Expr, nil)
		through := r.ids.Column(k.Field)
		x.inner.Keys = append(x.inner.Keys, logical.Definition{Column: through, Expr: in.Ref()})
		x.outer.Keys = append(x.outer.Keys, logical.Definition{Column: k.Column, Expr: through.Ref()})
	}
	x.number()
	args := x.distinctArgs()
	for _, a := range n.Aggs {
		if a.Distinct {
			s := x.set(a)
			a.Args, a.Distinct, a.Filter = args[s], false, x.isSet(s+1)
			x.outer.Aggs = append(x.outer.Aggs, a)
		} else {
			x.outer.Aggs = append(x.outer.Aggs, x.plain(a))
		}
	}
	if len(x.inner.Aggs) == 0 {
		x.expand.Projections = x.expand.Projections[1:] // the rows of no plain aggregates
	}
	return x.result()
}

// set is the place of a call's arguments among the sets, or -1.
func (x *expansion) set(a logical.AggCall) int {
	return slices.IndexFunc(x.sets, func(s []*plan.Expr) bool { return slices.EqualFunc(s, a.Args, (*plan.Expr).Equal) })
}

// passed adds a column to the expansion: in the given projections the expression, in the others NULL. nil is all.
func (x *expansion) passed(e *plan.Expr, in []int) logical.Column {
	f := fieldOf(e)
	f.Nullable = f.Nullable || in != nil
	col := x.ids.Column(f)
	x.expand.Cols = append(x.expand.Cols, col)
	for i := range x.expand.Projections {
		here := plan.NullLiteral(e.Type)
		if in == nil || slices.Contains(in, i) {
			here = e
		}
		x.expand.Projections[i] = append(x.expand.Projections[i], here)
	}
	return col
}

// number adds the column that says which projection a row is of.
func (x *expansion) number() {
	field := plan.Field{Name: "which", Type: plan.Int64}
	in := x.ids.Column(field)
	x.expand.Cols = append(x.expand.Cols, in)
	for i := range x.expand.Projections {
		x.expand.Projections[i] = append(x.expand.Projections[i], plan.Int64Literal(int64(i)))
	}
	x.which = x.ids.Column(field)
	x.inner.Keys = append(x.inner.Keys, logical.Definition{Column: x.which, Expr: in.Ref()})
}

func (x *expansion) isSet(i int) *plan.Expr {
	return &plan.Expr{Op: plan.OpCall, Name: "=", Type: plan.Boolean, Args: []*plan.Expr{x.which.Ref(), plan.Int64Literal(int64(i))}}
}

// distinctArgs makes the arguments of each set keys of the first aggregation. Sets share no columns: equal arguments
// are few, and a column of two sets would have to be told apart again.
func (x *expansion) distinctArgs() [][]*plan.Expr {
	var out [][]*plan.Expr
	for i, s := range x.sets {
		var args []*plan.Expr
		for _, e := range s {
			in := x.passed(e, []int{i + 1})
			key := x.ids.Column(in.Field)
			x.inner.Keys = append(x.inner.Keys, logical.Definition{Column: key, Expr: in.Ref()})
			args = append(args, key.Ref())
		}
		out = append(out, args)
	}
	return out
}

// plain computes a call in the first aggregation, where its rows make one group of each key, and picks it in the second.
func (x *expansion) plain(a logical.AggCall) logical.AggCall {
	first := a
	first.Args = nil
	for _, e := range a.Args {
		first.Args = append(first.Args, x.passed(BehindFilter(a, e), []int{0}).Ref())
	}
	if a.Filter != nil {
		first.Filter = x.passed(a.Filter, []int{0}).Ref()
	}
	first.Column = x.ids.Column(a.Field)
	x.inner.Aggs = append(x.inner.Aggs, first)
	picked := logical.AggCall{Column: a.Column, Func: "first", Args: []*plan.Expr{first.Ref()}, Filter: x.isSet(0)}
	picked.Nullable = true
	return picked
}

// result gives counts over no rows their 0 back: without keys the second aggregation has a group, but no row to pick from.
func (x *expansion) result() logical.Node {
	defs := logical.KeepAll(x.from.Columns())
	for i, a := range x.from.Aggs {
		out := &x.outer.Aggs[i]
		if a.Distinct || a.Nullable {
			continue
		}
		out.Column = x.ids.Column(out.Field)
		zero := &plan.Expr{Op: plan.OpLiteral, Type: a.Type}
		def := plan.CallExpr("coalesce", a.Type, out.Ref(), zero)
		def.Nullable = false
		defs[len(x.from.Keys)+i].Expr = def
	}
	return &logical.Project{Input: x.outer, Defs: defs}
}
