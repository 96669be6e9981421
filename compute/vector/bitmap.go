package vector

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
)

// Bitmap is a set of integers within a range, which can be filled column by column: the keys of a join's build side, by
// which a scan leaves out rows.
type Bitmap struct {
	least int64
	words []uint64 // bit v-least is set for v in the set
}

// maxBitmap is up to how many bits NewBitmap makes: 8 MiB.
const maxBitmap = 1 << 26

// NewBitmap is an empty set of numbers from least to most, or nil if these are too many for one.
func NewBitmap(least, most int64) *Bitmap {
	if uint64(most)-uint64(least) >= maxBitmap {
		return nil
	}
	return bitmapOf(least, most)
}

func bitmapOf(least, most int64) *Bitmap {
	return &Bitmap{least: least, words: make([]uint64, (uint64(most)-uint64(least))/64+1)}
}

// put adds a number, which must be in the range.
func (s *Bitmap) put(v int64) {
	at := uint64(v) - uint64(s.least)
	s.words[at/64] |= 1 << (at % 64)
}

// Has reports a member.
func (s *Bitmap) Has(v int64) bool {
	at := uint64(v) - uint64(s.least)
	return at/64 < uint64(len(s.words)) && s.words[at/64]>>(at%64)&1 != 0
}

// Add puts in the values of a column of integers, dates or times. All must be in its range; NULL is left out.
func (s *Bitmap) Add(arr arrow.Array) {
	switch arr.DataType().ID() {
	case arrow.INT8:
		addTo(s, arr, Int8s(arr))
	case arrow.INT16:
		addTo(s, arr, Int16s(arr))
	case arrow.INT32, arrow.DATE32:
		addTo(s, arr, Int32s(arr))
	case arrow.INT64, arrow.TIMESTAMP:
		addTo(s, arr, Int64s(arr))
	}
}

func addTo[T int8 | int16 | int32 | int64](s *Bitmap, arr arrow.Array, values []T) {
	valid := ValidityOf(arr)
	all := valid.AllValid()
	for i, v := range values {
		if all || !valid.IsNull(i) {
			s.put(int64(v))
		}
	}
}

// Len is how many members there are.
func (s *Bitmap) Len() (n int) {
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Span is how many numbers there is room for.
func (s *Bitmap) Span() int { return 64 * len(s.words) }

// Bytes is the memory that the set holds.
func (s *Bitmap) Bytes() int64 {
	if s == nil {
		return 0
	}
	return 8 * int64(len(s.words))
}

// AnyBetween reports whether there is a member from least to most.
func (s *Bitmap) AnyBetween(least, most int64) bool {
	if most < s.least {
		return false
	}
	from, to := uint64(max(least, s.least))-uint64(s.least), min(uint64(most)-uint64(s.least), uint64(s.Span())-1)
	if from > to {
		return false
	}
	for word := from / 64; word <= to/64; word++ {
		w := s.words[word]
		if word == from/64 {
			w &= ^uint64(0) << (from % 64)
		}
		if word == to/64 {
			w &= ^uint64(0) >> (63 - to%64)
		}
		if w != 0 {
			return true
		}
	}
	return false
}

// Keep is those of some rows of a column of integers, dates or times whose value is in the set, in rows' memory.
func (s *Bitmap) Keep(arr arrow.Array, rows []int32) []int32 {
	switch arr.DataType().ID() {
	case arrow.INT8:
		return keepIn(s, arr, Int8s(arr), rows)
	case arrow.INT16:
		return keepIn(s, arr, Int16s(arr), rows)
	case arrow.INT32, arrow.DATE32:
		return keepIn(s, arr, Int32s(arr), rows)
	case arrow.INT64, arrow.TIMESTAMP:
		return keepIn(s, arr, Int64s(arr), rows)
	}
	return rows
}

func keepIn[T int8 | int16 | int32 | int64](s *Bitmap, arr arrow.Array, values []T, rows []int32) []int32 {
	valid := ValidityOf(arr)
	all, least, words, n := valid.AllValid(), uint64(s.least), s.words, 0
	for _, row := range rows {
		at := uint64(values[row]) - least
		rows[n] = row
		if word := at / 64; word < uint64(len(words)) && words[word]>>(at%64)&1 != 0 && (all || !valid.IsNull(int(row))) {
			n++
		}
	}
	return rows[:n]
}
