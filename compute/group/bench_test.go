package group

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// BenchmarkAssign numbers 4 M random bigint keys in batches of 16384, of which so many are distinct.
func BenchmarkAssign(b *testing.B) {
	const rows, size = 4 << 20, 16384
	for _, keys := range []int64{1000, 100_000, 4 << 20} {
		rng := rand.New(rand.NewPCG(1, 2))
		var batches []arrow.Array
		for range rows / size {
			buf, out := vector.Alloc[int64](memory.NewGoAllocator(), size)
			for i := range out {
				out[i] = rng.Int64N(keys)
			}
			batches = append(batches, vector.Make(arrow.PrimitiveTypes.Int64, size, nil, buf))
		}
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			var ids []uint32
			for b.Loop() {
				t := New([]plan.Type{plan.Int64})
				for _, batch := range batches {
					var err error
					if ids, err = t.Assign([]arrow.Array{batch}, size, ids); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
