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

// A partition that is too large for one task, as that of a frequent key, is joined in time by several: each reads the
// partition whole, and keeps of the left rows one slice of their order by keys and time, before it sorts them. So the
// slices' outputs, one after the other, are the rows that one task would have put out. Of the right rows each keeps
// those that its left ones may match; what lies before the slice is carried over as the one row that may still win.

// Slice is the rows of a left side between two places in the order of a sort.
type Slice struct {
	from, to *slicePlace // from is included, to is not; nil: all from the beginning, all to the end
	empty    bool        // no row, though there are no places
}

// slicePlace is a row's place in the order: row i of columns, the last of which is the time.
type slicePlace struct {
	columns []arrow.Array
	row     int
	encoded []byte
}

// sampled bounds how many rows are compared to find a slice: enough to have slices of equal size within some percent.
const sampled = 1 << 14

// FindSlice reads the rows of a left side and divides their order into of parts of about equal size; the slice is that of
// a number from 0. It depends on the rows and their order alone, so all who look for slices of a side find the same
// division. input is closed.
func FindSlice(ctx context.Context, input Operator, order []plan.SortKey, number, of int) (s *Slice, err error) {
	defer func() {
		if closed := input.Close(); err == nil {
			err = closed
		}
	}()
	sample := sliceSample{order: order, step: 1}
	for {
		rec, err := input.Next(ctx)
		if err == io.EOF {
			return sample.slice(number, of), nil
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

func (s *sliceSample) slice(number, of int) *Slice {
	if len(s.places) == 0 { // of no rows the first slice has all
		return &Slice{empty: number > 0}
	}
	slices.SortFunc(s.places, func(a, b slicePlace) int { return bytes.Compare(a.encoded, b.encoded) })
	at := func(n int) *slicePlace {
		if n == 0 || n == of {
			return nil
		}
		return &s.places[len(s.places)*n/of]
	}
	return &Slice{from: at(number), to: at(number + 1)}
}

// placeComparer compares the rows of a batch with a place.
type placeComparer struct {
	columns []vector.Comparer
	row     int
}

// newPlaceComparer is nil for no place.
func newPlaceComparer(p *slicePlace, rec arrow.Record, order []plan.SortKey) *placeComparer {
	if p == nil {
		return nil
	}
	c := &placeComparer{row: p.row}
	for i, k := range order {
		c.columns = append(c.columns, vector.NewComparer(rec.Column(k.Column), p.columns[i]))
	}
	return c
}

// compare gives the order of a row and the place, and whether they are of the same key.
func (c *placeComparer) compare(row int) (order int, sameKey bool) {
	last := len(c.columns) - 1
	for _, compare := range c.columns[:last] {
		if order := compare(row, c.row); order != 0 {
			return order, false
		}
	}
	return c.columns[last](row, c.row), true
}

// sliced passes on the rows of its input that a slice needs. find is asked for the slice when the first row is.
type sliced struct {
	stream
	find  func(context.Context) (*Slice, error)
	slice *Slice
	order []plan.SortKey

	done bool

	// Of a right side, else nil:
	join     *plan.AsofJoin
	compared []int     // keys and times, whose NULLs match nothing; none of a left side
	carried  []carried // the rows to carry over, by cursor
}

var _ Operator = (*sliced)(nil)

// NewSlicedLeft keeps of a left side the rows of a slice; order is that which the slice was found by.
func NewSlicedLeft(env Env, input Operator, order []plan.SortKey, find func(context.Context) (*Slice, error)) Operator {
	return &sliced{stream: newStream(env, input.Schema(), input), order: order, find: find}
}

// NewSlicedRight keeps of a right side the rows that the left rows of a slice may match.
func NewSlicedRight(env Env, input Operator, join *plan.AsofJoin, find func(context.Context) (*Slice, error)) Operator {
	s := &sliced{stream: newStream(env, input.Schema(), input), join: join, find: find}
	for _, c := range join.RightKeys {
		s.order = append(s.order, plan.SortKey{Column: c})
	}
	s.order = append(s.order, plan.SortKey{Column: join.Entry()})
	s.compared = append([]int{join.RightTime, join.Entry()}, join.RightKeys...)
	for _, c := range append([]int{-1}, join.SkipNulls...) {
		s.carried = append(s.carried, carried{column: c, order: append([]int{join.RightTime}, join.Ties...)})
	}
	return s
}

// Next returns the next rows that are needed.
func (s *sliced) Next(ctx context.Context) (arrow.Record, error) { return s.step(ctx, s.next) }

func (s *sliced) next(ctx context.Context) (arrow.Record, error) {
	if s.slice == nil {
		var err error
		if s.slice, err = s.find(ctx); err != nil {
			return nil, err
		}
	}
	for !s.done {
		rec, err := s.pull(ctx, 0)
		if err == io.EOF {
			s.done = true
			break
		}
		if err != nil {
			return nil, err
		}
		if out := s.keep(rec); out != nil {
			return out, nil
		}
	}
	for i := range s.carried {
		if out := s.carried[i].take(); out != nil {
			return out, nil
		}
	}
	return nil, io.EOF
}

// keep is the rows of a batch that are needed at once, nil for none; it takes the batch over.
func (s *sliced) keep(rec arrow.Record) arrow.Record {
	defer rec.Release()
	from, to := newPlaceComparer(s.slice.from, rec, s.order), newPlaceComparer(s.slice.to, rec, s.order)
	_, rows := anyNull(rec, s.compared, nil)
	kept, before := rows[:0:0], []int32(nil)
	for _, i := range rows {
		switch s.side(from, to, int(i)) {
		case within:
			kept = append(kept, i)
		case ahead:
			before = append(before, i)
		}
	}
	if len(before) > 0 {
		s.carry(rec, before)
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

// carry looks for the rows to carry over.
func (s *sliced) carry(rec arrow.Record, rows []int32) {
	var held int64
	for i := range s.carried {
		c := &s.carried[i]
		c.improve(rec, rows)
		if c.rec != nil {
			held += vector.Size(c.rec)
		}
	}
	s.mustHold(held)
}

// sliceSide says where a row is as a slice sees it.
type sliceSide int

const (
	outside sliceSide = iota
	ahead             // of the key that the slice begins in, and before it
	within
)

// side places a row. Right rows of a key that the slice has all left rows of are all within. Of the key that it begins
// in those before it are ahead, of the one that it ends in those after it are outside, as far as looking backward goes;
// in other directions, and where any row may match, they are within.
func (s *sliced) side(from, to *placeComparer, row int) sliceSide {
	if s.slice.empty {
		return outside
	}
	if from != nil {
		if order, sameKey := from.compare(row); order < 0 {
			return s.beyond(sameKey, ahead)
		}
	}
	if to != nil {
		if order, sameKey := to.compare(row); order >= 0 {
			return s.beyond(sameKey, outside)
		}
	}
	return within
}

// beyond places a row that is not in the slice; backward is what it is to it when looking back, if of the same key.
func (s *sliced) beyond(sameKey bool, backward sliceSide) sliceSide {
	switch {
	case s.join == nil || !sameKey:
		return outside
	case s.join.Direction != plan.AsofBackward || s.join.Condition != nil:
		return within
	}
	return backward
}

// carried is the greatest row, by some columns, of those in which one column is not NULL.
type carried struct {
	column int // -1: any row
	order  []int
	rec    arrow.Record // the batch of the row; nil for none
	row    int
}

// improve looks at rows of a batch.
func (c *carried) improve(rec arrow.Record, rows []int32) {
	comparers := make([]vector.Comparer, len(c.order))
	for i, col := range c.order {
		comparers[i] = vector.NewComparer(rec.Column(col), rec.Column(col))
	}
	valid := vector.Validity{}
	if c.column >= 0 {
		valid = vector.ValidityOf(rec.Column(c.column))
	}
	best := -1
	for _, r := range rows {
		if valid.IsNull(int(r)) {
			continue
		}
		if best < 0 || compareAll(comparers, int(r), best) > 0 {
			best = int(r)
		}
	}
	if best < 0 || c.rec != nil && c.compareHeld(rec, best) >= 0 {
		return
	}
	c.release()
	rec.Retain()
	c.rec, c.row = rec, best
}

func compareAll(comparers []vector.Comparer, i, k int) int {
	for _, compare := range comparers {
		if order := compare(i, k); order != 0 {
			return order
		}
	}
	return 0
}

func (c *carried) compareHeld(rec arrow.Record, row int) int {
	for _, col := range c.order {
		if order := vector.CompareAt(c.rec.Column(col), c.row, rec.Column(col), row); order != 0 {
			return order
		}
	}
	return 0
}

// take gives the row away.
func (c *carried) take() arrow.Record {
	if c.rec == nil {
		return nil
	}
	defer c.release()
	return vector.Slice(c.rec, c.row, c.row+1)
}

func (c *carried) release() {
	if c.rec != nil {
		c.rec.Release()
		c.rec = nil
	}
}

// Close releases what is carried over, and closes the input.
func (s *sliced) Close() error {
	for i := range s.carried {
		s.carried[i].release()
	}
	return s.stream.Close()
}
