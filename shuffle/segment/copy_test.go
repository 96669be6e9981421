package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestCopy: a sound block is copied byte for byte, however little is read at a time; of one with a bit turned over anywhere,
// some of the end is missing.
func TestCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	write(t, path, 2, Options{Plain: true}, batch(memory.NewGoAllocator(), 0, 700, 20), batch(memory.NewGoAllocator(), 700, 900, 20))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytesSource{bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	ref := r.Blocks(0)[0]
	frame := bytes.Clone(data[ref.Offset:][:ref.Length])
	sizes := []int{1 << 10, 1<<10 + 1, ref.Length - 1, ref.Length - 3, ref.Length - TrailerSize, ref.Length, 512 << 10}
	for _, size := range sizes {
		var out bytes.Buffer
		if err := r.Copy(&out, 0, 0, make([]byte, size)); err != nil || !bytes.Equal(out.Bytes(), frame) {
			t.Errorf("buffer of %d: %d bytes of %d, %v", size, out.Len(), len(frame), err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		at := ref.Offset + random.Int64N(int64(ref.Length))
		bit := byte(1) << random.IntN(8)
		data[at] ^= bit
		var out bytes.Buffer
		err := r.Copy(&out, 0, 0, make([]byte, sizes[random.IntN(len(sizes))]))
		if !errors.Is(err, ErrCorrupt) || out.Len() >= ref.Length {
			t.Fatalf("byte %d: %d bytes of %d went out, %v", at, out.Len(), ref.Length, err)
		}
		data[at] ^= bit
	}
	full := errors.New("full")
	if err := r.Copy(failing{full}, 0, 0, make([]byte, 1<<10)); !errors.Is(err, full) || errors.Is(err, ErrCorrupt) {
		t.Errorf("a target that fails: %v", err)
	}
}

// bytesSource is a segment in memory.
type bytesSource struct{ *bytes.Reader }

func (bytesSource) Name() string { return "memory" }
func (bytesSource) Close() error { return nil }
