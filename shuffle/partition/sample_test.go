package partition

import (
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/plan"
)

// keyed is rows with the keys that a function gives them, from a row on.
func keyed(from, n int, key func(i int) int64) arrow.Record {
	b := array.NewInt64Builder(memory.NewGoAllocator())
	for i := range n {
		b.Append(key(from + i))
	}
	col := b.NewArray()
	return array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "id", Type: col.DataType()}}, nil), []arrow.Array{col}, int64(n))
}

// told splits rows in batches, and is what is told of their keys.
func told(t *testing.T, total, batch int, key func(i int) int64) (keys [][]Key, rows []int64) {
	t.Helper()
	p, err := New(plan.HashExchange, []int{0}, 8)
	if err != nil {
		t.Fatal(err)
	}
	rows = make([]int64, 8)
	for from := 0; from < total; from += batch {
		ids, err := p.Assign(keyed(from, min(batch, total-from), key))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range ids {
			rows[part]++
		}
	}
	return p.Frequent(rows), rows
}

// A key with four rows in ten is told with about as many, also where it comes in turns with others; many keys are not told at
// all, and what is told does not depend on batches.
func TestFrequentKeys(t *testing.T) {
	const rows = 300_000
	rare := func(i int) int64 { return int64(hash.Mix(uint64(i)) >> 1) }
	hot := hash.Columns(keyed(0, 1, func(int) int64 { return 7 }), []int{0}, 0, nil)[0]
	for name, c := range map[string]struct {
		key  func(i int) int64
		want int64
	}{
		"scattered": {func(i int) int64 {
			if hash.Mix(uint64(i))%10 < 4 {
				return 7
			}
			return rare(i)
		}, rows * 4 / 10},
		"every fourth row": {func(i int) int64 {
			if i%4 == 1 {
				return 7
			}
			return rare(i)
		}, rows / 4},
		"at the end": {func(i int) int64 {
			if i > rows*6/10 {
				return 7
			}
			return rare(i)
		}, rows * 4 / 10},
		"none": {rare, 0},
	} {
		keys, parts := told(t, rows, 10_000, c.key)
		if again, _ := told(t, rows, 777, c.key); fmt.Sprint(again) != fmt.Sprint(keys) {
			t.Errorf("%s: %v in batches of 10000, %v in batches of 777", name, keys, again)
		}
		all := slices.Concat(keys...)
		switch {
		case c.want == 0 && len(all) > 0:
			t.Errorf("%s: told %v of partitions of %v", name, all, parts)
		case c.want > 0 && (len(all) != 1 || all[0].Hash != hot || all[0].Value != "7" || all[0].Rows < c.want*9/10 || all[0].Rows > c.want*11/10):
			t.Errorf("%s: told %v, want %d rows of %d", name, all, c.want, hot)
		}
	}
}
