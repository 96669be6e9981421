package operator

import (
	"cmp"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// extreme makes min and max: of words from the line of those that may still become the greatest, else from all values in
// order.
func (m *laneMaker) extreme(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 {
		return nil, nil
	}
	t := m.o.events.schema.Fields[f.Args[0]].Type
	switch {
	case !f.Type.Equal(t):
		return nil, nil
	case isWord(t):
		return m.frontRunner(f, t)
	}
	note := m.sortedTexts(f, f.Args[0]).extremes(f.Func == "max")
	return func(c *eventChunk) (arrow.Array, error) { return textColumn(m.o.env.Mem, t, note.values) }, nil
}

// frontRunners follows the greatest word, or with all bits flipped the least: the front of a line of words which no later
// one beats.
type frontRunners struct {
	laneBase
	in    *eventInput
	flip  int64
	line  []bagEntry[int64]
	front int // where the line begins
	words []int64
	there []bool
}

func (m *laneMaker) frontRunner(f *plan.EventFeature, t plan.Type) (eventColumn, error) {
	s, in, flip := m.moving(f), m.input(f, f.Args, formWord, true), int64(0)
	if f.Func == "min" {
		flip = -1
	}
	key := laneKey{kind: "front", spans: s, in: in, param: flip}
	if s.late {
		l := sharedLane(m, key, func() *lateRunners { return &lateRunners{laneBase: laneBase{s}, in: in, flip: flip} })
		return func(*eventChunk) (arrow.Array, error) { return wordColumn(m.o.env.Mem, t, l.words, l.there), nil }, nil
	}
	l := sharedLane(m, key, func() *frontRunners { return &frontRunners{laneBase: laneBase{s}, in: in, flip: flip} })
	return func(*eventChunk) (arrow.Array, error) { return wordColumn(m.o.env.Mem, t, l.words, l.there), nil }, nil
}

func (l *frontRunners) fold(c *eventChunk) error {
	s, words, first := l.spans, l.in.words, c.events.first
	l.words, l.there = resized(l.words, c.rows), resized(l.there, c.rows)
	e := int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.line, l.front = l.line[:0], 0
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if !l.in.has(p) {
				continue
			}
			word, n := words[p]^l.flip, len(l.line)
			for n > l.front && l.line[n-1].key <= word {
				n--
			}
			l.line = append(l.line[:n], bagEntry[int64]{word, first + int64(p)})
		}
		e = s.enterTo[i]
		for l.front < len(l.line) && l.line[l.front].position < s.lo[i] {
			l.front++
		}
		if l.there[i] = l.front < len(l.line); l.there[i] {
			l.words[i] = l.line[l.front].key ^ l.flip
		} else {
			l.words[i] = 0
		}
		if l.front > 1024 && l.front > len(l.line)/2 {
			l.line, l.front = l.line[:copy(l.line, l.line[l.front:])], 0
		}
	}
	return nil
}

func (l *frontRunners) held() int64 { return int64(cap(l.line)) * 16 }

// lateRunners is frontRunners where events may come into the middle of the line. Its entries are in the order of the
// events: their keys are positions, and what stands for their position is the word.
type lateRunners struct {
	laneBase
	in    *eventInput
	flip  int64
	line  bag[int64]
	words []int64
	there []bool
}

func (l *lateRunners) fold(c *eventChunk) error {
	s, words, first := l.spans, l.in.words, c.events.first
	l.words, l.there = resized(l.words, c.rows), resized(l.there, c.rows)
	e := int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.line.clear()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.put(bagEntry[int64]{first + int64(p), words[p] ^ l.flip})
			}
		}
		e = s.enterTo[i]
		for l.line.n > 0 && l.line.first().key < s.lo[i] {
			l.line.remove(l.line.first())
		}
		if l.words[i], l.there[i] = 0, l.line.n > 0; l.there[i] {
			l.words[i] = l.line.first().position ^ l.flip
		}
	}
	return nil
}

// put brings an event into line unless a later one beats it, and takes out the earlier ones that it beats.
func (l *lateRunners) put(e bagEntry[int64]) {
	before, after := l.line.beside(e)
	if after != nil && after.position >= e.position {
		return
	}
	for before != nil && before.position <= e.position {
		l.line.remove(*before)
		before, _ = l.line.beside(e)
	}
	l.line.add(e)
}

func (l *lateRunners) held() int64 { return l.line.bytes() }

// sortedValues keeps the values of a window in order.
type sortedValues[K cmp.Ordered] struct {
	laneBase
	in    *eventInput
	bag   bag[K]
	notes []valueNote[K]
}

// valueNote notes something about the values of each row's window.
type valueNote[K cmp.Ordered] interface {
	begin(rows int)
	note(i int, b *bag[K])
}

// sortedWords and sortedTexts are ordered by the form of their values.
type (
	sortedWords struct{ sortedValues[int64] }
	sortedTexts struct{ sortedValues[string] }
)

func (l *sortedWords) fold(c *eventChunk) error { return l.run(c, l.in.words) }

func (l *sortedTexts) fold(c *eventChunk) error { return l.run(c, l.in.texts) }

func (l *sortedValues[K]) run(c *eventChunk, keys []K) error {
	s, first := l.spans, c.events.first
	for _, n := range l.notes {
		n.begin(c.rows)
	}
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.bag.clear()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.bag.add(bagEntry[K]{keys[p], first + int64(p)})
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.bag.remove(bagEntry[K]{keys[p], first + int64(p)})
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		for _, n := range l.notes {
			n.note(i, &l.bag)
		}
	}
	return nil
}

func (l *sortedValues[K]) held() int64 { return l.bag.bytes() }

// extremeNote notes the least or greatest value.
type extremeNote[K cmp.Ordered] struct {
	greatest bool
	values   []K
	there    []bool
}

func (l *sortedValues[K]) extremes(greatest bool) *extremeNote[K] {
	n := &extremeNote[K]{greatest: greatest}
	l.notes = append(l.notes, n)
	return n
}

func (n *extremeNote[K]) begin(rows int) {
	n.values, n.there = resized(n.values, rows), resized(n.there, rows)
	clear(n.values)
}

func (n *extremeNote[K]) note(i int, b *bag[K]) {
	if n.there[i] = b.n > 0; !n.there[i] {
		return
	}
	if n.greatest {
		n.values[i] = b.last().key
	} else {
		n.values[i] = b.first().key
	}
}
