package sortkey_test

import (
	"fmt"
	"math"
	"math/rand/v2"
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

// checkOrder compares OrderRows with a stable sort by comparing literals.
func checkOrder(t interface{ Fatalf(string, ...any) }, batches []arrow.Record, types []plan.Type, keys []plan.SortKey) {
	var want []vector.Pick
	literals := make([][][]plan.Literal, len(batches))
	for b, rec := range batches {
		for i := range int(rec.NumRows()) {
			row := make([]plan.Literal, len(keys))
			for k, key := range keys {
				row[k] = vector.LiteralAt(rec.Column(key.Column), i)
			}
			literals[b] = append(literals[b], row)
			want = append(want, vector.Pick{Source: int32(b), Row: int32(i)})
		}
	}
	slices.SortStableFunc(want, func(x, y vector.Pick) int {
		for k, key := range keys {
			if order := compareLiterals(types[key.Column], literals[x.Source][x.Row][k], literals[y.Source][y.Row][k], key); order != 0 {
				return order
			}
		}
		return 0
	})
	got := sortkey.OrderRows(batches, keys)
	if len(got) != len(want) {
		t.Fatalf("by %v: %d rows of %d", keys, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("by %v: row %d is %v, want %v", keys, i, literals[got[i].Source][got[i].Row], literals[want[i].Source][want[i].Row])
		}
	}
}

func TestOrderRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		types := rapid.SliceOfN(rapid.SampledFrom(ordered()), 1, 4).Draw(t, "types")
		keys := make([]plan.SortKey, rapid.IntRange(1, 6).Draw(t, "keys"))
		for k := range keys {
			keys[k] = plan.SortKey{
				Column: rapid.IntRange(0, len(types)-1).Draw(t, "column"), Descending: rapid.Bool().Draw(t, "desc"), NullsLast: rapid.Bool().Draw(t, "nulls last"),
			}
		}
		batches := make([]arrow.Record, rapid.IntRange(0, 4).Draw(t, "batches"))
		most := rapid.SampledFrom([]int{6, 200}).Draw(t, "most") // few rows are compared, many counted
		for b := range batches {
			rows, cols := rapid.IntRange(0, most).Draw(t, "rows"), make([]arrow.Array, len(types))
			for c, typ := range types {
				cols[c] = columns.Draw(t, memory.DefaultAllocator, typ, rows)
			}
			batches[b] = vector.NewRecord(plan.Schema{Fields: make([]plan.Field, len(cols))}, cols, rows)
		}
		checkOrder(t, batches, types, keys)
	})
}

// Numbers of all ranges, so that words are full after no, one or several keys, in the middle of one or at its end.
func TestOrderRowsOfWideNumbers(t *testing.T) {
	types := []plan.Type{plan.Int64, plan.Timestamp, plan.Int32, plan.Decimal(38, 0), plan.Float64, plan.Binary}
	rapid.Check(t, func(t *rapid.T) {
		var keys []plan.SortKey
		for _, c := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5}).Draw(t, "keys") {
			keys = append(keys, plan.SortKey{Column: c, Descending: rapid.Bool().Draw(t, "desc"), NullsLast: rapid.Bool().Draw(t, "nulls last")})
		}
		shifts := make([]int, len(types))
		for c := range shifts {
			shifts[c] = rapid.SampledFrom([]int{0, 1, 20, 32, 50, 63}).Draw(t, "shift")
		}
		nulls := rapid.Bool().Draw(t, "nulls")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		batches := make([]arrow.Record, 2)
		for b := range batches {
			const rows = 200
			cols := make([]arrow.Array, len(types))
			for c, typ := range types {
				values := make([]plan.Literal, rows)
				for i := range values {
					values[i] = drawWide(typ, random.Uint64(), shifts[c])
					if nulls && i%5 == c%5 {
						values[i] = plan.Literal{Null: true}
					}
				}
				cols[c] = columns.Build(memory.DefaultAllocator, typ, values)
			}
			batches[b] = vector.NewRecord(plan.Schema{Fields: make([]plan.Field, len(cols))}, cols, rows)
		}
		checkOrder(t, batches, types, keys)
	})
}

func drawWide(typ plan.Type, bits uint64, shift int) plan.Literal {
	v := int64(bits) >> shift
	switch typ.Kind {
	case plan.KindInt32:
		return plan.Literal{Int: int64(int32(v))}
	case plan.KindDecimal:
		if shift < 20 {
			return plan.Literal{Int: v, High: int64(bits) >> 7}
		}
		return plan.Literal{Int: v, High: v >> 63}
	case plan.KindFloat64:
		return plan.Literal{Bits: math.Float64bits(float64(v))}
	case plan.KindBinary:
		return plan.Literal{Bytes: fmt.Appendf(nil, "key-%0*d", shift/5, uint64(v)%1000)}
	}
	return plan.Literal{Int: v}
}

func BenchmarkOrderRows(b *testing.B) {
	const n, batch = 1 << 20, 1 << 15
	ids, times := make([]int64, n), make([]int64, n)
	for i := range ids {
		ids[i], times[i] = int64(i)*7_919_317%100_003, 1_700_000_000_000_000+int64(i)*412_391
	}
	var batches []arrow.Record
	for from := 0; from < n; from += batch {
		cols := []arrow.Array{vector.FromInt64s(memory.DefaultAllocator, ids[from:from+batch]), vector.FromInt64s(memory.DefaultAllocator, times[from:from+batch])}
		batches = append(batches, vector.NewRecord(plan.Schema{Fields: make([]plan.Field, 2)}, cols, batch))
	}
	b.ResetTimer()
	for b.Loop() {
		sortkey.OrderRows(batches, []plan.SortKey{{Column: 0}, {Column: 1}})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
}
