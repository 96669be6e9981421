package vector_test

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

// Pieces joined have memory of their own: one of a few rows does not keep the batch that they came from.
func TestJoinPieces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		typ := rapid.SampledFrom(append(columns.EveryType(), columns.MoreTypes()...)).Draw(rt, "type")
		schema := plan.Schema{Fields: []plan.Field{{Name: "c", Type: typ, Nullable: true}}}
		var pieces []vector.Piece
		var want []string
		for range rapid.IntRange(1, 3).Draw(rt, "pieces") {
			col := columns.Draw(rt, mem, typ, rapid.IntRange(1, 6).Draw(rt, "rows"))
			from := rapid.IntRange(0, col.Len()-1).Draw(rt, "from")
			p := vector.Piece{Record: vector.NewRecord(schema, []arrow.Array{col}, col.Len()), From: from, To: rapid.IntRange(from+1, col.Len()).Draw(rt, "to")}
			for i := p.From; i < p.To; i++ {
				want = append(want, columns.Key(col, i))
			}
			col.Release()
			pieces = append(pieces, p)
		}
		got, err := vector.JoinPieces(mem, schema, pieces)
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range pieces {
			p.Record.Release()
		}
		for i, k := range want {
			if x := columns.Key(got.Column(0), i); x != k {
				rt.Fatalf("%s: row %d is %s, want %s", typ, i, x, k)
			}
		}
		if int(got.NumRows()) != len(want) {
			rt.Fatalf("%d rows of %d", got.NumRows(), len(want))
		}
		got.Release()
		if n := mem.CurrentAlloc(); n != 0 {
			rt.Fatalf("%d bytes leaked", n)
		}
	})
}
