package group

import "math/bits"

// direct finds integer keys of a build side that lie close together by their distance from the least one, without a
// hash: a number in an array where at least one value in four is a key, else a bit that keeps most other values away
// from the hash table.
type direct struct {
	low  uint64
	ids  []uint32 // by distance; None where no key is
	bits []uint64 // by distance
}

const (
	// denseRange is up to how many values there may be for each key for an array of numbers, which is then no larger than a
	// hash table.
	denseRange = 4
	// sparseRange is the same for bits: eight bytes for each key.
	sparseRange = 64
)

// newDirect is nil where keys lie too far apart. Keys are words of one column, or such packed into one word: compared as
// signed numbers.
func newDirect(keys []uint64) *direct {
	if len(keys) == 0 {
		return nil
	}
	low, high := int64(keys[0]), int64(keys[0])
	for _, k := range keys {
		low, high = min(low, int64(k)), max(high, int64(k))
	}
	d, span, n := &direct{low: uint64(low)}, uint64(high)-uint64(low), uint64(len(keys))
	switch {
	case span < denseRange*n:
		d.ids = make([]uint32, span+1)
		for i := range d.ids {
			d.ids[i] = None
		}
		for id, k := range keys {
			d.ids[k-d.low] = uint32(id)
		}
	case span < sparseRange*n:
		d.bits = make([]uint64, span/64+1)
		for _, k := range keys {
			at := k - d.low
			d.bits[at/64] |= 1 << (at % 64)
		}
	default:
		return nil
	}
	return d
}

// find looks keys up in the array of numbers.
func (d *direct) find(words []uint64, dst []uint32) {
	low, ids := d.low, d.ids
	for i, w := range words {
		id := None
		if at := w - low; at < uint64(len(ids)) {
			id = ids[at]
		}
		dst[i] = id
	}
}

// possible sets bit i of the result where words[i] may be a key; there are at most 64.
func (d *direct) possible(words []uint64) (set uint64) {
	low, present := d.low, d.bits
	for i, w := range words {
		at := w - low
		if word := at / 64; word < uint64(len(present)) {
			set |= present[word] >> (at % 64) & 1 << i
		}
	}
	return set
}

// findAmong looks up the words whose bit is set; the others are no keys.
func (t *wordTable) findAmong(words []uint64, set uint64, dst []uint32) {
	for i := range dst {
		dst[i] = None
	}
	for ; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		dst[i] = t.findOne(words[i], hashWord(words[i]))
	}
}

func (d *direct) bytes() int64 {
	if d == nil {
		return 0
	}
	return int64(len(d.ids))*4 + int64(len(d.bits))*8
}
