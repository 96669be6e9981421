package parquetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// newFiller picks the way from the stored form of a column, or of a part of a nested one, to its type.
func newFiller(c *column, part bool) (filler, error) {
	dt := c.typ.Arrow()
	switch c.typ.Kind {
	case plan.KindBoolean:
		return &booleans{fixed: fixed[uint8]{typ: dt, load: loadBooleans}}, nil
	case plan.KindInt8:
		return &fixed[int8]{typ: dt, load: narrowInt32[int8]}, nil
	case plan.KindInt16:
		return &fixed[int16]{typ: dt, load: narrowInt32[int16]}, nil
	case plan.KindInt32, plan.KindDate:
		return &fixed[int32]{typ: dt, load: loadInt32}, nil
	case plan.KindInt64:
		if c.physical == format.Int32 {
			return &fixed[int64]{typ: dt, load: widenUint32}, nil
		}
		return &fixed[int64]{typ: dt, load: loadInt64}, nil
	case plan.KindFloat32:
		if c.form == halfFloat {
			return &fixed[float32]{typ: dt, load: loadHalfFloats}, nil
		}
		return &fixed[float32]{typ: dt, load: loadFloat}, nil
	case plan.KindFloat64:
		return &fixed[float64]{typ: dt, load: loadDouble}, nil
	case plan.KindTimestamp, plan.KindTimestampNTZ:
		return &fixed[int64]{typ: dt, load: timestampLoader(c)}, nil
	case plan.KindDecimal:
		return &fixed[decimal128.Num]{typ: dt, load: decimalLoader(c)}, nil
	case plan.KindString, plan.KindBinary:
		return &byteArrays{typ: dt, uuids: c.form == uuidText, whole: part}, nil
	}
	return nil, fmt.Errorf("no way to read %s", c.typ)
}

func loadBooleans(dst []uint8, v *encoding.Values, from int) error {
	bits := v.Boolean()
	for i := range dst {
		j := from + i
		dst[i] = bits[j>>3] >> (j & 7) & 1
	}
	return nil
}

func loadInt32(dst []int32, v *encoding.Values, from int) error {
	copy(dst, v.Int32()[from:from+len(dst)])
	return nil
}

func loadInt64(dst []int64, v *encoding.Values, from int) error {
	copy(dst, v.Int64()[from:from+len(dst)])
	return nil
}

func loadFloat(dst []float32, v *encoding.Values, from int) error {
	copy(dst, v.Float()[from:from+len(dst)])
	return nil
}

func loadDouble(dst []float64, v *encoding.Values, from int) error {
	copy(dst, v.Double()[from:from+len(dst)])
	return nil
}

func loadHalfFloats(dst []float32, v *encoding.Values, from int) error {
	data, size := v.FixedLenByteArray()
	for i := range dst {
		dst[i] = vector.HalfFloat(binary.LittleEndian.Uint16(data[(from+i)*size:]))
	}
	return nil
}

// narrowInt32 refuses values that do not fit, rather than to wrap them.
func narrowInt32[T int8 | int16](dst []T, v *encoding.Values, from int) error {
	for i, x := range v.Int32()[from : from+len(dst)] {
		dst[i] = T(x)
		if int32(dst[i]) != x {
			return fmt.Errorf("value %d is out of the column's range", x)
		}
	}
	return nil
}

func widenUint32(dst []int64, v *encoding.Values, from int) error {
	for i, x := range v.Uint32()[from : from+len(dst)] {
		dst[i] = int64(x)
	}
	return nil
}

var errTimestamp = errors.New("timestamp is out of range")

func timestampLoader(c *column) loader[int64] {
	switch {
	case c.physical == format.Int96:
		return loadInt96
	case c.unit == millis:
		return loadMillis
	case c.unit == nanos:
		return loadNanos
	}
	return loadInt64
}

func loadMillis(dst []int64, v *encoding.Values, from int) error {
	const most = math.MaxInt64 / 1000
	for i, x := range v.Int64()[from : from+len(dst)] {
		if x > most || x < -most {
			return errTimestamp
		}
		dst[i] = x * 1000
	}
	return nil
}

func loadNanos(dst []int64, v *encoding.Values, from int) error {
	for i, x := range v.Int64()[from : from+len(dst)] {
		dst[i] = floorDiv(x, 1000)
	}
	return nil
}

func floorDiv(x, by int64) int64 {
	q := x / by
	if x%by < 0 {
		q--
	}
	return q
}

// loadInt96 reads nanoseconds of the day and, in the last word, the Julian day. The arithmetic wraps around, as Spark's
// does: what it writes for far-off years comes out right only so.
func loadInt96(dst []int64, v *encoding.Values, from int) error {
	const (
		julianEpoch  = 2440588 // 1970-01-01
		microsPerDay = 24 * 60 * 60 * 1000 * 1000
	)
	for i, x := range v.Int96()[from : from+len(dst)] {
		day := int64(int32(x[2])) - julianEpoch
		nanos := int64(uint64(x[0]) | uint64(x[1])<<32)
		dst[i] = day*microsPerDay + floorDiv(nanos, 1000)
	}
	return nil
}

func decimalLoader(c *column) loader[decimal128.Num] {
	switch {
	case c.physical == format.Int64 && c.unsigned:
		return loadUint64Decimals
	case c.physical == format.Int32:
		return loadInt32Decimals
	case c.physical == format.Int64:
		return loadInt64Decimals
	case c.physical == format.FixedLenByteArray:
		return loadFixedDecimals
	}
	return loadByteDecimals
}

func loadInt32Decimals(dst []decimal128.Num, v *encoding.Values, from int) error {
	for i, x := range v.Int32()[from : from+len(dst)] {
		dst[i] = decimal128.FromI64(int64(x))
	}
	return nil
}

func loadInt64Decimals(dst []decimal128.Num, v *encoding.Values, from int) error {
	for i, x := range v.Int64()[from : from+len(dst)] {
		dst[i] = decimal128.FromI64(x)
	}
	return nil
}

func loadUint64Decimals(dst []decimal128.Num, v *encoding.Values, from int) error {
	for i, x := range v.Uint64()[from : from+len(dst)] {
		dst[i] = decimal128.FromU64(x)
	}
	return nil
}

func loadFixedDecimals(dst []decimal128.Num, v *encoding.Values, from int) (err error) {
	data, size := v.FixedLenByteArray()
	for i := range dst {
		at := (from + i) * size
		if dst[i], err = bigEndian(data[at : at+size]); err != nil {
			return err
		}
	}
	return nil
}

func loadByteDecimals(dst []decimal128.Num, v *encoding.Values, from int) (err error) {
	data, offsets := v.ByteArray()
	for i := range dst {
		if dst[i], err = bigEndian(data[offsets[from+i]:offsets[from+i+1]]); err != nil {
			return err
		}
	}
	return nil
}

// bigEndian reads a two's complement number of any length whose value fits in 128 bits.
func bigEndian(b []byte) (decimal128.Num, error) {
	var fill byte
	if len(b) > 0 && b[0] >= 0x80 {
		fill = 0xff
	}
	for len(b) > 16 {
		if b[0] != fill || (b[1] >= 0x80) != (fill == 0xff) {
			return decimal128.Num{}, errors.New("decimal has more than 128 bits")
		}
		b = b[1:]
	}
	var wide [16]byte
	for i := range wide[:16-len(b)] {
		wide[i] = fill
	}
	copy(wide[16-len(b):], b)
	return decimal128.New(int64(binary.BigEndian.Uint64(wide[:8])), binary.BigEndian.Uint64(wide[8:])), nil
}
