package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/recycle"
)

// stream writes batches and returns the bytes.
func stream(t testing.TB, opts Options, recs ...arrow.Record) ([]byte, *StreamWriter) {
	t.Helper()
	var out bytes.Buffer
	w := NewStreamWriter(&out, opts)
	for _, rec := range recs {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if int64(out.Len()) != w.Bytes() {
		t.Errorf("%d bytes written, %d counted", out.Len(), w.Bytes())
	}
	return out.Bytes(), w
}

// readStream is the text of all rows, or the error on the way.
func readStream(mem memory.Allocator, b []byte, blocks int) (string, error) {
	r, text := NewStreamReader(bytes.NewReader(b), NewDecoder(mem, schema), blocks), ""
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return "", err
		}
		text += rows(rec)
		rec.Release()
	}
}

func TestStream(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	a, b := batch(mem, 0, 300, 9), batch(mem, 300, 41, 400)
	defer a.Release()
	defer b.Release()
	empty := a.NewSlice(0, 0)
	defer empty.Release()
	want := rows(a, b)
	for _, opts := range []Options{{Mem: mem}, {Mem: mem, Plain: true}, {Mem: mem, MaxPayload: 16 << 10}} {
		content, w := stream(t, opts, a, empty, b)
		if w.Rows() != 341 {
			t.Errorf("%d rows counted", w.Rows())
		}
		if opts.MaxPayload > 0 && w.Blocks() <= 2 {
			t.Errorf("%d blocks under a limit that two exceed", w.Blocks())
		}
		got, err := readStream(mem, content, w.Blocks())
		if err != nil || got != want {
			t.Errorf("%+v: %v, %d bytes of text, want %d", opts, err, len(got), len(want))
		}
	}
}

func TestDamagedStream(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	a, b := batch(mem, 0, 20, 3), batch(mem, 20, 20, 3)
	defer a.Release()
	defer b.Release()
	content, w := stream(t, Options{Mem: mem}, a, b)
	first, _ := stream(t, Options{Mem: mem}, a)
	for name, bad := range map[string][]byte{
		"cut short":        content[:len(content)-1],
		"a block missing":  content[:len(first)],
		"first block gone": content[len(first):],
		"a block twice":    append(bytes.Clone(first), first...),
	} {
		if _, err := readStream(mem, bad, w.Blocks()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range content {
		bad := bytes.Clone(content)
		bad[i] ^= 0x40
		if _, err := readStream(mem, bad, w.Blocks()); err == nil {
			t.Fatalf("damage at byte %d was not noticed", i)
		}
	}
}

func TestStreamWriteError(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	rec := batch(mem, 0, 5, 3)
	defer rec.Release()
	full := fmt.Errorf("disk full")
	if err := NewStreamWriter(failing{full}, Options{Mem: mem}).Write(rec); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	one := rec.NewSlice(0, 1)
	defer one.Release()
	if err := NewStreamWriter(io.Discard, Options{Mem: mem, MaxPayload: 64}).Write(one); err == nil {
		t.Error("a row above the limit was taken")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
