package ipcio

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// widened converts unsigned integers to the next wider type.
func widened[From interface{ uint8 | uint16 | uint32 }, To interface{ int16 | int32 | int64 }](c converter, arr arrow.Array, t plan.Type) arrow.Array {
	buf, out := vector.Alloc[To](c.mem, arr.Len())
	for i, v := range vector.Values[From](arr) {
		out[i] = To(v)
	}
	return vector.Make(t.Arrow(), arr.Len(), c.nulls(arr), buf)
}

func (c converter) unsigned(arr arrow.Array) arrow.Array {
	buf, out := vector.Alloc[decimal128.Num](c.mem, arr.Len())
	for i, v := range vector.Values[uint64](arr) {
		out[i] = decimal128.New(0, v)
	}
	return vector.Make(plan.Decimal(20, 0).Arrow(), arr.Len(), c.nulls(arr), buf)
}

func (c converter) halves(arr arrow.Array) arrow.Array {
	buf, out := vector.Alloc[float32](c.mem, arr.Len())
	for i, v := range arr.(*array.Float16).Values() {
		out[i] = vector.HalfFloat(v.Uint16())
	}
	return vector.Make(plan.Float32.Arrow(), arr.Len(), c.nulls(arr), buf)
}

// decimals narrows decimals of 256 bits, which are of at most 38 digits by their type.
func (c converter) decimals(arr *array.Decimal256) (arrow.Array, error) {
	t, err := typeOf(arr.DataType())
	if err != nil {
		return nil, err
	}
	valid := vector.ValidityOf(arr)
	buf, out := vector.Alloc[decimal128.Num](c.mem, arr.Len())
	for i := range out {
		words := arr.Value(i).Array() // the lowest first
		if out[i] = decimal128.New(int64(words[1]), words[0]); valid.IsNull(i) {
			continue
		}
		if sign := uint64(int64(words[1]) >> 63); words[2] != sign || words[3] != sign {
			buf.Release()
			return nil, errRange
		}
	}
	return vector.Make(t.Arrow(), arr.Len(), c.nulls(arr), buf), nil
}

// dayMillis is a day in milliseconds.
const dayMillis = 86_400_000

func (c converter) dates(arr arrow.Array) (arrow.Array, error) {
	valid := vector.ValidityOf(arr)
	buf, out := vector.Alloc[int32](c.mem, arr.Len())
	for i, v := range vector.Values[int64](arr) {
		day := floorDiv(v, dayMillis)
		if out[i] = int32(day); int64(out[i]) != day && !valid.IsNull(i) {
			buf.Release()
			return nil, errRange
		}
	}
	return vector.Make(plan.Date.Arrow(), arr.Len(), c.nulls(arr), buf), nil
}

// micros converts timestamps and durations to microseconds, rounding down.
func (c converter) micros(arr arrow.Array, unit arrow.TimeUnit) (arrow.Array, error) {
	if unit == arrow.Microsecond {
		return relabelled(arr)
	}
	t, err := typeOf(arr.DataType())
	if err != nil {
		return nil, err
	}
	valid := vector.ValidityOf(arr)
	buf, out := vector.Alloc[int64](c.mem, arr.Len())
	for i, v := range vector.Values[int64](arr) {
		var ok bool
		if out[i], ok = toMicros(v, unit); !ok && !valid.IsNull(i) {
			buf.Release()
			return nil, errRange
		}
	}
	return vector.Make(t.Arrow(), arr.Len(), c.nulls(arr), buf), nil
}

func toMicros(v int64, unit arrow.TimeUnit) (int64, bool) {
	factor := int64(1000)
	switch unit {
	case arrow.Nanosecond:
		return floorDiv(v, 1000), true
	case arrow.Second:
		factor = 1_000_000
	}
	out := v * factor
	return out, out/factor == v
}

func floorDiv(v, by int64) int64 {
	q := v / by
	if v%by < 0 {
		q--
	}
	return q
}

func (c converter) dayTimes(arr *array.DayTimeInterval) arrow.Array {
	buf, out := vector.Alloc[arrow.MonthDayNanoInterval](c.mem, arr.Len())
	for i := range out {
		v := arr.Value(i)
		out[i] = arrow.MonthDayNanoInterval{Days: v.Days, Nanoseconds: int64(v.Milliseconds) * 1_000_000}
	}
	return vector.Make(plan.Interval.Arrow(), arr.Len(), c.nulls(arr), buf)
}

// intervals drops what is below a microsecond.
func (c converter) intervals(arr *array.MonthDayNanoInterval) arrow.Array {
	buf, out := vector.Alloc[arrow.MonthDayNanoInterval](c.mem, arr.Len())
	for i := range out {
		out[i] = arr.Value(i)
		out[i].Nanoseconds = floorDiv(out[i].Nanoseconds, 1000) * 1000
	}
	return vector.Make(plan.Interval.Arrow(), arr.Len(), c.nulls(arr), buf)
}
