package operator

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// A partial aggregation that has met this many groups, or fills this much memory, puts out what it has and starts
// anew: the final half merges what then appears twice. Why not more? So many groups hardly repeat within what a task
// still has to read, and every lookup misses the cache. Both bounds depend on the rows alone. A refused reservation is
// an error instead, for it depends on what else the worker runs, and sums of doubles on where the rows were cut.
const (
	partialGroups = 1 << 20
	partialBytes  = 128 << 20
)

// Aggregate groups its input and computes aggregates, or half of that (see plan.Aggregate). Groups come out in order
// of first appearance.
type Aggregate struct {
	stream
	plan      *plan.Aggregate
	states    [][]int // final: the state columns of each aggregate
	table     *group.Table
	accs      []agg.Accumulator
	groups    []uint32
	maxGroups int
	rows      bool // any row was seen since the table was empty
	read      bool // the input has ended
	emitting  bool
	emitted   int
}

var _ Operator = (*Aggregate)(nil)

// NewAggregate makes an aggregation of input to schema.
func NewAggregate(env Env, input Operator, a *plan.Aggregate, schema plan.Schema) (*Aggregate, error) {
	o := &Aggregate{stream: newStream(env, schema, input), plan: a, maxGroups: partialGroups}
	next, width := len(a.Keys), len(a.Keys)
	for i, call := range a.Aggs {
		fields := agg.StateFields(call, i)
		var cols []int
		for range fields {
			cols = append(cols, next)
			next++
		}
		o.states = append(o.states, cols)
		if a.Mode == plan.AggregatePartial {
			width += len(fields)
		} else {
			width++
		}
	}
	if width != len(schema.Fields) {
		return nil, fmt.Errorf("aggregate: %d columns out, schema has %d", width, len(schema.Fields))
	}
	if a.Mode == plan.AggregateFinal && next > len(input.Schema().Fields) {
		return nil, fmt.Errorf("aggregate: final needs %d columns, input has %d", next, len(input.Schema().Fields))
	}
	return o, o.restart()
}

// restart empties the table.
func (o *Aggregate) restart() error {
	o.table = group.New(types(o.inputs[0].Schema(), o.plan.Keys))
	o.accs = make([]agg.Accumulator, len(o.plan.Aggs))
	for i, call := range o.plan.Aggs {
		acc, err := agg.New(o.env.Mem, call)
		if err != nil {
			return err
		}
		o.accs[i] = acc
	}
	o.rows, o.emitting, o.emitted = false, false, 0
	return nil
}

// Next returns the next groups; the first call reads the input.
func (o *Aggregate) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Aggregate) next(ctx context.Context) (arrow.Record, error) {
	for {
		if o.emitting && o.emitted < o.size() {
			from := o.emitted
			o.emitted = min(o.size(), from+o.env.BatchRows)
			return o.emit(from, o.emitted)
		}
		if o.read {
			return nil, io.EOF
		}
		if o.emitting {
			if err := o.restart(); err != nil {
				return nil, err
			}
		}
		if err := o.fill(ctx); err != nil {
			return nil, err
		}
		o.emitting = true
	}
}

// fill reads until the input ends or, in a partial aggregation, the table is full.
func (o *Aggregate) fill(ctx context.Context) error {
	for {
		rec, err := o.pull(ctx, 0)
		if err == io.EOF {
			o.read = true
			return nil
		}
		if err != nil {
			return err
		}
		err = o.add(rec)
		rec.Release()
		if err != nil {
			return err
		}
		held := o.bytes()
		if err := o.hold(held); err != nil {
			return err
		}
		if o.plan.Mode == plan.AggregatePartial && (o.table.Len() >= o.maxGroups || held >= partialBytes) {
			return nil
		}
	}
}

func (o *Aggregate) add(rec arrow.Record) error {
	rows := int(rec.NumRows())
	o.rows = o.rows || rows > 0
	b := agg.Batch{Rows: rows, Len: 1}
	if len(o.plan.Keys) > 0 {
		var err error
		if o.groups, err = o.table.Assign(pick(rec, o.plan.Keys), rows, o.groups); err != nil {
			return err
		}
		b.Groups, b.Len = o.groups, o.table.Len()
	}
	for i, acc := range o.accs {
		var err error
		if o.plan.Mode == plan.AggregateFinal {
			err = acc.Merge(b, pick(rec, o.states[i]))
		} else {
			err = acc.Update(b, pick(rec, o.plan.Aggs[i].Args))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// size is the number of groups to put out. Without keys there is one, even of no rows, but a partial aggregation keeps
// that to itself.
func (o *Aggregate) size() int {
	switch {
	case len(o.plan.Keys) > 0:
		return o.table.Len()
	case o.plan.Mode == plan.AggregatePartial && !o.rows:
		return 0
	}
	return 1
}

func (o *Aggregate) bytes() int64 {
	n := o.table.Bytes()
	for _, acc := range o.accs {
		n += acc.Bytes()
	}
	return n
}

func (o *Aggregate) emit(from, to int) (arrow.Record, error) {
	var cols []arrow.Array
	defer func() { releaseArrays(cols) }()
	if len(o.plan.Keys) > 0 {
		keys, err := o.table.Keys(o.env.Mem, from, to)
		if err != nil {
			return nil, err
		}
		cols = slices.Grow(keys, len(o.schema.Fields))
	}
	for _, acc := range o.accs {
		if o.plan.Mode == plan.AggregatePartial {
			states, err := acc.States(o.env.Mem, from, to)
			if err != nil {
				return nil, err
			}
			cols = append(cols, states...)
			continue
		}
		result, err := acc.Result(o.env.Mem, from, to)
		if err != nil {
			return nil, err
		}
		cols = append(cols, result)
	}
	return vector.NewRecord(o.schema, cols, to-from), nil
}

// Close drops the groups and closes the input.
func (o *Aggregate) Close() error {
	o.table, o.accs, o.groups = nil, nil, nil
	return o.stream.Close()
}
