package parquetio_test

import (
	"context"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/parquetio"
)

// A writer keeps no batch: rows that wait for the end of a page are copies.
func TestWriterLetsGoOfBatches(t *testing.T) {
	const rows, batches = 3001, 60
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	schema := plan.Schema{Fields: []plan.Field{{Name: "n", Type: plan.Int64}}}
	w, err := parquetio.NewWriter(io.Discard, schema, parquetio.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range batches {
		buf, _ := vector.Alloc[int64](mem, rows)
		col := vector.Make(arrow.PrimitiveTypes.Int64, rows, nil, buf)
		rec := vector.NewRecord(schema, []arrow.Array{col}, rows)
		col.Release()
		err := w.Write(context.Background(), rec)
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
		if n := mem.CurrentAlloc(); n != 0 {
			t.Fatalf("%d bytes held", n)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
