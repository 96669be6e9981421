package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Aggregate groups its input and computes aggregates, or merges their states (see plan.Aggregate; PartialAggregate makes
// the states). Groups come out in order of first appearance.
//
// When memory runs out the groups that are there stay and go on folding in their rows; rows of other groups go to
// scratch files by a hash of their keys and are aggregated file by file afterwards, in the same way. So each group
// folds in its rows in the order of the input, as with enough memory. The results carry the place of the group's first
// row in the input, by which they are merged in the end.
type Aggregate struct {
	stream
	plan    *plan.Aggregate
	spec    aggregateSpec
	rows    int64 // read so far
	scratch []int64
	top     *aggregation // the groups of the input itself; nil once they are put out
	read    bool         // the input has ended
	emitted int
	outputs []SpillFile // results of scratch files
	merge   *merge
}

var _ Operator = (*Aggregate)(nil)

// aggregateSpec is what the parts of an Aggregate share: the layouts of its input, of that input on disk, and of states.
type aggregateSpec struct {
	aggs     []plan.Agg
	keyTypes []plan.Type
	input    folding
	rawCols  []int // the columns of the input that go to disk
	raw      folding
	rawRows  plan.Schema // with the place
	state    folding
	states   plan.Schema // with the place
	results  plan.Schema // with the place
}

// NewAggregate makes an aggregation of input to schema: a PartialAggregate for the partial mode, a SortedAggregate for
// rows that come so.
func NewAggregate(env Env, input Operator, a *plan.Aggregate, schema plan.Schema) (Operator, error) {
	fold, err := newFolding(a, input.Schema(), schema)
	if err != nil {
		return nil, err
	}
	if a.Mode == plan.AggregatePartial {
		return orError(newPartialAggregate(env, input, a, fold, schema))
	}
	if a.Sorted {
		return orError(newSortedAggregate(env, input, a, fold, schema))
	}
	o := &Aggregate{stream: newStream(env, schema, input), plan: a}
	o.spec = newAggregateSpec(a, fold, input.Schema(), schema)
	o.top, err = o.newAggregation(0)
	return orError(o, err)
}

// newFolding finds the columns that an aggregation reads, and checks the widths of input and output.
func newFolding(a *plan.Aggregate, in, out plan.Schema) (folding, error) {
	f := folding{keys: a.Keys, merge: a.Mode == plan.AggregateFinal}
	next, width := len(a.Keys), len(a.Keys)
	for i, call := range a.Aggs {
		fields := agg.StateFields(call, i)
		cols := call.Args
		if f.merge {
			cols = make([]int, len(fields))
			for k := range cols {
				cols[k] = next + k
			}
		}
		next += len(fields)
		f.cols, f.filters = append(f.cols, cols), append(f.filters, call.Filter-1)
		if a.Mode == plan.AggregatePartial {
			width += len(fields)
		} else {
			width++
		}
	}
	if width != len(out.Fields) {
		return f, fmt.Errorf("aggregate: %d columns out, schema has %d", width, len(out.Fields))
	}
	if f.merge && next > len(in.Fields) {
		return f, fmt.Errorf("aggregate: final needs %d columns, input has %d", next, len(in.Fields))
	}
	return f, nil
}

func newAggregateSpec(a *plan.Aggregate, input folding, in, out plan.Schema) aggregateSpec {
	s := aggregateSpec{aggs: a.Aggs, keyTypes: types(in, a.Keys), input: input, results: withSequence(out)}
	// On disk the input has the columns that are read and no others.
	place := map[int]int{}
	moved := func(cols []int) []int {
		to := make([]int, len(cols))
		for i, c := range cols {
			if _, ok := place[c]; !ok {
				place[c] = len(s.rawCols)
				s.rawCols = append(s.rawCols, c)
				s.rawRows.Fields = append(s.rawRows.Fields, in.Fields[c])
			}
			to[i] = place[c]
		}
		return to
	}
	s.raw = folding{keys: moved(input.keys), merge: input.merge}
	for i, cols := range input.cols {
		s.raw.cols = append(s.raw.cols, moved(cols))
		filter := -1
		if input.filters[i] >= 0 && !input.merge {
			filter = moved(input.filters[i : i+1])[0]
		}
		s.raw.filters = append(s.raw.filters, filter)
	}
	s.rawRows = withSequence(s.rawRows)
	s.state.merge = true
	for i, k := range a.Keys {
		s.state.keys = append(s.state.keys, i)
		s.states.Fields = append(s.states.Fields, in.Fields[k])
	}
	for i, call := range a.Aggs {
		var cols []int
		for _, f := range agg.StateFields(call, i) {
			cols = append(cols, len(s.states.Fields))
			s.states.Fields = append(s.states.Fields, f)
		}
		s.state.cols, s.state.filters = append(s.state.cols, cols), append(s.state.filters, -1)
	}
	s.states = withSequence(s.states)
	return s
}

// Next returns the next groups; the first call reads the input.
func (o *Aggregate) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Aggregate) next(ctx context.Context) (arrow.Record, error) {
	if !o.read {
		if err := o.each(ctx, 0, o.add); err != nil {
			return nil, err
		}
		o.read = true
	}
	if o.top != nil {
		if from := o.emitted; from < o.top.size() {
			o.emitted = min(o.top.size(), from+o.env.BatchRows)
			return o.top.table.record(o.schema, from, o.emitted, false)
		}
		if err := o.finishTop(ctx); err != nil {
			return nil, err
		}
	}
	rec, err := o.merge.next(ctx)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, io.EOF
	}
	return unnumbered(o.schema, rec), nil
}

