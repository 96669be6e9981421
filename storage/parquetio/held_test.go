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

// A writer keeps the batches whose rows wait for a run, and no others, however batches and runs fall.
func TestWriterLetsGoOfBatches(t *testing.T) {
	const rows, batches = 3001, 60
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	schema := plan.Schema{Fields: []plan.Field{{Name: "n", Type: plan.Int64}}}
	w, err := parquetio.NewWriter(io.Discard, schema, parquetio.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	most, one := 0, 0
	for range batches {
		buf, _ := vector.Alloc[int64](mem, rows)
		col := vector.Make(arrow.PrimitiveTypes.Int64, rows, nil, buf)
		rec := vector.NewRecord(schema, []arrow.Array{col}, rows)
		col.Release()
		one = max(one, mem.CurrentAlloc()-most)
		err := w.Write(context.Background(), rec)
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, mem.CurrentAlloc())
	}
	if most > 3*one {
		t.Errorf("%d bytes held where a batch has %d", most, one)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := mem.CurrentAlloc(); n != 0 {
		t.Errorf("%d bytes leaked", n)
	}
}
