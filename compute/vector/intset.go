package vector

import "math/bits"

// IntSet is a fixed set of integers: a bitmap where they lie close together, else a flat table.
type IntSet struct {
	dense *Bitmap // nil: the table has them
	table []int64 // open addressing; a free slot holds filler
	shift uint
	// filler is a number that is not in the set.
	filler int64
}

// denseBits is up to how many bits a member a bitmap is taken: it then is no larger than eight tables.
const denseBits = 1 << 10

// NewIntSet makes a set; it may get members more than once.
func NewIntSet(members []int64) IntSet {
	if len(members) == 0 {
		return IntSet{table: []int64{0}, shift: 64}
	}
	least, most := members[0], members[0]
	for _, v := range members {
		least, most = min(least, v), max(most, v)
	}
	if span := uint64(most) - uint64(least); span/denseBits < uint64(len(members)) {
		s := IntSet{dense: bitmapOf(least, most)}
		for _, v := range members {
			s.dense.put(v)
		}
		return s
	}
	return newSparseSet(members)
}

func newSparseSet(members []int64) IntSet {
	log := uint(bits.Len(uint(2 * len(members))))
	s := IntSet{table: make([]int64, 1<<log), shift: 64 - log, filler: absentFrom(members)}
	for i := range s.table {
		s.table[i] = s.filler
	}
	mask := uint64(len(s.table) - 1)
	for _, v := range members {
		at := s.home(v)
		for s.table[at] != s.filler && s.table[at] != v {
			at = (at + 1) & mask
		}
		s.table[at] = v
	}
	return s
}

// absentFrom is a number that is not among some.
func absentFrom(members []int64) int64 {
	taken := make(map[int64]bool, len(members))
	for _, v := range members {
		taken[v] = true
	}
	var v int64
	for taken[v] {
		v++
	}
	return v
}

func (s *IntSet) home(v int64) uint64 { return uint64(v) * 0x9e3779b97f4a7c15 >> s.shift }

// Has reports a member.
func (s *IntSet) Has(v int64) bool {
	if s.dense != nil {
		return s.dense.Has(v)
	}
	if v == s.filler {
		return false
	}
	mask := uint64(len(s.table) - 1)
	for at := s.home(v) & mask; ; at = (at + 1) & mask {
		switch s.table[at] {
		case v:
			return true
		case s.filler:
			return false
		}
	}
}
