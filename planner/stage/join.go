package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// join brings the sides together in one of three ways: in the same task where both have one only; with the right side
// sent whole to every task of the left; or with both sides shuffled by the keys.
func (c *cutter) join(n *logical.Join) (fragment, error) {
	parts := c.joinPartitions(n)
	left, err := c.build(n.Left)
	if err != nil {
		return left, err
	}
	right, err := c.build(n.Right)
	if err != nil {
		return right, err
	}
	keys, rest := joinKeys(n)
	leftKeys, rightKeys := make([]*plan.Expr, len(keys)), make([]*plan.Expr, len(keys))
	payload := &plan.Join{Type: n.Type, LeftKeys: []int{}, RightKeys: []int{}, NullAware: n.NullAware}
	for i, k := range keys {
		leftKeys[i], rightKeys[i] = k.Left, k.Right
		payload.NullSafe = append(payload.NullSafe, k.NullSafe)
	}
	if !slices.Contains(payload.NullSafe, true) {
		payload.NullSafe = nil
	}
	if left, payload.LeftKeys, err = keyColumns(left, leftKeys); err != nil {
		return left, err
	}
	if right, payload.RightKeys, err = keyColumns(right, rightKeys); err != nil {
		return right, err
	}
	if left, right, err = c.meet(n, left, right, payload, parts); err != nil {
		return left, err
	}
	if n.BuildLeft && streamable(left, right) {
		left, right = exchangeSides(left, right, payload)
	}
	if n.Filtering {
		left = c.filterScans(left, payload)
	}
	return joined(n, left, right, payload, rest)
}

// streamable reports sides in one stage of which either can be the one that streams through.
func streamable(left, right fragment) bool {
	return len(left.parts) == 1 && len(right.parts) == 1 && !left.scans() && !right.scans() && left.parts[0].tasks == right.parts[0].tasks
}

// exchangeSides makes a right semi or anti join of a left one.
func exchangeSides(left, right fragment, payload *plan.Join) (l, r fragment) {
	payload.Type = map[plan.JoinType]plan.JoinType{plan.JoinLeftSemi: plan.JoinRightSemi, plan.JoinLeftAnti: plan.JoinRightAnti}[payload.Type]
	payload.LeftKeys, payload.RightKeys = payload.RightKeys, payload.LeftKeys
	return right, left
}

// keyColumns adds the join keys that are not columns yet.
func keyColumns(f fragment, keys []*plan.Expr) (fragment, []int, error) {
	hashed, sorted := f.hashed, f.sorted
	f, bound, err := compute(f, keys)
	if err != nil {
		return f, nil, err
	}
	f, ordinals := withColumns(f, bound)
	f.hashed, f.sorted = hashed, sorted
	return f, ordinals, nil
}

// meet puts the sides into one stage. The result's tasks are the left fragment's.
func (c *cutter) meet(n *logical.Join, left, right fragment, payload *plan.Join, parts int) (l, r fragment, err error) {
	if left, right, ok := inOneTask(left, right); ok {
		return left, right, nil
	}
	leftKeys, rightKeys := shuffleKeys(payload)
	switch {
	case n.Type == plan.JoinFull && len(leftKeys) == 0:
		return c.shuffleBoth(left, right, nil, nil, 1)
	case n.Type != plan.JoinFull && (n.Broadcast || left.single() && right.single() || len(leftKeys) == 0):
		right, err = c.broadcast(right)
		return left, right, err
	}
	return c.shuffleBoth(left, right, leftKeys, rightKeys, parts)
}

// inOneTask has the right side run in the left one's only task, where both have one and at most one scans.
func inOneTask(left, right fragment) (l, r fragment, ok bool) {
	if !left.single() || !right.single() || left.scans() && right.scans() {
		return left, right, false
	}
	if right.scans() {
		left.parts = slices.Clone(left.parts)
		left.parts[0].splits = right.parts[0].splits
	}
	return left, right, true
}

