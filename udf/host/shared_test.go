package host

import (
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
)

// Batches go by shared memory, in parts if they are large, and in messages where they do not fit: with the same results.
func TestSharedMemory(t *testing.T) {
	_, f, _ := open(t, built.panicky, nil)
	for _, width := range []int{0, 1, 1000, 3000, 20 << 20} {
		rows := 16384
		if width > 1<<20 {
			rows = 2
		}
		if width == 3000 && testing.Short() {
			continue
		}
		rec := wide("same_string", width, rows)
		col, _, err := f.Call(t.Context(), "same_string", rec)
		if err != nil {
			t.Fatal(err)
		}
		if !array.Equal(col, rec.Column(0)) {
			t.Errorf("%d rows of %d bytes came back otherwise", rows, width)
		}
		col.Release()
		rec.Release()
	}
	if shares := f.leased().shares; shares != (runtime.GOOS == "linux") {
		t.Errorf("shared memory: %t", shares)
	}
	// What takes little room may give what takes much.
	_, f, _ = open(t, built.hostile, nil)
	col, _, err := f.Call(t.Context(), "huge", ints(t, 20))
	if err != nil {
		t.Fatal(err)
	}
	defer col.Release()
	if got := col.(*array.Binary).Value(0); len(got) != 20<<20 || strings.Trim(string(got[:10]), "\x00") != "" {
		t.Errorf("%d bytes", len(got))
	}
}

// Memory goes with its process, not before the calls that are at it.
func TestSlots(t *testing.T) {
	s := newShared()
	if s == nil {
		t.Skip("no shared memory here")
	}
	var taken []int
	for range sharedSlots {
		offset, ok := s.take()
		if !ok {
			t.Fatal("no slot")
		}
		taken = append(taken, offset)
	}
	if taken[0] != 0 {
		t.Errorf("the first slot is at %d", taken[0])
	}
	if _, ok := s.take(); ok {
		t.Error("a slot too many")
	}
	closed := make(chan struct{})
	go func() {
		s.close()
		close(closed)
	}()
	for _, offset := range taken {
		s.args[offset] = 1 // it is still there
		s.give(offset)
	}
	<-closed
	if _, ok := s.take(); ok {
		t.Error("a slot of memory that is gone")
	}
}
