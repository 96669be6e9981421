package task

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
	"github.com/quern-engine/quern/worker/operator"
)

var scratchAttempt = plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: 1, Task: 2}, Attempt: 3}

// someRows is a small batch.
func someRows(t *testing.T, mem memory.Allocator) (plan.Schema, arrow.Record) {
	t.Helper()
	schema, err := columns.ParseSchema("k string, v bigint")
	if err != nil {
		t.Fatal(err)
	}
	rec, err := columns.Record(mem, schema, []string{"a|1", "NULL|2", "c|NULL"})
	if err != nil {
		t.Fatal(err)
	}
	return schema, rec
}

func rowsOf(r operator.SpillReader) ([]string, error) {
	var out []string
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out, r.Close()
		}
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		out = append(out, columns.Rows(rec)...)
		rec.Release()
	}
}

func TestScratchFile(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	parent := filepath.Join(t.TempDir(), "spill")
	s := newScratch(mem, parent, scratchAttempt)
	schema, rec := someRows(t, mem)
	defer rec.Release()
	f, err := s.Create(schema)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := f.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if f.Rows() != 9 || f.Bytes() == 0 {
		t.Errorf("%d rows, %d bytes", f.Rows(), f.Bytes())
	}
	one, err := f.Reader()
	if err != nil {
		t.Fatal(err)
	}
	two, err := f.Reader()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []operator.SpillReader{one, two} {
		got, err := rowsOf(r)
		if err != nil || len(got) != 9 || got[4] != "NULL|2" {
			t.Errorf("read %q, %v", got, err)
		}
	}
	if err := f.Write(rec); err == nil {
		t.Error("written after it was read")
	}
	if err := errors.Join(f.Remove(), f.Remove()); err != nil {
		t.Error(err)
	}
	if _, err := f.Reader(); err == nil {
		t.Error("read after its removal")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Whatever an attempt leaves goes with it.
func TestScratchGoesWithTheAttempt(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	parent := t.TempDir()
	s := newScratch(mem, parent, scratchAttempt)
	schema, rec := someRows(t, mem)
	defer rec.Release()
	var files []operator.SpillFile
	for range 3 {
		f, err := s.Create(schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Write(rec); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, f := range files {
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
	}
}

func TestDamagedScratchFile(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	s := newScratch(mem, t.TempDir(), scratchAttempt)
	schema, rec := someRows(t, mem)
	defer rec.Release()
	f, err := s.Create(schema)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(rec); err != nil {
		t.Fatal(err)
	}
	path := f.(*spillFile).f.Name()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"a bit":     func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut short": func(b []byte) []byte { return b[:len(b)-7] },
		"nothing":   func([]byte) []byte { return nil },
	} {
		if err := os.WriteFile(path, damage(append([]byte(nil), content...)), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := f.Reader()
		if err != nil {
			t.Fatal(err)
		}
		_, err = rowsOf(r)
		if !errors.Is(err, segment.ErrCorrupt) || plan.AsFailure(err).Kind != plan.FailureStorage {
			t.Errorf("%s: %v (%s)", name, err, plan.AsFailure(err).Kind)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestScratchWithoutFolder(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScratch(memory.NewGoAllocator(), parent, scratchAttempt)
	_, err := s.Create(plan.Schema{})
	if plan.AsFailure(err).Kind != plan.FailureStorage {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A disk that is full fails the attempt with the path in the message.
func TestScratchDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	s := newScratch(mem, t.TempDir(), scratchAttempt)
	schema, rec := someRows(t, mem)
	defer rec.Release()
	f := &spillFile{scratch: s, f: full, schema: schema, out: segment.NewStreamWriter(full, segment.Options{Mem: mem})}
	if err := f.Write(rec); plan.AsFailure(err).Kind != plan.FailureStorage {
		t.Errorf("got %v", err)
	}
	if err := full.Close(); err != nil {
		t.Error(err)
	}
}
