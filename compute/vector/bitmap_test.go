package vector

import (
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"
)

// A bitmap has the values of the columns that were put in, wherever it begins.
func TestBitmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.SampledFrom([]int64{0, -70, math.MinInt64, math.MaxInt64 - 300}).Draw(t, "least")
		most := least + rapid.Int64Range(0, 300).Draw(t, "span")
		number := rapid.Int64Range(least, most)
		members := rapid.SliceOf(number).Draw(t, "members")
		set := NewBitmap(least, most)
		set.Add(FromInt64s(memory.DefaultAllocator, members))
		slices.Sort(members)
		if want := len(slices.Compact(slices.Clone(members))); set.Len() != want {
			t.Fatalf("%d members, want %d", set.Len(), want)
		}
		asked := rapid.SliceOf(rapid.OneOf(number, rapid.Int64())).Draw(t, "asked")
		var rows, want []int32
		for i, v := range asked {
			rows = append(rows, int32(i))
			if _, ok := slices.BinarySearch(members, v); ok {
				want = append(want, int32(i))
			}
		}
		if got := set.Keep(FromInt64s(memory.DefaultAllocator, asked), rows); !slices.Equal(got, want) {
			t.Fatalf("rows %v of %v, want %v", got, asked, want)
		}
		from, to := rapid.OneOf(number, rapid.Int64()).Draw(t, "from"), rapid.OneOf(number, rapid.Int64()).Draw(t, "to")
		any := slices.ContainsFunc(members, func(v int64) bool { return from <= v && v <= to })
		if got := set.AnyBetween(from, to); got != any && from <= to {
			t.Fatalf("any between %d and %d: %v", from, to, got)
		}
	})
	if NewBitmap(math.MinInt64, math.MaxInt64) != nil || NewBitmap(0, maxBitmap) != nil {
		t.Error("a bitmap of any size")
	}
}
