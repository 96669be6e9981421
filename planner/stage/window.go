package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// window brings the rows of a partition into one task, sorts them by partition and order, and computes the calls. Rows
// that lie and come so already, as above a window of the same partition and order, stay as they are.
func (c *cutter) window(n *logical.Window) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	cols := n.Input.Columns()
	f = trim(f, cols)
	hashed, sorted := f.hashed, f.sorted
	partition := slices.DeleteFunc(slices.Clone(n.PartitionBy), (*plan.Expr).IsLiteral) // no two rows differ by a constant
	exprs := slices.Clone(partition)
	for _, k := range n.OrderBy {
		exprs = append(exprs, k.Expr)
	}
	for _, call := range n.Calls {
		exprs = append(exprs, callColumns(call.AggCall)...)
	}
	f, bound, err := compute(f, exprs)
	if err != nil {
		return f, err
	}
	f, ordinals := withColumns(f, bound)
	f.hashed, f.sorted = hashed, sorted
	if f, err = c.partitioned(f, ordinals[:len(partition)], logical.Estimate(n.Input)); err != nil {
		return f, err
	}
	payload := &plan.Window{PartitionBy: ordinals[:len(partition):len(partition)], OrderBy: []plan.SortKey{}}
	for i, k := range n.OrderBy {
		place := ordinals[len(partition)+i]
		payload.OrderBy = append(payload.OrderBy, plan.SortKey{Column: place, Descending: k.Descending, NullsLast: k.NullsLast})
	}
	f = f.sort(slices.Concat(ascending(payload.PartitionBy), payload.OrderBy), len(partition))
	rest := ordinals[len(partition)+len(n.OrderBy):]
	for _, call := range n.Calls {
		out := plan.WindowCall{IgnoreNulls: call.IgnoreNulls, Frame: call.Frame}
		out.Agg, rest = placedCall(call.AggCall, rest)
		payload.Calls = append(payload.Calls, out)
	}
	return windowed(f, n, payload), nil
}

// partitioned has rows of equal keys in one task.
func (c *cutter) partitioned(f fragment, keys []int, size logical.Size) (fragment, error) {
	switch {
	case f.together(keys):
		return f, nil
	case len(keys) == 0:
		return c.gather(f)
	}
	return c.exchange(f, keys, c.partitions(size), plan.HashExchange)
}

// ascending are sort keys by which equal values come together.
func ascending(columns []int) []plan.SortKey {
	keys := make([]plan.SortKey, len(columns))
	for i, c := range columns {
		keys[i].Column = c
	}
	return keys
}

func windowed(f fragment, n *logical.Window, payload *plan.Window) fragment {
	schema := plan.Schema{Fields: slices.Clone(f.schema().Fields)}
	ids := slices.Clone(f.ids)
	for _, call := range n.Calls {
		schema.Fields, ids = append(schema.Fields, call.Field), append(ids, call.ID)
	}
	f = f.over(plan.Node{Op: plan.NodeWindow, Window: payload}, schema)
	f.ids = ids
	return trimHidden(f, n.Columns())
}
