package hash

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Most keys that rows are drawn or divided by are one word behind a purpose and a salt. All of such a key but its last eight
// bytes is the same in each row, and so is most of the work of XXH3: shortKey has that done once, and gives the same hashes.

// The parts of XXH3-64 for keys of 17 to 32 bytes, with seed 0: the product of the first half of its secret's first 32 bytes
// and the first 16 bytes of the key, that of the second half and the last 16 bytes, and the length, mixed once more.
const (
	xxPrime     = 0x9E3779B185EBCA87
	xxAvalanche = 0x165667919E3779F9
	xxSecret0   = 0xbe4ba423396cfeb8
	xxSecret1   = 0x1cad21f72c81017c
	xxSecret2   = 0xdb979083e96dd4de
	xxSecret3   = 0x1f67b3b7a4a44072
)

// shortKey hashes keys of a fixed prefix and one word.
type shortKey struct{ rest, low uint64 }

// newShortKey takes what a key begins with, the word's tag included; ok is false for a prefix too short or too long to go this way.
func newShortKey(prefix []byte) (k shortKey, ok bool) {
	length := len(prefix) + 8
	if length < 24 || length > 32 { // below, the word would reach into the first half
		return shortKey{}, false
	}
	k.rest = uint64(length)*xxPrime + fold(binary.LittleEndian.Uint64(prefix)^xxSecret0, binary.LittleEndian.Uint64(prefix[8:])^xxSecret1)
	k.low = binary.LittleEndian.Uint64(prefix[len(prefix)-8:]) ^ xxSecret2
	return k, true
}

func (k shortKey) sum(word uint64) uint64 {
	h := k.rest + fold(k.low, word^xxSecret3)
	h ^= h >> 37
	h *= xxAvalanche
	return h ^ h>>32
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// shortKeys hashes the rows of a column of words behind a prefix; false where the prefix does not fit.
func shortKeys(prefix []byte, e *encoder, dst []uint64) bool {
	k, ok := newShortKey(append(prefix[:len(prefix):len(prefix)], e.tag))
	if !ok {
		return false
	}
	words := e.words[:len(dst)]
	for i, w := range words {
		dst[i] = k.sum(w)
	}
	if e.valid.AllValid() {
		return true
	}
	null := xxh3.Hash(append(prefix[:len(prefix):len(prefix)], tagNull))
	for i := range dst {
		if e.valid.IsNull(i) {
			dst[i] = null
		}
	}
	return true
}
