package stage

import (
	"slices"

	functions "github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/optimize"
)

// Shuffle partitions aim at this many bytes in memory, so that a task's hash table fits a share of a small machine.
const (
	defaultPartitionBytes = 32 << 20
	maxPartitions         = 200
	// smallRows is the input from which a shuffle has at least two partitions, so that two cores share the work.
	smallRows = 100_000
)

func (c *cutter) partitions(s logical.Size) int {
	if c.opts.Partitions > 0 {
		return c.opts.Partitions
	}
	n := min((s.Bytes+c.opts.PartitionBytes-1)/c.opts.PartitionBytes, maxPartitions)
	if s.Rows > smallRows {
		n = max(n, 2)
	}
	return int(max(n, 1))
}

// aggregate runs in one go where all rows of a group are already in one task, else in two phases around a shuffle by
// the keys. Aggregates whose states hold every row, DISTINCT ones among them, are not split: their rows are shuffled as
// they are.
func (c *cutter) aggregate(n *logical.Aggregate) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	// Rows that lie by the hash of some keys have each group in one task.
	hashed := passHashed(f.hashed, n.Keys)
	together := f.single() || len(hashed) > 0
	sorted := sortedGroups(f.sorted, n.Keys)
	whole := slices.ContainsFunc(n.Aggs, func(a logical.AggCall) bool { return !splittable(a) })
	var keys []int
	var aggs []plan.Agg
	if f, keys, aggs, err = aggregateInput(f, n, whole && !together); err != nil {
		return f, err
	}
	switch {
	case together:
		f = aggregated(f, n, plan.Aggregate{Mode: plan.AggregateComplete, Keys: keys, Aggs: aggs, Sorted: sorted})
		f.hashed = hashed
		return f, nil
	case whole:
		return c.aggregateWhole(f, n, c.keyedPartitions(n, n.Input), keys, aggs)
	}
	parts := c.keyedPartitions(n, n)
	f = aggregated(f, n, plan.Aggregate{Mode: plan.AggregatePartial, Keys: keys, Aggs: aggs})
	first := firstOrdinals(len(keys))
	if f, err = c.exchange(f, first, parts, plan.HashExchange); err != nil {
		return f, err
	}
	hashed = f.hashed
	f = aggregated(f, n, plan.Aggregate{Mode: plan.AggregateFinal, Keys: first, Aggs: aggs})
	f.hashed = hashed
	return f, nil
}

// sortedGroups reports that rows of equal keys come side by side: the first columns that they are sorted by are the keys.
func sortedGroups(sorted []order, keys []logical.Definition) bool {
	if len(keys) == 0 || len(keys) > len(sorted) {
		return false
	}
	for _, o := range sorted[:len(keys)] {
		if o.id == hidden || !slices.ContainsFunc(keys, func(k logical.Definition) bool { return isColumn(k.Expr, o.id) }) {
			return false
		}
	}
	return true
}

// keyedPartitions is how many partitions the rows of a node need on their way to an aggregation: its input as it is, or
// its groups as a first phase leaves them.
func (c *cutter) keyedPartitions(n *logical.Aggregate, rows logical.Node) int {
	if len(n.Keys) == 0 {
		return 1
	}
	return max(c.partitions(logical.Estimate(rows)), c.floors[n])
}

func splittable(a logical.AggCall) bool { return agg.Splittable(aggOf(a)) }

func (c *cutter) aggregateWhole(f fragment, n *logical.Aggregate, parts int, keys []int, aggs []plan.Agg) (fragment, error) {
	f, err := c.exchange(f, keys, parts, plan.HashExchange)
	if err != nil {
		return f, err
	}
	f = aggregated(f, n, plan.Aggregate{Mode: plan.AggregateComplete, Keys: keys, Aggs: aggs})
	if parts > 1 {
		f.hashed = hashedBy(f, firstOrdinals(len(keys)))
	}
	return f, nil
}

// aggregateInput has keys and arguments as plain columns; narrow drops all others.
func aggregateInput(f fragment, n *logical.Aggregate, narrow bool) (fragment, []int, []plan.Agg, error) {
	var exprs []*plan.Expr
	for _, k := range n.Keys {
		exprs = append(exprs, k.Expr)
	}
	for _, a := range n.Aggs {
		exprs = append(exprs, callColumns(a)...)
	}
	f, exprs, err := compute(f, exprs)
	if err != nil {
		return f, nil, nil, err
	}
	f, ordinals := onlyColumns(f, exprs, narrow)
	keys, rest := ordinals[:len(n.Keys):len(n.Keys)], ordinals[len(n.Keys):]
	aggs := make([]plan.Agg, len(n.Aggs))
	for i, a := range n.Aggs {
		aggs[i], rest = placedCall(a, rest)
	}
	return f, keys, aggs, nil
}

