package vector

import (
	"bytes"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Concat joins columns of one SQL type end to end. Plain and dictionary-encoded ones may mix: if all share one
// dictionary the result keeps it, otherwise it is plain. It fails when the types differ, or when strings outgrow 2 GiB.
func Concat(mem memory.Allocator, arrs []arrow.Array) (arrow.Array, error) {
	if len(arrs) == 0 {
		return nil, fmt.Errorf("concatenate columns: none given")
	}
	first, rows := arrs[0], 0
	for _, a := range arrs {
		rows += a.Len()
		if valueType(a).ID() != valueType(first).ID() {
			return nil, fmt.Errorf("concatenate columns: %s and %s", first.DataType(), a.DataType())
		}
	}
	if len(arrs) == 1 {
		first.Retain()
		return first, nil
	}
	dt := valueType(first)
	switch dt.ID() {
	case arrow.NULL:
		return array.NewNull(rows), nil
	case arrow.STRING, arrow.BINARY:
		if sameDictionary(arrs) {
			return MakeDictionary(first, rows, concatNulls(mem, arrs, rows), concatFixed[int32](mem, arrs, rows)), nil
		}
		return concatStrings(mem, dt, arrs, rows)
	case arrow.BOOL:
		return Make(dt, rows, concatNulls(mem, arrs, rows), concatBits(mem, arrs, rows)), nil
	case arrow.LIST, arrow.MAP:
		return concatLists(mem, dt, arrs, rows)
	case arrow.STRUCT:
		return concatStructs(mem, dt, arrs, rows)
	}
	nulls := concatNulls(mem, arrs, rows)
	switch dt.(arrow.FixedWidthDataType).BitWidth() {
	case 8:
		return Make(dt, rows, nulls, concatFixed[uint8](mem, arrs, rows)), nil
	case 16:
		return Make(dt, rows, nulls, concatFixed[uint16](mem, arrs, rows)), nil
	case 32:
		return Make(dt, rows, nulls, concatFixed[uint32](mem, arrs, rows)), nil
	case 64:
		return Make(dt, rows, nulls, concatFixed[uint64](mem, arrs, rows)), nil
	}
	return Make(dt, rows, nulls, concatFixed[decimal128.Num](mem, arrs, rows)), nil
}

func valueType(a arrow.Array) arrow.DataType {
	if d, ok := a.DataType().(*arrow.DictionaryType); ok {
		return d.ValueType
	}
	return a.DataType()
}

// smallDictionary is up to how many values dictionaries are compared, as those that each task makes of the same constants.
const smallDictionary = 64

// sameDictionary reports whether codes of the columns mean the same.
func sameDictionary(arrs []arrow.Array) bool {
	first, ok := DictionaryOf(arrs[0])
	last := first
	for _, a := range arrs {
		if !ok {
			return false
		}
		var d Dictionary
		if d, ok = DictionaryOf(a); ok && !last.SameValues(d) {
			ok, last = first.equalValues(d), d
		}
	}
	return ok
}

// equalValues compares the values of small dictionaries.
func (d Dictionary) equalValues(o Dictionary) bool {
	n := d.Values.Len()
	if n != o.Values.Len() || n > smallDictionary {
		return false
	}
	for i := range n {
		if !bytes.Equal(d.Values.At(i), o.Values.At(i)) {
			return false
		}
	}
	return true
}

func concatNulls(mem memory.Allocator, arrs []arrow.Array, rows int) *Nulls {
	nulls, at := &Nulls{Mem: mem, Rows: rows}, 0
	for _, a := range arrs {
		if valid := ValidityOf(a); !valid.AllValid() {
			for i := range a.Len() {
				if valid.IsNull(i) {
					nulls.Set(at + i)
				}
			}
		}
		at += a.Len()
	}
	return nulls
}

func concatFixed[T arrow.FixedWidthType](mem memory.Allocator, arrs []arrow.Array, rows int) *memory.Buffer {
	buf, out := Alloc[T](mem, rows)
	for _, a := range arrs {
		out = out[copy(out, Values[T](a)):]
	}
	return buf
}

func concatBits(mem memory.Allocator, arrs []arrow.Array, rows int) *memory.Buffer {
	buf, out := AllocBits(mem, rows)
	at := 0
	for _, a := range arrs {
		src := Bools(a)
		for i := range a.Len() {
			if src.At(i) {
				out[at>>3] |= 1 << (at & 7)
			}
			at++
		}
	}
	return buf
}

func concatLists(mem memory.Allocator, dt arrow.DataType, arrs []arrow.Array, rows int) (arrow.Array, error) {
	buf, offsets := Alloc[int32](mem, rows+1)
	parts := make([]arrow.Array, len(arrs))
	defer func() { releaseAll(parts) }()
	row, total := 0, int64(0)
	for i, a := range arrs {
		var starts []int32
		starts, parts[i] = ListsOf(a).Flatten(mem)
		for _, o := range starts[:a.Len()] {
			offsets[row] = int32(total) + o
			row++
		}
		if total += int64(parts[i].Len()); total > math.MaxInt32 {
			buf.Release()
			return nil, tooManyElements()
		}
	}
	offsets[rows] = int32(total)
	elements, err := concatPlain(mem, parts)
	if err != nil {
		buf.Release()
		return nil, err
	}
	return makeNested(dt, rows, concatNulls(mem, arrs, rows), []*memory.Buffer{buf}, elements), nil
}

func concatStructs(mem memory.Allocator, dt arrow.DataType, arrs []arrow.Array, rows int) (arrow.Array, error) {
	columns := make([][]arrow.Array, len(arrs))
	for i, a := range arrs {
		columns[i] = FieldsOf(a)
	}
	fields := make([]arrow.Array, len(columns[0]))
	for k := range fields {
		parts := make([]arrow.Array, len(arrs))
		for i := range arrs {
			parts[i] = columns[i][k]
		}
		var err error
		if fields[k], err = concatPlain(mem, parts); err != nil {
			releaseAll(fields)
			return nil, err
		}
	}
	return MakeStruct(dt, rows, concatNulls(mem, arrs, rows), fields...), nil
}

// concatPlain is Concat for parts of nested columns: inside those, dictionaries have no place.
func concatPlain(mem memory.Allocator, arrs []arrow.Array) (arrow.Array, error) {
	all, err := Concat(mem, arrs)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	return Decode(mem, all), nil
}

func concatStrings(mem memory.Allocator, dt arrow.DataType, arrs []arrow.Array, rows int) (arrow.Array, error) {
	plain, total := make([]arrow.Array, len(arrs)), int64(0)
	defer func() { releaseAll(plain) }()
	for i, a := range arrs {
		plain[i] = Decode(mem, a)
		if plain[i].DataType().ID() == arrow.DICTIONARY {
			total = math.MaxInt64 // did not fit the plain layout on its own
			break
		}
		s := StringsOf(plain[i])
		total += int64(s.Offsets[s.Len()] - s.Offsets[0])
	}
	if total > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory,
			"a column's text exceeds 2 GiB within one task: use more partitions, or fewer rows per task")
	}
	offBuf, offsets := Alloc[int32](mem, rows+1)
	valBuf, values := Alloc[uint8](mem, int(total))
	row, n := 0, int32(0)
	for _, a := range plain {
		s := StringsOf(a)
		base := s.Offsets[0]
		for i := range s.Len() {
			offsets[row] = s.Offsets[i] - base + n
			row++
		}
		n += int32(copy(values[n:], s.Bytes[base:s.Offsets[s.Len()]]))
	}
	offsets[rows] = n
	return Make(dt, rows, concatNulls(mem, plain, rows), offBuf, valBuf), nil
}

// ConcatRecords joins batches of one schema end to end. No batches give an empty one, in plain layout.
func ConcatRecords(mem memory.Allocator, schema plan.Schema, recs []arrow.Record) (arrow.Record, error) {
	if len(recs) == 1 {
		recs[0].Retain()
		return recs[0], nil
	}
	rows := 0
	for _, r := range recs {
		rows += int(r.NumRows())
	}
	cols := make([]arrow.Array, len(schema.Fields))
	defer func() { releaseAll(cols) }()
	for i, f := range schema.Fields {
		if len(recs) == 0 {
			cols[i] = FromLiteral(mem, f.Type, plan.Literal{Null: true}, 0)
			continue
		}
		parts := make([]arrow.Array, len(recs))
		for j, r := range recs {
			parts[j] = r.Column(i)
		}
		var err error
		if cols[i], err = Concat(mem, parts); err != nil {
			return nil, fmt.Errorf("concatenate column %s: %w", f.Name, err)
		}
	}
	return NewRecord(schema, cols, rows), nil
}
