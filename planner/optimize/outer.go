package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

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
		if r.rejectsNull(f.Predicate, j.Right) {
			c.Type = map[plan.JoinType]plan.JoinType{plan.JoinLeft: plan.JoinInner, plan.JoinFull: plan.JoinLeft}[j.Type]
			if j.Type == plan.JoinFull {
				// Left rows without a match go; right rows without one stay.
				c.Left, c.Right = j.Right, j.Left
			}
		}
		if j.Type == plan.JoinFull && r.rejectsNull(f.Predicate, j.Left) {
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
func (r *rewriter) rejectsNull(p *plan.Expr, in logical.Node) bool {
	nulls := map[int]*plan.Expr{}
	for _, c := range in.Columns() {
		nulls[c.ID] = plan.NullLiteral(c.Type)
	}
	for _, conjunct := range plan.Conjuncts(p) {
		if !logical.ReadsOnly(conjunct, anyColumn) || canFail(conjunct) || logical.HasUDF(conjunct) {
			continue
		}
		v := r.simplify(logical.Substitute(conjunct, nulls))
		if isNull(v) || isBool(v, false) {
			return true
		}
	}
	return false
}
