package sortkey

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// OrderRows is the rows of several batches in the order of Encode's keys, without making them. Rows of equal keys keep
// their order.
//
// Most sorts go by a few numbers whose ranges are small. So the columns are packed side by side into a word for each row,
// each in as many bits as its range needs, until the word is full, and the words are sorted digit by digit. Only rows
// of equal words are compared by what has found no room.
func OrderRows(batches []arrow.Record, keys []plan.SortKey) []vector.Pick {
	s := newRowSorter(batches, keys)
	defer s.forget()
	heads := s.pack()
	s.entries = room(&s.room.entries, len(heads))
	at := 0
	for b, rec := range batches {
		for i := range int(rec.NumRows()) {
			s.entries[at] = placed{heads[at], vector.Pick{Source: int32(b), Row: int32(i)}}
			at++
		}
	}
	sortByHeads(s.entries, room(&s.room.spare, len(heads)), s.used)
	s.sortRuns()
	picks := make([]vector.Pick, len(s.entries))
	for i, e := range s.entries {
		picks[i] = e.at
	}
	return picks
}

// rowSorter sorts the rows of batches.
type rowSorter struct {
	batches []arrow.Record
	keys    []plan.SortKey
	lanes   map[int][]column // of the keys looked at, by batch
	room    *sorterRoom
	entries []placed
	used    int // bits of the heads that say something, the lowest
	whole   int // how many keys, the first, the heads hold entirely
}

func newRowSorter(batches []arrow.Record, keys []plan.SortKey) *rowSorter {
	s := &rowSorter{batches: batches, lanes: map[int][]column{}, room: rooms.Get().(*sorterRoom)}
	for _, k := range keys {
		if !slices.ContainsFunc(s.keys, func(o plan.SortKey) bool { return o.Column == k.Column }) { // equal there, equal here
			s.keys = append(s.keys, k)
		}
	}
	return s
}

// sorterRoom is the memory of a sort, left to those to come: to touch as much for the first time takes longer than a pass
// over it.
type sorterRoom struct {
	heads, grouped []uint64
	of             []uint8
	entries, spare []placed
}

var rooms = sync.Pool{New: func() any { return new(sorterRoom) }}

// forget leaves the memory to other sorts.
func (s *rowSorter) forget() {
	rooms.Put(s.room)
	s.room, s.entries = nil, nil
}

// room is memory for n values, which it does not clear.
func room[T any](of *[]T, n int) []T {
	if cap(*of) < n {
		*of = make([]T, n)
	}
	return (*of)[:n]
}

// lane is a key's column in each batch.
func (s *rowSorter) lane(key int) []column {
	lane, ok := s.lanes[key]
	if !ok {
		for _, rec := range s.batches {
			lane = append(lane, newColumn(rec.Column(s.keys[key].Column), s.keys[key]))
		}
		s.lanes[key] = lane
	}
	return lane
}

// pack makes the heads, of the rows of one batch after the other.
func (s *rowSorter) pack() []uint64 {
	rows := 0
	for _, rec := range s.batches {
		rows += int(rec.NumRows())
	}
	heads := room(&s.room.heads, rows)
	clear(heads) // and so write to new memory before reading it, which would cost a second page fault
	for s.whole < len(s.keys) {
		p := packingOf(s.lane(s.whole))
		take := min(p.bits(), 64-s.used)
		p.addTo(heads, take)
		s.used += take
		if !p.exact || take < p.bits() {
			break
		}
		s.whole++
	}
	return heads
}

// compare compares rows of equal heads by the keys that these do not hold, and by their places.
func (s *rowSorter) compare(a, b placed) int {
	for k := s.whole; k < len(s.keys); k++ {
		lane := s.lane(k)
		if order := lane[a.at.Source].compare(int(a.at.Row), &lane[b.at.Source], int(b.at.Row)); order != 0 {
			return order
		}
	}
	return cmp.Or(cmp.Compare(a.at.Source, b.at.Source), cmp.Compare(a.at.Row, b.at.Row))
}

