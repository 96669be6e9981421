package vector

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// nestedLiteral is FromLiteral for arrays, maps and structs.
func nestedLiteral(mem memory.Allocator, t plan.Type, v plan.Literal, n int) arrow.Array {
	if n != 1 {
		one := nestedLiteral(mem, t, v, 1)
		defer one.Release()
		idx := make([]int32, n)
		return Take(mem, one, idx)
	}
	nulls := &Nulls{Mem: mem, Rows: 1}
	if v.Null {
		nulls.Set(0)
		v.Items = nil
	}
	switch t.Kind {
	case plan.KindArray:
		return MakeList(t.Arrow(), 1, nulls, lengthOffsets(mem, len(v.Items)), itemsColumn(mem, t.Element().Type, v.Items, 0, 1))
	case plan.KindMap:
		keys, values := itemsColumn(mem, t.MapKey().Type, v.Items, 0, 2), itemsColumn(mem, t.MapValue().Type, v.Items, 1, 2)
		return MakeMap(t.Arrow(), 1, nulls, lengthOffsets(mem, len(v.Items)/2), keys, values)
	}
	fields := make([]arrow.Array, len(t.Children))
	for i, f := range t.Children {
		item := plan.Literal{Null: true}
		if !v.Null {
			item = v.Items[i]
		}
		fields[i] = FromLiteral(mem, f.Type, item, 1)
	}
	return MakeStruct(t.Arrow(), 1, nulls, fields...)
}

// lengthOffsets is the offsets of one row of n elements.
func lengthOffsets(mem memory.Allocator, n int) *memory.Buffer {
	buf, offsets := Alloc[int32](mem, 2)
	offsets[0], offsets[1] = 0, int32(n)
	return buf
}

// itemsColumn is every step-th item from one on as a column.
func itemsColumn(mem memory.Allocator, t plan.Type, items []plan.Literal, from, step int) arrow.Array {
	b := NewBuilder(mem, t)
	defer b.Release()
	for ; from < len(items); from += step {
		b.AppendLiteral(items[from])
	}
	arr, err := b.Finish()
	if err != nil { // the constant was parsed from text, which is far shorter than what a column holds
		panic(err)
	}
	return arr
}

// itemsAt is the parts of the nested value at row i, which must not be NULL.
func itemsAt(arr arrow.Array, i int) []plan.Literal {
	items := []plan.Literal{}
	switch arr.DataType().ID() {
	case arrow.LIST:
		l := ListsOf(arr)
		for from, to := l.Range(i); from < to; from++ {
			items = append(items, LiteralAt(l.Elements, from))
		}
	case arrow.MAP:
		m := MapsOf(arr)
		for from, to := m.Range(i); from < to; from++ {
			items = append(items, LiteralAt(m.Keys, from), LiteralAt(m.Values, from))
		}
	default:
		for _, f := range FieldsOf(arr) {
			items = append(items, LiteralAt(f, i))
		}
	}
	return items
}

// literalInterval is a calendar interval as columns hold it.
func literalInterval(v plan.Literal) arrow.MonthDayNanoInterval {
	return arrow.MonthDayNanoInterval{Months: int32(v.High >> 32), Days: int32(v.High), Nanoseconds: v.Int * 1000}
}

func intervalLiteral(v arrow.MonthDayNanoInterval) plan.Literal {
	return plan.Literal{Int: v.Nanoseconds / 1000, High: int64(v.Months)<<32 | int64(uint32(v.Days))}
}
