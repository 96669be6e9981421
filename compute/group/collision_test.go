package group

import (
	"strconv"
	"testing"

	mix "github.com/quern-engine/quern/compute/hash"
)

// collide finds two numbers of one hash by the birthday paradox: among 2^19 numbers some thirty pairs share 32 bits.
func collide(t *testing.T, hash func(n uint64) uint32) (uint64, uint64) {
	t.Helper()
	seen := make(map[uint32]uint64, 1<<19)
	for i := range uint64(1 << 19) {
		n := mix.Mix(i) // numbers in a row have hashes that avoid each other
		h := hash(n)
		if m, ok := seen[h]; ok {
			return m, n
		}
		seen[h] = n
	}
	t.Fatal("no two hashes are equal")
	return 0, 0
}

// Equal hashes of different keys do not merge groups.
func TestKeysAreComparedNotOnlyHashed(t *testing.T) {
	check := func(what string, ids []uint32) {
		t.Helper()
		if ids[0] != 0 || ids[1] != 1 || ids[2] != 0 {
			t.Errorf("%s: two keys of one hash are groups %v", what, ids)
		}
	}
	ids := make([]uint32, 3)

	a, b := collide(t, hashWord)
	words := newWordTable()
	words.assign([]uint64{a, b, a}, ids)
	check("words", ids)
	words.find([]uint64{a, b, a}, ids)
	check("words found", ids)

	a, b = collide(t, func(n uint64) uint32 { return hashPair(7, n) })
	rows := newRowTable(2)
	rows.assign([]uint64{7, a, 7, b, 7, a}, ids)
	check("pairs", ids)

	a, b = collide(t, func(n uint64) uint32 { return hashWords([]uint64{1, n, 2}) })
	rows = newRowTable(3)
	rows.assign([]uint64{1, a, 2, 1, b, 2, 1, a, 2}, ids)
	check("wide keys", ids)

	text := func(n uint64) []byte { return strconv.AppendUint(nil, n, 10) }
	a, b = collide(t, func(n uint64) uint32 { return hashBytes(text(n)) })
	strings := newBytesTable()
	check("strings", []uint32{strings.intern(text(a)), strings.intern(text(b)), strings.intern(text(a))})
}
