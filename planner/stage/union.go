package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// union makes each input a part of one fragment, and joins neighbours that can run in the same stage.
func (c *cutter) union(n *logical.Union) (fragment, error) {
	out := fragment{ids: idsOf(n.Cols)}
	schema := schemaOf(n.Cols)
	var hashed [][][]int
	for _, in := range n.Ins {
		f, err := c.build(in)
		if err != nil {
			return f, err
		}
		f = trim(f, in.Columns())
		hashed = append(hashed, placesHashed(f))
		out.parts = append(out.parts, renamed(f, schema, out.ids).parts...)
	}
	out.parts = combined(out.parts)
	if len(out.parts) == 1 && !slices.ContainsFunc(hashed, func(h [][]int) bool { return !slices.EqualFunc(h, hashed[0], slices.Equal) }) {
		out.hashed = idsAt(out.ids, hashed[0])
	}
	return out, nil
}

// renamed gives columns the names and ids of a schema.
func renamed(f fragment, schema plan.Schema, ids []int) fragment {
	f.ids = ids
	return f.each(func(root *plan.Node) *plan.Node {
		if sameFields(root.Schema, schema) {
			return root
		}
		exprs := make([]*plan.Expr, len(schema.Fields))
		for i, field := range root.Schema.Fields {
			exprs[i] = plan.ColumnExpr(i, field)
		}
		if below := root; below.Op == plan.NodeProject {
			root, exprs = below.Inputs[0], below.Project.Exprs
		}
		return &plan.Node{Op: plan.NodeProject, Inputs: []*plan.Node{root}, Schema: schema, Project: &plan.Project{Exprs: exprs}}
	})
}

func sameFields(a, b plan.Schema) bool {
	return slices.EqualFunc(a.Fields, b.Fields, func(x, y plan.Field) bool { return x.Name == y.Name && x.Nullable == y.Nullable })
}

// combined joins neighbouring parts into one where a task of the one can be a task of the other: both have one, or both
// read as many partitions. A stage has one scan at most.
func combined(parts []part) []part {
	var out []part
	var roots [][]*plan.Node
	for _, p := range parts {
		if last := len(out) - 1; last >= 0 && p.tasks == out[last].tasks && mayShare(p, out[last]) {
			if p.splits != nil {
				out[last].splits = p.splits
			}
			roots[last] = append(roots[last], p.root)
			continue
		}
		out, roots = append(out, p), append(roots, []*plan.Node{p.root})
	}
	for i := range out {
		out[i].root = unionOf(roots[i])
	}
	return out
}

func mayShare(p, q part) bool {
	if p.tasks == 1 {
		return p.splits == nil || q.splits == nil
	}
	return p.splits == nil && q.splits == nil
}

// unionOf is nodes of one schema, one after the other.
func unionOf(nodes []*plan.Node) *plan.Node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	return &plan.Node{Op: plan.NodeUnion, Schema: nodes[0].Schema, Inputs: nodes}
}

// placesHashed is the hashed columns of a fragment by their places instead of ids; nil when one has none.
func placesHashed(f fragment) [][]int {
	var out [][]int
	for _, key := range f.hashed {
		var places []int
		for i, id := range f.ids {
			if slices.Contains(key, id) {
				places = append(places, i)
			}
		}
		if places == nil {
			return nil
		}
		out = append(out, places)
	}
	return out
}

func idsAt(ids []int, places [][]int) [][]int {
	var out [][]int
	for _, key := range places {
		var at []int
		for _, p := range key {
			at = append(at, ids[p])
		}
		out = append(out, at)
	}
	return out
}
