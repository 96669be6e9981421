package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// tally counts the rows of each task. The branches of a union are counted one by one.
func (c *cutter) tally(n *logical.Tally) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	hashed, sorted := f.hashed, f.sorted
	exprs := slices.Concat(n.By, n.Where, n.Sums)
	f, bound, err := compute(f, exprs)
	if err != nil {
		return f, err
	}
	f, places := withColumns(f, bound)
	f.hashed, f.sorted = hashed, sorted
	by, where := len(n.By), len(n.By)+len(n.Where)
	part := 0
	f = f.each(func(root *plan.Node) *plan.Node {
		t := &plan.Tally{Step: n.Step, Number: n.Number, By: places[:by:by], Where: places[by:where:where], Sums: places[where:]}
		if parts := len(f.parts); parts > 1 {
			t.Part, t.Parts = part, parts
		}
		part++
		return &plan.Node{Op: plan.NodeTally, Schema: root.Schema, Inputs: []*plan.Node{root}, Tally: t}
	})
	if len(exprs) == 0 {
		return f, nil
	}
	return trimHidden(f, n.Columns()), nil
}
