package vector

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Lists is an array or map column laid open: row i has the elements from Offsets[i] up to, not including,
// Offsets[i+1]. A row that is NULL may cover elements too: look at the validity first, or use [Lists.Range]. Elements
// that no row covers may stand before, between and behind.
type Lists struct {
	Offsets  []int32
	Elements arrow.Array // of an array; of a map its entries, structs of key and value
	valid    Validity
}

// ListsOf lays open an array or map column. What it shows belongs to the column.
func ListsOf(arr arrow.Array) Lists {
	l := Lists{Offsets: listOffsets(arr.Data()), valid: ValidityOf(arr)}
	switch a := arr.(type) {
	case *array.List:
		l.Elements = a.ListValues()
	case *array.Map:
		l.Elements = a.ListValues()
	}
	return l
}

func listOffsets(d arrow.ArrayData) []int32 {
	if d.Len() == 0 || d.Buffers()[1] == nil || d.Buffers()[1].Len() == 0 {
		return make([]int32, d.Len()+1)
	}
	return arrow.GetOffsets[int32](d, 1)
}

// Len is the number of rows.
func (l Lists) Len() int { return len(l.Offsets) - 1 }

// Range is where the elements of row i stand; nothing for a NULL.
func (l Lists) Range(i int) (from, to int) {
	if l.valid.IsNull(i) {
		return 0, 0
	}
	return int(l.Offsets[i]), int(l.Offsets[i+1])
}

// Size is the number of elements of row i, 0 for a NULL.
func (l Lists) Size(i int) int {
	from, to := l.Range(i)
	return to - from
}

// Total is the number of elements of all rows that are not NULL.
func (l Lists) Total() int {
	if l.valid.AllValid() {
		return int(l.Offsets[l.Len()] - l.Offsets[0])
	}
	n := 0
	for i := range l.Len() {
		n += l.Size(i)
	}
	return n
}

// Compact reports whether the rows' elements follow each other without gaps, and NULLs have none.
func (l Lists) Compact() bool {
	if l.valid.AllValid() {
		return true // the format itself allows no gap then
	}
	for i := range l.Len() {
		if l.valid.IsNull(i) && l.Offsets[i] != l.Offsets[i+1] {
			return false
		}
	}
	return true
}

// Flatten is the elements of all rows end to end, and where each row's begin: the offsets start at 0, NULLs have no
// elements, nothing else is among them. The caller releases the elements.
func (l Lists) Flatten(mem memory.Allocator) (offsets []int32, elements arrow.Array) {
	n := l.Len()
	if l.Compact() {
		from, to := l.Offsets[0], l.Offsets[n]
		elements = array.NewSlice(l.Elements, int64(from), int64(to))
		if from == 0 {
			return l.Offsets, elements
		}
		offsets = make([]int32, n+1)
		for i, o := range l.Offsets {
			offsets[i] = o - from
		}
		return offsets, elements
	}
	offsets = make([]int32, n+1)
	idx := make([]int32, 0, l.Total())
	for i := range n {
		for from, to := l.Range(i); from < to; from++ {
			idx = append(idx, int32(from))
		}
		offsets[i+1] = int32(len(idx))
	}
	return offsets, Take(mem, l.Elements, idx)
}

// Maps is a map column laid open as [Lists] lays it open, its entries as two columns: entry j has the key Keys[j] and
// the value Values[j].
type Maps struct {
	Lists
	Keys, Values arrow.Array
}

// MapsOf lays open a map column. What it shows belongs to the column.
func MapsOf(arr arrow.Array) Maps {
	l := ListsOf(arr)
	entries := l.Elements.(*array.Struct)
	return Maps{Lists: l, Keys: entries.Field(0), Values: entries.Field(1)}
}

// FieldsOf is the fields of a struct column, each as long as the column. A field's value in a row where the struct is
// NULL is undefined. What it shows belongs to the column.
func FieldsOf(arr arrow.Array) []arrow.Array {
	s := arr.(*array.Struct)
	fields := make([]arrow.Array, s.NumField())
	for i := range fields {
		fields[i] = s.Field(i)
	}
	return fields
}

// MakeList builds an array column that takes over the offsets and the elements, which must be in the plain layout of
// the type's elements.
func MakeList(dt arrow.DataType, rows int, nulls *Nulls, offsets *memory.Buffer, elements arrow.Array) arrow.Array {
	return makeNested(dt, rows, nulls, []*memory.Buffer{offsets}, elements)
}

// MakeMap builds a map column that takes over the offsets, the keys and the values.
func MakeMap(dt arrow.DataType, rows int, nulls *Nulls, offsets *memory.Buffer, keys, values arrow.Array) arrow.Array {
	entries := MakeStruct(dt.(*arrow.MapType).Elem(), keys.Len(), nil, keys, values)
	return makeNested(dt, rows, nulls, []*memory.Buffer{offsets}, entries)
}

// MakeStruct builds a struct column that takes over its fields.
func MakeStruct(dt arrow.DataType, rows int, nulls *Nulls, fields ...arrow.Array) arrow.Array {
	return makeNested(dt, rows, nulls, nil, fields...)
}

func makeNested(dt arrow.DataType, rows int, nulls *Nulls, bufs []*memory.Buffer, children ...arrow.Array) arrow.Array {
	all, count := append(make([]*memory.Buffer, 1, 2), bufs...), 0
	if nulls != nil {
		all[0], count = nulls.buf, nulls.count
	}
	data := make([]arrow.ArrayData, len(children))
	for i, c := range children {
		data[i] = c.Data()
	}
	d := array.NewData(dt, rows, all, data, count, 0)
	arr := array.MakeFromData(d)
	d.Release()
	for _, b := range all {
		if b != nil {
			b.Release()
		}
	}
	releaseAll(children)
	return arr
}

// Relabel is a column under another Arrow type of the same layout: a nested type whose parts are nullable or named
// otherwise. The caller releases it.
func Relabel(arr arrow.Array, dt arrow.DataType) arrow.Array {
	if arrow.TypeEqual(arr.DataType(), dt) {
		arr.Retain()
		return arr
	}
	d := relabelled(arr.Data(), dt)
	defer d.Release()
	return array.MakeFromData(d)
}

func relabelled(d arrow.ArrayData, dt arrow.DataType) *array.Data {
	if d.DataType().ID() == arrow.DICTIONARY {
		dt = d.DataType() // a dictionary is another layout of the same type
	}
	var types []arrow.DataType
	switch dt := dt.(type) {
	case *arrow.ListType:
		types = []arrow.DataType{dt.Elem()}
	case *arrow.MapType:
		types = []arrow.DataType{dt.Elem()}
	case *arrow.StructType:
		for _, f := range dt.Fields() {
			types = append(types, f.Type)
		}
	}
	children := make([]arrow.ArrayData, len(types))
	for i, t := range types {
		children[i] = relabelled(d.Children()[i], t)
		defer children[i].Release()
	}
	if len(children) == 0 {
		dict, _ := d.Dictionary().(*array.Data)
		return array.NewDataWithDictionary(dt, d.Len(), d.Buffers(), d.NullN(), d.Offset(), dict)
	}
	return array.NewData(dt, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
}
