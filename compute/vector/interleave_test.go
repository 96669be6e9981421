package vector_test

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
)

func TestInterleave(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		typ := rapid.SampledFrom(append(columns.EveryType(), columns.MoreTypes()...)).Draw(rt, "type")
		sources := make([]arrow.Array, rapid.IntRange(1, 3).Draw(rt, "sources"))
		for i := range sources {
			sources[i] = columns.Draw(rt, mem, typ, rapid.IntRange(1, 6).Draw(rt, "rows"))
		}
		picks := make([]vector.Pick, rapid.IntRange(0, 10).Draw(rt, "picks"))
		for i := range picks {
			s := rapid.IntRange(0, len(sources)-1).Draw(rt, "source")
			picks[i] = vector.Pick{Source: int32(s), Row: int32(rapid.IntRange(0, sources[s].Len()-1).Draw(rt, "row"))}
		}
		got, err := vector.Interleave(mem, sources, picks)
		if err != nil {
			rt.Fatal(err)
		}
		if got.Len() != len(picks) {
			rt.Fatalf("%d rows of %d", got.Len(), len(picks))
		}
		for i, p := range picks {
			if x, y := columns.Key(got, i), columns.Key(sources[p.Source], int(p.Row)); x != y {
				rt.Fatalf("%s: row %d is %s, want %s", typ, i, x, y)
			}
		}
		got.Release()
		for _, s := range sources {
			s.Release()
		}
		if n := mem.CurrentAlloc(); n != 0 {
			rt.Fatalf("%d bytes leaked", n)
		}
	})
}
