package operator

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// What goes by keys and time, and has a partition too large for one task, as that of a frequent key, is done by several: each
// reads the partition whole, and keeps of the rows one slice of their order by keys and time, before it sorts them. So the
// slices' outputs, one after the other, are the rows that one task would have put out. Of the events, or the rows around
// the slice, that windows look at, it keeps those that lie so near.

// Slice is rows between two places in the order of a sort.
type Slice struct {
	from, to *slicePlace // from is included, to is not; nil: all from the beginning, all to the end
	empty    bool        // no row, though there are no places
}

// FindSlice finds a task's slice; all operators of the task ask the same one, when their first row is asked for.
type FindSlice = func(context.Context) (*Slice, error)

// slicePlace is a row's place in the order: row i of columns, the last of which is the time.
type slicePlace struct {
	columns []arrow.Array
	row     int
	encoded []byte
}

// sampled bounds how many rows are compared to find a slice: enough to have slices of equal size within some percent.
const sampled = 1 << 14

// Division is where the slices of some rows begin.
type Division struct {
	begins []*slicePlace // those of the second and later slices; in order
}

// Slice is the slice of a number from 0. Where there are fewer than that, it has no row.
func (d *Division) Slice(number int) *Slice {
	if number > len(d.begins) {
		return &Slice{empty: true}
	}
	s := &Slice{}
	if number > 0 {
		s.from = d.begins[number-1]
	}
	if number < len(d.begins) {
		s.to = d.begins[number]
	}
	return s
}

// NewDivision reads rows and divides their order into of parts of about equal size. It depends on the rows and their order
// alone, so all who divide the same rows find the same division. Where the parts would look at so many rows of each other that the work
// is done twice over, there are fewer of them. input is closed.
func NewDivision(ctx context.Context, input Operator, order []plan.SortKey, of int, reaches []*Reach) (d *Division, err error) {
	defer func() {
		if closed := input.Close(); err == nil {
			err = closed
		}
	}()
	sample := sliceSample{order: order, step: 1}
	for {
		rec, err := input.Next(ctx)
		if err == io.EOF {
			return sample.divide(of, reaches)
		}
		if err != nil {
			return nil, err
		}
		sample.add(rec)
		rec.Release()
	}
}

// sliceSample is every step-th row.
type sliceSample struct {
	order  []plan.SortKey
	places []slicePlace
	step   int
	skip   int // rows until the next one that belongs
}

func (s *sliceSample) add(rec arrow.Record) {
	var rows []int32
	for ; s.skip < int(rec.NumRows()); s.skip += s.step {
		rows = append(rows, int32(s.skip))
	}
	s.skip -= int(rec.NumRows())
	if len(rows) == 0 {
		return
	}
	columns, keys := make([]arrow.Array, len(s.order)), make([]plan.SortKey, len(s.order))
	for i, k := range s.order { // copies of few rows, which the garbage collector may have: a slice has no owner
		columns[i] = vector.Take(memory.DefaultAllocator, rec.Column(k.Column), rows)
		keys[i] = k
		keys[i].Column = i
	}
	encoded := sortkey.EncodeColumns(columns, len(rows), keys)
	for i := range rows {
		s.places = append(s.places, slicePlace{columns, i, encoded.At(i)})
	}
	for len(s.places) >= sampled {
		s.thin()
	}
}

// thin leaves out every other row.
func (s *sliceSample) thin() {
	n := len(s.places)
	for i := range (n + 1) / 2 {
		s.places[i] = s.places[2*i]
	}
	clear(s.places[(n+1)/2:])
	s.places = s.places[:(n+1)/2]
	if n%2 == 1 { // the last row stays, so the next one does not
		s.skip += s.step
	}
	s.step *= 2
}

func (s *sliceSample) divide(of int, reaches []*Reach) (*Division, error) {
	slices.SortFunc(s.places, func(a, b slicePlace) int { return bytes.Compare(a.encoded, b.encoded) })
	of, err := s.worth(of, reaches)
	if err != nil {
		return nil, err
	}
	d := &Division{}
	for number := 1; number < of; number++ {
		begin, err := s.begin(number, of).moved(nil, 0, s.order) // without the rest of the sample
		if err != nil {
			return nil, err
		}
		d.begins = append(d.begins, begin)
	}
	return d, nil
}

// begin is where a slice begins that is not the first.
func (s *sliceSample) begin(number, of int) *slicePlace {
	return &s.places[len(s.places)*number/of]
}

// worth is how many slices, up to so many, look at no more rows beside their own than there are.
func (s *sliceSample) worth(of int, reaches []*Reach) (int, error) {
	if len(s.places) == 0 {
		return 1, nil
	}
	for ; of > 1; of-- {
		most := 0
		for _, r := range reaches {
			beside := 0
			for number := 1; number < of; number++ {
				at := s.begin(number, of)
				first, last, err := r.around(at, at, s.order)
				if err != nil {
					return 0, err
				}
				beside += s.rank(last) - s.rank(first)
			}
			most = max(most, beside)
		}
		if most <= len(s.places) {
			break
		}
	}
	return of, nil
}

// rank is how many places come before one.
func (s *sliceSample) rank(p *slicePlace) int {
	i, _ := slices.BinarySearchFunc(s.places, p.encoded, func(a slicePlace, b []byte) int { return bytes.Compare(a.encoded, b) })
	return i
}

// sliced passes on the rows of a slice, and those that lie within a reach of it.
type sliced struct {
	stream
	find  FindSlice
	order []plan.SortKey
	reach *Reach // nil: of the slice alone

	slice       *Slice
	first, last *slicePlace // with a reach, both included; nil: as those of Slice
}

var _ Operator = (*sliced)(nil)

// NewSliced keeps of its input the rows of a slice, and those that a reach takes in beside it, which is nil for none. order has
// the columns of the keys and the time as the slice was found by.
func NewSliced(env Env, input Operator, order []plan.SortKey, find FindSlice, reach *Reach) Operator {
	return &sliced{stream: newStream(env, input.Schema(), input), order: order, find: find, reach: reach}
}

// Next returns the next rows that are needed.
func (s *sliced) Next(ctx context.Context) (arrow.Record, error) { return s.step(ctx, s.next) }

func (s *sliced) next(ctx context.Context) (arrow.Record, error) {
	if s.slice == nil {
		var err error
		if s.slice, err = s.find(ctx); err != nil {
			return nil, err
		}
		if s.first, s.last = s.slice.from, s.slice.to; s.reach != nil {
			if s.first, s.last, err = s.reach.around(s.first, s.last, s.order); err != nil {
				return nil, err
			}
		}
	}
	for !s.slice.empty {
		rec, err := s.pull(ctx, 0)
		if err != nil {
			return nil, err
		}
		if out := s.keep(rec); out != nil {
			return out, nil
		}
	}
	return nil, io.EOF
}

// keep is the rows of a batch that are needed, nil for none; it takes the batch over.
func (s *sliced) keep(rec arrow.Record) arrow.Record {
	defer rec.Release()
	first, last := newPlaceOrders(s.first, rec, s.order), newPlaceOrders(s.last, rec, s.order)
	end := int8(0) // the greatest order of a row and the last place that will do
	if s.reach == nil {
		end = -1
	}
	var kept []int32
	for i := range int(rec.NumRows()) {
		if (first == nil || first.all[i] >= 0) && (last == nil || last.all[i] <= end) {
			kept = append(kept, int32(i))
		}
	}
	switch len(kept) {
	case 0:
		return nil
	case int(rec.NumRows()):
		rec.Retain()
		return rec
	}
	return vector.TakeRecord(s.env.Mem, rec, kept)
}
