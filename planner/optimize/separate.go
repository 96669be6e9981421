package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// separateDistinct has DISTINCT over several arguments, or beside other aggregates, without groups, computed by an
// aggregation for each and one for the others, whose single rows it puts side by side: to read a few columns of a table once more costs less than to group each of its rows under a
// key that says which argument it stands for. Only scans and what is computed row by row are read again.
func separateDistinct(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		agg, ok := n.(*logical.Aggregate)
		if !ok || len(agg.Keys) > 0 || !cheap(agg.Input) || sameDistinct(agg.Aggs) {
			return n
		}
		if slices.ContainsFunc(agg.Aggs, func(a logical.AggCall) bool { return a.Distinct && !simpleDistinct(a) }) ||
			!slices.ContainsFunc(agg.Aggs, func(a logical.AggCall) bool { return a.Distinct }) {
			return n
		}
		if logical.Estimate(agg.Input).Rows < expandRows {
			return n
		}
		return r.separated(agg)
	})
}

// cheap reports an input that is a scan with filters and projections.
func cheap(n logical.Node) bool {
	for {
		switch x := n.(type) {
		case *logical.Scan:
			return true
		case *logical.Filter:
			if logical.HasUDF(x.Predicate) {
				return false
			}
			n = x.Input
		case *logical.Tally:
			n = x.Input
		case *logical.Project:
			if slices.ContainsFunc(x.Defs, func(d logical.Definition) bool { return logical.HasUDF(d.Expr) }) {
				return false
			}
			n = x.Input
		default:
			return false
		}
	}
}

func (r *rewriter) separated(agg *logical.Aggregate) logical.Node {
	var out logical.Node
	values := map[int]*plan.Expr{} // of the aggregates' columns
	for rest := agg.Aggs; len(rest) > 0; {
		part := &logical.Aggregate{Input: agg.Input}
		var others []logical.AggCall
		for _, a := range rest {
			if together(a, rest[0]) {
				part.Aggs = append(part.Aggs, a)
			} else {
				others = append(others, a)
			}
		}
		own := logical.Refresh(part, r.ids)
		for i, c := range own.Columns() {
			values[part.Aggs[i].ID] = c.Ref()
		}
		if rest = others; out == nil {
			out = own
		} else {
			out = &logical.Join{Type: plan.JoinCross, Left: out, Right: own}
		}
	}
	p := &logical.Project{Input: out}
	for _, a := range agg.Aggs {
		p.Defs = append(p.Defs, logical.Definition{Column: a.Column, Expr: values[a.ID]})
	}
	return p
}

// together reports aggregates of one part.
func together(a, b logical.AggCall) bool {
	return a.Distinct == b.Distinct && (!a.Distinct || slices.EqualFunc(a.Args, b.Args, (*plan.Expr).Equal))
}
