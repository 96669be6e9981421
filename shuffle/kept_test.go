package shuffle

import (
	"io"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

// TestKeptBatches: outputs that stay in memory give the same rows to a reader in the process and to one that comes over
// the network, what has no room goes to a file, and nothing is left when the run is forgotten.
func TestKeptBatches(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int64
		files int
	}{{"all", 1 << 30, 0}, {"some", 2 << 20, 1}, {"none", 0, 3}} {
		t.Run(c.name, func(t *testing.T) {
			const maps, partitions, rows = 3, 4, 5000
			cl := newCluster(t, 1, 0, partitions, 0, 0, nil)
			store := cl.stores[0]
			store.KeepBatches(c.limit)
			mem := memory.NewCheckedAllocator(recycle.Poison())
			for m := range maps {
				cl.keep(t, mem, m, partitions, rows)
			}
			files, err := filepath.Glob(filepath.Join(cl.dirs[0], storeFolder, "*", "*.seg"))
			if err != nil || len(files) != c.files {
				t.Errorf("segment files %v (%v), want %d", files, err, c.files)
			}
			for p := range partitions {
				local := readIDs(t, NewClient(cl.client, ClientOptions{Mem: mem}).Fetch(cl.outputs, api.Partition(p), schema, cl.outputs.Workers[0], store))
				remote := readIDs(t, NewClient(cl.client, ClientOptions{Mem: mem}).Fetch(cl.outputs, api.Partition(p), schema, "", nil))
				if len(local) == 0 || !slices.Equal(local, remote) {
					t.Errorf("partition %d: %d rows in the process, %d over the network", p, len(local), len(remote))
				}
			}
			if err := store.Forget("run-1"); err != nil {
				t.Fatal(err)
			}
			if n := mem.CurrentAlloc(); n != 0 || store.kept.bytes != 0 {
				t.Errorf("%d bytes leaked, %d counted", n, store.kept.bytes)
			}
		})
	}
}

// keep writes a map output, after one that is given up.
func (c *cluster) keep(t *testing.T, mem memory.Allocator, m, partitions, rows int) {
	t.Helper()
	for attempt := range 2 {
		id := plan.AttemptID{TaskID: plan.TaskID{Run: "run-1", Stage: 4, Task: m}, Attempt: attempt}
		w, err := NewWriter(c.stores[0], id, sink(partitions), schema, WriterOptions{Mem: mem, BlockRows: 64})
		if err != nil {
			t.Fatal(err)
		}
		rec := batch(mem, m*rows, rows, 200)
		err = w.Write(t.Context(), rec)
		rec.Release()
		if err != nil {
			t.Fatal(err)
		}
		if attempt == 0 {
			if err := w.Discard(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		infos, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		loc := api.TaskLocation{Attempt: attempt}
		for _, info := range infos {
			loc.Rows += info.Rows
		}
		c.outputs.Tasks = append(c.outputs.Tasks, loc)
	}
}

func readIDs(t *testing.T, s *Stream) (ids []int64) {
	t.Helper()
	defer s.Close()
	for {
		rec, err := s.Next(t.Context())
		if err == io.EOF {
			return ids
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.Column(0).(*array.Int64).Int64Values()...)
		rec.Release()
	}
}
