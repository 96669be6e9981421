package group_test

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Build sides too large for the cache, with unique keys and with many rows a key, find what a Go map finds.
func TestLargeMultimap(t *testing.T) {
	const n = 150_000
	for _, distinct := range []int64{n, 70_000, 300} {
		first, second := make([]int64, n), make([]int64, n)
		want := map[[2]int64][]int32{}
		for i := range first {
			k := int64(i) * 7919 % distinct
			first[i], second[i] = k*1_000_003, k%7
			want[[2]int64{first[i], second[i]}] = append(want[[2]int64{first[i], second[i]}], int32(i))
		}
		a, b := vector.FromInt64s(memory.DefaultAllocator, first), vector.FromInt64s(memory.DefaultAllocator, second)
		for _, cols := range [][]arrow.Array{{a}, {a, b}} {
			types := make([]plan.Type, len(cols))
			for i := range types {
				types[i] = plan.Int64
			}
			m, err := group.NewMultimap(types, nil, cols, n)
			if err != nil {
				t.Fatal(err)
			}
			ids, err := m.Find(cols, n, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				if got, want := m.Rows(id), want[[2]int64{first[i], second[i]}]; !slices.Equal(got, want) {
					t.Fatalf("%d keys, %d columns: row %d matches %v, want %v", distinct, len(cols), i, got, want)
				}
			}
		}
		absent := vector.FromInt64s(memory.DefaultAllocator, []int64{1, -5, 1_000_003*distinct + 1})
		m, err := group.NewMultimap([]plan.Type{plan.Int64}, nil, []arrow.Array{a}, n)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := m.Find([]arrow.Array{absent}, 3, nil)
		if err != nil || !slices.Equal(ids, []uint32{group.None, group.None, group.None}) {
			t.Fatalf("keys that are not there: %v, %v", ids, err)
		}
	}
}