// shuffleBoth partitions both sides by their keys. A side that already lies so stays, and decides the number of
// partitions.
func (c *cutter) shuffleBoth(left, right fragment, leftKeys, rightKeys []int, parts int) (l, r fragment, err error) {
	leftLies, rightLies := liesBy(left, leftKeys), liesBy(right, rightKeys)
	switch {
	case leftLies:
		parts = left.parts[0].tasks
		rightLies = rightLies && right.parts[0].tasks == parts
	case rightLies:
		parts = right.parts[0].tasks
	}
	if !leftLies {
		if left, err = c.exchange(left, leftKeys, parts, plan.HashExchange); err != nil {
			return left, right, err
		}
	}
	if !rightLies {
		right, err = c.exchange(right, rightKeys, parts, plan.HashExchange)
	}
	return left, right, err
}

// liesBy reports whether a fragment's rows already lie by the hash of the keys, in that order, and in a stage that does
// not scan (which could not take another scan's place in it).
func liesBy(f fragment, keys []int) bool {
	if len(f.hashed) == 0 || len(f.hashed) != len(keys) || f.scans() {
		return false
	}
	for i, k := range keys {
		if !slices.Contains(f.hashed[i], f.ids[k]) {
			return false
		}
	}
	return true
}

// joined puts the Join over the sides.
func joined(n *logical.Join, left, right fragment, payload *plan.Join, rest *plan.Expr) (fragment, error) {
	both := fragment{ids: slices.Concat(left.ids, right.ids)}
	if rest != nil {
		bound, err := bind(rest, both)
		if err != nil {
			return both, err
		}
		payload.Condition = bound
	}
	schema := joinSchema(n, payload.Type, left.schema(), right.schema())
	out := left.each(func(root *plan.Node) *plan.Node {
		return &plan.Node{Op: plan.NodeJoin, Schema: schema, Inputs: []*plan.Node{root, right.parts[0].root}, Join: payload}
	})
	switch payload.Type {
	case plan.JoinFull:
		out.hashed, out.sorted = nil, nil // rows of the right alone have NULL in the left's columns
	case plan.JoinInner:
		out.hashed = withEquals(left, right, payload)
	case plan.JoinRightSemi, plan.JoinRightAnti:
		out.hashed, out.sorted = right.hashed, right.sorted
	}
	switch payload.Type {
	case plan.JoinLeftSemi, plan.JoinLeftAnti:
	case plan.JoinRightSemi, plan.JoinRightAnti:
		out.ids = right.ids
	case plan.JoinMark:
		out.ids = append(slices.Clone(left.ids), n.Mark.ID)
	default:
		out.ids = both.ids
	}
	return trimHidden(out, n.Columns()), nil
}

func joinSchema(n *logical.Join, t plan.JoinType, left, right plan.Schema) plan.Schema {
	if t.PutsOutRight() {
		return right
	}
	out := plan.Schema{Fields: []plan.Field{}}
	for _, f := range left.Fields {
		f.Nullable = f.Nullable || t == plan.JoinFull
		out.Fields = append(out.Fields, f)
	}
	switch t {
	case plan.JoinLeftSemi, plan.JoinLeftAnti:
		return out
	case plan.JoinMark:
		out.Fields = append(out.Fields, n.Mark.Field)
		return out
	}
	for _, f := range right.Fields {
		f.Nullable = f.Nullable || t == plan.JoinFull || t == plan.JoinLeft || t == plan.JoinSingle
		out.Fields = append(out.Fields, f)
	}
	return out
}

// withEquals adds the right side's keys to the columns by whose hash the rows lie: they are equal to the left's.
func withEquals(left, right fragment, payload *plan.Join) [][]int {
	out := make([][]int, len(left.hashed))
	for i, key := range left.hashed {
		out[i] = slices.Clone(key)
		for k, l := range payload.LeftKeys {
			if r := right.ids[payload.RightKeys[k]]; slices.Contains(key, left.ids[l]) && r != hidden {
				out[i] = append(out[i], r)
			}
		}
	}
	return out
}

// trimHidden drops key columns that were only computed for the join, if columns are left then.
func trimHidden(f fragment, cols []logical.Column) fragment {
	if !slices.Contains(f.ids, hidden) || len(cols) == 0 {
		return f
	}
	return trim(f, cols)
}
