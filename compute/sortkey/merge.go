package sortkey

import "bytes"

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
