package operator

import (
	"math"
	"slices"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// selection is some events of each row's window, by position.
type selection struct {
	ends      []int // where those of a row end among positions
	positions []int64
}

func (s *selection) begin(rows int) { s.ends, s.positions = resized(s.ends, rows), s.positions[:0] }

func (s *selection) end(row int) { s.ends[row] = len(s.positions) }

// newestEvents selects the k last events of each window, of those that are equal in some columns the last one alone.
type newestEvents struct {
	laneBase
	in  *eventInput // which events count, or the values by which they are equal
	k   int
	ids bool // of events of the same id one counts

	line   []int64 // the k last so far, ascending
	latest []int64 // by id: 1 + the position of its event in line, 0 for none
	selection
}

// newest is the lane of the last k events; nulls of skip, if there are any, are left out.
func (m *laneMaker) newest(f *plan.EventFeature, skip []int, k int64) *newestEvents {
	s := m.window(f)
	in := m.input(f, skip, formNone, true)
	if len(f.DedupeBy) > 0 {
		in = m.input(f, f.DedupeBy, formID, false)
	}
	l := sharedLane(m, laneKey{kind: "newest", spans: s, in: in, param: k}, func() *newestEvents {
		return &newestEvents{laneBase: laneBase{s}, in: in, k: int(k), ids: in.form == formID}
	})
	s.moves = s.moves || !l.dense()
	return l
}

// dense reports that all events in the window count.
func (l *newestEvents) dense() bool { return !l.ids && !l.in.sparse && !l.spans.late }

func (l *newestEvents) fold(c *eventChunk) error {
	s, first := l.spans, c.events.first
	l.begin(c.rows)
	e := int32(0)
	for i := range c.rows {
		if l.dense() {
			for p := max(s.lo[i], s.hi[i]-int64(l.k)); p < s.hi[i]; p++ {
				l.positions = append(l.positions, p)
			}
			l.end(i)
			continue
		}
		if s.fresh[i] {
			l.removeFirst(len(l.line), first)
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.put(first+int64(p), first)
			}
		}
		e = s.enterTo[i]
		gone := 0
		for gone < len(l.line) && l.line[gone] < s.lo[i] {
			gone++
		}
		l.removeFirst(gone, first)
		l.positions = append(l.positions, l.line...)
		l.end(i)
	}
	return nil
}

// put brings an event into line. What is before k others goes: events leave windows from the first on, so it will not be
// among the last k again.
func (l *newestEvents) put(position, first int64) {
	if l.ids {
		latest := l.latestOf(position, first)
		if *latest > position {
			return // a later one is equal
		}
		if *latest > 0 {
			k, _ := slices.BinarySearch(l.line, *latest-1)
			l.line = slices.Delete(l.line, k, k+1)
		}
		*latest = position + 1
	}
	at := len(l.line)
	if at > 0 && l.line[at-1] > position {
		at, _ = slices.BinarySearch(l.line, position)
	}
	l.line = slices.Insert(l.line, at, position)
	if len(l.line) > l.k {
		l.removeFirst(1, first)
	}
}

// latestOf is the place in latest of an event.
func (l *newestEvents) latestOf(position, first int64) *int64 {
	id := int(l.in.ids[position-first])
	for id >= len(l.latest) {
		l.latest = append(l.latest, 0)
	}
	return &l.latest[id]
}

func (l *newestEvents) removeFirst(n int, first int64) {
	if l.ids {
		for _, p := range l.line[:n] {
			*l.latestOf(p, first) = 0
		}
	}
	l.line = l.line[n:]
}

func (l *newestEvents) held() int64 { return int64(cap(l.line)+cap(l.latest)) * 8 }

func (l *newestEvents) need() int64 {
	switch {
	case l.dense():
		return max(l.spans.from, l.spans.to-int64(l.k))
	case len(l.line) > 0:
		return l.line[0]
	}
	return math.MaxInt64
}

// oldestEvents selects the k first events of each window.
type oldestEvents struct {
	laneBase
	in  *eventInput
	k   int
	all bag[int64] // positions
	selection
}

func (m *laneMaker) oldest(f *plan.EventFeature, skip []int, k int64) *oldestEvents {
	s, in := m.window(f), m.input(f, skip, formNone, true)
	l := sharedLane(m, laneKey{kind: "oldest", spans: s, in: in, param: k}, func() *oldestEvents {
		return &oldestEvents{laneBase: laneBase{s}, in: in, k: int(k)}
	})
	s.moves = s.moves || !l.dense()
	return l
}

func (l *oldestEvents) dense() bool { return !l.in.sparse && !l.spans.late }

