package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// pluginTable brings the rows that the function sees together into one task, side by side and in order.
func (c *cutter) pluginTable(n *logical.PluginTable) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	hashed, sorted := f.hashed, f.sorted
	exprs := slices.Clone(n.PartitionBy)
	for _, k := range n.OrderBy {
		exprs = append(exprs, k.Expr)
	}
	exprs = append(exprs, n.Args...)
	f, bound, err := compute(f, exprs)
	if err != nil {
		return f, err
	}
	f, ordinals := withColumns(f, bound)
	f.hashed, f.sorted = hashed, sorted
	keys, rest := ordinals[:len(n.PartitionBy):len(n.PartitionBy)], ordinals[len(n.PartitionBy):]
	order := ascending(keys)
	for i, k := range n.OrderBy {
		order = append(order, plan.SortKey{Column: rest[i], Descending: k.Descending, NullsLast: k.NullsLast})
	}
	args := rest[len(n.OrderBy):]
	switch {
	case n.Per == plan.PerGroup:
		f, err = c.partitioned(f, keys, logical.Estimate(n.Input))
	case n.Single:
		f, err = c.gather(f)
	}
	if err != nil {
		return f, err
	}
	f = f.sort(order, len(keys))
	payload := &plan.PluginTable{Function: n.Function, Per: n.Per, Args: args, Keys: keys, Quarantine: n.Quarantine}
	f = f.over(plan.Node{Op: plan.NodePluginTable, PluginTable: payload}, schemaOf(n.Cols))
	f.ids, f.hashed, f.sorted = idsOf(n.Cols), nil, nil
	return f, nil
}
