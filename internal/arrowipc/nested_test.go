package arrowipc_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/arrowipc"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

func everyType() []plan.Type { return append(columns.EveryType(), columns.MoreTypes()...) }

// Every type, whole and cut out of a longer batch.
func TestRoundTripOfEveryType(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		typ := rapid.SampledFrom(everyType()).Draw(rt, "type")
		rows := rapid.IntRange(0, 12).Draw(rt, "rows")
		col := columns.Draw(rt, mem, typ, rows)
		schema := plan.Schema{Fields: []plan.Field{{Name: "c", Type: typ, Nullable: true}}}
		whole := vector.NewRecord(schema, []arrow.Array{col}, rows)
		col.Release()
		from := rapid.IntRange(0, rows).Draw(rt, "from")
		to := rapid.IntRange(from, rows).Draw(rt, "to")
		part := vector.Slice(whole, from, to)
		whole.Release()
		payload, err := arrowipc.Append(nil, part)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := arrowipc.Decode(mem, payload)
		if err != nil {
			rt.Fatalf("%s: %v", typ, err)
		}
		if got.NumRows() != part.NumRows() {
			rt.Fatalf("%d rows of %d", got.NumRows(), part.NumRows())
		}
		for i := range int(part.NumRows()) {
			if x, y := columns.Key(part.Column(0), i), columns.Key(got.Column(0), i); x != y {
				rt.Fatalf("%s: row %d is %s, was %s", typ, i, y, x)
			}
		}
		got.Release()
		part.Release()
		if n := mem.CurrentAlloc(); n != 0 {
			rt.Fatalf("%d bytes leaked", n)
		}
	})
}

// nestedSample has one column of each nested type.
func nestedSample() []byte {
	var payload []byte
	rapid.Custom(func(rt *rapid.T) bool {
		mem := memory.NewGoAllocator()
		var cols []arrow.Array
		schema := plan.Schema{}
		for _, typ := range columns.MoreTypes() {
			cols = append(cols, columns.Draw(rt, mem, typ, 6))
			schema.Fields = append(schema.Fields, plan.Field{Name: "c", Type: typ, Nullable: true})
		}
		rec := vector.NewRecord(schema, cols, 6)
		payload, _ = arrowipc.Append(nil, rec)
		return true
	}).Example(1)
	return payload
}

// No damage leads past Decode to a batch that cannot be read from end to end.
func TestDamagedNestedColumns(t *testing.T) {
	good := nestedSample()
	if !readable(good) {
		t.Fatal("the undamaged batch is refused")
	}
	rng, refused := rand.New(rand.NewPCG(5, 6)), 0
	for range 10_000 {
		bad := bytes.Clone(good)
		for range 1 + rng.IntN(4) {
			bad[rng.IntN(len(bad))] = byte(rng.Uint32())
		}
		if !readable(bad) {
			refused++
		}
	}
	if refused < 500 {
		t.Errorf("only %d payloads were refused", refused)
	}
}

// readable decodes a payload and copies every value of the batch.
func readable(payload []byte) bool {
	mem := memory.NewGoAllocator()
	rec, err := arrowipc.Decode(mem, payload)
	if err != nil {
		return false
	}
	defer rec.Release()
	rows := make([]int32, rec.NumRows())
	for i := range rows {
		rows[i] = int32(i)
	}
	vector.TakeRecord(mem, rec, rows).Release()
	return true
}

func FuzzDecodeNested(f *testing.F) {
	f.Add(nestedSample())
	f.Fuzz(func(_ *testing.T, payload []byte) { readable(payload) })
}
