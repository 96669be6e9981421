package operator

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Reach is how far in time before the first row of a slice, and after its last, lie the rows that are looked at for it. It is
// made of the frames or windows of several operators, each of which looks at what the next one looks at.
type Reach struct{ steps []reachStep }

// reachStep gives times from others: arrays of one value.
type reachStep struct{ before, after []shift }

type shift func(time arrow.Array) (arrow.Array, error)

// EventReach is that of windows over their events, whose times are of a type.
func EventReach(w *plan.EventWindows, time plan.Type) *Reach {
	bound := func(of func(*plan.EventWindow, int64) int64) []shift {
		var shifts []shift
		for i := range w.Windows {
			shifts = append(shifts, func(at arrow.Array) (arrow.Array, error) {
				if at.IsNull(0) {
					return at, nil
				}
				buf, out := vector.Alloc[int64](memory.DefaultAllocator, 1)
				out[0] = of(&w.Windows[i], vector.Int64s(at)[0])
				return vector.Make(time.Arrow(), 1, nil, buf), nil
			})
		}
		return shifts
	}
	return &Reach{[]reachStep{{
		before: bound(func(w *plan.EventWindow, q int64) int64 { from, _ := w.Bounds(q); return from }),
		after:  bound(func(w *plan.EventWindow, q int64) int64 { _, to := w.Bounds(q); return max(to, math.MinInt64+1) - 1 }),
	}}}
}

// WindowReach is that of SQL windows with range frames, the topmost first, over their rows.
func WindowReach(windows []*plan.Node, session plan.Session) (*Reach, error) {
	r := &Reach{}
	for _, n := range windows {
		w, step := n.Window, reachStep{}
		time := n.Inputs[0].Schema.Fields[w.OrderBy[0].Column]
		for _, c := range w.Calls {
			before, err := shiftsOf(time, c.Frame.Start, session)
			if err != nil {
				return nil, fmt.Errorf("window function %s: %w", c.Func, err)
			}
			after, err := shiftsOf(time, c.Frame.End, session)
			if err != nil {
				return nil, fmt.Errorf("window function %s: %w", c.Func, err)
			}
			step.before, step.after = append(step.before, before...), append(step.after, after...)
		}
		r.steps = append(r.steps, step)
	}
	return r, nil
}

// shiftsOf adds the offset of an end of a range frame to a time, as the frame does; none where it is the current row's.
func shiftsOf(time plan.Field, b plan.FrameBound, session plan.Session) ([]shift, error) {
	if b.Kind != "offset" {
		return nil, nil
	}
	sum, err := compute.Call("+", plan.ColumnExpr(0, time), b.Offset)
	if err != nil {
		return nil, err
	}
	schema := plan.Schema{Fields: []plan.Field{time}}
	program, err := compute.Compile(compute.Cast(sum, time.Type), schema, session)
	if err != nil {
		return nil, err
	}
	return []shift{func(at arrow.Array) (arrow.Array, error) {
		rec := vector.NewRecord(schema, []arrow.Array{at}, 1)
		defer rec.Release()
		return program.Eval(memory.DefaultAllocator, rec)
	}}, nil
}

// around is the places of the first and the last rows that are looked at for rows between two others, all included; nil for
// no end. The columns are those of a key and, last, the time.
func (r *Reach) around(from, to *slicePlace, order []plan.SortKey) (first, last *slicePlace, err error) {
	for _, step := range r.steps {
		if from, err = from.moved(step.before, -1, order); err != nil {
			return nil, nil, err
		}
		if to, err = to.moved(step.after, 1, order); err != nil {
			return nil, nil, err
		}
	}
	return from, to, nil
}

// moved is the place of the same key whose time is the one that lies furthest in a direction.
func (p *slicePlace) moved(shifts []shift, direction int, order []plan.SortKey) (*slicePlace, error) {
	if p == nil {
		return nil, nil
	}
	columns := make([]arrow.Array, len(p.columns)) // the garbage collector may have them: a place has no owner
	for i, c := range p.columns {
		columns[i] = vector.Take(memory.DefaultAllocator, c, []int32{int32(p.row)})
	}
	last := len(columns) - 1
	own := columns[last]
	for _, s := range shifts {
		time, err := s(own)
		if err != nil {
			return nil, err
		}
		if vector.CompareAt(time, 0, columns[last], 0)*direction > 0 {
			columns[last] = time
		}
	}
	keys := make([]plan.SortKey, len(order))
	for i, k := range order {
		keys[i] = k
		keys[i].Column = i
	}
	return &slicePlace{columns: columns, encoded: sortkey.EncodeColumns(columns, 1, keys).At(0)}, nil
}
