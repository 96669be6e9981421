package group_test

import (
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Keys that lie close together, further apart and at the ends of the range find what a Go map finds.
func TestMultimapOfNearKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.SampledFrom([]int64{0, -3, 1 << 40, math.MinInt64, math.MaxInt64 - 20_000}).Draw(t, "low")
		span := rapid.SampledFrom([]int64{1, 10, 100, 1000, 20_000}).Draw(t, "span")
		value := rapid.Custom(func(t *rapid.T) int64 { return low + rapid.Int64Range(0, span-1).Draw(t, "distance") })
		build := rapid.SliceOfN(value, 0, 300).Draw(t, "build")
		probe := rapid.SliceOfN(rapid.OneOf(value, rapid.SampledFrom([]int64{0, 1, -1, low - 1, low + span, math.MaxInt64, math.MinInt64})), 0, 200).Draw(t, "probe")
		want := map[int64][]int32{}
		for i, k := range build {
			want[k] = append(want[k], int32(i))
		}
		m, err := group.NewMultimap([]plan.Type{plan.Int64}, nil, []arrow.Array{vector.FromInt64s(memory.DefaultAllocator, build)}, len(build))
		if err != nil {
			t.Fatal(err)
		}
		if m.Keys() != len(want) || m.Unique() != (len(want) == len(build)) {
			t.Fatalf("%d keys, unique %v; want %d of %d rows", m.Keys(), m.Unique(), len(want), len(build))
		}
		ids, err := m.View().Find([]arrow.Array{vector.FromInt64s(memory.DefaultAllocator, probe)}, len(probe), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range probe {
			if got := m.Rows(ids[i]); !slices.Equal(got, want[k]) {
				t.Fatalf("key %d matches %v, want %v", k, got, want[k])
			}
		}
	})
}