// add folds in a batch of the input, and numbers its rows.
func (o *Aggregate) add(rec arrow.Record) error {
	o.scratch = counting(o.scratch, o.rows, int(rec.NumRows()))
	o.rows += rec.NumRows()
	return o.top.add(&o.spec.input, rec, o.scratch)
}

// finishTop aggregates what went to disk once the groups that did not are put out.
func (o *Aggregate) finishTop(ctx context.Context) error {
	top := o.top
	o.top = nil
	files, err := top.finish()
	if err == nil {
		err = o.hold(0)
	}
	if err == nil {
		err = o.aggregateFiles(ctx, files, 1)
	} else {
		err = errors.Join(err, files.remove())
	}
	if err != nil {
		return err
	}
	keys := sequenceKeys(o.spec.results)
	outputs := o.outputs
	o.outputs = nil
	if outputs, err = o.reduce(ctx, o.spec.results, keys, outputs); err != nil {
		return err
	}
	o.merge = o.openMerge(o.spec.results, keys, outputs)
	return nil
}

// Close drops the groups, removes scratch files, and closes the input.
func (o *Aggregate) Close() error {
	err := errors.Join(o.top.close(), o.merge.close(), removeAll(o.outputs))
	o.top, o.merge, o.outputs = nil, nil, nil
	return errors.Join(err, o.stream.Close())
}

// rawRecord is some rows of a batch of the input, all of them if rows is nil, as they go to disk.
func (o *Aggregate) rawRecord(f *folding, rec arrow.Record, places []int64, rows []int32) arrow.Record {
	cols := rec.Columns()[:len(o.spec.rawCols)]
	if f == &o.spec.input {
		cols = pick(rec, o.spec.rawCols)
	}
	if rows == nil {
		return o.numbered(o.spec.rawRows, cols, places)
	}
	taken := make([]arrow.Array, len(cols))
	defer releaseArrays(taken)
	for i, c := range cols {
		taken[i] = vector.Take(o.env.Mem, c, rows)
	}
	some := make([]int64, len(rows))
	for i, r := range rows {
		some[i] = places[r]
	}
	return o.numbered(o.spec.rawRows, slices.Clip(taken), some)
}
