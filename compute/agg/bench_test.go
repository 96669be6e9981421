package agg_test

import (
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
)

const (
	benchBatch   = 16384
	benchBatches = 64 // a million rows
)

// airports is a dictionary-encoded column of 229 codes, as the flights have.
func airports(step int) arrow.Array {
	mem := memory.DefaultAllocator
	values := make([]plan.Literal, 229)
	for i := range values {
		values[i] = plan.Literal{Bytes: []byte(fmt.Sprintf("A%03d", i))}
	}
	idx := make([]int32, benchBatch)
	for i := range idx {
		idx[i] = int32(i * step % len(values))
	}
	plain := columns.Build(mem, plan.String, values)
	return vector.Take(mem, columns.Encode(mem, plain), idx)
}

func numbers(n, factor int) arrow.Array {
	values := make([]int64, n)
	for i := range values {
		values[i] = int64(i * factor % 1_000_003)
	}
	return vector.FromInt64s(memory.DefaultAllocator, values)
}

// benchmarkGroupBy measures SELECT keys, count(*), avg(delay) GROUP BY keys.
func benchmarkGroupBy(b *testing.B, keys func(batch int) []arrow.Array, types ...plan.Type) {
	delay := numbers(benchBatch, 7919)
	var ids []uint32
	for b.Loop() {
		table := group.New(types)
		count, _ := agg.New(memory.DefaultAllocator, plan.Agg{Func: "count", Type: plan.Int64})
		avg, _ := agg.New(memory.DefaultAllocator, plan.Agg{Func: "avg", Args: []int{0}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Float64})
		for i := range benchBatches {
			var err error
			if ids, err = table.Assign(keys(i), benchBatch, ids); err != nil {
				b.Fatal(err)
			}
			batch := agg.Batch{Rows: benchBatch, Groups: ids, Len: table.Len()}
			if err := count.Update(batch, nil); err != nil {
				b.Fatal(err)
			}
			if err := avg.Update(batch, []arrow.Array{delay}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchBatch*benchBatches), "ns/row")
}

func BenchmarkGroupByDictionary(b *testing.B) {
	keys := []arrow.Array{airports(7)}
	benchmarkGroupBy(b, func(int) []arrow.Array { return keys }, plan.String)
}

func BenchmarkGroupByTwoDictionaries(b *testing.B) {
	keys := []arrow.Array{airports(7), airports(13)}
	benchmarkGroupBy(b, func(int) []arrow.Array { return keys }, plan.String, plan.String)
}

func BenchmarkGroupByInt64(b *testing.B) {
	for _, groups := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprint(groups), func(b *testing.B) {
			values := make([]int64, benchBatch*benchBatches)
			for i := range values {
				values[i] = int64(i * 7_919_317 % groups)
			}
			whole := vector.FromInt64s(memory.DefaultAllocator, values)
			rec := vector.NewRecord(plan.Schema{Fields: make([]plan.Field, 1)}, []arrow.Array{whole}, whole.Len())
			keys := make([][]arrow.Array, benchBatches)
			for i := range keys {
				keys[i] = vector.Slice(rec, i*benchBatch, (i+1)*benchBatch).Columns()
			}
			benchmarkGroupBy(b, func(batch int) []arrow.Array { return keys[batch] }, plan.Int64)
		})
	}
}
