package group

import "slices"

// wordTable numbers keys of one 64-bit word.
type wordTable struct {
	slots  slots
	keys   []uint64
	direct *direct // of a table that gets no more keys; nil where there is none
}

func newWordTable() *wordTable { return &wordTable{slots: newSlots()} }

// lookahead is how many keys are looked for at a time: first the slots of all of them are read, then the keys that these
// name, so that the processor waits for many cache misses at once instead of one after the other.
const lookahead = 64

func (t *wordTable) assign(words []uint64, dst []uint32) {
	if len(t.slots.table) < smallTable {
		last, id := uint64(0), None // of the row before, which often has the same key
		for i, w := range words {
			if w != last || id == None {
				last, id = w, t.assignOne(w, hashWord(w))
			}
			dst[i] = id
		}
		return
	}
	var hashes [lookahead]uint32
	var ids [lookahead]uint32
	var same [lookahead]bool
	for from := 0; from < len(words); from += lookahead {
		chunk := words[from:min(from+lookahead, len(words))]
		t.guess(chunk, &hashes, &ids, &same)
		for i, w := range chunk {
			if same[i] {
				dst[from+i] = ids[i]
			} else {
				dst[from+i] = t.assignOne(w, hashes[i])
			}
		}
	}
}

// smallTable is below how many slots an index stays in the second-level cache.
const smallTable = 1 << 15

// guess looks at the first slot of each key: same says that it is the key's own, of the group in ids.
func (t *wordTable) guess(chunk []uint64, hashes, ids *[lookahead]uint32, same *[lookahead]bool) {
	table, shift, keys := t.slots.table, t.slots.shift, t.keys
	mask := uint32(len(table) - 1)
	var found [lookahead]uint64
	for i, w := range chunk {
		h := hashWord(w)
		hashes[i&(lookahead-1)] = h
		found[i&(lookahead-1)] = table[h>>shift&mask]
	}
	for i, w := range chunk {
		i &= lookahead - 1
		s := found[i]
		id := uint32(s) - 1
		ids[i] = id
		same[i] = s != 0 && uint32(s>>32) == hashes[i] && keys[id] == w
	}
}

func (t *wordTable) assignOne(w uint64, h uint32) uint32 {
	table := t.slots.table
	mask := uint32(len(table) - 1)
	for pos := h >> t.slots.shift; ; pos++ {
		s := table[pos&mask]
		if s == 0 {
			return t.insert(w, h, pos&mask)
		}
		if id := uint32(s) - 1; uint32(s>>32) == h && t.keys[id] == w {
			return id
		}
	}
}

func (t *wordTable) insert(w uint64, h, pos uint32) uint32 {
	id := uint32(len(t.keys))
	t.keys = append(roomFor(t.keys, 1), w)
	t.slots.place(pos, h, id)
	return id
}

// roomFor makes a small slice at least twice as long where it has no room for so many words: append does that for very
// small ones only. A large one grows by a quarter, since that is what callers reserve memory for.
func roomFor(keys []uint64, words int) []uint64 {
	if n := len(keys); n+words > cap(keys) && n < smallKeys {
		return slices.Grow(keys, max(n, 64))
	}
	return keys
}

// smallKeys is up to how many words a slice is small: a megabyte.
const smallKeys = 1 << 17

func (t *wordTable) find(words []uint64, dst []uint32) {
	if t.direct != nil {
		t.findDirect(words, dst)
		return
	}
	if len(t.slots.table) < smallTable {
		for i, w := range words {
			dst[i] = t.findOne(w, hashWord(w))
		}
		return
	}
	var hashes [lookahead]uint32
	var ids [lookahead]uint32
	var same [lookahead]bool
	for from := 0; from < len(words); from += lookahead {
		chunk := words[from:min(from+lookahead, len(words))]
		t.guess(chunk, &hashes, &ids, &same)
		for i, w := range chunk {
			if same[i] {
				dst[from+i] = ids[i]
			} else {
				dst[from+i] = t.findOne(w, hashes[i])
			}
		}
	}
}

func (t *wordTable) findDirect(words []uint64, dst []uint32) {
	if t.direct.ids != nil {
		t.direct.find(words, dst)
		return
	}
	for from := 0; from < len(words); from += 64 {
		to := min(from+64, len(words))
		t.findAmong(words[from:to], t.direct.possible(words[from:to]), dst[from:to])
	}
}

