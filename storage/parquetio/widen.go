package parquetio

import (
	"math/big"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// digitsOf is how many digits an integer type's values have at most.
func digitsOf(t plan.Type) int32 {
	switch t.Kind {
	case plan.KindInt8:
		return 3
	case plan.KindInt16:
		return 5
	case plan.KindInt32:
		return 10
	}
	return 20
}

// widens reports whether every value of a stored type is one of the wanted type. For nested types this is asked of their
// parts.
func widens(from, to plan.Type) bool {
	switch {
	case from.Equal(to):
		return true
	case from.IsInteger() && to.IsInteger():
		return from.Kind < to.Kind
	case from.IsInteger() && to.Kind == plan.KindFloat64:
		return from.Kind < plan.KindInt64
	case from.Kind == plan.KindFloat32 && to.Kind == plan.KindFloat64:
		return true
	case from.IsInteger() && to.Kind == plan.KindDecimal:
		return to.Precision-to.Scale >= digitsOf(from)
	case from.Kind == plan.KindDecimal && to.Kind == plan.KindDecimal:
		return to.Scale >= from.Scale && to.Precision-to.Scale >= from.Precision-from.Scale
	}
	return false
}

// widenStats is the statistics of a column that is widened.
func widenStats(s plan.ColumnStats, from, to plan.Type) plan.ColumnStats {
	if from.Equal(to) || !s.HasBounds {
		return s
	}
	if from.IsInteger() && to.IsInteger() {
		return s // constants have one form for all of them
	}
	s.HasBounds, s.Min, s.Max = false, plan.Literal{}, plan.Literal{}
	return s
}

// widen converts a column that it takes over; see widens.
func widen(mem memory.Allocator, arr arrow.Array, from, to plan.Type) (arrow.Array, error) {
	if from.Equal(to) {
		return arr, nil
	}
	defer arr.Release()
	switch from.Kind {
	case plan.KindInt8:
		return widenInts(mem, arr, vector.Int8s(arr), to)
	case plan.KindInt16:
		return widenInts(mem, arr, vector.Int16s(arr), to)
	case plan.KindInt32:
		return widenInts(mem, arr, vector.Int32s(arr), to)
	case plan.KindInt64:
		return widenInts(mem, arr, vector.Int64s(arr), to)
	case plan.KindFloat32:
		return convert(mem, arr, vector.Float32s(arr), to, func(v float32) float64 { return float64(v) }), nil
	}
	return convert(mem, arr, vector.Decimals(arr), to, rescaler(to.Scale-from.Scale)), nil
}

func widenInts[S int8 | int16 | int32 | int64](mem memory.Allocator, arr arrow.Array, src []S, to plan.Type) (arrow.Array, error) {
	switch to.Kind {
	case plan.KindInt16:
		return convert(mem, arr, src, to, func(v S) int16 { return int16(v) }), nil
	case plan.KindInt32:
		return convert(mem, arr, src, to, func(v S) int32 { return int32(v) }), nil
	case plan.KindInt64:
		return convert(mem, arr, src, to, func(v S) int64 { return int64(v) }), nil
	case plan.KindFloat64:
		return convert(mem, arr, src, to, func(v S) float64 { return float64(v) }), nil
	}
	scale := rescaler(to.Scale)
	return convert(mem, arr, src, to, func(v S) decimal128.Num { return scale(decimal128.FromI64(int64(v))) }), nil
}

// rescaler multiplies by a power of ten. What stands behind a NULL may overflow, which nobody sees.
func rescaler(digits int32) func(decimal128.Num) decimal128.Num {
	factor := decimal128.FromBigInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
	return func(v decimal128.Num) decimal128.Num { return v.Mul(factor) }
}

// convert makes a column of another type with the same NULLs.
func convert[S, D arrow.FixedWidthType](mem memory.Allocator, arr arrow.Array, src []S, to plan.Type, f func(S) D) arrow.Array {
	buf, dst := vector.Alloc[D](mem, len(src))
	for i, v := range src {
		dst[i] = f(v)
	}
	defer buf.Release()
	data := array.NewData(to.Arrow(), len(src), []*memory.Buffer{arr.Data().Buffers()[0], buf}, nil, arr.NullN(), 0)
	defer data.Release()
	return array.MakeFromData(data)
}
