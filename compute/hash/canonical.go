package hash

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
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
	key := appendBytes(appendBytes(nil, []byte(purpose)), []byte(salt))
	prefix := len(key)
	encoders := make([]encoder, len(cols))
	for k, c := range cols {
		encoders[k] = newEncoder(rec.Column(c))
	}
	if len(encoders) == 1 && encoders[0].words != nil && shortKeys(key, &encoders[0], dst) {
		return dst
	}
	// Row by row, unlike all else: a key that is hashed at once stays in the nearest cache, those of a batch do not.
	for k := range encoders {
		key = append(key, make([]byte, encoders[k].longest(rows))...)
	}
	for i := range dst {
		at := prefix
		for k := range encoders {
			at += encoders[k].put(key[at:], i)
		}
		dst[i] = xxh3.Hash(key[:at])
	}
	return dst
}

// wordSize is the length of the encoding of a word, textSize of what comes before a text.
const (
	wordSize = 1 + 8
	textSize = 1 + 4
)

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
		e.words = vector.Values[uint64](arr)
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

func intWords[T int8 | int16 | int32](values []T) []uint64 {
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
	scale, values := arr.DataType().(*arrow.Decimal128Type).Scale, vector.Decimals(arr)
	s := vector.Strings{Offsets: make([]int32, 1, len(values)+1), Bytes: make([]byte, 0, 8*len(values))}
	for i, v := range values {
		if !valid.IsNull(i) {
			s.Bytes = appendDigits(s.Bytes, v, scale)
		}
		s.Offsets = append(s.Offsets, int32(len(s.Bytes)))
	}
	return s
}

// appendDigits appends a decimal without zeros at the end of what is after its point.
func appendDigits(dst []byte, v decimal128.Num, scale int32) []byte {
	if n := int64(v.LowBits()); n>>63 == v.HighBits() {
		for ; scale > 0 && n%10 == 0; scale-- {
			n /= 10
		}
		return vector.AppendDecimal(dst, decimal128.FromI64(n), scale)
	}
	dst = vector.AppendDecimal(dst, v, scale)
	if scale > 0 { // there is a point, at which the zeros end
		dst = bytes.TrimSuffix(bytes.TrimRight(dst, "0"), []byte("."))
	}
	return dst
}

func (e *encoder) value(row int) []byte {
	if e.codes != nil {
		row = int(e.codes[row])
	}
	return e.strings.At(row)
}

// longest is how long the encoding of one of the first rows is at most.
func (e *encoder) longest(rows int) int {
	n := wordSize
	for i := range rows {
		switch {
		case e.words != nil:
			return n
		case e.valid.IsNull(i):
		case e.nested != nil:
			n = max(n, len(e.nested[i]))
		default:
			n = max(n, textSize+len(e.value(i)))
		}
	}
	return n
}

// put writes the encoding of a row's value, and says how long it is.
func (e *encoder) put(key []byte, row int) int {
	switch {
	case e.valid.IsNull(row):
		key[0] = tagNull
		return 1
	case e.words != nil:
		key[0] = e.tag
		binary.LittleEndian.PutUint64(key[1:wordSize], e.words[row])
		return wordSize
	case e.nested != nil:
		return copy(key, e.nested[row])
	}
	text := e.value(row)
	key[0] = tagBytes
	binary.LittleEndian.PutUint32(key[1:textSize], uint32(len(text)))
	return textSize + copy(key[textSize:], text)
}
