package group

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// A key of several columns is packed into as few 64-bit words as hold it: eight-byte values take words of their own
// (decimals two), everything shorter, and the NULL marks of the long ones, shares words. A string is packed as its
// number in the column's own bytesTable, and so is the encoding of a nested value.

// field says where a column lies in the packed key.
type field struct {
	kind   plan.Kind
	word   int  // a long value's first word
	shared int  // the word of the short part
	shift  uint // of the short part in it
	bits   uint // of the short part
}

// longWords is how many words of its own a kind takes.
func longWords(k plan.Kind) int {
	switch k {
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval, plan.KindFloat64:
		return 1
	case plan.KindDecimal, plan.KindInterval:
		return 2
	}
	return 0
}

// shortBits is how many bits of a shared word a kind takes. Zero stands for NULL there and a short value is stored plus
// one, except that a long value's single bit is 1 for NULL, and that a string has NULL among its numbers.
func shortBits(k plan.Kind) uint {
	switch k {
	case plan.KindNull:
		return 0
	case plan.KindBoolean:
		return 2
	case plan.KindInt8:
		return 9
	case plan.KindInt16:
		return 17
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval, plan.KindFloat32:
		return 33
	case plan.KindString, plan.KindBinary, plan.KindArray, plan.KindMap, plan.KindStruct:
		return 32
	}
	return 1
}

// layOut places the columns; the result's width is in words, at least one.
func layOut(types []plan.Type) (fields []field, width int) {
	fields = make([]field, len(types))
	for i, t := range types {
		fields[i] = field{kind: t.Kind, word: width}
		width += longWords(t.Kind)
	}
	var room []uint // left in each shared word
	first := width
	for i, t := range types {
		need, at := shortBits(t.Kind), 0
		for at < len(room) && room[at] < need {
			at++
		}
		if at == len(room) {
			room = append(room, 64)
		}
		fields[i].shared, fields[i].shift, fields[i].bits = first+at, 64-room[at], need
		room[at] -= need
	}
	return fields, max(first+len(room), 1)
}

// pack ors a column that is not a string into the packed keys, which are cleared before the first column.
func (f field) pack(arr arrow.Array, width int, keys []uint64) {
	valid := vector.ValidityOf(arr)
	switch f.kind {
	case plan.KindBoolean:
		f.packBools(vector.Bools(arr), valid, arr.Len(), width, keys)
	case plan.KindInt8:
		packShort[int8, uint8](f, vector.Int8s(arr), valid, width, keys)
	case plan.KindInt16:
		packShort[int16, uint16](f, vector.Int16s(arr), valid, width, keys)
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		packShort[int32, uint32](f, vector.Int32s(arr), valid, width, keys)
	case plan.KindFloat32:
		f.packFloats(vector.Float32s(arr), valid, width, keys)
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		for i, v := range vector.Int64s(arr) {
			f.packLong(i, uint64(v), valid, width, keys)
		}
	case plan.KindFloat64:
		for i, v := range vector.Float64s(arr) {
			f.packLong(i, hash.FloatBits(v), valid, width, keys)
		}
	case plan.KindDecimal:
		for i, v := range vector.Decimals(arr) {
			f.packLong(i, v.LowBits(), valid, width, keys)
			if !valid.IsNull(i) {
				keys[i*width+f.word+1] = uint64(v.HighBits())
			}
		}
	case plan.KindInterval:
		for i, v := range vector.Values[arrow.MonthDayNanoInterval](arr) {
			f.packLong(i, uint64(v.Nanoseconds), valid, width, keys)
			if !valid.IsNull(i) {
				keys[i*width+f.word+1] = uint64(uint32(v.Months))<<32 | uint64(uint32(v.Days))
			}
		}
	}
}

func (f field) packLong(i int, v uint64, valid vector.Validity, width int, keys []uint64) {
	if valid.IsNull(i) {
		keys[i*width+f.shared] |= 1 << f.shift
		return
	}
	keys[i*width+f.word] = v
}

func packShort[T int8 | int16 | int32, U uint8 | uint16 | uint32](f field, values []T, valid vector.Validity, width int, keys []uint64) {
	for i, v := range values {
		if !valid.IsNull(i) {
			keys[i*width+f.shared] |= (uint64(U(v)) + 1) << f.shift
		}
	}
}

func (f field) packBools(values vector.Bits, valid vector.Validity, rows, width int, keys []uint64) {
	for i := range rows {
		if valid.IsNull(i) {
			continue
		}
		x := uint64(1)
		if values.At(i) {
			x = 2
		}
		keys[i*width+f.shared] |= x << f.shift
	}
}

func (f field) packFloats(values []float32, valid vector.Validity, width int, keys []uint64) {
	for i, v := range values {
		if valid.IsNull(i) {
			continue
		}
		bits := math.Float32bits(v)
		switch {
		case v == 0:
			bits = 0
		case v != v:
			bits = 0x7fc00000
		}
		keys[i*width+f.shared] |= (uint64(bits) + 1) << f.shift
	}
}

func (f field) packIDs(ids []uint32, width int, keys []uint64) {
	for i, id := range ids {
		keys[i*width+f.shared] |= uint64(id) << f.shift
	}
}

// short is the short part of a packed key.
func (f field) short(key []uint64) uint64 {
	return key[f.shared] >> f.shift & (1<<f.bits - 1)
}
