// Package sortkey turns the ORDER BY columns of rows into byte strings whose bytewise order is the SQL order, and sorts
// by them: one comparison of bytes whatever the number, types and directions of the columns.
package sortkey

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Keys holds one normalised key per row.
type Keys struct {
	ends []int // where each key ends in data
	data []byte
}

// Len is the number of keys.
func (k *Keys) Len() int { return len(k.ends) }

// At is the key of row i.
func (k *Keys) At(i int) []byte {
	start := 0
	if i > 0 {
		start = k.ends[i-1]
	}
	return k.data[start:k.ends[i]]
}

// Copy makes k the one key of a row of another batch, in its own memory.
func (k *Keys) Copy(from *Keys, row int) {
	k.data = append(k.data[:0], from.At(row)...)
	k.ends = append(k.ends[:0], len(k.data))
}

// Texts are the keys as strings.
func (k *Keys) Texts() []string {
	all, start := string(k.data), 0
	texts := make([]string, len(k.ends))
	for i, end := range k.ends {
		texts[i], start = all[start:end], end
	}
	return texts
}

// Size is the length of all keys together.
func (k *Keys) Size() int { return len(k.data) }

// Bytes estimates the memory held.
func (k *Keys) Bytes() int64 { return int64(len(k.ends))*8 + int64(len(k.data)) }

// Encode normalises the sort columns of a batch. A value is a marker that puts NULL before or after all else, then its
// big-endian bytes with the sign flipped (floats mapped to integers of the same order, -0.0 as 0.0 and NaN greatest),
// or a string with 00 escaped as 00 ff and closed by 00 00, so that a prefix comes before what it begins. Arrays and
// structs are their parts one after the other, see [Values]; maps have no order that means anything. Descending
// columns have all bytes after the marker inverted.
func Encode(rec arrow.Record, keys []plan.SortKey) *Keys {
	return EncodeColumns(rec.Columns(), int(rec.NumRows()), keys)
}

// EncodeColumns is Encode for columns that are no batch.
func EncodeColumns(cols []arrow.Array, rows int, keys []plan.SortKey) *Keys {
	k := &Keys{ends: make([]int, rows)}
	columns := make([]column, len(keys))
	for c, key := range keys {
		columns[c] = newColumn(cols[key.Column], key)
		columns[c].addSizes(k.ends)
	}
	// The ends first serve as the cursors that the columns advance, and so become ends again.
	total := 0
	for i, n := range k.ends {
		k.ends[i] = total
		total += n
	}
	k.data = make([]byte, total)
	for _, c := range columns {
		c.putAll(k.data, k.ends)
	}
	return k
}

// column encodes one sort column: numbers as words of a width, the upper one first where there are two; strings as
// they are, through codes where the column is dictionary-encoded.
type column struct {
	valid      vector.Validity
	nullMarker byte
	invert     byte
	rows       int
	width      int // of a number in bytes; 0 for strings and nested values
	words      []uint64
	sign       uint64 // to be flipped in words
	highs      []uint64
	strings    vector.Strings
	codes      []int32
	nested     *Keys // arrays, maps and structs, encoded beforehand
}

const valueMarker = 1

func newColumn(arr arrow.Array, key plan.SortKey) column {
	c := column{valid: vector.ValidityOf(arr), rows: arr.Len()}
	if key.NullsLast {
		c.nullMarker = valueMarker + 1
	}
	if key.Descending {
		c.invert = 0xff
	}
	switch arr.DataType().ID() {
	case arrow.BOOL:
		c.width = 1
		c.words = make([]uint64, arr.Len())
		for i, bits := 0, vector.Bools(arr); i < arr.Len(); i++ {
			if bits.At(i) {
				c.words[i] = 1
			}
		}
	case arrow.INT8:
		c.width, c.words = 1, signFlipped(vector.Int8s(arr), 8)
	case arrow.INT16:
		c.width, c.words = 2, signFlipped(vector.Int16s(arr), 16)
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		c.width, c.words = 4, signFlipped(vector.Int32s(arr), 32)
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		c.width, c.words, c.sign = 8, vector.Values[uint64](arr), 1<<63
	case arrow.FLOAT32:
		c.width, c.words = 8, ordered(vector.Float32s(arr))
	case arrow.FLOAT64:
		c.width, c.words = 8, ordered(vector.Float64s(arr))
	case arrow.DECIMAL128:
		c.width = 16
		for _, v := range vector.Decimals(arr) {
			c.highs = append(c.highs, uint64(v.HighBits())^1<<63)
			c.words = append(c.words, v.LowBits())
		}
	case arrow.STRING, arrow.BINARY:
		c.strings = vector.StringsOf(arr)
	case arrow.DICTIONARY:
		d, _ := vector.DictionaryOf(arr)
		c.strings, c.codes = d.Values, d.Codes
	default: // void has no value to encode
		c.nested = nestedKeys(arr)
	}
	return c
}

