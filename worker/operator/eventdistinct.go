package operator

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// tally counts how many events of a window have each value, by the values' numbers.
type tally struct {
	intern *interner
	counts []int32
	active []int32 // the numbers of values that some event has, in any order
	place  []int32 // of a number in active
}

// add counts an event, and reports whether it is the first with its value.
func (t *tally) add(id int32) bool {
	for int(id) >= len(t.counts) {
		t.counts, t.place = append(t.counts, 0), append(t.place, 0)
	}
	if t.counts[id]++; t.counts[id] > 1 {
		return false
	}
	t.place[id] = int32(len(t.active))
	t.active = append(t.active, id)
	t.intern.values[id].events++ // the number is in use, also when the event is dropped
	return true
}

// remove takes an event away, and reports whether it was the last with its value.
func (t *tally) remove(id int32) bool {
	if t.counts[id]--; t.counts[id] > 0 {
		return false
	}
	last := len(t.active) - 1
	moved := t.active[last]
	t.active[t.place[id]], t.place[moved] = moved, t.place[id]
	t.active = t.active[:last]
	t.intern.drop([]int32{id})
	return true
}

func (t *tally) clear() {
	for _, id := range t.active {
		t.counts[id] = 0
	}
	t.intern.drop(t.active)
	t.active = t.active[:0]
}

func (t *tally) bytes() int64 { return int64(cap(t.counts)+cap(t.active)+cap(t.place)) * 4 }

// distinctCounts counts the distinct values of a window.
type distinctCounts struct {
	laneBase
	in     *eventInput
	tally  tally
	counts []int64
}

// distinct makes count(DISTINCT …).
func (m *laneMaker) distinct(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) == 0 {
		return nil, nil
	}
	s, in := m.moving(f), m.input(f, f.Args, formID, true)
	l := sharedLane(m, laneKey{kind: "distinct", spans: s, in: in}, func() *distinctCounts {
		return &distinctCounts{laneBase: laneBase{s}, in: in, tally: tally{intern: in.intern}}
	})
	return func(*eventChunk) (arrow.Array, error) { return m.counted(f, l.counts), nil }, nil
}

func (l *distinctCounts) fold(c *eventChunk) error {
	s, ids := l.spans, l.in.ids
	l.counts = resized(l.counts, c.rows)
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.tally.clear()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.tally.add(ids[p])
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.tally.remove(ids[p])
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		l.counts[i] = int64(len(l.tally.active))
	}
	return nil
}

func (l *distinctCounts) held() int64 { return l.tally.bytes() }

// histogram follows how many events of a window have each value, in the order of the values.
type histogram struct {
	laneBase
	in    *eventInput
	tally tally
	order []int32 // the active numbers in order of their values, unless values came or went since
	stale bool

	ends   []int
	ids    []int32
	counts []int64
}

// histogram makes a map from each value to the number of events that have it.
func (m *laneMaker) histogram(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 || f.Type.Kind != plan.KindMap {
		return nil, nil
	}
	s, in := m.moving(f), m.input(f, f.Args, formID, true)
	l := sharedLane(m, laneKey{kind: "histogram", spans: s, in: in}, func() *histogram {
		return &histogram{laneBase: laneBase{s}, in: in, tally: tally{intern: in.intern}}
	})
	return func(*eventChunk) (arrow.Array, error) {
		offsets, nulls, err := m.offsets(f, l.ends)
		if err != nil {
			return nil, err
		}
		keys, err := in.intern.column(m.o.env.Mem, in.typ, l.ids)
		if err != nil {
			offsets.Release()
			nulls.Release()
			return nil, err
		}
		return vector.MakeMap(f.Type.Arrow(), len(l.ends), nulls, offsets, keys, vector.FromInt64s(m.o.env.Mem, l.counts)), nil
	}, nil
}

func (l *histogram) fold(c *eventChunk) error {
	s, ids := l.spans, l.in.ids
	l.ends, l.ids, l.counts = resized(l.ends, c.rows), l.ids[:0], l.counts[:0]
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.tally.clear()
			l.stale = true
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) && l.tally.add(ids[p]) {
				l.stale = true
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) && l.tally.remove(ids[p]) {
				l.stale = true
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		if l.stale {
			l.order, l.stale = append(l.order[:0], l.tally.active...), false
			slices.SortFunc(l.order, l.in.intern.compare)
		}
		for _, id := range l.order {
			l.ids, l.counts = append(l.ids, id), append(l.counts, int64(l.tally.counts[id]))
		}
		l.ends[i] = len(l.ids)
	}
	return nil
}

func (l *histogram) held() int64 { return l.tally.bytes() + int64(cap(l.order))*4 }

// sketches estimates the distinct values of a window by HyperLogLog: of each register it keeps the line of those events
// that may still have the greatest number, so that events may leave. What it says is what the registers of just the
// window's events would.
type sketches struct {
	laneBase
	in        *eventInput
	precision uint
	lines     [][]sketchEntry
	used      []bool // registers that are in touched
	touched   []uint32
	numbers   agg.SketchNumbers
	counts    []int64
	entries   int64
}

type sketchEntry struct {
	position int64
	number   byte
}

