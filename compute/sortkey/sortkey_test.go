package sortkey_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

// ordered is the types that have an order.
func ordered() []plan.Type {
	return slices.DeleteFunc(slices.Concat(columns.EveryType(), columns.MoreTypes()), func(t plan.Type) bool {
		return t.Kind == plan.KindMap || t.Kind == plan.KindInterval
	})
}

// compare is the SQL order of two rows in one column, computed the plain way.
func compare(arr arrow.Array, i, j int, key plan.SortKey) int {
	typ, _ := plan.TypeOf(arr.DataType())
	return compareLiterals(typ, vector.LiteralAt(arr, i), vector.LiteralAt(arr, j), key)
}

func compareLiterals(typ plan.Type, a, b plan.Literal, key plan.SortKey) int {
	switch {
	case a.Null && b.Null:
		return 0
	case a.Null != b.Null:
		if a.Null != key.NullsLast {
			return -1
		}
		return 1
	}
	order := 0
	switch typ.Kind {
	case plan.KindArray, plan.KindStruct:
		order = len(a.Items) - len(b.Items)
		for i := range min(len(a.Items), len(b.Items)) {
			child := typ.Children[0].Type
			if typ.Kind == plan.KindStruct {
				child = typ.Children[i].Type
			}
			if c := compareLiterals(child, a.Items[i], b.Items[i], plan.SortKey{}); c != 0 {
				order = c
				break
			}
		}
		order = max(-1, min(1, order))
	case plan.KindFloat32, plan.KindFloat64:
		x, y := a.Float(), b.Float()
		switch {
		case x != x && y != y:
		case x < y || y != y:
			order = -1
		case x > y || x != x:
			order = 1
		}
	case plan.KindDecimal:
		order = a.Decimal().Cmp(b.Decimal())
	case plan.KindString, plan.KindBinary:
		order = bytes.Compare(a.Bytes, b.Bytes)
	default:
		switch {
		case a.Int < b.Int:
			order = -1
		case a.Int > b.Int:
			order = 1
		}
	}
	if key.Descending {
		return -order
	}
	return order
}

func TestOrderAgainstComparators(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.DefaultAllocator
		rows := rapid.IntRange(0, 40).Draw(t, "rows")
		types := rapid.SliceOfN(rapid.SampledFrom(ordered()), 1, 4).Draw(t, "types")
		cols, keys := make([]arrow.Array, len(types)), make([]plan.SortKey, len(types))
		for c, typ := range types {
			cols[c] = columns.Draw(t, mem, typ, rows)
			keys[c] = plan.SortKey{Column: c, Descending: rapid.Bool().Draw(t, "desc"), NullsLast: rapid.Bool().Draw(t, "nulls last")}
		}
		rec := vector.NewRecord(plan.Schema{Fields: make([]plan.Field, len(cols))}, cols, rows)
		encoded := sortkey.Encode(rec, keys)
		full := func(i, j int32) int {
			for c, key := range keys {
				if order := compare(cols[c], int(i), int(j), key); order != 0 {
					return order
				}
			}
			return 0
		}
		want := make([]int32, rows)
		for i := range want {
			want[i] = int32(i)
		}
		slices.SortStableFunc(want, full)
		if got := encoded.Order(); !slices.Equal(got, want) {
			t.Fatalf("order %v, want %v", got, want)
		}
		for i := range rows {
			for j := range rows {
				if got, want := bytes.Compare(encoded.At(i), encoded.At(j)), full(int32(i), int32(j)); got != want {
					t.Fatalf("rows %d and %d compare %d, want %d", i, j, got, want)
				}
			}
		}
	})
}

// Values keep the order of their column, and Decode gives them back: exactly, or what SQL calls equal.
func TestValuesAndBack(t *testing.T) {
	types := slices.Concat(columns.EveryType(), columns.MoreTypes())
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(types).Draw(t, "type")
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		rows := rapid.IntRange(0, 12).Draw(t, "rows")
		col := columns.Draw(t, mem, typ, rows)
		form := rapid.SampledFrom([]sortkey.Form{sortkey.Normal, sortkey.Exact}).Draw(t, "form")
		keys := sortkey.Values(col, form)
		back, err := sortkey.Decode(mem, typ, rows, keys.At)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if columns.Key(col, i) != columns.Key(back, i) {
				t.Fatalf("%s became %s", vector.Format(col, i), vector.Format(back, i))
			}
			if form == sortkey.Exact && vector.Format(col, i) != vector.Format(back, i) {
				t.Fatalf("%s became %s", vector.Format(col, i), vector.Format(back, i))
			}
			for j := range rows {
				equal := columns.Key(col, i) == columns.Key(col, j)
				if form == sortkey.Normal && equal != bytes.Equal(keys.At(i), keys.At(j)) {
					t.Fatalf("%s and %s: equal is %t", vector.Format(col, i), vector.Format(col, j), equal)
				}
			}
		}
		col.Release()
		back.Release()
		mem.AssertSize(t, 0)
	})
}

// Decode refuses what Values has not made, and does not panic.
func FuzzDecode(f *testing.F) {
	types := slices.Concat(columns.EveryType(), columns.MoreTypes())
	f.Add([]byte{2, 1, 2, 0}, 5)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		typ := types[(n%len(types)+len(types))%len(types)]
		if arr, err := sortkey.Decode(memory.DefaultAllocator, typ, 1, func(int) []byte { return data }); err == nil {
			arr.Release()
		}
	})
}

func BenchmarkOrder(b *testing.B) {
	const n = 100_000
	values := make([]int64, n)
	for i := range values {
		values[i] = int64(i) * 7_919_317 % 1_000_003
	}
	col := vector.FromInt64s(memory.DefaultAllocator, values)
	rec := vector.NewRecord(plan.Schema{Fields: make([]plan.Field, 1)}, []arrow.Array{col}, n)
	b.ResetTimer()
	for b.Loop() {
		sortkey.Encode(rec, []plan.SortKey{{}}).Order()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
}

// Keys of a column do not depend on whether another row of it is NULL.
func TestKeysWithoutNulls(t *testing.T) {
	values := []plan.Literal{{Int: -1 << 30}, {Int: -1}, {}, {Int: 258}, {Null: true}}
	for _, typ := range []plan.Type{plan.Int8, plan.Int16, plan.Int32, plan.Int64, plan.Date, plan.Timestamp, plan.Decimal(20, 2)} {
		for _, desc := range []bool{false, true} {
			keys := []plan.SortKey{{Column: 0, Descending: desc}, {Column: 0, Descending: !desc}}
			encode := func(values []plan.Literal) *sortkey.Keys {
				arr := columns.Build(memory.DefaultAllocator, typ, values)
				return sortkey.EncodeColumns([]arrow.Array{arr}, len(values), keys)
			}
			with, without := encode(values), encode(values[:4])
			for i := range without.Len() {
				if !bytes.Equal(with.At(i), without.At(i)) {
					t.Errorf("%s, row %d: %x without NULLs, %x with", typ, i, without.At(i), with.At(i))
				}
			}
		}
	}
}