func (l *oldestEvents) fold(c *eventChunk) error {
	s, first := l.spans, c.events.first
	l.begin(c.rows)
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if l.dense() {
			for p := s.lo[i]; p < min(s.hi[i], s.lo[i]+int64(l.k)); p++ {
				l.positions = append(l.positions, p)
			}
			l.end(i)
			continue
		}
		if s.fresh[i] {
			l.all.clear()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if !l.in.has(p) {
				continue
			}
			if l.all.add(bagEntry[int64]{key: first + int64(p)}); s.window.Unbounded && l.all.n > l.k {
				l.all.remove(l.all.last()) // none of the first ones will go
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.all.remove(bagEntry[int64]{key: first + int64(p)})
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		for rank := range min(l.k, l.all.n) {
			l.positions = append(l.positions, l.all.at(rank).key)
		}
		l.end(i)
	}
	return nil
}

func (l *oldestEvents) need() int64 {
	switch {
	case l.dense():
		return l.spans.from
	case l.all.n > 0:
		return l.all.first().key
	}
	return math.MaxInt64
}

func (l *oldestEvents) held() int64 { return l.all.bytes() }

// ignoring is the columns whose NULLs a call leaves out: its argument, if the parameter at a place says so.
func ignoring(f *plan.EventFeature, place int) []int {
	if len(f.Params) > place && f.Params[place].IsTrue() {
		return f.Args
	}
	return nil
}

// one makes first and last.
func (m *laneMaker) one(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 {
		return nil, nil
	}
	m.o.events.keepsRows = true
	var s *selection
	if skip := ignoring(f, 0); f.Func == "first" {
		s = &m.oldest(f, skip, 1).selection
	} else {
		s = &m.newest(f, skip, 1).selection
	}
	return func(c *eventChunk) (arrow.Array, error) {
		positions, from := make([]int64, c.rows), 0
		for i, to := range s.ends {
			if positions[i] = -1; from < to {
				positions[i] = s.positions[from]
			}
			from = to
		}
		return m.gathered(f.Args[0], positions)
	}, nil
}

// some makes first_k and last_k.
func (m *laneMaker) some(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 || len(f.Params) < 1 || f.Type.Kind != plan.KindArray {
		return nil, nil
	}
	m.o.events.keepsRows = true
	var s *selection
	if skip, k := ignoring(f, 1), f.Params[0].Value.Int; f.Func == "first_k" {
		s = &m.oldest(f, skip, k).selection
	} else {
		s = &m.newest(f, skip, k).selection
	}
	return m.listOf(f, s), nil
}

// listOf makes lists of the values of selected events.
func (m *laneMaker) listOf(f *plan.EventFeature, s *selection) eventColumn {
	return func(*eventChunk) (arrow.Array, error) {
		values, err := m.gathered(f.Args[0], s.positions)
		if err != nil {
			return nil, err
		}
		return m.lists(f, s.ends, values)
	}
}

// ages makes the ages of the last k events.
func (m *laneMaker) ages(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Params) != 1 || f.Type.Kind != plan.KindArray {
		return nil, nil
	}
	s := &m.newest(f, nil, f.Params[0].Value.Int).selection
	return func(c *eventChunk) (arrow.Array, error) {
		buf, out := vector.Alloc[int64](m.o.env.Mem, len(s.positions))
		from := 0
		for i, to := range s.ends {
			for k, p := range s.positions[from:to] {
				out[from+k] = c.times[i] - c.events.times[p-c.events.first]
			}
			from = to
		}
		return m.lists(f, s.ends, vector.Make(arrow.PrimitiveTypes.Int64, len(s.positions), nil, buf))
	}, nil
}

// gathered is a column of the events at positions, NULL for -1.
func (m *laneMaker) gathered(col int, positions []int64) (arrow.Array, error) {
	b := m.o.events
	none := vector.FromLiteral(m.o.env.Mem, b.schema.Fields[col].Type, plan.Literal{Null: true}, 1)
	defer none.Release()
	arrs, picks := []arrow.Array{none}, make([]vector.Pick, len(positions))
	source, at := make([]int32, len(b.batches)), 0
	for i, p := range positions {
		if p < 0 {
			continue
		}
		if x := &b.batches[at]; p < x.first || p >= x.end() {
			at = sort.Search(len(b.batches), func(k int) bool { return b.batches[k].end() > p })
		}
		if source[at] == 0 {
			source[at] = int32(len(arrs))
			arrs = append(arrs, b.batches[at].rec.Column(col))
		}
		picks[i] = vector.Pick{Source: source[at], Row: int32(p - b.batches[at].first)}
	}
	return vector.Interleave(m.o.env.Mem, arrs, picks)
}

// lists is a column of lists, of elements that are released; those of a row end at its place in ends.
func (m *laneMaker) lists(f *plan.EventFeature, ends []int, elements arrow.Array) (arrow.Array, error) {
	defer elements.Release()
	offsets, nulls, err := m.offsets(f, ends)
	if err != nil {
		return nil, err
	}
	plain := vector.Decode(m.o.env.Mem, elements)
	defer plain.Release()
	return vector.MakeList(f.Type.Arrow(), len(ends), nulls, offsets, vector.Relabel(plain, f.Type.Element().Type.Arrow())), nil
}

// offsets is where the lists, or maps, of rows begin; rows without elements are NULL unless the feature says otherwise.
func (m *laneMaker) offsets(f *plan.EventFeature, ends []int) (*memory.Buffer, *vector.Nulls, error) {
	if n := len(ends); n > 0 && ends[n-1] > math.MaxInt32 {
		return nil, nil, plan.Failf(plan.FailureOutOfMemory, "event windows: %s gives the rows of one batch %d elements, and a batch has room for 2^31", f.Func, ends[n-1])
	}
	nulls, from, zero := &vector.Nulls{Mem: m.o.env.Mem, Rows: len(ends)}, 0, zeroIfEmpty(f)
	buf, out := vector.Alloc[int32](m.o.env.Mem, len(ends)+1)
	out[0] = 0
	for i, to := range ends {
		if out[i+1] = int32(to); to == from && !zero {
			nulls.Set(i)
		}
		from = to
	}
	return buf, nulls, nil
}
