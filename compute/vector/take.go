package vector

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Take is the rows of a column at idx, in that order; -1 gives NULL. A dictionary stays a dictionary. Arrays and maps
// of together more than 2^31 elements do not fit one column: Take then panics with an out-of-memory [plan.Failure],
// which is what a task that holds so much ends with.
func Take(mem memory.Allocator, arr arrow.Array, idx []int32) arrow.Array {
	dt := arr.DataType()
	if dt.ID() == arrow.NULL {
		return array.NewNull(len(idx))
	}
	nulls := takeNulls(mem, arr, idx)
	switch dt := dt.(type) {
	case *arrow.DictionaryType:
		return MakeDictionary(arr, len(idx), nulls, takeFixed[int32](mem, arr, idx))
	case *arrow.StringType, *arrow.BinaryType:
		return takeStrings(mem, arr, idx, nulls)
	case *arrow.BooleanType:
		return Make(dt, len(idx), nulls, takeBits(mem, Bools(arr), idx))
	case *arrow.ListType, *arrow.MapType:
		return takeLists(mem, arr, idx, nulls)
	case *arrow.StructType:
		fields := FieldsOf(arr)
		for i, f := range fields {
			fields[i] = Take(mem, f, idx)
		}
		return MakeStruct(dt, len(idx), nulls, fields...)
	}
	switch dt.(arrow.FixedWidthDataType).BitWidth() {
	case 8:
		return Make(dt, len(idx), nulls, takeFixed[uint8](mem, arr, idx))
	case 16:
		return Make(dt, len(idx), nulls, takeFixed[uint16](mem, arr, idx))
	case 32:
		return Make(dt, len(idx), nulls, takeFixed[uint32](mem, arr, idx))
	case 64:
		return Make(dt, len(idx), nulls, takeFixed[uint64](mem, arr, idx))
	}
	return Make(dt, len(idx), nulls, takeFixed[decimal128.Num](mem, arr, idx))
}

func takeNulls(mem memory.Allocator, arr arrow.Array, idx []int32) *Nulls {
	nulls := &Nulls{Mem: mem, Rows: len(idx)}
	valid := ValidityOf(arr)
	if valid.AllValid() {
		signs := int32(0)
		for _, x := range idx {
			signs |= x
		}
		if signs >= 0 {
			return nulls
		}
		for i, x := range idx {
			if x < 0 {
				nulls.Set(i)
			}
		}
		return nulls
	}
	if valid.void {
		for i := range idx {
			nulls.Set(i)
		}
		return nulls
	}
	nulls.buf = takeBits(mem, Bits{valid.bits, valid.offset}, idx)
	nulls.bits = nulls.buf.Bytes()
	nulls.count = len(idx) - bitutil.CountSetBits(nulls.bits, 0, len(idx))
	return nulls
}

// takeLists takes the elements in runs, through one index.
func takeLists(mem memory.Allocator, arr arrow.Array, idx []int32, nulls *Nulls) arrow.Array {
	src, total := ListsOf(arr), int64(0)
	for _, x := range idx {
		if x >= 0 {
			total += int64(src.Size(int(x)))
		}
	}
	if total > math.MaxInt32 {
		panic(tooManyElements())
	}
	buf, offsets := Alloc[int32](mem, len(idx)+1)
	elements := make([]int32, 0, total)
	for i, x := range idx {
		offsets[i] = int32(len(elements))
		if x >= 0 {
			for from, to := src.Range(int(x)); from < to; from++ {
				elements = append(elements, int32(from))
			}
		}
	}
	offsets[len(idx)] = int32(len(elements))
	return makeNested(arr.DataType(), len(idx), nulls, []*memory.Buffer{buf}, Take(mem, src.Elements, elements))
}

func tooManyElements() *plan.Failure {
	return plan.Failf(plan.FailureOutOfMemory,
		"a column's arrays exceed 2^31 elements within one task: use more partitions, or fewer rows per task")
}

func takeFixed[T arrow.FixedWidthType](mem memory.Allocator, arr arrow.Array, idx []int32) *memory.Buffer {
	src := Values[T](arr)
	buf, out := Alloc[T](mem, len(idx))
	var zero T
	for i, x := range idx {
		if x >= 0 {
			out[i] = src[x]
		} else {
			out[i] = zero
		}
	}
	return buf
}

// takeBits takes bits, and 0 for a negative index: eight at a time, without a branch that depends on them.
func takeBits(mem memory.Allocator, src Bits, idx []int32) *memory.Buffer {
	buf, out := AllocBits(mem, len(idx))
	for at := range out {
		eight := idx[8*at : min(8*at+8, len(idx))]
		made := byte(0)
		for k, x := range eight {
			if x >= 0 {
				i := int(x) + src.Offset
				made |= src.Bytes[i>>3] >> (i & 7) & 1 << k
			}
		}
		out[at] = made
	}
	return buf
}

func takeStrings(mem memory.Allocator, arr arrow.Array, idx []int32, nulls *Nulls) arrow.Array {
	src, valid := StringsOf(arr), ValidityOf(arr)
	total := int64(0)
	for _, x := range idx {
		if x >= 0 && !valid.IsNull(int(x)) {
			total += int64(src.Offsets[x+1] - src.Offsets[x])
		}
	}
	if total > math.MaxInt32 {
		return takeAsDictionary(mem, arr, idx, nulls)
	}
	offBuf, offsets := Alloc[int32](mem, len(idx)+1)
	valBuf, values := Alloc[uint8](mem, int(total))
	n := int32(0)
	for i, x := range idx {
		offsets[i] = n
		if x >= 0 && !valid.IsNull(int(x)) {
			n += int32(copy(values[n:], src.At(int(x))))
		}
	}
	offsets[len(idx)] = n
	return Make(arr.DataType(), len(idx), nulls, offBuf, valBuf)
}

// takeAsDictionary serves when the values taken would outgrow the plain layout's 2 GiB: the source becomes the
// dictionary and idx the codes.
func takeAsDictionary(mem memory.Allocator, arr arrow.Array, idx []int32, nulls *Nulls) arrow.Array {
	buf, codes := Alloc[int32](mem, len(idx))
	for i, x := range idx {
		codes[i] = max(x, 0)
	}
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arr.DataType()}
	return makeArray(dt, len(idx), nulls, arr.Data().(*array.Data), []*memory.Buffer{buf})
}

// TakeRecord takes the same rows of every column. It keeps the batch's Arrow schema where the layouts stay.
func TakeRecord(mem memory.Allocator, rec arrow.Record, idx []int32) arrow.Record {
	cols := make([]arrow.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		cols[i] = Take(mem, c, idx)
	}
	defer releaseAll(cols)
	return array.NewRecord(withLayouts(rec.Schema(), cols), cols, int64(len(idx)))
}

// withLayouts is the schema with the types that the columns have, the same schema where they agree.
func withLayouts(schema *arrow.Schema, cols []arrow.Array) *arrow.Schema {
	fields, changed := schema.Fields(), false
	for i, c := range cols {
		if fields[i].Type.ID() != c.DataType().ID() {
			fields[i].Type, changed = c.DataType(), true
		}
	}
	if !changed {
		return schema
	}
	return arrow.NewSchema(fields, nil)
}

func releaseAll(arrs []arrow.Array) {
	for _, a := range arrs {
		if a != nil {
			a.Release()
		}
	}
}
