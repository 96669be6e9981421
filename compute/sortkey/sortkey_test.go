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

// compare is the SQL order of two rows in one column, computed the plain way.
func compare(arr arrow.Array, i, j int, key plan.SortKey) int {
	a, b := vector.LiteralAt(arr, i), vector.LiteralAt(arr, j)
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
	typ, _ := plan.TypeOf(arr.DataType())
	switch typ.Kind {
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
		types := rapid.SliceOfN(rapid.SampledFrom(columns.EveryType()), 1, 4).Draw(t, "types")
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
