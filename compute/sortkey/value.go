package sortkey

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
)

// The markers before a value of an array, struct or map, and before a row of Values. The end of an array is less than
// any element, so that a prefix comes before what it begins.
const (
	endMark   = 0
	nullMark  = 1
	valueMark = 2
)

// Form says which differences between values an encoding keeps.
type Form uint8

// Normal makes what SQL calls equal equal bytes: -0.0 is 0.0, all NaNs are one, the entries of a map are in the order of
// their keys. Exact keeps values as they are.
const (
	Normal Form = iota
	Exact
)

// Values encodes each row of a column of any type so that bytes compare as values do, ascending with NULLs first, and
// [Decode] gives the value back. Arrays compare element by element, structs field by field; for maps, which have no
// order, the order of bytes is arbitrary but fixed.
func Values(arr arrow.Array, form Form) *Keys {
	k := &Keys{ends: make([]int, arr.Len())}
	w := newWriter(arr, form)
	for i := range k.ends {
		k.data = w.element(k.data, i)
		k.ends[i] = len(k.data)
	}
	return k
}

// nestedKeys encodes a nested column without the marker of its rows.
func nestedKeys(arr arrow.Array) *Keys {
	k := &Keys{ends: make([]int, arr.Len())}
	w := newWriter(arr, Normal)
	for i := range k.ends {
		if !w.valid.IsNull(i) {
			k.data = w.body(k.data, i)
		}
		k.ends[i] = len(k.data)
	}
	return k
}

// writer appends the values of one array, which may be the child of another.
type writer struct {
	valid vector.Validity
	body  func(dst []byte, i int) []byte
}

func (w writer) element(dst []byte, i int) []byte {
	if w.valid.IsNull(i) {
		return append(dst, nullMark)
	}
	return w.body(append(dst, valueMark), i)
}

func newWriter(arr arrow.Array, form Form) writer {
	w := writer{valid: vector.ValidityOf(arr)}
	switch arr.DataType().ID() {
	case arrow.BOOL:
		bits := vector.Bools(arr)
		w.body = func(dst []byte, i int) []byte {
			if bits.At(i) {
				return append(dst, 1)
			}
			return append(dst, 0)
		}
	case arrow.INT8:
		values := vector.Int8s(arr)
		w.body = func(dst []byte, i int) []byte { return append(dst, byte(values[i])^0x80) }
	case arrow.INT16:
		values := vector.Int16s(arr)
		w.body = func(dst []byte, i int) []byte {
			return binary.BigEndian.AppendUint16(dst, uint16(values[i])^1<<15)
		}
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		values := vector.Int32s(arr)
		w.body = func(dst []byte, i int) []byte {
			return binary.BigEndian.AppendUint32(dst, uint32(values[i])^1<<31)
		}
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		values := vector.Int64s(arr)
		w.body = func(dst []byte, i int) []byte { return appendInt64(dst, values[i]) }
	case arrow.FLOAT32:
		values := vector.Float32s(arr)
		w.body = func(dst []byte, i int) []byte { return appendFloat(dst, float64(values[i]), form) }
	case arrow.FLOAT64:
		values := vector.Float64s(arr)
		w.body = func(dst []byte, i int) []byte { return appendFloat(dst, values[i], form) }
	case arrow.DECIMAL128:
		values := vector.Decimals(arr)
		w.body = func(dst []byte, i int) []byte {
			return binary.BigEndian.AppendUint64(appendInt64(dst, values[i].HighBits()), values[i].LowBits())
		}
	case arrow.INTERVAL_MONTH_DAY_NANO:
		values := vector.Values[arrow.MonthDayNanoInterval](arr)
		w.body = func(dst []byte, i int) []byte {
			v := values[i]
			dst = binary.BigEndian.AppendUint32(dst, uint32(v.Months)^1<<31)
			dst = binary.BigEndian.AppendUint32(dst, uint32(v.Days)^1<<31)
			return appendInt64(dst, v.Nanoseconds)
		}
	case arrow.STRING, arrow.BINARY:
		values := vector.StringsOf(arr)
		w.body = func(dst []byte, i int) []byte { return appendText(dst, values.At(i)) }
	case arrow.DICTIONARY:
		d, _ := vector.DictionaryOf(arr)
		w.body = func(dst []byte, i int) []byte { return appendText(dst, d.Values.At(int(d.Codes[i]))) }
	case arrow.LIST, arrow.MAP, arrow.STRUCT:
		w.body = nestedBody(arr, form)
	}
	return w
}

func nestedBody(arr arrow.Array, form Form) func([]byte, int) []byte {
	if s, ok := arr.(*array.Struct); ok {
		fields := make([]writer, s.NumField())
		for f := range fields {
			fields[f] = newWriter(s.Field(f), form)
		}
		return func(dst []byte, i int) []byte {
			for _, f := range fields {
				dst = f.element(dst, i)
			}
			return dst
		}
	}
	lists := vector.ListsOf(arr)
	elements := newWriter(lists.Elements, form)
	if arr.DataType().ID() == arrow.MAP && form == Normal {
		return sortedEntries(lists, elements)
	}
	return func(dst []byte, i int) []byte {
		from, to := lists.Range(i)
		for j := from; j < to; j++ {
			dst = elements.element(dst, j)
		}
		return append(dst, endMark)
	}
}

// sortedEntries writes a map's entries in the order of their encodings, which begin with the key.
func sortedEntries(lists vector.Lists, entries writer) func([]byte, int) []byte {
	return func(dst []byte, i int) []byte {
		from, to := lists.Range(i)
		parts := make([][]byte, 0, to-from)
		for j := from; j < to; j++ {
			parts = append(parts, entries.element(nil, j))
		}
		slices.SortFunc(parts, bytes.Compare)
		for _, p := range parts {
			dst = append(dst, p...)
		}
		return append(dst, endMark)
	}
}

func appendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^1<<63)
}

func appendFloat(dst []byte, v float64, form Form) []byte {
	bits := hash.FloatBits(v)
	if form == Exact && v == v {
		bits = math.Float64bits(v)
	}
	return binary.BigEndian.AppendUint64(dst, orderedBits(bits))
}

func appendText(dst, v []byte) []byte {
	for {
		zero := bytes.IndexByte(v, 0)
		if zero < 0 {
			break
		}
		dst = append(append(dst, v[:zero]...), 0, 0xff)
		v = v[zero+1:]
	}
	return append(append(dst, v...), 0, 0)
}

// Encoder encodes single values of a column as [Values] does.
type Encoder struct{ w writer }

// NewEncoder prepares a column, which must outlive the encoder.
func NewEncoder(arr arrow.Array, form Form) Encoder { return Encoder{newWriter(arr, form)} }

// IsNull reports whether row i is NULL.
func (e Encoder) IsNull(i int) bool { return e.w.valid.IsNull(i) }

// Append appends the encoding of row i.
func (e Encoder) Append(dst []byte, i int) []byte { return e.w.element(dst, i) }
