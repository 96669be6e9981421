package group

import "math/bits"

// None is the number of no group.
const None = ^uint32(0)

// maxGroups leaves room above it for None and for the markers of the dictionary caches.
const maxGroups = 1 << 31

const initialBits = 6

// slots is the open-addressing index over keys that live elsewhere. Slot 0 is free; any other holds the key's hash in
// its upper half and the key's group number plus one in its lower.
type slots struct {
	table []uint64
	shift uint // 32 minus the binary logarithm of len(table)
	used  int
	limit int // grow at this many used slots
}

func newSlots() slots {
	s := slots{}
	s.resize(initialBits)
	return s
}

func (s *slots) resize(log uint) {
	s.table = make([]uint64, 1<<log)
	s.shift = 32 - log
	// Linear probing gets slow with little room: at 5/8 a miss looks at four slots on average, at 3/4 at eight.
	s.limit = len(s.table) / 8 * 5
}

// place fills the free slot at pos, and grows the index when it gets crowded. REQUIRES: s.table[pos] is free.
func (s *slots) place(pos uint32, hash uint32, id uint32) {
	s.table[pos] = uint64(hash)<<32 | uint64(id+1)
	if s.used++; s.used > s.limit {
		s.grow()
	}
}

// grow makes a small index four times as large, a large one twice.
func (s *slots) grow() { s.rebuild(uint(bits.Len(uint(larger(len(s.table))))) - 1) }

func larger(slots int) int {
	if slots < smallTable {
		return 4 * slots
	}
	return 2 * slots
}

// rebuild changes the size. Slots come in order of their leading hash bits, so the new ones are written almost in order.
func (s *slots) rebuild(log uint) {
	old := s.table
	s.resize(log)
	mask := uint32(len(s.table) - 1)
	for _, slot := range old {
		if slot == 0 {
			continue
		}
		pos := uint32(slot>>32) >> s.shift
		for s.table[pos] != 0 {
			pos = (pos + 1) & mask
		}
		s.table[pos] = slot
	}
}

func (s *slots) bytes() int64 { return int64(len(s.table)) * 8 }

// The hash of words folds a 128-bit product. It must not be the exchange hash: rows that reach one partition agree in
// the leading bits of that one.
const (
	fold0 = 0x9fb21c651e98df25
	fold1 = 0xa0761d6478bd642f
	fold2 = 0xe7037ed1a0b428db
)

func hashWord(w uint64) uint32 {
	hi, lo := bits.Mul64(w^fold0, fold1)
	return uint32((hi ^ lo) >> 32)
}

func hashPair(a, b uint64) uint32 {
	hi, lo := bits.Mul64(a^fold0, fold1)
	hi, lo = bits.Mul64(hi^lo^b, fold2)
	return uint32((hi ^ lo) >> 32)
}

func hashWords(words []uint64) uint32 {
	h := uint64(fold0)
	for _, w := range words {
		hi, lo := bits.Mul64(h^w, fold1)
		h = hi ^ lo
	}
	hi, lo := bits.Mul64(h, fold2)
	return uint32((hi ^ lo) >> 32)
}
