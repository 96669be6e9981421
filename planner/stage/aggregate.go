package stage

import (
	"slices"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// Shuffle partitions aim at this many bytes in memory, so that a task's hash table fits a share of a small machine.
const (
	partitionBytes = 32 << 20
	maxPartitions  = 200
	// smallRows is the input from which a shuffle has at least two partitions, so that two cores share the work.
	smallRows = 100_000
)

func partitions(s logical.Size) int {
	n := min((s.Bytes+partitionBytes-1)/partitionBytes, maxPartitions)
	if s.Rows > smallRows {
		n = max(n, 2)
	}
	return int(max(n, 1))
}

// aggregate runs in one go where all rows of a group are already in one task, else in two phases around a shuffle by
// the keys. DISTINCT aggregates cannot be split: their rows are shuffled as they are.
func (c *cutter) aggregate(n *logical.Aggregate) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	distinct := slices.ContainsFunc(n.Aggs, func(a logical.AggCall) bool { return a.Distinct })
	// Rows that lie by the hash of some keys have each group in one task.
	hashed := passHashed(f.hashed, n.Keys)
	together := f.tasks == 1 || len(hashed) > 0
	var keys []int
	var aggs []plan.Agg
	if f, keys, aggs, err = aggregateInput(f, n, distinct && !together); err != nil {
		return f, err
	}
	if together {
		f = aggregated(f, n, plan.AggregateComplete, keys, aggs)
		f.hashed = hashed
		return f, nil
	}
	parts := 1
	if len(keys) > 0 {
		parts = partitions(logical.Estimate(n.Input))
	}
	if distinct {
		return c.aggregateDistinct(f, n, parts, keys, aggs)
	}
	f = aggregated(f, n, plan.AggregatePartial, keys, aggs)
	first := firstOrdinals(len(keys))
	if f, err = c.exchange(f, first, parts, plan.HashExchange); err != nil {
		return f, err
	}
	hashed = f.hashed
	f = aggregated(f, n, plan.AggregateFinal, first, aggs)
	f.hashed = hashed
	return f, nil
}

func (c *cutter) aggregateDistinct(f fragment, n *logical.Aggregate, parts int, keys []int, aggs []plan.Agg) (fragment, error) {
	f, err := c.exchange(f, keys, parts, plan.HashExchange)
	if err != nil {
		return f, err
	}
	f = aggregated(f, n, plan.AggregateComplete, keys, aggs)
	f.hashed = nil
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
		exprs = append(exprs, a.Args...)
	}
	f, exprs, err := compute(f, exprs)
	if err != nil {
		return f, nil, nil, err
	}
	f, ordinals := onlyColumns(f, exprs, narrow)
	keys, rest := ordinals[:len(n.Keys):len(n.Keys)], ordinals[len(n.Keys):]
	aggs := make([]plan.Agg, len(n.Aggs))
	for i, a := range n.Aggs {
		out := plan.Agg{Func: a.Func, Distinct: a.Distinct, Type: a.Type, Args: []int{}, ArgTypes: []plan.Type{}}
		for j, x := range a.Args {
			out.Args = append(out.Args, rest[j])
			out.ArgTypes = append(out.ArgTypes, x.Type)
		}
		rest = rest[len(a.Args):]
		aggs[i] = out
	}
	return f, keys, aggs, nil
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
			field, id = f.root.Schema.Fields[e.Column], f.ids[e.Column]
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
func aggregated(f fragment, n *logical.Aggregate, mode plan.AggregateMode, keys []int, aggs []plan.Agg) fragment {
	cols := n.Columns()
	schema, ids := schemaOf(cols), idsOf(cols)
	if mode == plan.AggregatePartial {
		schema.Fields, ids = schema.Fields[:len(keys):len(keys)], ids[:len(keys):len(keys)]
		for i, a := range aggs {
			for _, field := range agg.StateFields(a, i) {
				schema.Fields, ids = append(schema.Fields, field), append(ids, hidden)
			}
		}
	}
	f.ids = ids
	f.root = &plan.Node{
		Op: plan.NodeAggregate, Inputs: []*plan.Node{f.root}, Schema: schema,
		Aggregate: &plan.Aggregate{Mode: mode, Keys: keys, Aggs: aggs},
	}
	return f
}
