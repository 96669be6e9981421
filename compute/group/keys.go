package group

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Keys is the key columns of the groups from up to, not including, to, in plain layout. It fails when the strings of
// one column exceed 2 GiB.
func (t *Table) Keys(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	cols := make([]arrow.Array, len(t.types))
	for i := range t.types {
		col, err := t.keyColumn(mem, i, from, to)
		if err != nil {
			for _, c := range cols[:i] {
				c.Release()
			}
			return nil, err
		}
		cols[i] = col
	}
	return cols, nil
}

func (t *Table) keyColumn(mem memory.Allocator, i, from, to int) (arrow.Array, error) {
	rows, dt := to-from, t.types[i].Arrow()
	nulls := &vector.Nulls{Mem: mem, Rows: rows}
	if t.types[i].IsNested() {
		return t.nestedColumn(mem, i, from, to)
	}
	if t.strings[i] != nil {
		return t.stringColumn(mem, i, from, to)
	}
	if t.loneWord() {
		if n := int64(t.null); n >= int64(from) && n < int64(to) {
			nulls.Set(int(n) - from)
		}
		buf, out := vector.Alloc[uint64](mem, rows)
		copy(out, t.words.keys[from:to])
		return vector.Make(dt, rows, nulls, buf), nil
	}
	f, keys := t.fields[i], t.packed(from, to)
	switch f.kind {
	case plan.KindNull:
		return array.NewNull(rows), nil
	case plan.KindBoolean:
		buf, bits := vector.AllocBits(mem, rows)
		for r := range rows {
			switch f.short(keys[r*t.width:]) {
			case 0:
				nulls.Set(r)
			case 2:
				bits[r>>3] |= 1 << (r & 7)
			}
		}
		return vector.Make(dt, rows, nulls, buf), nil
	case plan.KindInt8:
		return vector.Make(dt, rows, nulls, unpackShort[uint8](t, mem, f, keys, rows, nulls)), nil
	case plan.KindInt16:
		return vector.Make(dt, rows, nulls, unpackShort[uint16](t, mem, f, keys, rows, nulls)), nil
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval, plan.KindFloat32:
		return vector.Make(dt, rows, nulls, unpackShort[uint32](t, mem, f, keys, rows, nulls)), nil
	case plan.KindDecimal:
		buf, out := vector.Alloc[decimal128.Num](mem, rows)
		for r := range rows {
			key := keys[r*t.width:]
			out[r] = decimal128.New(int64(key[f.word+1]), key[f.word])
			if f.short(key) != 0 {
				nulls.Set(r)
			}
		}
		return vector.Make(dt, rows, nulls, buf), nil
	case plan.KindInterval:
		buf, out := vector.Alloc[arrow.MonthDayNanoInterval](mem, rows)
		for r := range rows {
			key := keys[r*t.width:]
			out[r] = arrow.MonthDayNanoInterval{
				Months: int32(key[f.word+1] >> 32), Days: int32(key[f.word+1]), Nanoseconds: int64(key[f.word]),
			}
			if f.short(key) != 0 {
				nulls.Set(r)
			}
		}
		return vector.Make(dt, rows, nulls, buf), nil
	}
	buf, out := vector.Alloc[uint64](mem, rows)
	for r := range rows {
		key := keys[r*t.width:]
		out[r] = key[f.word]
		if f.short(key) != 0 {
			nulls.Set(r)
		}
	}
	return vector.Make(dt, rows, nulls, buf), nil
}

// packed is the packed keys of a range of groups.
func (t *Table) packed(from, to int) []uint64 {
	if t.words != nil {
		return t.words.keys[from:to]
	}
	return t.rows.keys[from*t.width : to*t.width]
}

func unpackShort[U uint8 | uint16 | uint32](t *Table, mem memory.Allocator, f field, keys []uint64, rows int, nulls *vector.Nulls) *memory.Buffer {
	buf, out := vector.Alloc[U](mem, rows)
	for r := range rows {
		x := f.short(keys[r*t.width:])
		if x == 0 {
			nulls.Set(r)
			out[r] = 0
			continue
		}
		out[r] = U(x - 1)
	}
	return buf
}

// numbers says which number of its column's bytesTable the group at from+r has.
func (t *Table) numbers(i, from, to int) func(r int) uint32 {
	if t.loneString() {
		return func(r int) uint32 { return uint32(from + r) }
	}
	f, keys := t.fields[i], t.packed(from, to)
	return func(r int) uint32 { return uint32(f.short(keys[r*t.width:])) }
}

// nestedColumn decodes what encodeNested has made.
func (t *Table) nestedColumn(mem memory.Allocator, i, from, to int) (arrow.Array, error) {
	s, id := t.strings[i], t.numbers(i, from, to)
	return sortkey.Decode(mem, t.types[i], to-from, func(r int) []byte { return s.value(id(r)) })
}

// encodeNested is the encodings of a nested column as a binary column without NULLs: NULL has an encoding too.
func encodeNested(arr arrow.Array) (arrow.Array, error) {
	keys := sortkey.Values(arr, sortkey.Normal)
	if keys.Size() > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory, "group keys: a nested column exceeds 2 GiB in one batch")
	}
	mem := memory.DefaultAllocator
	offBuf, offsets := vector.Alloc[int32](mem, arr.Len()+1)
	valBuf, values := vector.Alloc[uint8](mem, keys.Size())
	n := 0
	for r := range arr.Len() {
		offsets[r] = int32(n)
		n += copy(values[n:], keys.At(r))
	}
	offsets[arr.Len()] = int32(n)
	return vector.Make(arrow.BinaryTypes.Binary, arr.Len(), nil, offBuf, valBuf), nil
}

func (t *Table) stringColumn(mem memory.Allocator, i, from, to int) (arrow.Array, error) {
	s, rows, id := t.strings[i], to-from, t.numbers(i, from, to)
	total := 0
	for r := range rows {
		total += len(s.value(id(r)))
	}
	if total > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory, "group keys: a column's text exceeds 2 GiB in one batch")
	}
	nulls := &vector.Nulls{Mem: mem, Rows: rows}
	offBuf, offsets := vector.Alloc[int32](mem, rows+1)
	valBuf, values := vector.Alloc[uint8](mem, total)
	n := int32(0)
	for r := range rows {
		offsets[r] = n
		g := id(r)
		if g == s.null {
			nulls.Set(r)
			continue
		}
		n += int32(copy(values[n:], s.value(g)))
	}
	offsets[rows] = n
	return vector.Make(t.types[i].Arrow(), rows, nulls, offBuf, valBuf), nil
}