// freeze says that there will be no more keys. REQUIRES: none of them is the group of NULL.
func (t *wordTable) freeze() {
	t.direct = newDirect(t.keys)
	if t.direct != nil && t.direct.ids != nil {
		t.slots.table = nil
	}
}

func (t *wordTable) findOne(w uint64, h uint32) uint32 {
	table := t.slots.table
	mask := uint32(len(table) - 1)
	for pos := h >> t.slots.shift; ; pos++ {
		s := table[pos&mask]
		if s == 0 {
			return None
		}
		if id := uint32(s) - 1; uint32(s>>32) == h && t.keys[id] == w {
			return id
		}
	}
}

// rowTable numbers keys of width words, two or more.
type rowTable struct {
	slots slots
	width int
	keys  []uint64
}

func newRowTable(width int) *rowTable { return &rowTable{slots: newSlots(), width: width} }

// assign numbers the keys that lie one after the other in words.
func (t *rowTable) assign(words []uint64, dst []uint32) {
	var hashes, ids [lookahead]uint32
	for from := 0; from < len(dst); from += lookahead {
		chunk := dst[from:min(from+lookahead, len(dst))]
		words := words[from*t.width : (from+len(chunk))*t.width]
		t.guess(words, hashes[:len(chunk)], ids[:len(chunk)])
		for i := range chunk {
			if chunk[i] = ids[i]; ids[i] >= absent {
				chunk[i] = t.assignOne(words[i*t.width:(i+1)*t.width], hashes[i])
			}
		}
	}
}

// absent is what guess finds for a key that is in no group: its first slot is free.
const absent = None - 1

// guess hashes up to lookahead keys, and finds the numbers of those that are at their first slot, absent, or None where
// another key is there. It reads the slots of all of them first, then the keys that these name.
func (t *rowTable) guess(words []uint64, hashes, ids []uint32) {
	var found [lookahead]uint64
	table, shift := t.slots.table, t.slots.shift
	mask := uint32(len(table) - 1)
	for i := range hashes {
		h := t.hash(words[i*t.width : (i+1)*t.width])
		hashes[i] = h
		found[i&(lookahead-1)] = table[h>>shift&mask]
	}
	for i, h := range hashes {
		s := found[i&(lookahead-1)]
		if ids[i] = None; s == 0 {
			ids[i] = absent
		} else if id := uint32(s) - 1; uint32(s>>32) == h && t.equal(id, words[i*t.width:(i+1)*t.width]) {
			ids[i] = id
		}
	}
}

func (t *rowTable) assignOne(key []uint64, h uint32) uint32 {
	id, pos := t.lookup(key, h)
	if id == None {
		id = uint32(len(t.keys) / t.width)
		t.keys = append(roomFor(t.keys, t.width), key...)
		t.slots.place(pos, h, id)
	}
	return id
}

func (t *rowTable) find(words []uint64, dst []uint32) {
	var hashes, ids [lookahead]uint32
	for from := 0; from < len(dst); from += lookahead {
		chunk := dst[from:min(from+lookahead, len(dst))]
		words := words[from*t.width : (from+len(chunk))*t.width]
		t.guess(words, hashes[:len(chunk)], ids[:len(chunk)])
		for i := range chunk {
			switch chunk[i] = ids[i]; ids[i] {
			case absent:
				chunk[i] = None
			case None:
				chunk[i], _ = t.lookup(words[i*t.width:(i+1)*t.width], hashes[i])
			}
		}
	}
}

func (t *rowTable) hash(key []uint64) uint32 {
	if len(key) == 2 {
		return hashPair(key[0], key[1])
	}
	return hashWords(key)
}

// lookup returns the key's number, or None and the free slot where it belongs.
func (t *rowTable) lookup(key []uint64, h uint32) (id, pos uint32) {
	mask := uint32(len(t.slots.table) - 1)
	for pos = h >> t.slots.shift; ; pos = (pos + 1) & mask {
		s := t.slots.table[pos]
		if s == 0 {
			return None, pos
		}
		if id = uint32(s) - 1; uint32(s>>32) == h && t.equal(id, key) {
			return id, pos
		}
	}
}

func (t *rowTable) equal(id uint32, key []uint64) bool {
	if len(key) == 2 {
		have := t.keys[2*int(id) : 2*int(id)+2]
		return have[0] == key[0] && have[1] == key[1]
	}
	have := t.keys[int(id)*t.width:]
	have = have[:len(key)]
	for k, w := range key {
		if have[k] != w {
			return false
		}
	}
	return true
}