func signFlipped[T int8 | int16 | int32](values []T, bits uint) []uint64 {
	words := make([]uint64, len(values))
	for i, v := range values {
		words[i] = uint64(int64(v) + 1<<(bits-1))
	}
	return words
}

// ordered maps floats to words of the same order: negative ones have all bits flipped, others the sign.
func ordered[T float32 | float64](values []T) []uint64 {
	words := make([]uint64, len(values))
	for i, v := range values {
		words[i] = orderedBits(hash.FloatBits(float64(v)))
	}
	return words
}

func orderedBits(bits uint64) uint64 {
	if bits>>63 != 0 {
		return ^bits
	}
	return bits ^ 1<<63
}

func (c *column) text(i int) []byte {
	if c.codes != nil {
		i = int(c.codes[i])
	}
	return c.strings.At(i)
}

// addSizes adds to each row's size that of its value.
func (c *column) addSizes(sizes []int) {
	if c.width > 0 && c.valid.AllValid() {
		for i := range sizes {
			sizes[i] += 1 + c.width
		}
		return
	}
	for i := range sizes {
		sizes[i] += c.size(i)
	}
}

// putAll writes every row at its cursor, which it advances.
func (c *column) putAll(data []byte, cursors []int) {
	switch {
	case c.width == 8 && c.valid.AllValid():
		flip := c.sign
		if c.invert != 0 {
			flip = ^flip
		}
		for i, w := range c.words {
			at := cursors[i]
			cursors[i] = at + 9
			place := data[at : at+9]
			place[0] = valueMarker
			binary.BigEndian.PutUint64(place[1:], w^flip)
		}
	case c.width == 4 && c.valid.AllValid():
		flip := uint32(0)
		if c.invert != 0 {
			flip = math.MaxUint32
		}
		for i, w := range c.words {
			at := cursors[i]
			cursors[i] = at + 5
			place := data[at : at+5]
			place[0] = valueMarker
			binary.BigEndian.PutUint32(place[1:], uint32(w)^flip)
		}
	default:
		for i, at := range cursors {
			cursors[i] = c.put(data, at, i)
		}
	}
}

func (c *column) size(i int) int {
	switch {
	case c.valid.IsNull(i):
		return 1
	case c.width > 0:
		return 1 + c.width
	case c.nested != nil:
		return 1 + len(c.nested.At(i))
	}
	v := c.text(i)
	return 1 + len(v) + bytes.Count(v, []byte{0}) + 2
}

// put writes row i at a place and returns the place after it.
func (c *column) put(data []byte, at, i int) int {
	if c.valid.IsNull(i) {
		data[at] = c.nullMarker
		return at + 1
	}
	data[at] = valueMarker
	at++
	start := at
	switch c.width {
	case 0:
		if c.nested != nil {
			at += copy(data[at:], c.nested.At(i))
			break
		}
		for _, b := range c.text(i) {
			data[at] = b
			at++
			if b == 0 {
				data[at] = 0xff
				at++
			}
		}
		at += 2 // 00 00, as allocated
	case 16:
		binary.BigEndian.PutUint64(data[at:], c.highs[i])
		binary.BigEndian.PutUint64(data[at+8:], c.words[i])
		at += 16
	default:
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], c.words[i]^c.sign)
		at += copy(data[at:], b[8-c.width:])
	}
	if c.invert != 0 {
		for j := start; j < at; j++ {
			data[j] ^= c.invert
		}
	}
	return at
}

// entry is a row with the head of its key, which decides most comparisons without a look at the rest.
type entry struct {
	head uint64
	row  int32
}

// Order is the row numbers in key order; rows of equal keys keep their order. There must be fewer than 2^31 rows.
func (k *Keys) Order() []int32 {
	entries := make([]entry, min(k.Len(), math.MaxInt32))
	for i := range entries {
		var head [8]byte
		copy(head[:], k.At(i))
		entries[i] = entry{binary.BigEndian.Uint64(head[:]), int32(i)}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.head < b.head:
			return -1
		case a.head > b.head:
			return 1
		}
		if order := bytes.Compare(k.At(int(a.row)), k.At(int(b.row))); order != 0 {
			return order
		}
		return int(a.row) - int(b.row)
	})
	rows := make([]int32, len(entries))
	for i, e := range entries {
		rows[i] = e.row
	}
	return rows
}