// callColumns lists the expressions that an aggregate call needs as columns of its input: its arguments, the sort keys
// that are not among them, and its filter.
func callColumns(a logical.AggCall) []*plan.Expr {
	exprs := make([]*plan.Expr, len(a.Args))
	for i, e := range a.Args {
		exprs[i] = optimize.BehindFilter(a, e)
	}
	if !ordersByArgument(a) {
		for _, k := range a.OrderBy {
			exprs = append(exprs, k.Expr)
		}
	}
	if a.Filter != nil {
		exprs = append(exprs, a.Filter)
	}
	return exprs
}

// ordersByArgument reports functions that sort by what they aggregate, such as percentile_cont.
func ordersByArgument(a logical.AggCall) bool {
	f, ok := functions.Lookup(a.Func)
	return ok && (f.WithinGroup == functions.WithinGroupArgument || f.WithinGroup == functions.WithinGroupMode)
}

// aggOf is a call without the places of its columns.
func aggOf(a logical.AggCall) plan.Agg {
	out := plan.Agg{Func: a.Func, Distinct: a.Distinct, Type: a.Type, Args: []int{}, ArgTypes: []plan.Type{}, Params: a.Params, State: a.State}
	for i, k := range a.OrderBy {
		place := len(a.Args) + i
		if ordersByArgument(a) {
			place = i
		}
		out.OrderBy = append(out.OrderBy, plan.SortKey{Column: place, Descending: k.Descending, NullsLast: k.NullsLast})
	}
	return out
}

// placedCall is a call over input columns. It takes as many of the ordinals as callColumns gave expressions, and
// returns the others.
func placedCall(a logical.AggCall, ordinals []int) (plan.Agg, []int) {
	out := aggOf(a)
	args := callColumns(a)
	if a.Filter != nil {
		args = args[:len(args)-1]
		out.Filter = ordinals[len(args)] + 1
	}
	for i, x := range args {
		out.Args = append(out.Args, ordinals[i])
		out.ArgTypes = append(out.ArgTypes, x.Type)
	}
	return out, ordinals[len(callColumns(a)):]
}

// onlyColumns projects to the given bound expressions, each once. Where all are columns already they are read in
// place, unless the result must be narrow.
func onlyColumns(f fragment, exprs []*plan.Expr, narrow bool) (fragment, []int) {
	var distinct []*plan.Expr
	ordinals := make([]int, len(exprs))
	if !narrow && !slices.ContainsFunc(exprs, func(e *plan.Expr) bool { return e.Op != plan.OpColumn }) {
		for i, e := range exprs {
			ordinals[i] = e.Column
		}
		return f, ordinals
	}
	for i, e := range exprs {
		o := slices.IndexFunc(distinct, e.Equal)
		if o < 0 {
			o = len(distinct)
			distinct = append(distinct, e)
		}
		ordinals[i] = o
	}
	schema := plan.Schema{Fields: []plan.Field{}}
	ids := []int{}
	for _, e := range distinct {
		field, id := plan.Field{Name: "computed", Type: e.Type, Nullable: e.Nullable}, hidden
		if e.Op == plan.OpColumn {
			field, id = f.schema().Fields[e.Column], f.ids[e.Column]
		}
		schema.Fields, ids = append(schema.Fields, field), append(ids, id)
	}
	return projected(f, distinct, schema, ids), ordinals
}

func firstOrdinals(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// aggregated puts an Aggregate of a mode over a fragment.
func aggregated(f fragment, n *logical.Aggregate, a plan.Aggregate) fragment {
	cols := n.Columns()
	schema, ids := schemaOf(cols), idsOf(cols)
	if keys := len(a.Keys); a.Mode == plan.AggregatePartial {
		schema.Fields, ids = schema.Fields[:keys:keys], ids[:keys:keys]
		for i, call := range a.Aggs {
			for _, field := range agg.StateFields(call, i) {
				schema.Fields, ids = append(schema.Fields, field), append(ids, hidden)
			}
		}
	}
	f = f.over(plan.Node{Op: plan.NodeAggregate, Aggregate: &a}, schema)
	f.ids, f.hashed, f.sorted = ids, nil, nil
	return f
}