// compare compares a row with one of another batch.
func (c *column) compare(i int, d *column, k int) int {
	if order := cmp.Compare(c.marker(i), d.marker(k)); order != 0 || c.valid.IsNull(i) {
		return order
	}
	order := 0
	switch {
	case c.width == 16:
		order = cmp.Or(cmp.Compare(c.highs[i], d.highs[k]), cmp.Compare(c.words[i], d.words[k]))
	case c.width > 0:
		order = cmp.Compare(c.words[i]^c.sign, d.words[k]^d.sign)
	case c.nested != nil:
		order = bytes.Compare(c.nested.At(i), d.nested.At(k))
	default:
		order = bytes.Compare(c.text(i), d.text(k))
	}
	if c.invert != 0 {
		return -order
	}
	return order
}

func (c *column) marker(i int) byte {
	if c.valid.IsNull(i) {
		return c.nullMarker
	}
	return valueMarker
}

// packing says how the values of a lane become numbers of few bits.
type packing struct {
	lane  []column
	words [][]uint64 // numbers in the order of the values, if sign is flipped, by batch
	sign  uint64
	exact bool // equal numbers mean equal values
	low   uint64
	high  uint64
	nulls bool
	size  int // bits of high-low
}

func packingOf(lane []column) packing {
	p := packing{lane: lane, exact: true, low: math.MaxUint64}
	p.number()
	for b := range lane {
		p.cover(&lane[b].valid, p.words[b])
	}
	if p.low <= p.high {
		p.size = bits.Len64(p.high - p.low)
	}
	if p.nulls && p.size == 64 { // their bit would not fit
		p.exact = false
	}
	return p
}

// bits is how many the numbers take, with one that tells NULL.
func (p *packing) bits() int {
	if p.nulls {
		return min(p.size+1, 64)
	}
	return p.size
}

// number finds the values' numbers.
func (p *packing) number() {
	p.words = make([][]uint64, len(p.lane))
	if len(p.lane) == 0 {
		return
	}
	switch first := &p.lane[0]; {
	case first.width == 16:
		p.decimals()
	case first.width > 0:
		p.sign = first.sign
		for b, c := range p.lane {
			p.words[b] = c.words
		}
	case first.nested == nil:
		p.texts()
	default: // all are equal, as far as the heads go
		p.exact = false
		for b, c := range p.lane {
			p.words[b] = make([]uint64, c.nested.Len())
		}
	}
}

// decimals takes the lower words if no decimal needs more, else the upper ones.
func (p *packing) decimals() {
	small := true
	for b := range p.lane {
		c := &p.lane[b]
		for i, high := range c.highs {
			small = small && (c.valid.IsNull(i) || high^1<<63 == uint64(int64(c.words[i])>>63))
		}
	}
	p.exact = small
	for b, c := range p.lane {
		p.words[b] = c.highs
		if small {
			p.words[b], p.sign = c.words, 1<<63
		}
	}
}

// texts takes the eight bytes after those that all texts have in common.
func (p *packing) texts() {
	same, shortest, longest := p.extent()
	p.exact = shortest == longest && longest-same <= 8
	unused := 64 - 8*min(longest-same, 8)
	for b := range p.lane {
		c := &p.lane[b]
		words := make([]uint64, c.rows)
		for i := range words {
			if c.valid.IsNull(i) {
				continue
			}
			if v := c.text(i); len(v) > same {
				words[i] = head(v[same:]) >> unused
			}
		}
		p.words[b] = words
	}
}

// extent is with how many bytes all texts begin alike, and how long the shortest and the longest are.
func (p *packing) extent() (same, shortest, longest int) {
	var first []byte
	any := false
	for b := range p.lane {
		c := &p.lane[b]
		for i := range c.rows {
			if c.valid.IsNull(i) {
				continue
			}
			v := c.text(i)
			if !any {
				first, same, shortest, longest, any = v, len(v), len(v), len(v), true
			}
			shortest, longest = min(shortest, len(v)), max(longest, len(v))
			same = min(same, len(v))
			for !bytes.Equal(first[:same], v[:same]) {
				same--
			}
		}
	}
	return same, shortest, longest
}

// cover widens the range to the numbers of a batch.
func (p *packing) cover(valid *vector.Validity, words []uint64) {
	if valid.AllValid() {
		for _, w := range words {
			w ^= p.sign
			p.low, p.high = min(p.low, w), max(p.high, w)
		}
		return
	}
	p.nulls = true
	for i, w := range words {
		if !valid.IsNull(i) {
			w ^= p.sign
			p.low, p.high = min(p.low, w), max(p.high, w)
		}
	}
}

