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
	if f.tasks > 1 {
		if n.Limit >= 0 {
			f = f.over(node)
		}
		if f, err = c.exchange(f, nil, 1, ""); err != nil {
			return f, err
		}
	}
	return f.over(node), nil
}

// limit counts in one task. Each task before it passes no more rows than could be needed.
func (c *cutter) limit(n *logical.Limit) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	if f.tasks > 1 {
		if most := n.Count + max(n.Offset, 0); n.Count >= 0 && most >= n.Count {
			f = f.over(plan.Node{Op: plan.NodeLimit, Limit: &plan.Limit{Count: most}})
		}
		if f, err = c.exchange(f, nil, 1, ""); err != nil {
			return f, err
		}
	}
	return f.over(plan.Node{Op: plan.NodeLimit, Limit: &plan.Limit{Count: n.Count, Offset: n.Offset}}), nil
}
