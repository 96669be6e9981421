package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// simplifyJoins replaces joins that subqueries have become by cheaper ones that do the same:
//
//   - a null-aware join of values that are never NULL is a plain one, which can be partitioned;
//   - a mark join under a filter that asks for its mark is a semi join, under one that asks for its absence an anti join;
//   - a single join with a side that has at most one row for each key cannot fail: it is a left join;
//   - a left join without condition to exactly one row is a cross join.
func simplifyJoins(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		switch n := n.(type) {
		case *logical.Filter:
			return markToSemi(n)
		case *logical.Join:
			return simplifyJoin(n)
		case *logical.Aggregate:
			return distinctOfUnique(n)
		}
		return n
	})
}

func simplifyJoin(n *logical.Join) logical.Node {
	c := *n
	if c.NullAware && comparesNoNull(&c) {
		c.NullAware, c.Compared = false, nil
	}
	if c.Type == plan.JoinSingle && c.RightUnique() {
		c.Type = plan.JoinLeft
	}
	if c.Type == plan.JoinLeft && c.On == nil && logical.ExactlyOne(c.Right) {
		c.Type = plan.JoinCross
	}
	if c.Type == n.Type && c.NullAware == n.NullAware {
		return n
	}
	return &c
}

func comparesNoNull(n *logical.Join) bool {
	isRight := side(n.Right)
	for _, c := range n.Compared {
		for _, e := range c.Args {
			in := n.Left
			if logical.ReadsOnly(e, isRight) {
				in = n.Right
			}
			if !isNotNull(e, in) {
				return false
			}
		}
	}
	return true
}

// markToSemi looks for the mark, or its negation, among the conjuncts of a filter right above a mark join. The mark
// stays as a constant, for those who read it above.
func markToSemi(n *logical.Filter) logical.Node {
	j, ok := n.Input.(*logical.Join)
	if !ok || j.Type != plan.JoinMark {
		return n
	}
	isMark := func(e *plan.Expr) bool { return e.Op == plan.OpColumn && e.Column == j.Mark.ID }
	conjuncts := plan.Conjuncts(n.Predicate)
	c := *j
	i := slices.IndexFunc(conjuncts, isMark)
	if i >= 0 {
		c.Type, c.NullAware, c.Compared = plan.JoinLeftSemi, false, nil
	} else {
		i = slices.IndexFunc(conjuncts, func(e *plan.Expr) bool { return e.Op == plan.OpCall && e.Name == "not" && isMark(e.Args[0]) })
		if i < 0 {
			return n
		}
		c.Type = plan.JoinLeftAnti
	}
	c.Mark = logical.Column{}
	defs := append(logical.KeepAll(j.Left.Columns()), logical.Definition{Column: j.Mark, Expr: plan.BoolLiteral(c.Type == plan.JoinLeftSemi)})
	return filtered(&logical.Project{Input: &c, Defs: defs}, slices.Delete(conjuncts, i, i+1))
}

// distinctOfUnique drops a DISTINCT over rows that are all different.
func distinctOfUnique(n *logical.Aggregate) logical.Node {
	if len(n.Aggs) > 0 || len(n.Keys) == 0 {
		return n
	}
	var columns []int
	for _, k := range n.Keys {
		if k.Expr.Op == plan.OpColumn {
			columns = append(columns, k.Expr.Column)
		}
	}
	if !logical.Covers(logical.Unique(n.Input), columns) {
		return n
	}
	return &logical.Project{Input: n.Input, Defs: n.Keys}
}

// semiToInner makes inner joins of semi joins that cannot repeat a left row: either side of an inner join can be the one
// that is built.
func semiToInner(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		j, ok := n.(*logical.Join)
		if !ok || j.Type != plan.JoinLeftSemi || !j.RightUnique() {
			return n
		}
		c := *j
		c.Type = plan.JoinInner
		if c.On == nil {
			c.Type = plan.JoinCross
		}
		return &logical.Project{Input: &c, Defs: logical.KeepAll(j.Left.Columns())}
	})
}
