package group

import (
	"bytes"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/quern-engine/quern/compute/vector"
)

// bytesTable numbers the values of one string or binary column; NULL is a value among them.
type bytesTable struct {
	slots  slots
	ends   []int64 // where value i ends in data
	data   []byte
	null   uint32 // the number of NULL, or None
	seen   codeCache
	probed codeCache
}

// codeCache remembers, for the dictionary met last, which number each code stands for.
type codeCache struct {
	dict vector.Dictionary
	ids  []uint32
}

// unasked marks a code that was not looked up yet. It differs from None, which is the answer for an absent value.
const unasked = None - 1

// of is the cache for a dictionary, emptied if it held another's.
func (c *codeCache) of(d vector.Dictionary) []uint32 {
	if c.ids == nil || !c.dict.SameValues(d) {
		// A new slice even where the old one would do: a shorter life than the table's is not worth the bookkeeping.
		c.ids = make([]uint32, d.Values.Len())
		for i := range c.ids {
			c.ids[i] = unasked
		}
	}
	c.dict = d
	return c.ids
}

func newBytesTable() *bytesTable { return &bytesTable{slots: newSlots(), null: None} }

func (t *bytesTable) len() int { return len(t.ends) }

func (t *bytesTable) value(id uint32) []byte {
	start := int64(0)
	if id > 0 {
		start = t.ends[id-1]
	}
	return t.data[start:t.ends[id]]
}

func (t *bytesTable) assign(arr arrow.Array, dst []uint32) {
	t.probed.ids = nil // absent values may be present after this
	valid := vector.ValidityOf(arr)
	if d, ok := vector.DictionaryOf(arr); ok {
		t.assignCodes(d, valid, dst)
		return
	}
	values := vector.StringsOf(arr)
	for i := range dst {
		if valid.IsNull(i) {
			dst[i] = t.nullID()
			continue
		}
		dst[i] = t.intern(values.At(i))
	}
}

// assignCodes asks the table once per dictionary value; a row costs one look at the cache.
func (t *bytesTable) assignCodes(d vector.Dictionary, valid vector.Validity, dst []uint32) {
	ids := t.seen.of(d)
	if valid.AllValid() {
		dst = dst[:len(d.Codes)]
		// Most batches bring no code that was not met before. Only the mark of such a code has the top bit.
		var seen uint32
		for i, code := range d.Codes {
			id := ids[code]
			dst[i] = id
			seen |= id
		}
		if seen < maxGroups {
			return
		}
		for i, code := range d.Codes {
			if ids[code] == unasked {
				ids[code] = t.intern(d.Values.At(int(code)))
			}
			dst[i] = ids[code]
		}
		return
	}
	for i, code := range d.Codes {
		if valid.IsNull(i) {
			dst[i] = t.nullID()
			continue
		}
		id := ids[code]
		if id == unasked {
			id = t.intern(d.Values.At(int(code)))
			ids[code] = id
		}
		dst[i] = id
	}
}

func (t *bytesTable) find(arr arrow.Array, dst []uint32) {
	valid := vector.ValidityOf(arr)
	d, encoded := vector.DictionaryOf(arr)
	if !encoded {
		values := vector.StringsOf(arr)
		for i := range dst {
			if valid.IsNull(i) {
				dst[i] = t.null
				continue
			}
			v := values.At(i)
			dst[i], _ = t.lookup(v, hashBytes(v))
		}
		return
	}
	ids := t.probed.of(d)
	for i, code := range d.Codes {
		if valid.IsNull(i) {
			dst[i] = t.null
			continue
		}
		if ids[code] == unasked {
			v := d.Values.At(int(code))
			ids[code], _ = t.lookup(v, hashBytes(v))
		}
		dst[i] = ids[code]
	}
}

func (t *bytesTable) nullID() uint32 {
	if t.null == None {
		t.null = t.add(nil)
	}
	return t.null
}

func (t *bytesTable) add(v []byte) uint32 {
	t.data = append(t.data, v...)
	t.ends = append(t.ends, int64(len(t.data)))
	return uint32(len(t.ends) - 1)
}

func hashBytes(v []byte) uint32 { return uint32(xxh3.Hash(v) >> 32) }

func (t *bytesTable) intern(v []byte) uint32 {
	h := hashBytes(v)
	id, pos := t.lookup(v, h)
	if id == None {
		id = t.add(v)
		t.slots.place(pos, h, id)
	}
	return id
}

// lookup returns the value's number, or None and the free slot where it belongs.
func (t *bytesTable) lookup(v []byte, h uint32) (id, pos uint32) {
	mask := uint32(len(t.slots.table) - 1)
	for pos = h >> t.slots.shift; ; pos = (pos + 1) & mask {
		s := t.slots.table[pos]
		if s == 0 {
			return None, pos
		}
		if id = uint32(s) - 1; uint32(s>>32) == h && bytes.Equal(t.value(id), v) {
			return id, pos
		}
	}
}

func (t *bytesTable) bytes() int64 {
	return t.slots.bytes() + int64(len(t.ends))*8 + int64(len(t.data))
}
