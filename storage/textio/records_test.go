package textio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/storage"
)

// records reads the records between two offsets.
func records(t *rapid.T, store *storage.Store, o *options, url string, size, from, to int64) (out []string) {
	r, err := openRecords(context.Background(), store, o, url, size, from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for {
		rec, at, err := r.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d:%s", at, rec))
	}
}

// TestSplits reads a file cut anywhere: every record comes once, in order.
func TestSplits(t *testing.T) {
	store := storage.New()
	defer store.Close()
	path := filepath.Join(t.TempDir(), "x.csv")
	url := "file://" + path
	rapid.Check(t, func(rt *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"a", "bc", "\n", "\r\n", "\r", "", "def", "\n\n", ";"})).Draw(rt, "text")
		text := []byte(nil)
		for _, p := range parts {
			text = append(text, p...)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			rt.Fatal(err)
		}
		size := int64(len(text))
		o := &options{lineSep: rapid.SampledFrom([]string{"", "\n", ";"}).Draw(rt, "separator")}
		want := records(rt, store, o, url, size, 0, size)
		cuts := rapid.SliceOfN(rapid.Int64Range(0, size), 0, 4).Draw(rt, "cuts")
		cuts = append(cuts, 0, size)
		slices.Sort(cuts)
		var got []string
		for i := 1; i < len(cuts); i++ {
			if cuts[i] > cuts[i-1] {
				got = append(got, records(rt, store, o, url, size, cuts[i-1], cuts[i])...)
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("cut at %v: %q, want %q", cuts, got, want)
		}
	})
}

// slowReader gives a few bytes at a time.
type slowReader struct {
	data []byte
	step int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.data)
	r.data = r.data[n:]
	return n, nil
}

// TestLinesDoNotDependOnReads cuts the same text into lines, however it comes.
func TestLinesDoNotDependOnReads(t *testing.T) {
	text := bytes.Repeat([]byte("one\r\ntwo\rthree\n\n\r\n"), 20)
	lines := func(step int) (out []string) {
		r := newLineReader(&slowReader{text, step}, "", 0)
		for {
			line, at, err := r.next()
			if err != nil {
				return out
			}
			out = append(out, fmt.Sprintf("%d:%s", at, line))
		}
	}
	want := lines(len(text))
	if len(want) != 100 {
		t.Errorf("%d lines", len(want))
	}
	for step := range 9 {
		if got := lines(step + 1); !slices.Equal(got, want) {
			t.Errorf("reads of %d bytes: %q", step+1, got)
		}
	}
}
