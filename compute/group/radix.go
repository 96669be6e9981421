package group

// radix is the rows of a join's build side in order of the leading bits of their keys' hashes: a table that is filled in
// this order stays in the processor's cache while it is.
type radix struct {
	rows   []int32  // row numbers; those of one key keep their order
	hashes []uint32 // by place
	words  []uint64 // keys by place, width words each
}

const (
	// radixRows is from how many rows on a table no longer fits the second-level cache.
	radixRows = 1 << 16
	// radixBits makes for parts whose number still fits the processor's translation buffers.
	radixBits = 8
	// expectedRows is how many rows a key are taken to have: room for more keys is made twice at most.
	expectedRows = 4
)

// newRadix sorts keys of width words.
func newRadix(words []uint64, width int, hash func([]uint64) uint32) *radix {
	n := len(words) / width
	hashes := make([]uint32, n)
	var next [1<<radixBits + 1]int32
	for i := range hashes {
		h := hash(words[i*width : (i+1)*width])
		hashes[i] = h
		next[h>>(32-radixBits)+1]++
	}
	for i := range 1 << radixBits {
		next[i+1] += next[i]
	}
	r := &radix{rows: make([]int32, n), hashes: make([]uint32, n), words: make([]uint64, n*width)}
	for i, h := range hashes {
		at := next[h>>(32-radixBits)]
		next[h>>(32-radixBits)]++
		r.rows[at], r.hashes[at] = int32(i), h
		if width == 1 {
			r.words[at] = words[i]
		} else {
			copy(r.words[int(at)*width:(int(at)+1)*width], words[i*width:])
		}
	}
	return r
}

// assign numbers the keys of an empty table, by place.
func (r *radix) assign(t *Table) []uint32 {
	groups := make([]uint32, len(r.rows))
	if t.words != nil {
		t.words.slots.reserve(len(r.rows))
		t.words.keys = make([]uint64, 0, len(r.rows)/expectedRows)
		for i, w := range r.words {
			groups[i] = t.words.assignOne(w, r.hashes[i])
		}
		t.words.slots.fit()
		return groups
	}
	t.rows.slots.reserve(len(r.rows))
	t.rows.keys = make([]uint64, 0, len(r.words)/expectedRows)
	for i, h := range r.hashes {
		groups[i] = t.rows.assignOne(r.words[i*t.width:(i+1)*t.width], h)
	}
	t.rows.slots.fit()
	return groups
}

// reserve makes room in an empty index, so that it does not grow while it gets so many keys.
func (s *slots) reserve(keys int) {
	log := uint(initialBits)
	for 1<<log/8*5 < keys {
		log++
	}
	s.resize(log)
}

// fit halves an index as often as its keys leave room: a smaller one is found in the cache more often.
func (s *slots) fit() {
	log := 32 - s.shift
	for log > initialBits && 1<<(log-1)/8*5 >= s.used {
		log--
	}
	if log != 32-s.shift {
		s.rebuild(log)
	}
}