// addTo appends the upper bits of the numbers to the heads.
func (p *packing) addTo(heads []uint64, take int) {
	// Descending from high is ascending from ^high with all bits turned.
	flip, base := p.sign, p.low
	if len(p.lane) > 0 && p.lane[0].invert != 0 {
		flip, base = ^p.sign, ^p.high
	}
	if p.size == 0 { // nothing but NULLs, or one value
		flip, base = 0, 0
	}
	drop := p.bits() - take
	for b := range p.lane {
		c, words := &p.lane[b], p.words[b]
		part := heads[:c.rows]
		heads = heads[c.rows:]
		switch {
		case p.nulls:
			p.addNullable(c, part, words, flip, base, take)
		case p.size > 0:
			for i, w := range words {
				part[i] = part[i]<<take | (w^flip-base)>>drop
			}
		}
	}
}

// addNullable is addTo where there are NULLs: a bit before the number tells them.
func (p *packing) addNullable(c *column, part, words []uint64, flip, base uint64, take int) {
	size, lost := p.size, 0
	if size == 64 {
		size, lost = 63, 1
	}
	null, value := uint64(0), uint64(1)<<size
	if c.nullMarker > valueMarker {
		null, value = value, null
	}
	drop := size + 1 - take
	for i := range part {
		v := null
		if !c.valid.IsNull(i) {
			v = value
			if p.size > 0 {
				v |= (words[i] ^ flip - base) >> lost
			}
		}
		part[i] = part[i]<<take | v>>drop
	}
}

// sortByHeads sorts by the lowest bits of the heads, stably: it divides by the upper ones, and each part by the next, until
// parts are small. So all but the first passes are in the nearest caches, and bits that decide nothing are not looked at.
// spare is of the same length.
func sortByHeads(entries, spare []placed, bits int) {
	for bits > 0 {
		if len(entries) <= fewEntries {
			insertionSort(entries)
			return
		}
		digit := min(digitFor(len(entries)), bits)
		bits -= digit
		if divide(entries, spare, bits, digit) {
			continue // all have the same digit
		}
		mask := uint64(1)<<digit - 1
		for from := 0; from < len(entries); {
			to := from + 1
			for to < len(entries) && (entries[to].head^entries[from].head)>>bits&mask == 0 {
				to++
			}
			if to-from > 1 {
				sortByHeads(entries[from:to], spare[from:to], bits)
			}
			from = to
		}
		return
	}
}

// fewEntries are sorted by comparing.
const fewEntries = 24

// digitFor has parts of some entries each, and no more of them than caches can write to side by side.
func digitFor(entries int) int { return min(max(bits.Len(uint(entries))-3, 2), 8) }

// divide puts entries in the order of a digit of their heads; one reports that it is the same in all.
func divide(entries, spare []placed, shift, digit int) (one bool) {
	var counts [256]int
	mask := uint64(1)<<digit - 1
	for i := range entries {
		counts[byte(entries[i].head>>shift&mask)]++
	}
	if counts[byte(entries[0].head>>shift&mask)] == len(entries) {
		return true
	}
	start := 0
	for v, n := range counts[:mask+1] {
		counts[v] = start
		start += n
	}
	for _, e := range entries {
		at := &counts[byte(e.head>>shift&mask)]
		spare[*at] = e
		*at++
	}
	copy(entries, spare)
	return false
}

func insertionSort(entries []placed) {
	for i := 1; i < len(entries); i++ {
		e, at := entries[i], i
		for ; at > 0 && entries[at-1].head > e.head; at-- {
			entries[at] = entries[at-1]
		}
		entries[at] = e
	}
}

// sortRuns puts entries of equal heads in order, where these do not hold all keys.
func (s *rowSorter) sortRuns() {
	if s.whole == len(s.keys) {
		return
	}
	for from := 0; from < len(s.entries); {
		to := from + 1
		for to < len(s.entries) && s.entries[to].head == s.entries[from].head {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(s.entries[from:to], s.compare)
		}
		from = to
	}
}

// head is the first eight bytes of a key as a number of the same order, which decides most comparisons.
func head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// placed is a row of one of several batches with the head of its key.
type placed struct {
	head uint64
	at   vector.Pick
}
