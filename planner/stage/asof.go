package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// asofJoin brings rows of equal keys into one task, sorted by keys and time on both sides.
func (c *cutter) asofJoin(n *logical.AsofJoin) (fragment, error) {
	payload := &plan.AsofJoin{
		Direction: n.Direction, Exact: n.Exact, Tolerance: n.Tolerance, Left: n.Keep,
		LeftKeys: []int{}, RightKeys: []int{},
	}
	left, places, err := c.asofSide(n.Left, append(slices.Clone(n.LeftKeys), n.LeftTime))
	if err != nil {
		return left, err
	}
	payload.LeftKeys, payload.LeftTime = places[:len(n.LeftKeys):len(n.LeftKeys)], places[len(n.LeftKeys)]
	right, places, err := c.asofSide(n.Right, slices.Concat(n.RightKeys, []*plan.Expr{n.RightTime}, n.Ties))
	if err != nil {
		return right, err
	}
	payload.RightKeys, payload.RightTime = places[:len(n.RightKeys):len(n.RightKeys)], places[len(n.RightKeys)]
	payload.Ties = places[len(n.RightKeys)+1:]
	if left, right, err = c.meetAsof(n, left, right, payload); err != nil {
		return left, err
	}
	left = left.sort(ascending(append(slices.Clone(payload.LeftKeys), payload.LeftTime)), 0)
	right = right.sort(ascending(slices.Concat(payload.RightKeys, []int{payload.RightTime}, payload.Ties)), 0)
	return asofJoined(n, left, right, payload)
}

// asofSide builds a side with the expressions as columns.
func (c *cutter) asofSide(n logical.Node, exprs []*plan.Expr) (fragment, []int, error) {
	f, err := c.build(n)
	if err != nil {
		return f, nil, err
	}
	return keyColumns(f, exprs)
}

func (c *cutter) meetAsof(n *logical.AsofJoin, left, right fragment, payload *plan.AsofJoin) (l, r fragment, err error) {
	if left, right, ok := inOneTask(left, right); ok {
		return left, right, nil
	}
	parts := 1
	if len(payload.LeftKeys) > 0 {
		parts = max(c.partitions(logical.Estimate(n.Left)), c.partitions(logical.Estimate(n.Right)))
	}
	return c.shuffleBoth(left, right, payload.LeftKeys, payload.RightKeys, parts)
}

func asofJoined(n *logical.AsofJoin, left, right fragment, payload *plan.AsofJoin) (fragment, error) {
	out := left
	out.ids = slices.Concat(left.ids, right.ids)
	if n.On != nil {
		bound, err := bind(n.On, out)
		if err != nil {
			return out, err
		}
		payload.Condition = bound
	}
	schema := plan.Schema{Fields: slices.Clone(left.schema().Fields)}
	for _, f := range right.schema().Fields {
		f.Nullable = f.Nullable || n.Keep
		schema.Fields = append(schema.Fields, f)
	}
	out = out.each(func(root *plan.Node) *plan.Node {
		return &plan.Node{Op: plan.NodeAsofJoin, Schema: schema, Inputs: []*plan.Node{root, right.parts[0].root}, AsofJoin: payload}
	})
	return trimHidden(out, n.Columns()), nil
}
