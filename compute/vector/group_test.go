package vector_test

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

func TestGroupRecords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		typ := rapid.SampledFrom(append(columns.EveryType(), columns.MoreTypes()...)).Draw(rt, "type")
		schema := plan.Schema{Fields: []plan.Field{{Name: "c", Type: typ, Nullable: true}}}
		recs := make([]arrow.Record, rapid.IntRange(1, 3).Draw(rt, "batches"))
		groups := vector.Groups[uint8]{N: 256, Of: make([][]uint8, len(recs))}
		keys, numbers := make([][]string, 256), make([][]int, len(recs))
		n := 0
		for b := range recs {
			col := columns.Draw(rt, mem, typ, rapid.IntRange(1, 6).Draw(rt, "rows"))
			recs[b] = vector.NewRecord(schema, []arrow.Array{col}, col.Len())
			for i := range col.Len() {
				g := rapid.SampledFrom([]uint8{0, 1, 255}).Draw(rt, "group")
				groups.Of[b] = append(groups.Of[b], g)
				keys[g] = append(keys[g], columns.Key(col, i))
				numbers[b] = append(numbers[b], n)
				n++
			}
			col.Release()
		}
		got, err := vector.GroupRecords(mem, schema, recs, groups)
		if err != nil {
			rt.Fatal(err)
		}
		want := slices.Concat(keys...)
		if int(got.NumRows()) != len(want) {
			rt.Fatalf("%d rows of %d", got.NumRows(), len(want))
		}
		for i, k := range want {
			if x := columns.Key(got.Column(0), i); x != k {
				rt.Fatalf("%s: row %d is %s, want %s", typ, i, x, k)
			}
		}
		grouped := make([]int, n)
		vector.GroupFixed(grouped, groups, numbers)
		for i, from := range grouped {
			for b, rec := range recs {
				if from < int(rec.NumRows()) {
					if columns.Key(rec.Column(0), from) != want[i] {
						rt.Fatalf("value %d is that of row %d of batch %d", i, from, b)
					}
					break
				}
				from -= int(rec.NumRows())
			}
		}
		got.Release()
		for _, r := range recs {
			r.Release()
		}
		if n := mem.CurrentAlloc(); n != 0 {
			rt.Fatalf("%d bytes leaked", n)
		}
	})
}
