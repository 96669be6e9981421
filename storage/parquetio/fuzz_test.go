package parquetio

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// FuzzPageIndex reads an offset index and a column index of any bytes. What they say must be about the chunk's rows.
func FuzzPageIndex(f *testing.F) {
	const rows, chunk = 1000, 5000
	marshal := func(v any) []byte {
		b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	word := func(s string) []byte { return []byte(s) }
	f.Add(
		marshal(&offsetIndexMeta{Pages: []pageLocation{{4, 100, 0}, {104, 100, 400}, {204, 50, 999}}}),
		marshal(&columnIndexMeta{NullPages: []bool{false, true, false}, Min: [][]byte{word("a"), nil, word("c")},
			Max: [][]byte{word("b"), nil, word("\xff")}, NullCounts: []int64{0, 599, 1}}),
	)
	f.Fuzz(func(t *testing.T, offsets, stats []byte) {
		if len(offsets) == 0 || len(stats) == 0 || len(offsets)+len(stats) > 1<<16 {
			t.Skip()
		}
		c := &column{name: "c", physical: format.ByteArray, typ: plan.String, def: 1}
		data := append(append(make([]byte, 4), offsets...), stats...)
		file := &file{size: int64(len(data)), ordered: true, groups: []groupMeta{{NumRows: rows, Columns: []chunkMeta{{
			MetaData:          columnMeta{NumValues: rows, TotalCompressedSize: chunk, DataPageOffset: 4},
			OffsetIndexOffset: 4, OffsetIndexLength: int32(len(offsets)),
			ColumnIndexOffset: 4 + int64(len(offsets)), ColumnIndexLength: int32(len(stats)),
		}}}}}
		x, err := file.readPageIndex(bytes.NewReader(data), 0, c)
		if err != nil || len(x.pages) == 0 {
			return
		}
		total := int64(0)
		for i := range x.pages {
			total += x.rowsOf(i)
			if at := x.find(x.pages[i].row); at != i || x.rowsOf(i) < 1 {
				t.Fatalf("row %d is found in page %d of %v", x.pages[i].row, at, x)
			}
		}
		if total != rows || x.find(rows-1) != len(x.pages)-1 || x.find(rows) != len(x.pages) {
			t.Fatalf("%d rows in %v", total, x)
		}
		known, err := file.readPageStats(bytes.NewReader(data), 0, c, x)
		if err == nil && known != nil && len(known) != len(x.pages) {
			t.Fatalf("%d statistics of %d pages", len(known), len(x.pages))
		}
		for i, s := range known {
			if s.NullCount > x.rowsOf(i) || s.HasBounds && compareLiterals(c.typ, s.Min, s.Max) > 0 {
				t.Fatalf("page %d of %d rows: %+v", i, x.rowsOf(i), s)
			}
		}
	})
}

// FuzzBloom reads a Bloom filter of any bytes.
func FuzzBloom(f *testing.F) {
	header, err := thrift.Marshal(new(thrift.CompactProtocol), &format.BloomFilterHeader{
		NumBytes:    32,
		Algorithm:   format.BloomFilterAlgorithm{Value: &format.SplitBlockAlgorithm{}},
		Hash:        format.BloomFilterHash{Value: &format.XxHash{}},
		Compression: format.BloomFilterCompression{Value: &format.BloomFilterUncompressed{}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(header, make([]byte, 32)...), int32(len(header)+32))
	f.Add(header, int32(0))
	f.Fuzz(func(t *testing.T, data []byte, length int32) {
		data = append(make([]byte, 4), data...)
		file := &file{size: int64(len(data))}
		filter, err := file.readBloom(bytes.NewReader(data), &columnMeta{BloomFilterOffset: 4, BloomFilterLength: length})
		if err == nil && filter != nil {
			filter.Check(uint64(length))
		}
	})
}

// FuzzLevels assembles a list of structs of lists from any levels: what comes out has as many rows as were asked for, or
// is an error.
func FuzzLevels(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 5, 5}, []byte{0, 0, 0, 0, 0, 0, 2, 1})
	f.Add([]byte{5, 5}, []byte{0, 3})
	f.Fuzz(func(t *testing.T, defs, reps []byte) {
		if len(defs) != len(reps) || len(defs) > 4096 {
			t.Skip()
		}
		leaf := &leafReader{defs: defs, reps: reps}
		// Levels as of optional list (1), its element (2), an optional struct (3), an optional list (4) and its element (5).
		outer := &field{def: 1, slot: 0, rep: 1}
		within := &field{def: 3, slot: 2, rep: 1}
		inner := &field{def: 4, slot: 2, rep: 2}
		rows := bytes.Count(reps, []byte{0})
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		defer mem.AssertSize(t, 0)
		count, ok := assembleLevels(t, mem, leaf, outer, rows)
		if !ok {
			return
		}
		nulls := &vector.Nulls{Mem: mem, Rows: count}
		err := structNulls(nulls, leaf, within)
		nulls.Release()
		if err == nil {
			assembleLevels(t, mem, leaf, inner, count)
		}
	})
}

// assembleLevels finds the offsets of so many lists, and checks that they do not run backwards.
func assembleLevels(t *testing.T, mem memory.Allocator, leaf *leafReader, f *field, rows int) (int, bool) {
	nulls := &vector.Nulls{Mem: mem, Rows: rows}
	defer nulls.Release()
	offsets := make([]int32, rows+1)
	count, err := listOffsets(offsets, nulls, leaf, f)
	if err != nil {
		return 0, false
	}
	for i := range rows {
		if offsets[i] > offsets[i+1] {
			t.Fatalf("offsets %v", offsets)
		}
	}
	if int(offsets[rows]) != count {
		t.Fatalf("%d elements of %d", offsets[rows], count)
	}
	return count, true
}
