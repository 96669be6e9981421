package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

func anyColumn(int) bool { return true }

// pushJoin sends conjuncts above the join, and those of its condition, to the sides that they look at. What may go
// where depends on which side the join keeps whole:
//
//	             above → left   above → right   above → on   on → left   on → right
//	inner, cross     yes            yes            yes          yes         yes
//	left, single     yes            no             no           no          yes
//	semi             yes            —              no           yes         yes
//	anti, mark       yes            —              no           no          yes
//	full             no             no             no           no          no
//
// What can raise an error never moves below a join, which may drop the rows that would raise it; but an equality of
// the two sides always becomes a key, since nested loops are no alternative. The comparison of a null-aware join stays
// with it whatever it looks at.
func pushJoin(n *logical.Join, preds []*plan.Expr) logical.Node {
	inner := n.Type == plan.JoinInner || n.Type == plan.JoinCross
	semi := n.Type == plan.JoinLeftSemi
	full := n.Type == plan.JoinFull
	isLeft, isRight := side(n.Left), side(n.Right)

	left, above := split(preds, func(p *plan.Expr) bool { return !full && isCalm(p) && logical.ReadsOnly(p, isLeft) })
	var right, toOn []*plan.Expr
	compared, on := n.Compare()
	before := len(on)
	if inner {
		right, above = split(above, func(p *plan.Expr) bool { return isCalm(p) && logical.ReadsOnly(p, isRight) })
		toOn, above = split(above, func(p *plan.Expr) bool {
			return isCalm(p) && logical.ReadsOnly(p, anyColumn) || logical.IsEquiKey(p, isLeft, isRight)
		})
		on = append(on, toOn...)
	}
	moving, on := split(on, func(p *plan.Expr) bool { return (inner || semi) && isCalm(p) && logical.ReadsOnly(p, isLeft) })
	left = append(left, moving...)
	moving, on = split(on, func(p *plan.Expr) bool { return !full && isCalm(p) && logical.ReadsOnly(p, isRight) })
	right = append(right, moving...)
	if inner || semi {
		left = append(left, oneSided(on, n.Left)...)
	}
	if !full {
		right = append(right, oneSided(on, n.Right)...)
	}

	out := *n
	out.Left, out.Right = push(n.Left, left), push(n.Right, right)
	out.On = plan.And(append(compared, on...)...)
	out.Type = joinType(&out)
	if out.Left == n.Left && out.Right == n.Right && len(toOn) == 0 && len(on) == before && out.Type == n.Type {
		return filtered(n, above)
	}
	return filtered(&out, above)
}

// joinType is inner or cross by whether there is a condition; other types stay.
func joinType(n *logical.Join) plan.JoinType {
	switch {
	case n.Type == plan.JoinCross && n.On != nil:
		return plan.JoinInner
	case n.Type == plan.JoinInner && n.On == nil:
		return plan.JoinCross
	}
	return n.Type
}

// side tells the columns of one input.
func side(n logical.Node) func(int) bool {
	cols := map[int]bool{}
	for _, c := range n.Columns() {
		cols[c.ID] = true
	}
	return func(c int) bool { return cols[c] }
}
