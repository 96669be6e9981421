package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// splitDistinct turns an aggregation whose aggregates are all DISTINCT over the same arguments into one that drops
// duplicates and one that aggregates what is left: both can then run in two phases, which DISTINCT itself cannot.
func splitDistinct(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		agg, ok := n.(*logical.Aggregate)
		if !ok || !sameDistinct(agg.Aggs) {
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

// limitIntoSort has a sort below a limit keep no more rows than the limit can pass.
func limitIntoSort(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		l, ok := n.(*logical.Limit)
		if !ok || l.Count < 0 || l.Count > 1<<40 || l.Offset > 1<<40 {
			return n
		}
		return logical.MapInputs(n, func(in logical.Node) logical.Node { return limitSort(in, l.Count+max(l.Offset, 0)) })
	})
}

// limitSort looks for the sort, through projections, which keep rows and their order.
func limitSort(n logical.Node, rows int64) logical.Node {
	switch n := n.(type) {
	case *logical.Project:
		return logical.MapInputs(n, func(in logical.Node) logical.Node { return limitSort(in, rows) })
	case *logical.Sort:
		if n.Limit >= 0 && n.Limit <= rows {
			return n
		}
		c := *n
		c.Limit = rows
		return &c
	}
	return n
}

// chooseJoins makes the smaller side of an inner or cross join the right one, which is built into a table, and has it
// sent whole to every task where it is small. A join without equal keys can only be done so.
func chooseJoins(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		j, ok := n.(*logical.Join)
		if !ok || j.Type == plan.JoinFull {
			return n
		}
		c := *j
		left, right := logical.Estimate(c.Left), logical.Estimate(c.Right)
		if (c.Type == plan.JoinInner || c.Type == plan.JoinCross) && left.Bytes < right.Bytes {
			c.Left, c.Right = c.Right, c.Left
			right = left
		}
		keys, _ := c.Keys()
		c.Broadcast = len(keys) == 0 || right.Bytes <= r.broadcastBytes
		if c.Broadcast == j.Broadcast && c.Left == j.Left {
			return n
		}
		return &c
	})
}
