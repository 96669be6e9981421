package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// asofJoin brings rows of equal keys into one task, sorted by keys and time on both sides. A left side that lies and
// comes so already, as that of the second of two such joins by the same keys and time, stays as it is.
func (c *cutter) asofJoin(n *logical.AsofJoin) (fragment, error) {
	parts := c.timedPartitions(n, n.Left, n.Right, n.LeftKeys)
	payload := &plan.AsofJoin{
		Direction: n.Direction, Exact: n.Exact, PreferForward: n.PreferForward, Tolerance: n.Tolerance, Left: n.Keep,
		Tally: n.Tally,
	}
	left, err := c.build(n.Left)
	if err != nil {
		return left, err
	}
	left, places, err := keyColumns(left, append(slices.Clone(n.LeftKeys), n.LeftTime))
	if err != nil {
		return left, err
	}
	payload.LeftKeys, payload.LeftTime = places[:len(n.LeftKeys):len(n.LeftKeys)], places[len(n.LeftKeys)]
	right, err := c.asofRight(n, payload)
	if err != nil {
		return right, err
	}
	if left, right, err = c.meetInTime(left, right, payload.LeftKeys, payload.RightKeys, parts); err != nil {
		return left, err
	}
	left = left.sort(ascending(append(slices.Clone(payload.LeftKeys), payload.LeftTime)), 0)
	right = right.sort(ascending(rightOrder(payload, n.On != nil)), 0)
	return asofJoined(n, left, right, payload)
}

// asofRight builds the right side with the columns that the join looks at. Rows that match nothing, for a NULL among keys
// and times, are left out: all those of a NULL key would be of one partition.
func (c *cutter) asofRight(n *logical.AsofJoin, payload *plan.AsofJoin) (fragment, error) {
	f, err := c.build(n.Right)
	if err != nil {
		return f, err
	}
	exprs := slices.Concat(n.RightKeys, []*plan.Expr{n.RightTime})
	visible := visibleFrom(n)
	if visible != nil {
		exprs = append(exprs, visible)
	}
	needed := len(exprs)
	exprs = append(exprs, n.Ties...)
	f, places, err := keyColumns(f, slices.Concat(exprs, n.SkipNulls))
	if err != nil {
		return f, err
	}
	keys := len(n.RightKeys)
	payload.RightKeys, payload.RightTime = places[:keys:keys], places[keys]
	if visible != nil {
		payload.Visible = 1 + places[keys+1]
	}
	for _, p := range places[needed:len(exprs)] {
		if !slices.Contains(payload.Ties, p) && !slices.Contains(places[:keys+1], p) {
			payload.Ties = append(payload.Ties, p)
		}
	}
	payload.SkipNulls = places[len(exprs):]
	return withoutNulls(f, places[:needed]), nil
}

// visibleFrom is the left time from which on a right row may be seen; nil if it may always. Backward that is no earlier
// than its own time, so rows that come in this order never wait for that. With other conditions the join compares
// Available among these.
func visibleFrom(n *logical.AsofJoin) *plan.Expr {
	if n.Available == nil || n.On != nil || n.Direction != plan.AsofBackward {
		if n.On != nil {
			return nil
		}
		return n.Available
	}
	early := &plan.Expr{Op: plan.OpCall, Name: "<=", Type: plan.Boolean, Nullable: true, Args: []*plan.Expr{n.Available, n.RightTime}}
	return plan.CallExpr("if", n.Available.Type, early, n.RightTime, n.Available)
}

// withoutNulls leaves out rows with a NULL in one of the columns.
func withoutNulls(f fragment, columns []int) fragment {
	var all *plan.Expr
	for i, c := range columns {
		field := f.schema().Fields[c]
		if field.Nullable && !slices.Contains(columns[:i], c) {
			all = plan.And(all, isNotNull(plan.ColumnExpr(c, field)))
		}
	}
	if all == nil {
		return f
	}
	return f.keeping(plan.Node{Op: plan.NodeFilter, Filter: &plan.Filter{Predicate: all}})
}

// rightOrder is what right rows are sorted by. Ties are few, and found when rows meet, unless a condition has the rows
// tried one after the other.
func rightOrder(payload *plan.AsofJoin, conditional bool) []int {
	switch {
	case conditional:
		return slices.Concat(payload.RightKeys, []int{payload.RightTime}, payload.Ties)
	case payload.Visible > 0:
		return append(slices.Clone(payload.RightKeys), payload.Visible-1)
	}
	return append(slices.Clone(payload.RightKeys), payload.RightTime)
}

// timedPartitions is how many partitions the sides of a node that goes by keys and time are shuffled into; see
// joinPartitions.
func (c *cutter) timedPartitions(n, left, right logical.Node, leftKeys []*plan.Expr) int {
	if len(leftKeys) == 0 {
		return 1
	}
	parts := max(c.partitions(logical.Estimate(left)), c.partitions(logical.Estimate(right)), c.floors[n])
	var keys []int
	for _, k := range leftKeys {
		if k.Op != plan.OpColumn {
			return parts
		}
		keys = append(keys, k.Column)
	}
	c.raise(left, keys, parts)
	return parts
}

// meetInTime has the sides of a node that goes by keys and time in the same tasks.
func (c *cutter) meetInTime(left, right fragment, leftKeys, rightKeys []int, parts int) (l, r fragment, err error) {
	if left, right, ok := inOneTask(left, right); ok {
		return left, right, nil
	}
	return c.shuffleBoth(left, right, leftKeys, rightKeys, parts)
}

func asofJoined(n *logical.AsofJoin, left, right fragment, payload *plan.AsofJoin) (fragment, error) {
	out := left
	out.ids = slices.Concat(left.ids, right.ids)
	if n.On != nil {
		condition := n.On
		if n.Available != nil {
			condition = plan.And(condition, &plan.Expr{Op: plan.OpCall, Name: "<=", Type: plan.Boolean, Nullable: true, Args: []*plan.Expr{n.Available, n.LeftTime}})
		}
		bound, err := bind(condition, out)
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
