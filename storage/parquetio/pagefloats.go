package parquetio

import (
	"math"

	"github.com/parquet-go/parquet-go"
)

// floats are kept as their bits: measured values seldom repeat, but features that were joined to many rows do.
type floats[T float32 | float64, B int32 | int64] struct{ ints[B] }

// bounds leave NaN out, and count zero as both of zeros, as the format wants it. If there is nothing else, the page may
// hold anything.
func (f *floats[T, B]) bounds() (low, high parquet.Value, some bool) {
	least, greatest := T(math.Inf(1)), T(math.Inf(-1))
	for _, bits := range f.values {
		v := fromBits[T](bits)
		if v < least {
			least = v
		}
		if v > greatest {
			greatest = v
		}
	}
	if some = least <= greatest; !some {
		least, greatest = greatest, least
	}
	if least == 0 {
		least = T(math.Copysign(0, -1))
	}
	if greatest == 0 {
		greatest = 0
	}
	return floatValue(least), floatValue(greatest), some
}

func fromBits[T float32 | float64, B int32 | int64](bits B) T {
	if b, narrow := any(bits).(int32); narrow {
		return T(math.Float32frombits(uint32(b)))
	}
	return T(math.Float64frombits(uint64(bits)))
}

func floatValue[T float32 | float64](v T) parquet.Value {
	if v, narrow := any(v).(float32); narrow {
		return parquet.FloatValue(v)
	}
	return parquet.DoubleValue(float64(v))
}
