package vector

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Normalize is a copy of a column whose buffers depend on its values alone: plain, cut to its rows, without a bitmap
// where nothing is NULL, and with zeros, no bytes or no elements where something is. The caller releases it.
func Normalize(mem memory.Allocator, arr arrow.Array) arrow.Array {
	plain := Decode(mem, arr)
	defer plain.Release()
	rows := make([]int32, plain.Len())
	for i := range rows {
		rows[i] = int32(i)
	}
	return normalized(mem, plain, rows)
}

// normalized takes rows of a plain column; what is NULL there, or a negative row, becomes NULL.
func normalized(mem memory.Allocator, arr arrow.Array, rows []int32) arrow.Array {
	if valid := ValidityOf(arr); !valid.AllValid() {
		for i, r := range rows {
			if r >= 0 && valid.IsNull(int(r)) {
				rows[i] = -1
			}
		}
	}
	switch dt := arr.DataType().(type) {
	case *arrow.StructType:
		fields := FieldsOf(arr)
		for i, f := range fields {
			fields[i] = normalized(mem, f, append([]int32(nil), rows...))
		}
		return MakeStruct(dt, len(rows), takeNulls(mem, arr, rows), fields...)
	case *arrow.ListType:
		l := ListsOf(arr)
		buf, elements := normalizedOffsets(mem, l, rows)
		return MakeList(dt, len(rows), takeNulls(mem, arr, rows), buf, normalized(mem, l.Elements, elements))
	case *arrow.MapType:
		m := MapsOf(arr)
		buf, entries := normalizedOffsets(mem, m.Lists, rows)
		keys := normalized(mem, m.Keys, append([]int32(nil), entries...))
		return MakeMap(dt, len(rows), takeNulls(mem, arr, rows), buf, keys, normalized(mem, m.Values, entries))
	}
	return Take(mem, arr, rows)
}

// normalizedOffsets lists the elements of rows, one row's after the other's.
func normalizedOffsets(mem memory.Allocator, l Lists, rows []int32) (offsets *memory.Buffer, elements []int32) {
	buf, out := Alloc[int32](mem, len(rows)+1)
	out[0] = 0
	for i, r := range rows {
		if r >= 0 {
			for from, to := l.Range(int(r)); from < to; from++ {
				elements = append(elements, int32(from))
			}
		}
		out[i+1] = int32(len(elements))
	}
	return buf, elements
}
