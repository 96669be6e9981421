package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// pushUnion sends all conjuncts into each input.
func pushUnion(n *logical.Union, preds []*plan.Expr) logical.Node {
	c := *n
	c.Ins = make([]logical.Node, len(n.Ins))
	changed := len(preds) > 0
	for i, in := range n.Ins {
		c.Ins[i] = push(in, substituteAll(preds, unionColumns(n, i)))
		changed = changed || c.Ins[i] != in
	}
	if !changed {
		return n
	}
	return &c
}

// unionColumns maps the columns of a union to those of an input.
func unionColumns(n *logical.Union, input int) map[int]*plan.Expr {
	m := map[int]*plan.Expr{}
	for i, c := range n.Ins[input].Columns() {
		m[n.Cols[i].ID] = c.Ref()
	}
	return m
}

func substituteAll(exprs []*plan.Expr, by map[int]*plan.Expr) []*plan.Expr {
	out := make([]*plan.Expr, len(exprs))
	for i, e := range exprs {
		out[i] = logical.Substitute(e, by)
	}
	return out
}

// pushExpand lets conjuncts through that mean the same in every projection: those on columns that are not blanked out
// in any grouping set.
func pushExpand(n *logical.Expand, preds []*plan.Expr) logical.Node {
	same := map[int]*plan.Expr{}
	for i, c := range n.Cols {
		if e := commonProjection(n, i); e != nil {
			same[c.ID] = e
		}
	}
	moving, staying := split(preds, func(p *plan.Expr) bool {
		return logical.ReadsOnly(p, func(c int) bool { return same[c] != nil }) && !logical.HasUDF(logical.Substitute(p, same))
	})
	moving = substituteAll(moving, same)
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, moving) }), staying)
}

// commonProjection is what all projections have at a place, or nil.
func commonProjection(n *logical.Expand, place int) *plan.Expr {
	var e *plan.Expr
	for _, p := range n.Projections {
		if e != nil && !e.Equal(p[place]) {
			return nil
		}
		e = p[place]
	}
	return e
}

// pushGenerate lets conjuncts through that look at the input alone. One that can raise an error stays, since the
// generator may give no row where it would.
func pushGenerate(n *logical.Generate, preds []*plan.Expr) logical.Node {
	isInput := side(n.Input)
	moving, staying := split(preds, func(p *plan.Expr) bool { return isCalm(p) && logical.ReadsOnly(p, isInput) })
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, moving) }), staying)
}

// pushWindow lets conjuncts on partition keys through: they take or leave whole partitions.
func pushWindow(n *logical.Window, preds []*plan.Expr) logical.Node {
	keys := map[int]bool{}
	for _, p := range n.PartitionBy {
		if p.Op == plan.OpColumn {
			keys[p.Column] = true
		}
	}
	moving, staying := split(preds, func(p *plan.Expr) bool {
		return logical.ReadsOnly(p, func(c int) bool { return keys[c] }) && !logical.HasUDF(p)
	})
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, moving) }), staying)
}

// pushAsof sends conjuncts on the left alone to the left; which right row is nearest must not depend on conjuncts above,
// but does depend on the join's own condition.
func pushAsof(n *logical.AsofJoin, preds []*plan.Expr) logical.Node {
	isLeft, isRight := side(n.Left), side(n.Right)
	left, above := split(preds, func(p *plan.Expr) bool { return isCalm(p) && logical.ReadsOnly(p, isLeft) })
	on := plan.Conjuncts(n.On)
	right, on := split(on, func(p *plan.Expr) bool { return isCalm(p) && logical.ReadsOnly(p, isRight) })
	moving, on := split(on, func(p *plan.Expr) bool { return !n.Keep && isCalm(p) && logical.ReadsOnly(p, isLeft) })
	out := *n
	out.Left, out.Right = push(n.Left, append(left, moving...)), push(n.Right, right)
	out.On = plan.And(on...)
	if out.Left == n.Left && out.Right == n.Right && len(on) == len(plan.Conjuncts(n.On)) {
		return filtered(n, above)
	}
	return filtered(&out, above)
}

// pushEventWindows sends conjuncts on the left alone to the left: each left row has its features whatever others there are.
func pushEventWindows(n *logical.EventWindows, preds []*plan.Expr) logical.Node {
	isLeft := side(n.Left)
	moving, staying := split(preds, func(p *plan.Expr) bool { return isCalm(p) && logical.ReadsOnly(p, isLeft) })
	out := *n
	if out.Left, out.Events = push(n.Left, moving), push(n.Events, nil); out.Left == n.Left && out.Events == n.Events {
		return filtered(n, staying)
	}
	return filtered(&out, staying)
}

// isCalm reports a condition that may be evaluated on more rows than it was written for: it neither fails nor calls a
// plugin.
func isCalm(p *plan.Expr) bool { return !canFail(p) && !logical.HasUDF(p) }
