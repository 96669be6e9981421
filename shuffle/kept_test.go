package shuffle

import (
	"errors"
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
			store.KeepBatches(c.limit, nothing)
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

func nothing() int64 { return 0 }

// TestGiveBack: outputs in borrowed memory become segments, the oldest first, when it is asked back, and their rows stay the
// same for readers that come at any time.
func TestGiveBack(t *testing.T) {
	const maps, partitions, rows = 6, 3, 4000
	cl := newCluster(t, 1, 0, partitions, 0, 0, nil)
	store := cl.stores[0]
	spare := int64(1 << 30)
	store.KeepBatches(0, func() int64 { return spare })
	mem := memory.NewCheckedAllocator(recycle.Poison())
	for m := range maps {
		cl.keep(t, mem, m, partitions, rows)
	}
	client := NewClient(cl.client, ClientOptions{Mem: mem})
	read := func() (ids []int64) {
		for p := range partitions {
			ids = append(ids, readIDs(t, client.Fetch(cl.outputs, api.Partition(p), schema, cl.outputs.Workers[0], store))...)
		}
		return ids
	}
	want, all := read(), store.kept.bytes
	first, second := store.kept.byName["run-1/4-0-1.seg"].bytes, store.kept.byName["run-1/4-1-1.seg"].bytes
	for _, c := range []struct{ spare, files int64 }{{all, 0}, {all - first, 1}, {all - first - second, 2}, {0, maps}} {
		early := client.Fetch(cl.outputs, api.Partition(0), schema, cl.outputs.Workers[0], store)
		if err := store.GiveBack(c.spare); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(cl.dirs[0], storeFolder, "*", "*.seg"))
		if err != nil || int64(len(files)) != c.files {
			t.Errorf("%d of %d bytes spare: segment files %v (%v), want %d", c.spare, all, files, err, c.files)
		}
		if store.kept.bytes > c.spare {
			t.Errorf("%d bytes kept, %d spare", store.kept.bytes, c.spare)
		}
		if got := readIDs(t, early); !slices.Equal(got, want[:len(got)]) || len(got) == 0 {
			t.Errorf("%d bytes spare: a reader that came before found other rows", c.spare)
		}
		if !slices.Equal(read(), want) {
			t.Errorf("%d bytes spare: other rows", c.spare)
		}
	}
	if err := store.Forget("run-1"); err != nil {
		t.Fatal(err)
	}
	if n := mem.CurrentAlloc(); n != 0 || store.kept.bytes != 0 || store.kept.moving != 0 {
		t.Errorf("%d bytes leaked, %d counted, %d on their way", n, store.kept.bytes, store.kept.moving)
	}
}

// An output that is forgotten while it is written to a segment leaves nothing, and one that cannot be written stays.
func TestGiveBackForgotten(t *testing.T) {
	cl := newCluster(t, 1, 0, 2, 0, 0, nil)
	store := cl.stores[0]
	store.KeepBatches(1<<30, nothing)
	mem := memory.NewCheckedAllocator(recycle.Poison())
	cl.keep(t, mem, 0, 2, 4000)
	failure := errors.New("the disk is full")
	refuse := func(string, *keptOutput) error { return failure }
	if _, err := store.kept.moveOut(0, refuse, store.removeLate); err != failure {
		t.Fatalf("%v", err)
	}
	if n := len(readIDs(t, NewClient(cl.client, ClientOptions{Mem: mem}).Fetch(cl.outputs, api.Partition(0), schema, cl.outputs.Workers[0], store))); n == 0 {
		t.Error("an output that could not be written is gone")
	}
	late := func(name string, out *keptOutput) error {
		err := store.writeKept(name, out)
		return errors.Join(err, store.Forget("run-1"), store.root.Mkdir("run-1", 0o700))
	}
	if done, err := store.kept.moveOut(0, late, store.removeLate); done || err != nil {
		t.Fatalf("done %v: %v", done, err)
	}
	if left, err := filepath.Glob(filepath.Join(cl.dirs[0], storeFolder, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
	if n := mem.CurrentAlloc(); n != 0 || store.kept.bytes != 0 || store.kept.moving != 0 {
		t.Errorf("%d bytes leaked, %d counted, %d on their way", n, store.kept.bytes, store.kept.moving)
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
