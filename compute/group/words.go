package group

// wordTable numbers keys of one 64-bit word.
type wordTable struct {
	slots slots
	keys  []uint64
}

func newWordTable() *wordTable { return &wordTable{slots: newSlots()} }

func (t *wordTable) assign(words []uint64, dst []uint32) {
	table, shift := t.slots.table, t.slots.shift
	mask := uint32(len(table) - 1)
	for i, w := range words {
		h := hashWord(w)
		pos := h >> shift
		for {
			s := table[pos&mask]
			if s == 0 {
				dst[i] = t.insert(w, h, pos&mask)
				table, shift = t.slots.table, t.slots.shift
				mask = uint32(len(table) - 1)
				break
			}
			if id := uint32(s) - 1; uint32(s>>32) == h && t.keys[id] == w {
				dst[i] = id
				break
			}
			pos++
		}
	}
}

func (t *wordTable) insert(w uint64, h, pos uint32) uint32 {
	id := uint32(len(t.keys))
	t.keys = append(t.keys, w)
	t.slots.place(pos, h, id)
	return id
}

func (t *wordTable) find(words []uint64, dst []uint32) {
	table, shift := t.slots.table, t.slots.shift
	mask := uint32(len(table) - 1)
	for i, w := range words {
		h := hashWord(w)
		pos := h >> shift
		for {
			s := table[pos&mask]
			if s == 0 {
				dst[i] = None
				break
			}
			if id := uint32(s) - 1; uint32(s>>32) == h && t.keys[id] == w {
				dst[i] = id
				break
			}
			pos++
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
	for i := range dst {
		key := words[i*t.width : (i+1)*t.width]
		h := t.hash(key)
		id, pos := t.lookup(key, h)
		if id == None {
			id = uint32(len(t.keys) / t.width)
			t.keys = append(t.keys, key...)
			t.slots.place(pos, h, id)
		}
		dst[i] = id
	}
}

func (t *rowTable) find(words []uint64, dst []uint32) {
	for i := range dst {
		key := words[i*t.width : (i+1)*t.width]
		dst[i], _ = t.lookup(key, t.hash(key))
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
	have := t.keys[int(id)*t.width:]
	have = have[:len(key)]
	for k, w := range key {
		if have[k] != w {
			return false
		}
	}
	return true
}
