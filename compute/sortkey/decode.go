package sortkey

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

var errMalformed = errors.New("sortkey: malformed value")

// Decode is the column of n rows of a type whose encodings by [Values] at gives; nothing stands for NULL as well.
func Decode(mem memory.Allocator, t plan.Type, n int, at func(i int) []byte) (arrow.Array, error) {
	b := array.NewBuilder(mem, t.Arrow())
	defer b.Release()
	b.Reserve(n)
	for i := range n {
		v := at(i)
		if len(v) == 0 {
			b.AppendNull()
			continue
		}
		if rest, err := decodeElement(b, t, v); err != nil || len(rest) > 0 {
			return nil, errMalformed
		}
	}
	return b.NewArray(), nil
}

// decodeElement appends the value that v begins with, and returns what follows it.
func decodeElement(b array.Builder, t plan.Type, v []byte) ([]byte, error) {
	if len(v) == 0 || v[0] != nullMark && v[0] != valueMark {
		return nil, errMalformed
	}
	if v[0] == nullMark {
		b.AppendNull()
		return v[1:], nil
	}
	v = v[1:]
	switch t.Kind {
	case plan.KindString, plan.KindBinary:
		return decodeText(b, v)
	case plan.KindArray:
		list := b.(*array.ListBuilder)
		list.Append(true)
		for len(v) > 0 && v[0] != endMark {
			var err error
			if v, err = decodeElement(list.ValueBuilder(), t.Element().Type, v); err != nil {
				return nil, err
			}
		}
		return skipEnd(v)
	case plan.KindMap:
		return decodeMap(b.(*array.MapBuilder), t, v)
	case plan.KindStruct:
		s := b.(*array.StructBuilder)
		s.Append(true)
		return decodeFields(t, v, s.FieldBuilder)
	}
	return decodeFixed(b, t, v)
}

func skipEnd(v []byte) ([]byte, error) {
	if len(v) == 0 {
		return nil, errMalformed
	}
	return v[1:], nil
}

func decodeMap(b *array.MapBuilder, t plan.Type, v []byte) ([]byte, error) {
	b.Append(true)
	sides := []array.Builder{b.KeyBuilder(), b.ItemBuilder()}
	for len(v) > 0 && v[0] != endMark {
		var err error
		if v, err = decodeFields(t, v[1:], func(i int) array.Builder { return sides[i] }); err != nil {
			return nil, err
		}
	}
	return skipEnd(v)
}

func decodeFields(t plan.Type, v []byte, field func(int) array.Builder) ([]byte, error) {
	for i, f := range t.Children {
		var err error
		if v, err = decodeElement(field(i), f.Type, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func decodeText(b array.Builder, v []byte) ([]byte, error) {
	var text []byte
	for i := 0; i+1 < len(v); i++ {
		if v[i] != 0 {
			text = append(text, v[i])
			continue
		}
		i++
		if v[i] == 0 {
			switch b := b.(type) {
			case *array.StringBuilder:
				b.Append(string(text))
			case *array.BinaryBuilder:
				b.Append(text)
			}
			return v[i+1:], nil
		}
		text = append(text, 0)
	}
	return nil, errMalformed
}

// fixedWidth is the bytes that a kind without a length of its own takes.
func fixedWidth(k plan.Kind) int {
	switch k {
	case plan.KindBoolean, plan.KindInt8:
		return 1
	case plan.KindInt16:
		return 2
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return 4
	case plan.KindDecimal, plan.KindInterval:
		return 16
	case plan.KindNull:
		return 0
	}
	return 8
}

func decodeFixed(b array.Builder, t plan.Type, v []byte) ([]byte, error) {
	n := fixedWidth(t.Kind)
	if len(v) < n {
		return nil, errMalformed
	}
	rest := v[n:]
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v[0] != 0)
	case *array.Int8Builder:
		b.Append(int8(v[0] ^ 0x80))
	case *array.Int16Builder:
		b.Append(int16(binary.BigEndian.Uint16(v) ^ 1<<15))
	case *array.Int32Builder:
		b.Append(decodeInt32(v))
	case *array.Date32Builder:
		b.Append(arrow.Date32(decodeInt32(v)))
	case *array.MonthIntervalBuilder:
		b.Append(arrow.MonthInterval(decodeInt32(v)))
	case *array.Int64Builder:
		b.Append(decodeInt64(v))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(decodeInt64(v)))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(decodeInt64(v)))
	case *array.Float32Builder:
		b.Append(float32(decodeFloat(v)))
	case *array.Float64Builder:
		b.Append(decodeFloat(v))
	case *array.Decimal128Builder:
		b.Append(decimal128.New(decodeInt64(v), binary.BigEndian.Uint64(v[8:])))
	case *array.MonthDayNanoIntervalBuilder:
		b.Append(arrow.MonthDayNanoInterval{Months: decodeInt32(v), Days: decodeInt32(v[4:]), Nanoseconds: decodeInt64(v[8:])})
	default:
		return nil, errMalformed
	}
	return rest, nil
}

func decodeInt32(v []byte) int32 { return int32(binary.BigEndian.Uint32(v) ^ 1<<31) }
func decodeInt64(v []byte) int64 { return int64(binary.BigEndian.Uint64(v) ^ 1<<63) }

func decodeFloat(v []byte) float64 {
	bits := binary.BigEndian.Uint64(v)
	if bits>>63 != 0 {
		return math.Float64frombits(bits ^ 1<<63)
	}
	return math.Float64frombits(^bits)
}
