package hash

import (
	"encoding/binary"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/quern-engine/quern/compute/vector"
)

// The tags of the canonical encoding.
const (
	tagNull  = 0x00
	tagInt   = 0x01
	tagBytes = 0x02
	tagFloat = 0x03
	tagList  = 0x04
	tagMap   = 0x05
)

// Canonical is H(purpose, salt, key) for each row: XXH3-64, seed 0, over enc(purpose) enc(salt) enc(v1) … enc(vn), in
// dst's memory if it is large enough. enc is
//
//   - NULL: 00
//   - boolean (0, 1), integers, date (days), timestamps (µs), year-month (months) and day-time intervals (µs): 01, then a
//     little-endian int64
//   - string and binary: 02, then the length as little-endian uint32, then the bytes
//   - float and double: 03, then the little-endian bits as a double, -0.0 as 0.0 and one NaN (7ff8000000000000)
//   - decimal: as the string of its digits in plain notation without trailing zeros after the point ("12.5", "-3"), so
//     that a column's scale can grow without its rows moving
//   - array and struct: 04, then how many parts as little-endian uint32, then enc of each; an interval is the struct of its
//     months, days and microseconds
//   - map: 05, then how many entries as little-endian uint32, then enc of key and value of each, entries in the order of
//     these bytes
func Canonical(purpose, salt string, rec arrow.Record, cols []int, dst []uint64) []uint64 {
	rows := int(rec.NumRows())
	dst = resize(dst, rows)
	prefix := appendBytes(appendBytes(nil, []byte(purpose)), []byte(salt))
	// Column by column, as all else: first the length of every row's key, then the bytes, each row's at its cursor.
	encoders := make([]encoder, len(cols))
	starts := make([]int, rows+1)
	for i := range rows {
		starts[i+1] = len(prefix)
	}
	for k, c := range cols {
		encoders[k] = newEncoder(rec.Column(c))
		encoders[k].addLengths(starts[1:])
	}
	for i := range rows {
		starts[i+1] += starts[i]
	}
	keys, cursors := make([]byte, starts[rows]), make([]int, rows)
	for i := range rows {
		cursors[i] = starts[i] + copy(keys[starts[i]:], prefix)
	}
	for _, e := range encoders {
		e.encode(keys, cursors)
	}
	for i := range rows {
		dst[i] = xxh3.Hash(keys[starts[i]:starts[i+1]])
	}
	return dst
}

func appendBytes(b, v []byte) []byte {
	b = append(b, tagBytes)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

// encoder writes the canonical encoding of one column. Values are either words with a tag or byte strings, of which
// row i has number i, or codes[i] where the column is dictionary-encoded.
type encoder struct {
	valid   vector.Validity
	tag     byte
	words   []uint64
	strings vector.Strings
	codes   []int32
	nested  [][]byte // encodings of nested rows, tags included
}

func newEncoder(arr arrow.Array) encoder {
	e := encoder{valid: vector.ValidityOf(arr), tag: tagInt}
	switch arr.DataType().ID() {
	case arrow.BOOL:
		e.words = boolWords(arr)
	case arrow.INT8:
		e.words = intWords(vector.Int8s(arr))
	case arrow.INT16:
		e.words = intWords(vector.Int16s(arr))
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		e.words = intWords(vector.Int32s(arr))
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		e.words = intWords(vector.Int64s(arr))
	case arrow.FLOAT32:
		e.tag, e.words = tagFloat, floatWords(vector.Float32s(arr))
	case arrow.FLOAT64:
		e.tag, e.words = tagFloat, floatWords(vector.Float64s(arr))
	case arrow.DECIMAL128:
		e.tag, e.strings = tagBytes, decimalTexts(arr, e.valid)
	case arrow.STRING, arrow.BINARY:
		e.tag, e.strings = tagBytes, vector.StringsOf(arr)
	case arrow.DICTIONARY:
		d, _ := vector.DictionaryOf(arr)
		e.tag, e.strings, e.codes = tagBytes, d.Values, d.Codes
	case arrow.LIST, arrow.MAP, arrow.STRUCT, arrow.INTERVAL_MONTH_DAY_NANO:
		e.nested = nestedEncodings(arr, e.valid)
	}
	return e
}

func boolWords(arr arrow.Array) []uint64 {
	values, words := vector.Bools(arr), make([]uint64, arr.Len())
	for i := range words {
		if values.At(i) {
			words[i] = 1
		}
	}
	return words
}

func intWords[T int8 | int16 | int32 | int64](values []T) []uint64 {
	words := make([]uint64, len(values))
	for i, v := range values {
		words[i] = uint64(int64(v))
	}
	return words
}

func floatWords[T float32 | float64](values []T) []uint64 {
	words := make([]uint64, len(values))
	for i, v := range values {
		words[i] = FloatBits(float64(v))
	}
	return words
}

func decimalTexts(arr arrow.Array, valid vector.Validity) vector.Strings {
	scale := arr.DataType().(*arrow.Decimal128Type).Scale
	s := vector.Strings{Offsets: make([]int32, 1, arr.Len()+1)}
	for i, v := range vector.Decimals(arr) {
		if !valid.IsNull(i) {
			text := vector.FormatDecimal(v.BigInt().String(), scale)
			if strings.Contains(text, ".") {
				text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
			}
			s.Bytes = append(s.Bytes, text...)
		}
		s.Offsets = append(s.Offsets, int32(len(s.Bytes)))
	}
	return s
}

func (e *encoder) value(row int) []byte {
	if e.codes != nil {
		row = int(e.codes[row])
	}
	return e.strings.At(row)
}

func (e *encoder) addLengths(lengths []int) {
	for i := range lengths {
		switch {
		case e.valid.IsNull(i):
			lengths[i]++
		case e.nested != nil:
			lengths[i] += len(e.nested[i])
		case e.tag == tagBytes:
			lengths[i] += 5 + len(e.value(i))
		default:
			lengths[i] += 9
		}
	}
}

func (e *encoder) encode(keys []byte, cursors []int) {
	for i, at := range cursors {
		switch {
		case e.valid.IsNull(i):
			keys[at] = tagNull
			cursors[i] = at + 1
		case e.nested != nil:
			cursors[i] = at + copy(keys[at:], e.nested[i])
		case e.tag == tagBytes:
			v := e.value(i)
			keys[at] = tagBytes
			binary.LittleEndian.PutUint32(keys[at+1:], uint32(len(v)))
			cursors[i] = at + 5 + copy(keys[at+5:], v)
		default:
			keys[at] = e.tag
			binary.LittleEndian.PutUint64(keys[at+1:], e.words[i])
			cursors[i] = at + 9
		}
	}
}
