package sortkey_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

// The rows that groups give in order are those that OrderRows gives, whatever the keys begin with: numbers that a few rows share, a
// number that half of the rows have, numbers as wide as a word, texts that are longer than one.
func TestGroupRows(t *testing.T) {
	const rows, sizes = 1 << 14, 5
	schema := plan.Schema{Fields: []plan.Field{{Name: "few", Type: plan.Int32}, {Name: "hot", Type: plan.Int64}, {Name: "wide", Type: plan.Int64}, {Name: "text", Type: plan.String}}}
	random, n := rand.New(rand.NewPCG(7, 7)), 0
	var batches []arrow.Record
	for range sizes {
		values := make([][]plan.Literal, len(schema.Fields))
		for i := range rows {
			hot := random.Int64N(1 << 40)
			if i%2 == 0 {
				hot = 12
			}
			text := fmt.Appendf(nil, "%0*d/%d", 1+i%11, random.IntN(500), random.IntN(3))
			for c, v := range []plan.Literal{{Int: int64(random.IntN(9))}, {Int: hot, Null: i%100 == 7}, {Int: int64(random.Uint64())}, {Bytes: text}} {
				values[c] = append(values[c], v)
			}
		}
		cols := make([]arrow.Array, len(schema.Fields))
		for c, f := range schema.Fields {
			cols[c] = columns.Build(memory.DefaultAllocator, f.Type, values[c])
		}
		batches = append(batches, vector.NewRecord(schema, cols, rows))
		n += rows
	}
	grouped := 0
	for _, cols := range [][]int{{0, 3}, {1, 2}, {2}, {3, 0}, {1}, {0, 1, 2, 3}} {
		for _, descending := range []bool{false, true} {
			keys := make([]plan.SortKey, len(cols))
			for k, c := range cols {
				keys[k] = plan.SortKey{Column: c, Descending: descending != (k == 1)}
			}
			groups, ok := sortkey.GroupRows(batches, keys)
			if !ok {
				continue
			}
			grouped++
			rec, err := vector.GroupRecords(memory.DefaultAllocator, schema, batches, groups.Groups)
			if err != nil {
				t.Fatal(err)
			}
			order := groups.Order(rec)
			if len(order) != n {
				t.Fatalf("by %v: %d rows of %d", keys, len(order), n)
			}
			got := vector.TakeRecord(memory.DefaultAllocator, rec, order)
			want, err := vector.InterleaveRecords(memory.DefaultAllocator, schema, batches, sortkey.OrderRows(batches, keys))
			if err != nil {
				t.Fatal(err)
			}
			for i := range n { // no two rows have the same in column 2
				if x, y := columns.Key(got.Column(2), i), columns.Key(want.Column(2), i); x != y {
					t.Fatalf("by %v: row %d has %s, want %s", keys, i, x, y)
				}
			}
		}
	}
	if grouped < 10 {
		t.Errorf("%d of 12 orders have groups", grouped)
	}
	if _, ok := sortkey.GroupRows(batches[:1], []plan.SortKey{{Column: 0}}); ok {
		t.Error("few rows in groups")
	}
}
