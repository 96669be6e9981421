package operator

import (
	"context"
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
// still has to read, and every lookup misses the cache.
const (
	partialGroups = 1 << 20
	partialBytes  = 64 << 20
	// partialCheck is after how many rows these bounds are looked at. All decisions fall at multiples of it, counted
	// from the first row, so that they do not depend on batches; nor do they on memory, of which the bounded amount is
	// taken whatever the share is: sums of doubles depend on where the rows were cut.
	partialCheck = 1 << 16
	// partialPass is how many rows pass ungrouped after grouping was of no use.
	partialPass = 16 * partialCheck
	// partialSorted is from how many groups on the table is put out as well where rows come in order of their keys, or
	// nearly: what it holds will hardly come again, and a small one stays in the cache.
	partialSorted = 1 << 12
	// partialFrequent is the part of the rows, one in so many, from which on a group is frequent: rows do not pass by it. Passed
	// on, those of one key would all come to one task of the final half.
	partialFrequent = 16
)

// PartialAggregate is the first half of an aggregation: it puts out keys and states. Where most rows have a group of
// their own it passes them on, each as a state, for a while: grouping them is then the final half's work alone.
type PartialAggregate struct {
	stream
	plan     *plan.Aggregate
	input    folding
	keyTypes []plan.Type
	limits   partialLimits

	table *groupTable
	rest  arrow.Record // rows of the latest batch not looked at yet
	rows  int64        // taken in so far
	fill  int64        // rows in the table
	runs  int64        // of equal keys, one behind the other, in the table's rows
	last  uint32       // the group of the table's last row
	met   []int64      // rows of each group, while it is open whether rows will pass
	pass  int64        // rows that will pass ungrouped
	ids   []uint32
	read  bool
	// The groups being put out.
	emitting bool
	emitted  int
}

var _ Operator = (*PartialAggregate)(nil)

// partialLimits are the constants above; tests have smaller ones.
type partialLimits struct {
	groups int
	check  int64
	pass   int64
	sorted int64
}

func newPartialAggregate(env Env, input Operator, a *plan.Aggregate, f folding, schema plan.Schema) (*PartialAggregate, error) {
	o := &PartialAggregate{
		stream: newStream(env, schema, input), plan: a, input: f, keyTypes: types(input.Schema(), a.Keys),
		limits: partialLimits{groups: partialGroups, check: partialCheck, pass: partialPass, sorted: partialSorted},
	}
	return o, o.restart()
}

// restart empties the table. The next one will be about as full, if it was put out for its rows' order.
func (o *PartialAggregate) restart() (err error) {
	before := 0
	if o.table != nil {
		before = o.table.table.Len()
	}
	if o.table, err = newGroupTable(o.env, o.keyTypes, o.plan.Aggs); err != nil {
		return err
	}
	if before <= partialCheck {
		o.table.table.Reserve(before)
	}
	o.fill, o.runs, o.last, o.met, o.emitting, o.emitted = 0, 0, group.None, nil, false, 0
	return nil
}

// Next returns the next states.
func (o *PartialAggregate) Next(ctx context.Context) (arrow.Record, error) {
	return o.step(ctx, o.next)
}

func (o *PartialAggregate) next(ctx context.Context) (arrow.Record, error) {
	for {
		if o.emitting && o.emitted < o.size() {
			from := o.emitted
			o.emitted = min(o.size(), from+o.env.BatchRows)
			return o.table.record(o.schema, from, o.emitted, true)
		}
		if o.emitting {
			if err := o.restart(); err != nil {
				return nil, err
			}
		}
		if o.read {
			return nil, io.EOF
		}
		rec, err := o.take(ctx)
		if err == io.EOF {
			o.read, o.emitting = true, true
			continue
		}
		if err != nil {
			return nil, err
		}
		out, err := o.add(rec)
		rec.Release()
		if out != nil || err != nil {
			return out, err
		}
	}
}

// take is the next rows, not beyond the next multiple of limits.check.
func (o *PartialAggregate) take(ctx context.Context) (arrow.Record, error) {
	rec := o.rest
	o.rest = nil
	if rec == nil {
		var err error
		if rec, err = o.pull(ctx, 0); err != nil {
			return nil, err
		}
	}
	n := o.limits.check - o.rows%o.limits.check
	if rec.NumRows() > n {
		defer rec.Release()
		o.rest = vector.Slice(rec, int(n), int(rec.NumRows()))
		rec = vector.Slice(rec, 0, int(n))
	}
	o.rows += rec.NumRows()
	return rec, nil
}

// add takes in rows, and returns their states where they pass ungrouped.
func (o *PartialAggregate) add(rec arrow.Record) (arrow.Record, error) {
	if o.pass > 0 {
		o.pass -= rec.NumRows()
		return o.passOn(rec)
	}
	if err := o.table.add(&o.input, rec); err != nil {
		return nil, err
	}
	o.fill += rec.NumRows()
	o.countRuns(o.table.ids)
	if o.table.keyed && o.fill <= o.limits.check {
		o.meet(o.table.ids)
	}
	held := o.table.bytes()
	o.mustHold(grown(held))
	if o.rows%o.limits.check != 0 || !o.table.keyed {
		return nil, nil
	}
	groups := int64(o.table.table.Len())
	switch {
	case o.fill == o.limits.check && groups > o.fill/4*3 && slices.Max(o.met) <= o.fill/partialFrequent+1:
		o.pass, o.emitting = o.limits.pass, true
	case groups >= int64(o.limits.groups) || held >= partialBytes || groups >= o.limits.sorted && o.runs <= groups+groups/8:
		o.emitting = true
	}
	return nil, nil
}

// countRuns looks at the groups of rows that were added.
func (o *PartialAggregate) countRuns(ids []uint32) {
	last, runs := o.last, int64(0)
	for _, id := range ids {
		if id != last {
			runs++
		}
		last = id
	}
	o.last = last
	o.runs += runs
}

// meet counts the rows of each group.
func (o *PartialAggregate) meet(ids []uint32) {
	o.met = append(o.met, make([]int64, o.table.table.Len()-len(o.met))...)
	for _, id := range ids {
		o.met[id]++
	}
}

// size is the number of groups to put out. Without keys there is one, but not of no rows.
func (o *PartialAggregate) size() int {
	switch {
	case o.table.keyed:
		return o.table.table.Len()
	case o.fill == 0:
		return 0
	}
	return 1
}

// passOn is a state for each row of a batch.
func (o *PartialAggregate) passOn(rec arrow.Record) (arrow.Record, error) {
	rows := int(rec.NumRows())
	for n := len(o.ids); n < rows; n++ {
		o.ids = append(o.ids, uint32(n))
	}
	cols := pick(rec, o.plan.Keys)
	for _, c := range cols {
		c.Retain()
	}
	defer func() { releaseArrays(cols) }()
	for i, call := range o.plan.Aggs {
		acc, err := newAccumulator(o.env, call)
		if err != nil {
			return nil, err
		}
		f := folding{cols: o.input.cols[i : i+1], filters: o.input.filters[i : i+1]}
		err = foldInto(o.env, []agg.Accumulator{acc}, &f, rec, agg.Batch{Rows: rows, Groups: o.ids[:rows], Len: rows})
		if err != nil {
			return nil, err
		}
		states, err := acc.States(o.env.Mem, 0, rows)
		if err != nil {
			return nil, err
		}
		cols = append(cols, states...)
	}
	return vector.NewRecord(o.schema, cols, rows), nil
}

// Close drops the groups and closes the input.
func (o *PartialAggregate) Close() error {
	o.table, o.ids = nil, nil
	if o.rest != nil {
		o.rest.Release()
		o.rest = nil
	}
	return o.stream.Close()
}
