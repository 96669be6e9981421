package vector

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// Values is the raw values of a fixed-width array (not boolean), one per row whatever the array's offset. T must have
// the width of the array's type: a date is an int32, a timestamp an int64. A row that is NULL has an undefined value.
func Values[T arrow.FixedWidthType](arr arrow.Array) []T {
	return dataValues[T](arr.Data())
}

func dataValues[T arrow.FixedWidthType](d arrow.ArrayData) []T {
	if d.Len() == 0 || len(d.Buffers()) < 2 || d.Buffers()[1] == nil {
		return nil
	}
	return arrow.GetValues[T](d, 1)
}

// Int8s is the values of a tinyint column.
func Int8s(arr arrow.Array) []int8 { return Values[int8](arr) }

// Int16s is the values of a smallint column.
func Int16s(arr arrow.Array) []int16 { return Values[int16](arr) }

// Int32s is the values of an int, date or year-month interval column.
func Int32s(arr arrow.Array) []int32 { return Values[int32](arr) }

// Int64s is the values of a bigint, timestamp (of either kind) or day-time interval column.
func Int64s(arr arrow.Array) []int64 { return Values[int64](arr) }

// Float32s is the values of a float column.
func Float32s(arr arrow.Array) []float32 { return Values[float32](arr) }

// Float64s is the values of a double column.
func Float64s(arr arrow.Array) []float64 { return Values[float64](arr) }

// Decimals is the unscaled values of a decimal column.
func Decimals(arr arrow.Array) []decimal128.Num { return Values[decimal128.Num](arr) }

// Intervals is the values of a calendar interval column: whole microseconds, counted in nanoseconds as Arrow has it.
func Intervals(arr arrow.Array) []arrow.MonthDayNanoInterval {
	return Values[arrow.MonthDayNanoInterval](arr)
}

// Bits is a run of bits inside a bitmap.
type Bits struct {
	Bytes  []byte
	Offset int
}

// At is bit i.
func (b Bits) At(i int) bool {
	i += b.Offset
	return b.Bytes[i>>3]>>(i&7)&1 != 0
}

// Bools is the values of a boolean column.
func Bools(arr arrow.Array) Bits {
	d := arr.Data()
	if d.Len() == 0 || d.Buffers()[1] == nil {
		return Bits{}
	}
	return Bits{Bytes: d.Buffers()[1].Bytes(), Offset: d.Offset()}
}

// Validity says which rows of a column are NULL.
type Validity struct {
	bits   []byte // nil when no row is NULL, or when every row is
	offset int
	void   bool
}

// ValidityOf is a column's validity. It costs a count of the nulls, once per array.
func ValidityOf(arr arrow.Array) Validity {
	if arr.DataType().ID() == arrow.NULL {
		return Validity{void: true}
	}
	if bits := arr.NullBitmapBytes(); len(bits) > 0 && arr.NullN() > 0 {
		return Validity{bits: bits, offset: arr.Data().Offset()}
	}
	return Validity{}
}

// AllValid reports that no row is NULL; loops test it once to take the path without null checks.
func (v Validity) AllValid() bool { return v.bits == nil && !v.void }

// IsNull reports whether row i is NULL.
func (v Validity) IsNull(i int) bool {
	if v.bits == nil {
		return v.void
	}
	i += v.offset
	return v.bits[i>>3]>>(i&7)&1 == 0
}

// Strings is the values of a plain string or binary array: value i is Bytes[Offsets[i]:Offsets[i+1]].
type Strings struct {
	Offsets []int32
	Bytes   []byte
}

// StringsOf is the values of a plain string or binary column.
func StringsOf(arr arrow.Array) Strings { return dataStrings(arr.Data()) }

func dataStrings(d arrow.ArrayData) Strings {
	if d.Len() == 0 || d.Buffers()[1] == nil {
		return Strings{Offsets: []int32{0}}
	}
	s := Strings{Offsets: arrow.GetData[int32](d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()+1]}
	if b := d.Buffers()[2]; b != nil {
		s.Bytes = b.Bytes()
	}
	return s
}

// Len is the number of values.
func (s Strings) Len() int { return len(s.Offsets) - 1 }

// At is value i; it shares the array's memory.
func (s Strings) At(i int) []byte { return s.Bytes[s.Offsets[i]:s.Offsets[i+1]] }

// Dictionary is a dictionary-encoded column laid open: row i has the value Values.At(Codes[i]). The code of a NULL row
// is undefined and may lie outside the dictionary.
type Dictionary struct {
	Codes  []int32
	Values Strings
	id     arrow.ArrayData
}

// DictionaryOf lays open a dictionary-encoded column; false for any other layout.
func DictionaryOf(arr arrow.Array) (Dictionary, bool) {
	if arr.DataType().ID() != arrow.DICTIONARY {
		return Dictionary{}, false
	}
	// The array's own Dictionary method caches without a lock; the data below it is read-only.
	d := arr.Data()
	return Dictionary{Codes: dataValues[int32](d), Values: dataStrings(d.Dictionary()), id: d.Dictionary()}, true
}

// SameValues reports whether two columns use one dictionary, so that what was learned per code of the one holds for
// the other. Holding on to a Dictionary for this question alone does not keep its memory alive: do not read Values of
// a column that was released.
func (d Dictionary) SameValues(o Dictionary) bool { return d.id != nil && d.id == o.id }

// Size is an estimate of the memory that a batch holds on to. A dictionary shared by several batches counts in each,
// but never for more than its share by rows.
func Size(rec arrow.Record) int64 {
	n := int64(0)
	for _, col := range rec.Columns() {
		n += ArraySize(col)
	}
	return n
}

// Footprint is the bytes of all buffers that a batch keeps alive, those of a longer batch that it was cut out of included.
// Buffers and dictionaries that columns share count each time.
func Footprint(rec arrow.Record) int64 {
	n := int64(0)
	for _, col := range rec.Columns() {
		n += dataFootprint(col.Data())
	}
	return n
}

func dataFootprint(d arrow.ArrayData) int64 {
	n := int64(0)
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Cap())
		}
	}
	for _, c := range d.Children() {
		n += dataFootprint(c)
	}
	if dict := d.Dictionary(); dict != nil && d.DataType().ID() == arrow.DICTIONARY {
		n += dataFootprint(dict)
	}
	return n
}

// ArraySize is Size for one column.
func ArraySize(arr arrow.Array) int64 {
	rows := int64(arr.Len())
	n := rows/8 + 1
	switch dt := arr.DataType().(type) {
	case *arrow.DictionaryType:
		d, _ := DictionaryOf(arr)
		n += rows * 4
		if entries := int64(d.Values.Len()); entries > 0 {
			n += stringsSize(d.Values) * min(rows, entries) / entries
		}
	case *arrow.StringType, *arrow.BinaryType:
		n += stringsSize(StringsOf(arr))
	case *arrow.ListType, *arrow.MapType:
		l := ListsOf(arr)
		n += rows * 4
		if elements := int64(l.Elements.Len()); elements > 0 {
			n += ArraySize(l.Elements) * int64(l.Offsets[rows]-l.Offsets[0]) / elements
		}
	case *arrow.StructType:
		for _, f := range FieldsOf(arr) {
			n += ArraySize(f)
		}
	case arrow.FixedWidthDataType:
		n += rows * int64(dt.BitWidth()) / 8
	}
	return n
}

func stringsSize(s Strings) int64 {
	return int64(len(s.Offsets))*4 + int64(s.Offsets[len(s.Offsets)-1]-s.Offsets[0])
}
