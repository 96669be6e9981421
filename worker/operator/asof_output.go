package operator

import (
	"context"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// asofOutput gathers the rows of an output batch.
type asofOutput struct {
	o       *AsofJoin
	left    []int32
	sources []arrow.Record // of right rows; the first is the row of NULLs
	picks   []vector.Pick
	held    int64
}

func (o *AsofJoin) newOutput() *asofOutput {
	o.none.Retain()
	return &asofOutput{o: o, sources: []arrow.Record{o.none}}
}

// add puts out a left row with a right row, or with none.
func (a *asofOutput) add(row int, partner int64) {
	if partner < 0 {
		if a.o.plan.Left {
			a.left, a.picks = append(a.left, int32(row)), append(a.picks, vector.Pick{})
		}
		return
	}
	b, i := a.o.right.at(partner)
	if last := a.sources[len(a.sources)-1]; last != b.rec {
		b.rec.Retain()
		a.sources = append(a.sources, b.rec)
		a.held += b.size
	}
	a.left = append(a.left, int32(row))
	a.picks = append(a.picks, vector.Pick{Source: int32(len(a.sources) - 1), Row: int32(i)})
}

// record is the batch, nil without rows.
func (a *asofOutput) record() (arrow.Record, error) {
	if len(a.left) == 0 {
		return nil, nil
	}
	o, rec := a.o, a.o.left.rec
	right, err := vector.InterleaveRecords(o.env.Mem, o.inputs[1].Schema(), a.sources, a.picks)
	if err != nil {
		return nil, err
	}
	defer right.Release()
	left := rec
	if whole(a.left, rec) {
		left.Retain()
	} else {
		left = vector.TakeRecord(o.env.Mem, rec, a.left)
	}
	defer left.Release()
	cols := append(append([]arrow.Array(nil), left.Columns()...), right.Columns()...)
	return vector.NewRecord(o.schema, cols, len(a.left)), nil
}

func (a *asofOutput) release() { releaseRecords(a.sources) }

// someConditional puts out the rest of the current left batch. Candidates are tried in rounds: the best of every row at
// once, then the second best of those for which the condition did not hold, and so on.
func (o *AsofJoin) someConditional(ctx context.Context) (arrow.Record, error) {
	var searches []asofSearch
	partners := make([]int64, o.left.rec.NumRows())
	o.right.trim(min(o.low, o.cur))
	for row := range partners {
		partners[row] = -1
		if o.left.lonely[row] {
			continue
		}
		o.row = row
		if err := o.advance(ctx); err != nil {
			return nil, err
		}
		s, err := o.search(ctx)
		if err != nil {
			return nil, err
		}
		if s.at < s.to && s.at >= s.from {
			searches = append(searches, s)
		}
	}
	for len(searches) > 0 {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		var err error
		if searches, err = o.round(searches, partners); err != nil {
			return nil, err
		}
	}
	out := o.newOutput()
	defer out.release()
	for row, p := range partners {
		out.add(row, p)
	}
	o.row = len(partners)
	return out.record()
}

// asofSearch is a left row with its candidates, from up to, not including, to, of which at comes next.
type asofSearch struct {
	row      int
	from, to int64
	at       int64
	runFrom  int64 // forward: the run of equal times that at is in
	runTo    int64
}

// search finds the candidates of the current left row.
func (o *AsofJoin) search(ctx context.Context) (asofSearch, error) {
	s := asofSearch{row: o.row}
	if o.plan.Direction == "backward" {
		o.low = max(o.low, o.right.firstHeld())
		for o.low < o.cur && !o.right.reachable(&o.left, o.row, o.low) {
			o.low++
		}
		s.from, s.to, s.at = o.low, o.cur, o.cur-1
		return s, nil
	}
	o.low, o.high = o.cur, max(o.high, o.cur)
	for {
		ok, err := o.right.load(ctx, o.high)
		if err != nil {
			return s, err
		}
		if !ok || !o.right.reachable(&o.left, o.row, o.high) {
			break
		}
		o.high++
	}
	s.from, s.to = o.cur, o.high
	s.enterRun(&o.right, s.from)
	return s, nil
}

// enterRun goes to the run of equal times that begins at a row, whose last row is the best of it.
func (s *asofSearch) enterRun(w *asofWindow, from int64) {
	s.runFrom, s.runTo = from, from
	for s.runTo < s.to && (s.runTo == from || w.sameTime(s.runTo-1, s.runTo)) {
		s.runTo++
	}
	s.at = s.runTo - 1
}

// next goes to the next candidate; false if there is none.
func (s *asofSearch) next(o *AsofJoin) bool {
	s.at--
	if o.plan.Direction == "backward" {
		return s.at >= s.from
	}
	if s.at >= s.runFrom {
		return true
	}
	if s.runTo >= s.to {
		return false
	}
	s.enterRun(&o.right, s.runTo)
	return true
}

// round tries one candidate of every row and returns the searches that go on.
func (o *AsofJoin) round(searches []asofSearch, partners []int64) ([]asofSearch, error) {
	p := probe{rec: o.left.rec}
	sources, picks := []arrow.Record(nil), make([]vector.Pick, len(searches))
	for i, s := range searches {
		b, row := o.right.at(s.at)
		if len(sources) == 0 || sources[len(sources)-1] != b.rec {
			sources = append(sources, b.rec)
		}
		picks[i] = vector.Pick{Source: int32(len(sources) - 1), Row: int32(row)}
		p.left, p.right = append(p.left, int32(s.row)), append(p.right, int32(i))
	}
	candidates, err := vector.InterleaveRecords(o.env.Mem, o.inputs[1].Schema(), sources, picks)
	if err != nil {
		return nil, err
	}
	defer candidates.Release()
	keep, err := o.condition.holds(o.env, &p, candidates)
	if err != nil {
		return nil, err
	}
	left := searches[:0]
	for i, s := range searches {
		if keep[i] {
			partners[s.row] = s.at
		} else if s.next(o) {
			left = append(left, s)
		}
	}
	return left, nil
}

// firstHeld is the first row that is not trimmed.
func (w *asofWindow) firstHeld() int64 {
	if len(w.batches) == 0 {
		return w.rows
	}
	return w.batches[0].first
}

// reach is the tolerance of an as-of join.
type reach struct {
	bounded bool
	never   bool // nothing is within it
	float   bool
	scale   int64   // ticks of one unit of the time's type
	limit   uint64  // in ticks
	span    float64 // where times are doubles
}

// ticks are the times of a batch as numbers; none if there is no tolerance.
type ticks struct {
	ints   []int64
	floats []float64
}

const microsPerDay = 24 * 60 * 60 * 1_000_000

// newReach reads a tolerance over times of a type.
func newReach(tolerance *plan.Expr, t plan.Type) (reach, error) {
	r := reach{bounded: tolerance != nil, scale: 1}
	if tolerance == nil {
		return r, nil
	}
	if !tolerance.IsLiteral() {
		return r, fmt.Errorf("asof join: tolerance %s is no constant", tolerance)
	}
	v, kind := tolerance.Value, tolerance.Type.Kind
	integral := tolerance.Type.IsInteger()
	switch {
	case t.Kind == plan.KindDate && kind == plan.KindDayTimeInterval:
		r.scale = microsPerDay
	case t.Kind == plan.KindTimestamp || t.Kind == plan.KindTimestampNTZ:
		integral = kind == plan.KindDayTimeInterval
	case t.IsInteger() || t.Kind == plan.KindDate:
	case t.IsFloat():
		r.float = true
	default:
		integral = false
	}
	switch {
	case r.float && tolerance.Type.IsFloat():
		r.span = math.Float64frombits(v.Bits)
	case r.float && integral:
		r.span = float64(v.Int)
	case integral || r.scale > 1:
		r.limit = uint64(max(v.Int, 0))
	default:
		return r, plan.Failf(plan.FailureUser, "[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE] A tolerance of type %s does not go "+
			"with times of type %s.", tolerance.Type, t)
	}
	r.never = v.Null || v.Int < 0 || r.span < 0 || r.span != r.span
	return r, nil
}

// ticks reads the times of a column.
func (r reach) ticks(arr arrow.Array) ticks {
	if !r.bounded {
		return ticks{}
	}
	t := ticks{}
	switch arr.DataType().ID() {
	case arrow.INT8:
		t.ints = widened[int64](vector.Int8s(arr))
	case arrow.INT16:
		t.ints = widened[int64](vector.Int16s(arr))
	case arrow.INT32, arrow.DATE32:
		t.ints = widened[int64](vector.Int32s(arr))
	case arrow.FLOAT32:
		t.floats = widened[float64](vector.Float32s(arr))
	case arrow.FLOAT64:
		t.floats = vector.Float64s(arr)
	default:
		t.ints = vector.Int64s(arr)
	}
	return t
}

func widened[T int64 | float64, S int8 | int16 | int32 | float32](values []S) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return out
}

// within reports whether two times are no further apart than the tolerance, which includes it.
func (r reach) within(a ticks, i int, b ticks, k int) bool {
	switch {
	case !r.bounded:
		return true
	case r.never:
		return false
	case r.float:
		x, y := a.floats[i], b.floats[k]
		return math.Abs(x-y) <= r.span || x == y || x != x && y != y
	}
	x, y := a.ints[i], b.ints[k]
	if x < y {
		x, y = y, x
	}
	return uint64(x)-uint64(y) <= r.limit/uint64(r.scale)
}
