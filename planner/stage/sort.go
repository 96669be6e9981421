package stage

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// sort gathers all rows into one task. With a limit each task first keeps only the rows that can be among the first.
func (c *cutter) sort(n *logical.Sort) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	node := plan.Node{Op: plan.NodeSort, Sort: &plan.Sort{Limit: n.Limit, Keys: []plan.SortKey{}}}
	for _, k := range n.Keys {
		o, err := f.ordinal(k.Column.ID)
		if err != nil {
			return f, err
		}
		node.Sort.Keys = append(node.Sort.Keys, plan.SortKey{Column: o, Descending: k.Descending, NullsLast: k.NullsLast})
	}
	if f.single() && f.sortedBy(node.Sort.Keys, 0) {
		if n.Limit >= 0 {
			f = f.keeping(plan.Node{Op: plan.NodeLimit, Limit: &plan.Limit{Count: n.Limit}})
		}
		return f, nil
	}
	if !f.single() && n.Limit >= 0 {
		f = f.keeping(node)
	}
	if f, err = c.gather(f); err != nil {
		return f, err
	}
	f = f.keeping(node)
	f.sorted = f.orderOf(node.Sort.Keys)
	return f, nil
}

// limit counts in one task. Each task before it passes no more rows than could be needed.
func (c *cutter) limit(n *logical.Limit) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	most := n.Count + max(n.Offset, 0)
	if !f.single() && n.Count >= 0 && most >= n.Count {
		f = f.keeping(plan.Node{Op: plan.NodeLimit, Limit: &plan.Limit{Count: most}})
	}
	if f, err = c.gather(f); err != nil {
		return f, err
	}
	return f.keeping(plan.Node{Op: plan.NodeLimit, Limit: &plan.Limit{Count: n.Count, Offset: n.Offset}}), nil
}
