package operator

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// SortedAggregate is a whole aggregation of rows that come with those of each group side by side: a group is put out when
// the next one begins. It holds the groups of a batch at most, whatever their number, and gives what an Aggregate gives.
type SortedAggregate struct {
	stream
	plan     *plan.Aggregate
	input    folding
	keyTypes []plan.Type

	table *groupTable
	rest  arrow.Record // rows of the group that has just begun, not folded in yet
	done  int          // groups that are complete
	first int          // of them, the first not put out
	read  bool
}

var _ Operator = (*SortedAggregate)(nil)

func newSortedAggregate(env Env, input Operator, a *plan.Aggregate, f folding, schema plan.Schema) (*SortedAggregate, error) {
	o := &SortedAggregate{stream: newStream(env, schema, input), plan: a, input: f, keyTypes: types(input.Schema(), a.Keys)}
	return o, o.restart()
}

// restart empties the table.
func (o *SortedAggregate) restart() (err error) {
	o.table, err = newGroupTable(o.env, o.keyTypes, o.plan.Aggs)
	o.done, o.first = 0, 0
	return err
}

// Next returns the next groups.
func (o *SortedAggregate) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *SortedAggregate) next(ctx context.Context) (arrow.Record, error) {
	for {
		if from := o.first; from < o.done {
			o.first = min(o.done, from+o.env.BatchRows)
			return o.table.record(o.schema, from, o.first, false)
		}
		if o.done > 0 {
			if err := o.goOn(); err != nil {
				return nil, err
			}
		}
		if o.read {
			return nil, io.EOF
		}
		rec, err := o.pull(ctx, 0)
		if err == io.EOF {
			o.read, o.done = true, o.table.table.Len()
			continue
		}
		if err != nil {
			return nil, err
		}
		err = o.add(rec)
		rec.Release()
		if err != nil {
			return nil, err
		}
	}
}

// goOn begins anew with the group that had begun when the others were put out.
func (o *SortedAggregate) goOn() error {
	if err := o.restart(); err != nil || o.rest == nil {
		return err
	}
	rec := o.rest
	o.rest = nil
	defer rec.Release()
	err := o.table.add(&o.input, rec)
	o.mustHold(grown(o.table.bytes()))
	return err
}

// add folds in a batch, up to where its last group begins if that is not the table's only one.
func (o *SortedAggregate) add(rec arrow.Record) (err error) {
	t, rows, before := o.table, int(rec.NumRows()), o.table.table.Len()
	if t.ids, err = t.table.Assign(pick(rec, o.input.keys), rows, t.ids); err != nil {
		return err
	}
	ids, last := t.ids[:rows], t.ids[rows-1]
	begin := rows
	if int(last) >= max(before, 1) {
		for begin > 0 && ids[begin-1] == last {
			begin--
		}
		o.done, o.rest = int(last), vector.Slice(rec, begin, rows)
	}
	if begin > 0 {
		part := vector.Slice(rec, 0, begin)
		err = t.fold(&o.input, part, ids[:begin])
		part.Release()
	}
	o.mustHold(grown(t.bytes()))
	return err
}

// Close drops the groups and closes the input.
func (o *SortedAggregate) Close() error {
	o.table = nil
	if o.rest != nil {
		o.rest.Release()
		o.rest = nil
	}
	return o.stream.Close()
}