// approxDistinct makes approx_count_distinct.
func (m *laneMaker) approxDistinct(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 {
		return nil, nil
	}
	precision, err := agg.SketchPrecision(f.Params)
	if err != nil {
		return nil, err
	}
	s, in := m.moving(f), m.input(f, f.Args, formHash, true)
	l := sharedLane(m, laneKey{kind: "sketch", spans: s, in: in, param: int64(precision)}, func() *sketches {
		registers := 1 << precision
		return &sketches{laneBase: laneBase{s}, in: in, precision: precision, lines: make([][]sketchEntry, registers), used: make([]bool, registers)}
	})
	return func(*eventChunk) (arrow.Array, error) { return m.counted(f, l.counts), nil }, nil
}

func (l *sketches) fold(c *eventChunk) error {
	s, hashes, first := l.spans, l.in.words, c.events.first
	l.counts = resized(l.counts, c.rows)
	e, d, estimate := int32(0), int32(0), int64(0)
	for i := range c.rows {
		changed := i == 0 || s.fresh[i] || e < s.enterTo[i] || d < s.leaveTo[i]
		if s.fresh[i] {
			l.clear()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.add(uint64(hashes[p]), first+int64(p))
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.remove(uint64(hashes[p]), first+int64(p))
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		if changed {
			estimate = l.numbers.Estimate(l.precision)
		}
		l.counts[i] = estimate
	}
	return nil
}

// add brings an event into its register's line, from which those before it go whose number is no greater.
func (l *sketches) add(hash uint64, position int64) {
	register, number := agg.SketchRegister(hash, l.precision)
	line := l.lines[register]
	if !l.used[register] {
		l.used[register] = true
		l.touched = append(l.touched, register)
	}
	at := len(line)
	for at > 0 && line[at-1].position > position {
		at--
	}
	if at < len(line) && line[at].number >= number {
		return
	}
	from := at
	for from > 0 && line[from-1].number <= number {
		from--
	}
	l.entries += 1 - int64(at-from)
	if from == 0 {
		l.front(line, nil, number)
	}
	l.lines[register] = slices.Replace(line, from, at, sketchEntry{position, number})
}

// front takes note of another number at the front of a line.
func (l *sketches) front(before, after []sketchEntry, number byte) {
	if len(before) > 0 {
		l.numbers[before[0].number]--
	}
	if len(after) > 0 {
		number = after[0].number
	}
	if number > 0 {
		l.numbers[number]++
	}
}

func (l *sketches) remove(hash uint64, position int64) {
	register, _ := agg.SketchRegister(hash, l.precision)
	line := l.lines[register]
	if len(line) == 0 || line[0].position != position {
		return
	}
	l.front(line, line[1:], 0)
	l.entries--
	l.lines[register] = slices.Delete(line, 0, 1)
}

func (l *sketches) clear() {
	for _, r := range l.touched {
		l.lines[r], l.used[r] = l.lines[r][:0], false
	}
	l.touched, l.numbers, l.entries = l.touched[:0], agg.SketchNumbers{}, 0
}

func (l *sketches) held() int64 { return int64(len(l.lines))*25 + 2*l.entries*16 }

// bucketCounts counts the values of a window between boundaries.
type bucketCounts struct {
	laneBase
	in         *eventInput
	boundaries []int64
	buckets    []int64
	n          int64
	ends       []int
	counts     []int64
}

// buckets makes bucket_counts.
func (m *laneMaker) buckets(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 || len(f.Params) != 1 || f.Type.Kind != plan.KindArray || !isWord(m.o.events.schema.Fields[f.Args[0]].Type) {
		return nil, nil
	}
	s, in := m.moving(f), m.input(f, f.Args, formWord, true)
	l := &bucketCounts{laneBase: laneBase{s}, in: in}
	m.o.lanes = append(m.o.lanes, l)
	for _, v := range f.Params[0].Value.Items {
		one := vector.FromLiteral(m.o.env.Mem, in.typ, v, 1)
		word := appendWords(nil, one)[0]
		if one.Release(); word == 0 && in.typ.IsFloat() {
			word = wordOf(math.Copysign(0, -1)) // which is not less than 0.0
		}
		l.boundaries = append(l.boundaries, word)
	}
	l.buckets = make([]int64, len(l.boundaries)+1)
	return func(*eventChunk) (arrow.Array, error) {
		return m.lists(f, l.ends, vector.FromInt64s(m.o.env.Mem, l.counts))
	}, nil
}

func (l *bucketCounts) fold(c *eventChunk) error {
	s, words := l.spans, l.in.words
	l.ends, l.counts = resized(l.ends, c.rows), l.counts[:0]
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			clear(l.buckets)
			l.n = 0
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.buckets[l.bucket(words[p])]++
				l.n++
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.buckets[l.bucket(words[p])]--
				l.n--
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		if l.n > 0 {
			l.counts = append(l.counts, l.buckets...)
		}
		l.ends[i] = len(l.counts)
	}
	return nil
}

// bucket is how many boundaries are not above a word.
func (l *bucketCounts) bucket(word int64) int {
	at, found := slices.BinarySearch(l.boundaries, word)
	if found {
		at++
	}
	return at
}
