package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// expand and generate make rows of rows, each task for itself.
func (c *cutter) expand(n *logical.Expand) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	f, bound, err := compute(f, slices.Concat(n.Projections...))
	if err != nil {
		return f, err
	}
	payload := &plan.Expand{}
	for row := range slices.Chunk(bound, len(n.Cols)) {
		payload.Projections = append(payload.Projections, row)
	}
	hashed := passExpanded(f.hashed, n)
	f = f.over(plan.Node{Op: plan.NodeExpand, Expand: payload}, schemaOf(n.Cols))
	f.ids, f.hashed, f.sorted = idsOf(n.Cols), hashed, nil
	return f, nil
}

// passExpanded follows the hashed columns through projections: a column that all of them pass on at the same place still
// says where a row lies.
func passExpanded(hashed [][]int, n *logical.Expand) [][]int {
	var defs []logical.Definition
	for i, col := range n.Cols {
		e := n.Projections[0][i]
		if !slices.ContainsFunc(n.Projections, func(p []*plan.Expr) bool { return !p[i].Equal(e) }) {
			defs = append(defs, logical.Definition{Column: col, Expr: e})
		}
	}
	return passHashed(hashed, defs)
}

func (c *cutter) generate(n *logical.Generate) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	f = trim(f, n.Input.Columns())
	f, bound, err := compute(f, []*plan.Expr{n.Call})
	if err != nil {
		return f, err
	}
	schema := plan.Schema{Fields: slices.Concat(f.schema().Fields, schemaOf(n.Cols).Fields)}
	f = f.over(plan.Node{Op: plan.NodeGenerate, Generate: &plan.Generate{Call: bound[0], Outer: n.Outer}}, schema)
	f.ids = slices.Concat(f.ids, idsOf(n.Cols))
	return trimHidden(f, n.Columns()), nil
}
