package operator

import (
	"context"
	"errors"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// simple is an aggregate that is common over frames, of a type whose values are raw numbers: count of anything; sum and
// avg of int, bigint and double; min and max of these, dates and timestamps. Such are computed in loops over raw values,
// without accumulators.
type simple struct {
	kind simpleKind
	typ  plan.Type // of the argument
}

type simpleKind uint8

const (
	simpleCount simpleKind = iota
	simpleSum
	simpleAvg
	simpleMin
	simpleMax
)

// simpleOf says whether a call is that simple.
func simpleOf(f windowFold, in plan.Schema) (simple, bool) {
	kind, ok := map[string]simpleKind{
		"count": simpleCount, "sum": simpleSum, "avg": simpleAvg, "min": simpleMin, "max": simpleMax,
	}[f.call.Func]
	if !ok || f.call.Filter != 0 || f.call.Distinct || len(f.cols) != 1 || f.env.Session.Legacy {
		return simple{}, false
	}
	s := simple{kind, in.Fields[f.cols[0]].Type}
	switch s.typ.Kind {
	case plan.KindInt32, plan.KindInt64, plan.KindFloat64:
	case plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ:
		ok = kind != simpleSum && kind != simpleAvg
	default:
		ok = kind == simpleCount
	}
	result := f.call.Type.Kind
	switch {
	case kind == simpleCount:
	case kind == simpleAvg:
		ok = ok && result == plan.KindFloat64
	case kind == simpleSum && s.typ.Kind == plan.KindInt32:
		ok = ok && result == plan.KindInt64
	default:
		ok = ok && result == s.typ.Kind
	}
	return s, ok
}

func (s simple) float() bool { return s.typ.Kind == plan.KindFloat64 }

// lane reads an argument row by row.
type lane struct {
	simple
	col    int
	rows   cursor
	piece  piece
	ints   []int64
	floats []float64
	valid  vector.Validity
}

// reach lays open the batch that has a row, unless it is at hand. Rows before it are forgotten.
func (l *lane) reach(ctx context.Context, row int) error {
	if row >= l.piece.from && row < l.piece.to {
		return nil
	}
	l.rows.forget(row)
	if err := l.rows.load(ctx, row+1); err != nil {
		return err
	}
	l.rows.forget(row)
	l.piece = l.rows.pieces[0]
	arr := l.piece.rec.Column(l.col)
	l.valid = vector.ValidityOf(arr)
	switch {
	case l.kind == simpleCount:
	case l.float():
		l.floats = vector.Float64s(arr)
	case l.typ.Kind == plan.KindInt32 || l.typ.Kind == plan.KindDate:
		l.ints = l.ints[:0]
		for _, v := range vector.Int32s(arr) {
			l.ints = append(l.ints, int64(v))
		}
	default:
		l.ints = vector.Int64s(arr)
	}
	return nil
}

func (l *lane) start(seg *segment) { l.rows, l.piece = cursor{seg: seg}, piece{} }

func (l *lane) close() error {
	l.piece, l.ints, l.floats = piece{}, nil, nil
	return l.rows.close()
}

// runner is a simple aggregate over growing frames.
type runner struct {
	windowFold
	lane
	state running
	part  int
	done  int
}

// running is the state of a frame so far.
type running struct {
	n     int64
	int   int64
	float float64
}

func (r *runner) start(_ context.Context, seg *segment) error {
	r.frame.begin(seg)
	r.lane.start(seg)
	r.part, r.done = -1, 0
	return nil
}

func (r *runner) close() error { return errors.Join(r.lane.close(), r.frame.close()) }

func (r *runner) column(ctx context.Context, c *chunk) (arrow.Array, error) {
	lo, hi, err := r.frame.bounds(ctx, c)
	if err != nil {
		return nil, err
	}
	out := make([]running, len(lo))
	for k := range lo {
		if r.part != lo[k] {
			r.part, r.done, r.state = lo[k], lo[k], running{}
		}
		for r.done < hi[k] {
			if err := r.reach(ctx, r.done); err != nil {
				return nil, err
			}
			to := min(hi[k], r.piece.to)
			if err := r.fold(r.done-r.piece.from, to-r.piece.from); err != nil {
				return nil, err
			}
			r.done = to
		}
		out[k] = r.state
	}
	return r.result(r.env.Mem, out), nil
}

// fold takes in the rows of the batch at hand from up to, not including, to.
func (r *runner) fold(from, to int) error {
	s, float := &r.state, r.float()
	for i := from; i < to; i++ {
		if r.valid.IsNull(i) {
			continue
		}
		s.n++
		switch {
		case r.kind == simpleCount:
		case r.kind == simpleSum && !float:
			sum, v := s.int+r.ints[i], r.ints[i]
			if (sum^s.int)&(sum^v) < 0 {
				return sumOverflow()
			}
			s.int = sum
		case r.kind <= simpleAvg && !float:
			s.float += float64(r.ints[i])
		case r.kind <= simpleAvg:
			s.float += r.floats[i]
		case float:
			v := r.floats[i]
			if s.n == 1 || r.kind == simpleMax && floatLess(s.float, v) || r.kind == simpleMin && floatLess(v, s.float) {
				s.float = v
			}
		default:
			v := r.ints[i]
			if s.n == 1 || r.kind == simpleMax && v > s.int || r.kind == simpleMin && v < s.int {
				s.int = v
			}
		}
	}
	return nil
}

func sumOverflow() error {
	return plan.Failf(plan.FailureUser, "[ARITHMETIC_OVERFLOW] long overflow in sum. Use 'try_sum' to tolerate overflow and "+
		"return NULL instead, or sum a wider type: sum(CAST(x AS DECIMAL(38, 0))).")
}

// floatLess puts NaN above all else.
func floatLess(a, b float64) bool { return a < b || math.IsNaN(b) && !math.IsNaN(a) }

// result is the column of states; float holds sums for avg.
func (s simple) result(mem memory.Allocator, states []running) arrow.Array {
	n := len(states)
	nulls := &vector.Nulls{Mem: mem, Rows: n}
	if s.kind != simpleCount {
		for i, x := range states {
			if x.n == 0 {
				nulls.Set(i)
			}
		}
	}
	switch {
	case s.kind == simpleAvg || s.kind != simpleCount && s.float():
		buf, out := vector.Alloc[float64](mem, n)
		for i, x := range states {
			if out[i] = x.float; s.kind == simpleAvg && x.n > 0 {
				out[i] /= float64(x.n)
			}
		}
		return vector.Make(arrow.PrimitiveTypes.Float64, n, nulls, buf)
	case s.kind >= simpleMin && (s.typ.Kind == plan.KindInt32 || s.typ.Kind == plan.KindDate):
		buf, out := vector.Alloc[int32](mem, n)
		for i, x := range states {
			out[i] = int32(x.int)
		}
		return vector.Make(s.typ.Arrow(), n, nulls, buf)
	}
	buf, out := vector.Alloc[int64](mem, n)
	for i, x := range states {
		if out[i] = x.int; s.kind == simpleCount {
			out[i] = x.n
		}
	}
	dt := arrow.DataType(arrow.PrimitiveTypes.Int64)
	if s.kind >= simpleMin {
		dt = s.typ.Arrow()
	}
	return vector.Make(dt, n, nulls, buf)
}
