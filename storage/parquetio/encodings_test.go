package parquetio_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/parquetio"
)

// TestEncodings has columns whose values call for one encoding or another: what the pages have, how large they are, and that
// the values come back.
func TestEncodings(t *testing.T) {
	const rows = 200_000
	rng := rand.New(rand.NewPCG(5, 5))
	bigint, double := plan.Int64, plan.Float64
	for _, c := range []struct {
		name  string
		typ   plan.Type
		value func(i int) int64 // of doubles the bits
		data  format.Encoding
		most  int // bytes
	}{
		{"row numbers", bigint, func(i int) int64 { return int64(i) }, format.DeltaBinaryPacked, rows / 20},
		{"times in order", bigint, func(i int) int64 { return int64(i)*1_000_000 + rng.Int64N(1_000_000) }, format.DeltaBinaryPacked, rows * 3},
		{"ids in any order", bigint, func(int) int64 { return rng.Int64N(20_000_000) }, format.DeltaBinaryPacked, rows * 4},
		{"hashes", bigint, func(int) int64 { return int64(rng.Uint64()) }, format.Plain, rows*8 + rows/100},
		{"many of few", bigint, func(int) int64 { return 1 << 40 * rng.Int64N(100) }, format.RLEDictionary, rows},
		{"runs", bigint, func(i int) int64 { return int64(i / 100 * 7919) }, format.RLEDictionary, rows / 2},
		{"one", bigint, func(int) int64 { return 7 }, format.RLEDictionary, 1000},
		{"features of joined rows", double, func(i int) int64 { return int64(math.Float64bits(math.Sqrt(float64(i / 20)))) }, format.RLEDictionary, rows * 2},
		{"weights", double, func(i int) int64 { return int64(math.Float64bits(float64(1 + i%2*3))) }, format.RLEDictionary, rows / 6},
		{"measured", double, func(int) int64 { return int64(math.Float64bits(rng.Float64())) }, format.Plain, rows*8 + rows/100},
		{"zeros and not a number", double, func(i int) int64 {
			return int64([]uint64{0, 1 << 63, math.Float64bits(math.NaN()), 0x7ff8000000000007}[i%4])
		}, format.RLEDictionary, rows / 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			schema := plan.Schema{Fields: []plan.Field{{Name: "v", Type: c.typ}}}
			values := make([]int64, rows)
			for i := range values {
				values[i] = c.value(i)
			}
			rec := fixed(schema, values)
			defer rec.Release()
			data := write(t, schema, parquetio.WriterOptions{}, 5000, rec)
			file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			chunk := file.Metadata().RowGroups[0].Columns[0].MetaData
			for _, s := range chunk.EncodingStats {
				if s.PageType == format.DataPage && s.Encoding != c.data {
					t.Errorf("%d pages are %s, want %s", s.Count, s.Encoding, c.data)
				}
			}
			if chunk.TotalCompressedSize > int64(c.most) {
				t.Errorf("%d bytes, want at most %d", chunk.TotalCompressedSize, c.most)
			}
			at := 0
			if _, err := scanAll(saved(t, data), 3000, func(_ plan.Schema, got arrow.Record) {
				for _, v := range vector.Values[int64](got.Column(0)) {
					if v != values[at] {
						t.Fatalf("row %d is %#x, want %#x", at, v, values[at])
					}
					at++
				}
			}); err != nil {
				t.Fatal(err)
			}
			if at != rows {
				t.Errorf("%d rows came back", at)
			}
		})
	}
}

// fixed is a column of words, or of doubles with their bits.
func fixed(schema plan.Schema, values []int64) arrow.Record {
	var arr arrow.Array
	switch f := schema.Fields[0]; f.Type.Kind {
	case plan.KindInt64:
		b := array.NewInt64Builder(memory.DefaultAllocator)
		b.AppendValues(values, nil)
		arr = b.NewArray()
	case plan.KindFloat64:
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		for _, v := range values {
			b.Append(math.Float64frombits(uint64(v)))
		}
		arr = b.NewArray()
	default:
		panic(fmt.Sprintf("no words of %s", f.Type))
	}
	defer arr.Release()
	return vector.NewRecord(schema, []arrow.Array{arr}, len(values))
}
