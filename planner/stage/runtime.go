package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
)

// filterScans has the scans that run in the same stage as a join, on its left, read what the join publishes of its
// right keys.
func (c *cutter) filterScans(left fragment, payload *plan.Join) fragment {
	payload.Publishes = make([]int, len(payload.LeftKeys))
	for i, key := range payload.LeftKeys {
		if payload.NullSafe != nil && payload.NullSafe[i] {
			continue // it may look for NULL
		}
		id, used := c.filters+1, false
		left = left.each(func(root *plan.Node) *plan.Node {
			out, ok := withRuntimeFilter(root, key, id)
			used = used || ok
			return out
		})
		if used {
			c.filters, payload.Publishes[i] = id, id
		}
	}
	if !slices.ContainsFunc(payload.Publishes, func(id int) bool { return id > 0 }) {
		payload.Publishes = nil
	}
	return left
}

// withRuntimeFilter follows a column down to the scan that it comes from, through operators for which a row that is
// missing below is only missing above.
func withRuntimeFilter(n *plan.Node, column, id int) (out *plan.Node, ok bool) {
	switch n.Op {
	case plan.NodeScan:
		if n.Scan.Columns[column].Virtual != "" {
			return n, false
		}
		s, c := *n.Scan, *n
		s.RuntimeFilters = append(slices.Clone(s.RuntimeFilters), plan.RuntimeFilter{ID: id, Column: column})
		c.Scan = &s
		return &c, true
	case plan.NodeProject:
		e := n.Project.Exprs[column]
		if e.Op != plan.OpColumn {
			return n, false
		}
		return filteredInput(n, e.Column, id)
	case plan.NodeUnion:
		return filteredUnion(n, column, id)
	case plan.NodeJoin:
		if n.Join.Type == plan.JoinFull || n.Join.Type.PutsOutRight() {
			return n, false
		}
		return filteredInput(n, column, id)
	case plan.NodeTally:
		if len(n.Tally.By)+len(n.Tally.Where)+len(n.Tally.Sums) > 0 {
			return n, false
		}
		// What is left unread cannot be counted, so nothing is.
		return withRuntimeFilter(n.Inputs[0], column, id)
	case plan.NodeFilter, plan.NodeUDF, plan.NodeGenerate:
		return filteredInput(n, column, id)
	}
	return n, false
}

// filteredInput goes on to the first input, if the column is one of its.
func filteredInput(n *plan.Node, column, id int) (*plan.Node, bool) {
	if column >= len(n.Inputs[0].Schema.Fields) {
		return n, false
	}
	in, ok := withRuntimeFilter(n.Inputs[0], column, id)
	if !ok {
		return n, false
	}
	c := *n
	c.Inputs = slices.Clone(n.Inputs)
	c.Inputs[0] = in
	return &c, true
}

func filteredUnion(n *plan.Node, column, id int) (*plan.Node, bool) {
	c := *n
	c.Inputs = slices.Clone(n.Inputs)
	found := false
	for i, in := range n.Inputs {
		out, ok := withRuntimeFilter(in, column, id)
		c.Inputs[i], found = out, found || ok
	}
	return &c, found
}

// renumbered numbers the runtime filters of a stage from 1, so that equal stages are equal whatever was planned before.
func renumbered(root *plan.Node) *plan.Node {
	ids := map[int]int{}
	root.Walk(func(n *plan.Node) {
		if n.Op != plan.NodeJoin {
			return
		}
		for _, id := range n.Join.Publishes {
			if id > 0 && ids[id] == 0 {
				ids[id] = len(ids) + 1
			}
		}
	})
	if len(ids) == 0 {
		return root
	}
	return renumberedNode(root, ids)
}

func renumberedNode(n *plan.Node, ids map[int]int) *plan.Node {
	c := *n
	c.Inputs = nil
	for _, in := range n.Inputs {
		c.Inputs = append(c.Inputs, renumberedNode(in, ids))
	}
	if n.Op == plan.NodeJoin && n.Join.Publishes != nil {
		j := *n.Join
		j.Publishes = make([]int, len(n.Join.Publishes))
		for i, id := range n.Join.Publishes {
			j.Publishes[i] = ids[id]
		}
		c.Join = &j
	}
	if n.Op == plan.NodeScan && n.Scan.RuntimeFilters != nil {
		s := *n.Scan
		s.RuntimeFilters = slices.Clone(s.RuntimeFilters)
		for i := range s.RuntimeFilters {
			s.RuntimeFilters[i].ID = ids[s.RuntimeFilters[i].ID]
		}
		c.Scan = &s
	}
	return &c
}
