package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// pushFilters carries conjuncts towards the scans, joins filters that meet, and moves join conditions that look at one
// side only to that side. A conjunct that can raise an error keeps its place among those before it: x <> 0 AND y / x > 1
// must not divide by zero because the first half stayed behind.
func pushFilters(r *rewriter, n logical.Node) logical.Node {
	return push(n, nil)
}

// push places preds, conjuncts over n's output, as far down as they can go.
func push(n logical.Node, preds []*plan.Expr) logical.Node {
	switch n := n.(type) {
	case *logical.Filter:
		return push(n.Input, append(plan.Conjuncts(n.Predicate), preds...))
	case *logical.Project:
		return pushProject(n, preds)
	case *logical.Aggregate:
		return pushAggregate(n, preds)
	case *logical.Join:
		return pushJoin(n, preds)
	case *logical.Sort:
		if n.Limit < 0 {
			return logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, preds) })
		}
	}
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, nil) }), preds)
}

// filtered puts conjuncts above a node, those with plugin calls above the others: a plugin should see few rows.
func filtered(n logical.Node, preds []*plan.Expr) logical.Node {
	plain, withUDF := split(preds, func(p *plan.Expr) bool { return !logical.HasUDF(p) })
	for _, level := range [][]*plan.Expr{plain, withUDF} {
		if len(level) > 0 {
			n = &logical.Filter{Input: n, Predicate: plan.And(level...)}
		}
	}
	return n
}

// split divides conjuncts into those that may move and those that stay. Behind one that stays, none that can fail moves.
func split(preds []*plan.Expr, movable func(*plan.Expr) bool) (moving, staying []*plan.Expr) {
	for _, p := range preds {
		if movable(p) && (len(staying) == 0 || !canFail(p)) {
			moving = append(moving, p)
		} else {
			staying = append(staying, p)
		}
	}
	return moving, staying
}

// pushProject rewrites conjuncts in terms of what the projection computes. Plugin calls are not computed twice.
func pushProject(n *logical.Project, preds []*plan.Expr) logical.Node {
	defs := definitions(n.Defs)
	moving, staying := split(preds, func(p *plan.Expr) bool { return !logical.HasUDF(logical.Substitute(p, defs)) })
	for i, p := range moving {
		moving[i] = logical.Substitute(p, defs)
	}
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, moving) }), staying)
}

// pushAggregate lets conjuncts on grouping keys through: they take or leave whole groups.
func pushAggregate(n *logical.Aggregate, preds []*plan.Expr) logical.Node {
	keys := definitions(n.Keys)
	moving, staying := split(preds, func(p *plan.Expr) bool {
		return len(keys) > 0 && logical.ReadsOnly(p, func(c int) bool { return keys[c] != nil }) && !logical.HasUDF(logical.Substitute(p, keys))
	})
	for i, p := range moving {
		moving[i] = logical.Substitute(p, keys)
	}
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, moving) }), staying)
}

func definitions(defs []logical.Definition) map[int]*plan.Expr {
	m := map[int]*plan.Expr{}
	for _, d := range defs {
		m[d.ID] = d.Expr
	}
	return m
}

func anyColumn(int) bool { return true }

