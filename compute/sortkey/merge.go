package sortkey

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/quern-engine/quern/compute/vector"
)

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

// Order is the rows of several batches, given by their keys, in key order. Rows of equal keys keep their order.
//
// It sorts by the heads of what follows the bytes that all keys have in common, byte by byte from the last one (a radix
// sort, which is stable), and then the runs of equal heads by the whole keys.
func Order(batches []*Keys) []vector.Pick {
	rows := 0
	for _, k := range batches {
		rows += k.Len()
	}
	entries, same := make([]placed, 0, rows), commonPrefix(batches)
	long, size := false, -1 // heads are not the whole keys; length of the latest key
	for b, k := range batches {
		for i := range k.Len() {
			key := k.At(i)[same:]
			long = long || len(key) > 8 || size >= 0 && len(key) != size
			size = len(key)
			entries = append(entries, placed{head(key), vector.Pick{Source: int32(b), Row: int32(i)}})
		}
	}
	if rows < radixRows {
		sortByKeys(entries, batches)
	} else {
		entries = sortByHeads(entries)
		if long {
			sortRuns(entries, batches)
		}
	}
	picks := make([]vector.Pick, rows)
	for i, e := range entries {
		picks[i] = e.at
	}
	return picks
}

// commonPrefix is with how many bytes all keys begin alike: markers, and the upper bytes of numbers that are small.
func commonPrefix(batches []*Keys) int {
	var first []byte
	n, any := 0, false
	for _, k := range batches {
		for i := range k.Len() {
			key := k.At(i)
			if !any {
				first, n, any = key, len(key), true
			}
			n = min(n, len(key))
			if !bytes.Equal(first[:n], key[:n]) {
				at := 0
				for first[at] == key[at] {
					at++
				}
				n = at
			}
		}
	}
	return n
}

// radixRows is from how many rows on counting bytes beats comparing.
const radixRows = 256

// sortByHeads sorts by the heads, stably, in either the entries' memory or its own.
func sortByHeads(entries []placed) []placed {
	var counts [8][256]int
	for _, e := range entries {
		for b := range counts {
			counts[b][byte(e.head>>(8*b))]++
		}
	}
	var other []placed
	for b := range counts {
		if counts[b][byte(entries[0].head>>(8*b))] == len(entries) {
			continue // the same byte everywhere
		}
		if other == nil {
			other = make([]placed, len(entries))
		}
		start := 0
		for v, n := range counts[b] {
			counts[b][v] = start
			start += n
		}
		for _, e := range entries {
			at := &counts[b][byte(e.head>>(8*b))]
			other[*at] = e
			*at++
		}
		entries, other = other, entries
	}
	return entries
}

// sortRuns puts entries of equal heads in the order of their whole keys.
func sortRuns(entries []placed, batches []*Keys) {
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && entries[to].head == entries[from].head {
			to++
		}
		if to-from > 1 {
			sortByKeys(entries[from:to], batches)
		}
		from = to
	}
}

// sortByKeys sorts by comparing; the places decide between equal keys.
func sortByKeys(entries []placed, batches []*Keys) {
	slices.SortFunc(entries, func(a, b placed) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		if order := bytes.Compare(batches[a.at.Source].At(int(a.at.Row)), batches[b.at.Source].At(int(b.at.Row))); order != 0 {
			return order
		}
		if a.at.Source != b.at.Source {
			return int(a.at.Source) - int(b.at.Source)
		}
		return int(a.at.Row) - int(b.at.Row)
	})
}

// Merger merges sorted sequences: a tree of losers, in which finding the next of k rows costs log k comparisons. Of
// equal keys the one of the earlier sequence comes first.
type Merger struct {
	heads  []uint64
	keys   [][]byte // current key of each sequence; nil at its end
	losers []int32  // losers[0] is the winner
	n      int
}

// NewMerger makes a merger of n sequences, at least one, all of which are at their end until Set says otherwise.
func NewMerger(n int) *Merger {
	return &Merger{heads: make([]uint64, n), keys: make([][]byte, n), losers: make([]int32, n), n: n}
}

// Set gives a sequence's current key, nil for its end. Before the first Winner it is called for every sequence, then
// Init; afterwards for the winner only, then Replay.
func (m *Merger) Set(sequence int, key []byte) {
	m.keys[sequence] = key
	if key != nil {
		m.heads[sequence] = head(key)
	}
}

// Init sets up the tree.
func (m *Merger) Init() {
	m.losers[0] = m.play(1)
}

// play decides the match at a node and returns the winner. Leaves are the nodes from n on.
func (m *Merger) play(node int) int32 {
	if node >= m.n {
		return int32(node - m.n)
	}
	a, b := m.play(2*node), m.play(2*node+1)
	if m.before(b, a) {
		a, b = b, a
	}
	m.losers[node] = b
	return a
}

// Replay finds the new winner after the old one's key was changed.
func (m *Merger) Replay() {
	winner := m.losers[0]
	for node := (int(winner) + m.n) / 2; node > 0; node /= 2 {
		if m.before(m.losers[node], winner) {
			m.losers[node], winner = winner, m.losers[node]
		}
	}
	m.losers[0] = winner
}

// Winner is the sequence whose current key comes first; false when all are at their end.
func (m *Merger) Winner() (sequence int, ok bool) {
	w := m.losers[0]
	return int(w), m.keys[w] != nil
}

func (m *Merger) before(a, b int32) bool {
	x, y := m.keys[a], m.keys[b]
	switch {
	case x == nil || y == nil:
		return x != nil || y == nil && a < b
	case m.heads[a] != m.heads[b]:
		return m.heads[a] < m.heads[b]
	}
	if order := bytes.Compare(x, y); order != 0 {
		return order < 0
	}
	return a < b
}
