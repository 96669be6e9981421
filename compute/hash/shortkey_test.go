package hash

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/zeebo/xxh3"
)

// Hashes of keys of a prefix and a word are those that XXH3 gives, whatever the length of the prefix.
func TestShortKey(t *testing.T) {
	random, short := rand.New(rand.NewPCG(1, 2)), 0
	for length := range 64 {
		prefix := make([]byte, length)
		for i := range prefix {
			prefix[i] = byte(random.Uint32())
		}
		k, ok := newShortKey(prefix)
		if !ok {
			continue
		}
		short++
		for range 1000 {
			word := random.Uint64()
			if got, want := k.sum(word), xxh3.Hash(binary.LittleEndian.AppendUint64(prefix[:length:length], word)); got != want {
				t.Fatalf("prefix of %d bytes: %x, want %x", length, got, want)
			}
		}
	}
	if short != 9 {
		t.Errorf("%d lengths of prefixes go the short way", short)
	}
}