// pushJoin sends conjuncts above the join, and those of its condition, to the sides that they look at. What may go
// where depends on which side the join keeps whole:
//
//	             above → left   above → right   above → on   on → left   on → right
//	inner, cross     yes            yes            yes          yes         yes
//	left             yes            no             no           no          yes
//	semi             yes            —              no           yes         yes
//	anti             yes            —              no           no          yes
//	full             no             no             no           no          no
//
// What can raise an error never moves below a join, which may drop the rows that would raise it; but an equality of
// the two sides always becomes a key, since nested loops are no alternative.
func pushJoin(n *logical.Join, preds []*plan.Expr) logical.Node {
	inner := n.Type == plan.JoinInner || n.Type == plan.JoinCross
	semi := n.Type == plan.JoinLeftSemi
	full := n.Type == plan.JoinFull
	isLeft, isRight := side(n.Left), side(n.Right)
	calm := func(p *plan.Expr) bool { return !canFail(p) && !logical.HasUDF(p) }

	left, above := split(preds, func(p *plan.Expr) bool { return !full && calm(p) && logical.ReadsOnly(p, isLeft) })
	var right, toOn []*plan.Expr
	on := plan.Conjuncts(n.On)
	if inner {
		right, above = split(above, func(p *plan.Expr) bool { return calm(p) && logical.ReadsOnly(p, isRight) })
		toOn, above = split(above, func(p *plan.Expr) bool {
			return calm(p) && logical.ReadsOnly(p, anyColumn) || logical.IsEquiKey(p, isLeft, isRight)
		})
		on = append(on, toOn...)
	}
	moving, on := split(on, func(p *plan.Expr) bool { return (inner || semi) && calm(p) && logical.ReadsOnly(p, isLeft) })
	left = append(left, moving...)
	moving, on = split(on, func(p *plan.Expr) bool { return !full && calm(p) && logical.ReadsOnly(p, isRight) })
	right = append(right, moving...)

	out := *n
	out.Left, out.Right = push(n.Left, left), push(n.Right, right)
	out.On = plan.And(on...)
	switch {
	case out.Type == plan.JoinCross && out.On != nil:
		out.Type = plan.JoinInner
	case out.Type == plan.JoinInner && out.On == nil:
		out.Type = plan.JoinCross
	}
	if out.Left == n.Left && out.Right == n.Right && len(toOn) == 0 && len(on) == len(plan.Conjuncts(n.On)) && out.Type == n.Type {
		return filtered(n, above)
	}
	return filtered(&out, above)
}

// side tells the columns of one input.
func side(n logical.Node) func(int) bool {
	cols := map[int]bool{}
	for _, c := range n.Columns() {
		cols[c.ID] = true
	}
	return func(c int) bool { return cols[c] }
}

// outerToInner turns a left join into an inner join, and a full join into a left one, where a filter above throws away
// the rows that the outer join would have filled up with NULL.
func outerToInner(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		f, ok := n.(*logical.Filter)
		if !ok {
			return n
		}
		j, ok := f.Input.(*logical.Join)
		if !ok || j.Type != plan.JoinLeft && j.Type != plan.JoinFull {
			return n
		}
		c := *j
		if rejectsNull(f.Predicate, j.Right) {
			c.Type = map[plan.JoinType]plan.JoinType{plan.JoinLeft: plan.JoinInner, plan.JoinFull: plan.JoinLeft}[j.Type]
			if j.Type == plan.JoinFull {
				// Left rows without a match go; right rows without one stay.
				c.Left, c.Right = j.Right, j.Left
			}
		}
		if j.Type == plan.JoinFull && rejectsNull(f.Predicate, j.Left) {
			// Right rows without a match go, and perhaps left ones too.
			if c.Type == plan.JoinLeft {
				c.Type = plan.JoinInner
			} else {
				c.Type = plan.JoinLeft
			}
		}
		if c.Type == j.Type {
			return n
		}
		if c.Type == plan.JoinInner && c.On == nil {
			c.Type = plan.JoinCross
		}
		return &logical.Filter{Input: &c, Predicate: f.Predicate}
	})
}

// rejectsNull reports whether a conjunct is not true when all columns of an input are NULL, whatever the others are.
func rejectsNull(p *plan.Expr, in logical.Node) bool {
	nulls := map[int]*plan.Expr{}
	for _, c := range in.Columns() {
		nulls[c.ID] = plan.NullLiteral(c.Type)
	}
	for _, conjunct := range plan.Conjuncts(p) {
		if !logical.ReadsOnly(conjunct, anyColumn) || canFail(conjunct) || logical.HasUDF(conjunct) {
			continue
		}
		v := simplify(logical.Substitute(conjunct, nulls))
		if isNull(v) || isBool(v, false) {
			return true
		}
	}
	return false
}
