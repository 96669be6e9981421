package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// Rows that lie by the hash of a join's keys stay where they are, and the other side comes to them, in as many
// partitions as they have. So whoever first divides rows by these keys must make enough partitions for the largest input
// of all the joins above it.

// joinPartitions is how many partitions a join's sides are shuffled into, and has what lies below make as many if it
// divides its rows by the same keys.
func (c *cutter) joinPartitions(n *logical.Join) int {
	parts := max(c.partitions(logical.Estimate(n.Left)), c.partitions(logical.Estimate(n.Right)), c.floors[n])
	if n.Broadcast {
		return parts
	}
	keys, _ := joinKeys(n)
	var left, right []int
	for _, k := range keys {
		if k.Left.Op != plan.OpColumn || k.Right.Op != plan.OpColumn {
			return parts
		}
		left, right = append(left, k.Left.Column), append(right, k.Right.Column)
	}
	c.raise(n.Left, left, parts)
	c.raise(n.Right, right, parts)
	return parts
}

// raise finds the node below that divides its rows by the columns keys, in that order, and has it make as many partitions at least.
func (c *cutter) raise(n logical.Node, keys []int, parts int) {
	if len(keys) == 0 || c.opts.Partitions > 0 {
		return
	}
	switch n := n.(type) {
	case *logical.Filter:
		c.raise(n.Input, keys, parts)
	case *logical.Tally:
		c.raise(n.Input, keys, parts)
	case *logical.Project:
		c.raise(n.Input, logical.Sources(n.Defs, keys), parts)
	case *logical.Aggregate:
		c.floors[n] = max(c.floors[n], parts)
		c.raise(n.Input, logical.Sources(n.Keys, keys), parts)
	case *logical.Join:
		if n.Broadcast {
			c.raise(n.Left, keys, parts)
			return
		}
		equal, _ := joinKeys(n)
		if len(equal) != len(keys) {
			return
		}
		for i, k := range equal {
			if !isColumn(k.Left, keys[i]) && !isColumn(k.Right, keys[i]) {
				return
			}
		}
		c.floors[n] = max(c.floors[n], parts)
	case *logical.AsofJoin:
		if slices.EqualFunc(n.LeftKeys, keys, isColumn) {
			c.floors[n] = max(c.floors[n], parts)
		}
	case *logical.EventWindows:
		if slices.EqualFunc(n.LeftKeys, keys, isColumn) {
			c.floors[n] = max(c.floors[n], parts)
			c.raise(n.Left, keys, parts)
		}
	}
}

func isColumn(e *plan.Expr, id int) bool { return e.Op == plan.OpColumn && e.Column == id }
