package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

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
	case *logical.Project, *logical.Tally:
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
// sent whole to every task where it is small. A join without equal keys can only be done so. A semi or anti join whose
// left side is much the smaller builds that one.
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
			left, right = right, left
		}
		keys, _ := c.Keys()
		shuffled := float64(left.Bytes)
		if liesBy(c.Left, keys) {
			shuffled = 0
		}
		c.Broadcast = len(keys) == 0 || r.sentWhole(float64(right.Bytes), shuffled)
		c.BuildLeft = (c.Type == plan.JoinLeftSemi || c.Type == plan.JoinLeftAnti) && !c.NullAware && !c.Broadcast && left.Rows < right.Rows/2
		if c.Broadcast == j.Broadcast && c.BuildLeft == j.BuildLeft && c.Left == j.Left {
			return n
		}
		return &c
	})
}

// liesBy reports whether an aggregation or a join below divides the rows by the left columns of all keys already, so that a
// join by these would not shuffle them again.
func liesBy(n logical.Node, keys []logical.JoinKey) bool {
	var ids []int
	for _, k := range keys {
		if k.Left.Op != plan.OpColumn {
			return false
		}
		ids = append(ids, k.Left.Column)
	}
	for {
		switch x := n.(type) {
		case *logical.Filter:
			n = x.Input
		case *logical.Tally:
			n = x.Input
		case *logical.Project:
			if ids = logical.Sources(x.Defs, ids); ids == nil {
				return false
			}
			n = x.Input
		case *logical.Aggregate:
			return len(x.Keys) == len(ids) && logical.Sources(x.Keys, ids) != nil
		case *logical.Join:
			if x.Broadcast {
				n = x.Left
				continue
			}
			below, _ := x.Keys()
			return len(below) == len(ids) && !slices.ContainsFunc(below, func(k logical.JoinKey) bool {
				return !isAmong(k.Left, ids) && !isAmong(k.Right, ids)
			})
		default:
			return false
		}
	}
}

func isAmong(e *plan.Expr, ids []int) bool {
	return e.Op == plan.OpColumn && slices.Contains(ids, e.Column)
}
