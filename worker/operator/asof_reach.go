package operator

import (
	"cmp"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// reach is the tolerance of an as-of join, and how far apart times are.
type reach struct {
	needed  bool // of the times, ticks
	bounded bool
	never   bool // nothing is within it
	float   bool
	scale   int64   // ticks of one unit of the time's type
	limit   uint64  // in ticks
	span    float64 // where times are doubles
}

// ticks are the times of a batch as numbers; none where they are not needed.
type ticks struct {
	ints   []int64
	floats []float64
}

const microsPerDay = 24 * 60 * 60 * 1_000_000

// newReach reads a tolerance over times of a type; nearest says that distances are compared, too.
func newReach(tolerance *plan.Expr, t plan.Type, nearest bool) (reach, error) {
	r := reach{needed: tolerance != nil || nearest, bounded: tolerance != nil, scale: 1, float: t.IsFloat()}
	if nearest && !subtractable(t) {
		return r, fmt.Errorf("asof join: of times of type %s none is nearest", t)
	}
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
	if !r.needed {
		return ticks{}
	}
	t := ticks{}
	switch arr.DataType().ID() {
	case arrow.INT8:
		t.ints = widened[int64](vector.Int8s(arr))
	case arrow.INT16:
		t.ints = widened[int64](vector.Int16s(arr))
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
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
func (r *reach) within(a *ticks, i int, b *ticks, k int) bool {
	switch {
	case !r.bounded:
		return true
	case r.never:
		return false
	case r.float:
		return floatGap(a.floats[i], b.floats[k]) <= r.span
	}
	return intGap(a.ints[i], b.ints[k]) <= r.limit/uint64(r.scale)
}

// compareGaps compares how far from a time two others are.
func (r *reach) compareGaps(from *ticks, i int, a *ticks, k int, b *ticks, l int) int {
	if r.float {
		return cmp.Compare(floatGap(from.floats[i], a.floats[k]), floatGap(from.floats[i], b.floats[l]))
	}
	return cmp.Compare(intGap(from.ints[i], a.ints[k]), intGap(from.ints[i], b.ints[l]))
}

func intGap(x, y int64) uint64 {
	if x < y {
		x, y = y, x
	}
	return uint64(x) - uint64(y)
}

// floatGap is how far apart doubles are: nothing if they are equal, NaN to NaN included, and infinitely if one of them is
// no number.
func floatGap(x, y float64) float64 {
	switch gap := math.Abs(x - y); {
	case x == y || x != x && y != y:
		return 0
	case gap != gap:
		return math.Inf(1)
	default:
		return gap
	}
}

// subtractable reports types of times that are numbers of ticks.
func subtractable(t plan.Type) bool {
	switch t.Kind {
	case plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval, plan.KindYearMonthInterval:
		return true
	}
	return t.IsInteger() || t.IsFloat()
}
