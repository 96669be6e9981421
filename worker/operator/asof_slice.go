package operator

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Of the right rows of a join in time a task keeps those that its left ones may match. Looking backward, what lies before the
// slice is carried over as the one row that may still win.

// asofSliced passes on the right rows that a slice needs.
type asofSliced struct {
	stream
	find  FindSlice
	slice *Slice
	order []plan.SortKey

	done bool

	join     *plan.AsofJoin
	compared []int     // keys and times, whose NULLs match nothing
	carried  []carried // the rows to carry over, by cursor
}

var _ Operator = (*asofSliced)(nil)

// NewSlicedRight keeps of a right side the rows that the left rows of a slice may match.
func NewSlicedRight(env Env, input Operator, join *plan.AsofJoin, find FindSlice) Operator {
	s := &asofSliced{stream: newStream(env, input.Schema(), input), join: join, find: find}
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
func (s *asofSliced) Next(ctx context.Context) (arrow.Record, error) { return s.step(ctx, s.next) }

func (s *asofSliced) next(ctx context.Context) (arrow.Record, error) {
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
func (s *asofSliced) keep(rec arrow.Record) arrow.Record {
	defer rec.Release()
	from, to := newPlaceOrders(s.slice.from, rec, s.order), newPlaceOrders(s.slice.to, rec, s.order)
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
func (s *asofSliced) carry(rec arrow.Record, rows []int32) {
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
func (s *asofSliced) side(from, to *placeOrders, row int) sliceSide {
	if s.slice.empty {
		return outside
	}
	if from != nil {
		if from.all[row] < 0 {
			return s.beyond(from.keys[row] == 0, ahead)
		}
	}
	if to != nil {
		if to.all[row] >= 0 {
			return s.beyond(to.keys[row] == 0, outside)
		}
	}
	return within
}

// beyond places a row that is not in the slice; backward is what it is to it when looking back, if of the same key.
func (s *asofSliced) beyond(sameKey bool, backward sliceSide) sliceSide {
	switch {
	case !sameKey:
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
func (s *asofSliced) Close() error {
	for i := range s.carried {
		s.carried[i].release()
	}
	return s.stream.Close()
}
