package vector

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// A set has its members and nothing else, whichever form it takes.
func TestIntSet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.OneOf(rapid.Int64Range(-5, 5), rapid.Int64Range(-5000, 5000), rapid.Int64(),
			rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
		members := rapid.SliceOf(number).Draw(rt, "members")
		want := map[int64]bool{}
		for _, v := range members {
			want[v] = true
		}
		sets := []IntSet{NewIntSet(members)}
		if len(members) > 0 {
			sets = append(sets, newSparseSet(members))
		}
		asked := append(rapid.SliceOf(number).Draw(rt, "asked"), members...)
		for i, s := range sets {
			for _, v := range asked {
				if s.Has(v) != want[v] {
					rt.Fatalf("set %d: %d is said to be in: %t", i, v, s.Has(v))
				}
			}
		}
	})
}
