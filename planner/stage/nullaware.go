package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// joinKeys divides a join's condition into keys and the rest. In a null-aware join the comparisons are the keys that are
// not null-safe, whatever they look at. The other equalities say which pairs are compared at all: they become null-safe
// keys, and where both sides may be NULL the rest sees to it that NULL still meets nothing.
func joinKeys(n *logical.Join) (keys []logical.JoinKey, rest *plan.Expr) {
	if !n.NullAware {
		return n.Keys()
	}
	compared, others := n.Compare()
	isRight := idSet(n.Right.Columns())
	for _, c := range compared {
		l, r := c.Args[0], c.Args[1]
		if logical.ReadsOnly(l, isRight) && !logical.ReadsOnly(r, isRight) {
			l, r = r, l
		}
		keys = append(keys, logical.JoinKey{Left: l, Right: r})
	}
	correlated := *n
	correlated.On = plan.And(others...)
	more, rest := correlated.Keys()
	for _, k := range more {
		if !k.NullSafe && k.Left.Nullable && k.Right.Nullable {
			rest = plan.And(rest, isNotNull(k.Left))
		}
		k.NullSafe = true
		keys = append(keys, k)
	}
	return keys, rest
}

func isNotNull(e *plan.Expr) *plan.Expr {
	return &plan.Expr{Op: plan.OpCall, Name: "isnotnull", Type: plan.Boolean, Args: []*plan.Expr{e}}
}

func idSet(cols []logical.Column) func(int) bool {
	ids := map[int]bool{}
	for _, c := range cols {
		ids[c.ID] = true
	}
	return func(id int) bool { return ids[id] }
}

// shuffleKeys are the keys by which the sides of a join can be partitioned. In a null-aware join a row may be compared
// with rows of any compared key, NULL: only the others divide the rows.
func shuffleKeys(payload *plan.Join) (left, right []int) {
	if !payload.NullAware {
		return payload.LeftKeys, payload.RightKeys
	}
	for i := range payload.LeftKeys {
		if payload.NullSafe != nil && payload.NullSafe[i] {
			left, right = append(left, payload.LeftKeys[i]), append(right, payload.RightKeys[i])
		}
	}
	return slices.Clip(left), slices.Clip(right)
}
