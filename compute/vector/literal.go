package vector

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// FromLiteral is a column of n times one constant. A string or binary constant of more than one row comes as a
// dictionary of one value; everything else is plain.
func FromLiteral(mem memory.Allocator, t plan.Type, v plan.Literal, n int) arrow.Array {
	if t.Kind == plan.KindNull {
		return array.NewNull(n)
	}
	if t.IsNested() {
		return nestedLiteral(mem, t, v, n)
	}
	dt := t.Arrow()
	nulls := &Nulls{Mem: mem, Rows: n}
	if v.Null {
		for i := range n {
			nulls.Set(i)
		}
		v = plan.Literal{Null: true}
	}
	switch t.Kind {
	case plan.KindBoolean:
		buf, bits := AllocBits(mem, n)
		if v.Int != 0 {
			for i := range bits {
				bits[i] = 0xff
			}
		}
		return Make(dt, n, nulls, buf)
	case plan.KindInt8:
		return Make(dt, n, nulls, repeat(mem, int8(v.Int), n))
	case plan.KindInt16:
		return Make(dt, n, nulls, repeat(mem, int16(v.Int), n))
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return Make(dt, n, nulls, repeat(mem, int32(v.Int), n))
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		return Make(dt, n, nulls, repeat(mem, v.Int, n))
	case plan.KindFloat32:
		return Make(dt, n, nulls, repeat(mem, float32(v.Float()), n))
	case plan.KindFloat64:
		return Make(dt, n, nulls, repeat(mem, v.Float(), n))
	case plan.KindDecimal:
		return Make(dt, n, nulls, repeat(mem, v.Decimal(), n))
	case plan.KindInterval:
		return Make(dt, n, nulls, repeat(mem, literalInterval(v), n))
	}
	return stringLiteral(mem, dt, v, n, nulls)
}

func repeat[T arrow.FixedWidthType](mem memory.Allocator, v T, n int) *memory.Buffer {
	buf, out := Alloc[T](mem, n)
	for i := range out {
		out[i] = v
	}
	return buf
}

func stringLiteral(mem memory.Allocator, dt arrow.DataType, v plan.Literal, n int, nulls *Nulls) arrow.Array {
	if v.Null || n == 0 {
		valBuf, _ := Alloc[uint8](mem, 0)
		return Make(dt, n, nulls, repeat(mem, int32(0), n+1), valBuf)
	}
	offBuf, offsets := Alloc[int32](mem, 2)
	offsets[0], offsets[1] = 0, int32(len(v.Bytes))
	valBuf, values := Alloc[uint8](mem, len(v.Bytes))
	copy(values, v.Bytes)
	one := Make(dt, 1, nil, offBuf, valBuf)
	if n == 1 {
		return one
	}
	defer one.Release()
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: dt}
	return makeArray(dict, n, nil, one.Data().(*array.Data), []*memory.Buffer{repeat(mem, int32(0), n)})
}

// LiteralAt is the value at row i as a constant that does not share memory with the column.
func LiteralAt(arr arrow.Array, i int) plan.Literal {
	if ValidityOf(arr).IsNull(i) {
		return plan.Literal{Null: true}
	}
	switch arr.DataType().ID() {
	case arrow.BOOL:
		if Bools(arr).At(i) {
			return plan.Literal{Int: 1}
		}
		return plan.Literal{}
	case arrow.INT8:
		return plan.Literal{Int: int64(Int8s(arr)[i])}
	case arrow.INT16:
		return plan.Literal{Int: int64(Int16s(arr)[i])}
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		return plan.Literal{Int: int64(Int32s(arr)[i])}
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		return plan.Literal{Int: Int64s(arr)[i]}
	case arrow.FLOAT32:
		return plan.Literal{Bits: math.Float64bits(float64(Float32s(arr)[i]))}
	case arrow.FLOAT64:
		return plan.Literal{Bits: math.Float64bits(Float64s(arr)[i])}
	case arrow.DECIMAL128:
		d := Decimals(arr)[i]
		return plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()}
	case arrow.INTERVAL_MONTH_DAY_NANO:
		return intervalLiteral(Intervals(arr)[i])
	case arrow.LIST, arrow.MAP, arrow.STRUCT:
		return plan.Literal{Items: itemsAt(arr, i)}
	}
	return plan.Literal{Bytes: append([]byte{}, bytesAt(arr, i)...)}
}

// bytesAt is the value of a string or binary column in either layout; row i must not be NULL.
func bytesAt(arr arrow.Array, i int) []byte {
	if d, ok := DictionaryOf(arr); ok {
		return d.Values.At(int(d.Codes[i]))
	}
	return StringsOf(arr).At(i)
}
