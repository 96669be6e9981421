package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// pruneRows prunes the operators that make rows of rows; ok is false for others.
func pruneRows(n logical.Node, need columnSet) (out logical.Node, ok bool) {
	switch n := n.(type) {
	case *logical.Union:
		return pruneUnion(n, need), true
	case *logical.Expand:
		return pruneExpand(n, need), true
	case *logical.Generate, *logical.AsofJoin, *logical.PluginTable:
		return pruneInputs(n, need), true
	case *logical.Tally:
		return pruneTally(n, need), true
	case *logical.Window:
		return pruneWindow(n, need), true
	case *logical.EventWindows:
		return pruneEventWindows(n, need), true
	}
	return nil, false
}

// pruneUnion keeps the same places of all inputs, in their order.
func pruneUnion(n *logical.Union, need columnSet) logical.Node {
	c := &logical.Union{Ins: make([]logical.Node, len(n.Ins))}
	var places []int
	for i, col := range n.Cols {
		if need[col.ID] {
			c.Cols, places = append(c.Cols, col), append(places, i)
		}
	}
	changed := len(c.Cols) < len(n.Cols)
	for i, in := range n.Ins {
		cols := in.Columns()
		kept, below := make([]logical.Column, len(places)), columnSet{}
		for k, place := range places {
			kept[k] = cols[place]
			below[cols[place].ID] = true
		}
		c.Ins[i] = exactly(prune(in, below), kept)
		changed = changed || c.Ins[i] != in
	}
	if !changed {
		return n
	}
	return c
}

// exactly has a node put out the columns in that order and no others.
func exactly(n logical.Node, cols []logical.Column) logical.Node {
	same := func(a, b logical.Column) bool { return a.ID == b.ID }
	if slices.EqualFunc(n.Columns(), cols, same) {
		return n
	}
	return &logical.Project{Input: n, Defs: logical.KeepAll(cols)}
}

// pruneExpand keeps at least one column: rows without any could not be counted.
func pruneExpand(n *logical.Expand, need columnSet) logical.Node {
	c := &logical.Expand{Projections: make([][]*plan.Expr, len(n.Projections))}
	for i, col := range n.Cols {
		if !need[col.ID] && (len(c.Cols) > 0 || i < len(n.Cols)-1) {
			continue
		}
		c.Cols = append(c.Cols, col)
		for k, p := range n.Projections {
			c.Projections[k] = append(c.Projections[k], p[i])
		}
	}
	c.Input = prune(n.Input, columnsRead(c))
	if len(c.Cols) == len(n.Cols) && c.Input == n.Input {
		return n
	}
	return c
}

// pruneWindow drops calls, and the window when no call is left: it keeps the rows as they are.
func pruneWindow(n *logical.Window, need columnSet) logical.Node {
	c := *n
	c.Calls = nil
	for _, call := range n.Calls {
		if need[call.ID] {
			c.Calls = append(c.Calls, call)
		}
	}
	switch len(c.Calls) {
	case 0:
		return prune(n.Input, need)
	case len(n.Calls):
		return pruneInputs(n, need)
	}
	return pruneInputs(&c, need)
}

// pruneEventWindows drops features, and the node when none is left: it keeps the left rows as they are.
func pruneEventWindows(n *logical.EventWindows, need columnSet) logical.Node {
	var kept []logical.EventFeature
	for _, f := range n.Features {
		if need[f.ID] {
			kept = append(kept, f)
		}
	}
	switch len(kept) {
	case 0:
		return prune(n.Left, need)
	case len(n.Features):
		return pruneInputs(n, need)
	}
	return pruneInputs(n.With(kept), need)
}

// pruneTally has a projection above take away what is counted and read by nobody else.
func pruneTally(n *logical.Tally, need columnSet) logical.Node {
	below := need.and(columnsRead(n))
	return logical.MapInputs(n, func(in logical.Node) logical.Node { return prune(in, below) })
}
