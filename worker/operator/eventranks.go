package operator

import (
	"cmp"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// sortedWords is the lane that keeps the words of a column in order.
func (m *laneMaker) sortedWords(f *plan.EventFeature, col int) *sortedWords {
	s, in := m.moving(f), m.input(f, []int{col}, formWord, true)
	return sharedLane(m, laneKey{kind: "sorted", spans: s, in: in}, func() *sortedWords {
		return &sortedWords{sortedValues[int64]{laneBase: laneBase{s}, in: in}}
	})
}

// sortedTexts is the lane that keeps the values of a column of any type in order.
func (m *laneMaker) sortedTexts(f *plan.EventFeature, col int) *sortedTexts {
	s, in := m.moving(f), m.input(f, []int{col}, formText, true)
	return sharedLane(m, laneKey{kind: "sorted", spans: s, in: in}, func() *sortedTexts {
		return &sortedTexts{sortedValues[string]{laneBase: laneBase{s}, in: in}}
	})
}

// rankNote notes the values at some shares of the way through the sorted values.
type rankNote[K cmp.Ordered] struct {
	shares []float64
	ends   []int
	values []K
}

func (n *rankNote[K]) begin(rows int) { n.ends, n.values = resized(n.ends, rows), n.values[:0] }

func (n *rankNote[K]) note(i int, b *bag[K]) {
	if b.n > 0 {
		for _, share := range n.shares {
			n.values = append(n.values, b.at(max(int(math.Ceil(share*float64(b.n)))-1, 0)).key)
		}
	}
	n.ends[i] = len(n.values)
}

// percentile makes percentile_approx, which is exact here: the value at the rank that each percentage asks for.
func (m *laneMaker) percentile(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 || len(f.Params) < 1 {
		return nil, nil
	}
	t, list := m.o.events.schema.Fields[f.Args[0]].Type, f.Params[0].Type.Kind == plan.KindArray
	var shares []float64
	if list {
		for _, x := range f.Params[0].Value.Items {
			shares = append(shares, x.Float())
		}
	} else {
		shares = []float64{f.Params[0].Value.Float()}
	}
	var values func() (arrow.Array, error)
	var ends *[]int
	if isWord(t) {
		l, n := m.sortedWords(f, f.Args[0]), &rankNote[int64]{shares: shares}
		l.notes, ends = append(l.notes, n), &n.ends
		values = func() (arrow.Array, error) { return wordColumn(m.o.env.Mem, t, n.values, nil), nil }
	} else {
		l, n := m.sortedTexts(f, f.Args[0]), &rankNote[string]{shares: shares}
		l.notes, ends = append(l.notes, n), &n.ends
		values = func() (arrow.Array, error) { return textColumn(m.o.env.Mem, t, n.values) }
	}
	return func(c *eventChunk) (arrow.Array, error) {
		found, err := values()
		if err != nil || list {
			if err != nil {
				return nil, err
			}
			return m.lists(f, *ends, found)
		}
		defer found.Release()
		idx, from := make([]int32, c.rows), 0
		for i, to := range *ends {
			if idx[i] = -1; from < to {
				idx[i] = int32(from)
			}
			from = to
		}
		return vector.Take(m.o.env.Mem, found, idx), nil
	}, nil
}

// greatest keeps the k greatest of a window, or all of it where some may leave it.
type greatest[K cmp.Ordered] struct {
	laneBase
	in  *eventInput
	k   int
	bag bag[K]
	selection
}

// greatestWords and greatestTexts are greatest by the form of what they go by.
type (
	greatestWords struct{ greatest[int64] }
	greatestTexts struct{ greatest[string] }
)

func (l *greatestWords) fold(c *eventChunk) error { return l.run(c, l.in.words) }

func (l *greatestTexts) fold(c *eventChunk) error { return l.run(c, l.in.texts) }

func (l *greatest[K]) run(c *eventChunk, keys []K) error {
	s, first := l.spans, c.events.first
	l.begin(c.rows)
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.bag.clear()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if !l.in.has(p) {
				continue
			}
			if l.bag.add(bagEntry[K]{keys[p], first + int64(p)}); s.window.Unbounded && l.bag.n > l.k {
				l.bag.remove(l.bag.first())
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.bag.remove(bagEntry[K]{keys[p], first + int64(p)})
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		for rank := l.bag.n - 1; rank >= max(0, l.bag.n-l.k); rank-- {
			l.positions = append(l.positions, l.bag.at(rank).position)
		}
		l.end(i)
	}
	return nil
}

// need is the first of the k where the window itself needs none of them.
func (l *greatest[K]) need() int64 {
	need := int64(math.MaxInt64)
	if l.spans.window.Unbounded {
		for rank := range l.bag.n {
			need = min(need, l.bag.at(rank).position)
		}
	}
	return need
}

func (l *greatest[K]) held() int64 { return l.bag.bytes() }

// top makes top_k.
func (m *laneMaker) top(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 2 || len(f.Params) != 1 || f.Type.Kind != plan.KindArray {
		return nil, nil
	}
	m.o.events.keepsRows = true
	s, by, k := m.moving(f), f.Args[1:], f.Params[0].Value.Int
	if isWord(m.o.events.schema.Fields[by[0]].Type) {
		in := m.input(f, by, formWord, true)
		l := sharedLane(m, laneKey{kind: "greatest", spans: s, in: in, param: k}, func() *greatestWords {
			return &greatestWords{greatest[int64]{laneBase: laneBase{s}, in: in, k: int(k)}}
		})
		return m.listOf(f, &l.selection), nil
	}
	in := m.input(f, by, formText, true)
	l := sharedLane(m, laneKey{kind: "greatest", spans: s, in: in, param: k}, func() *greatestTexts {
		return &greatestTexts{greatest[string]{laneBase: laneBase{s}, in: in, k: int(k)}}
	})
	return m.listOf(f, &l.selection), nil
}

// decayedSums sums doubles that lose half their weight each half-life: x·2^(-age/h). Of age/h the whole part is a shift,
// and a term without it stays the same while time goes on, so that terms are added once and taken away once, without
// rounding.
type decayedSums struct {
	laneBase
	in     *eventInput
	half   int64
	n      int64
	sum    agg.ExactSum
	counts []int64
	sums   []float64
}

// oldestTerm is after how many half-lives nothing is left of any double.
const oldestTerm = 2200

// decayed makes decayed_sum.
func (m *laneMaker) decayed(f *plan.EventFeature) (eventColumn, error) {
	if len(f.Args) != 1 || len(f.Params) != 1 || f.Params[0].Value.Int < 1 {
		return nil, nil
	}
	half := f.Params[0].Value.Int
	w := m.o.plan.Windows[f.Window]
	if half < math.MaxInt64/oldestTerm && (w.Unbounded || w.Width > half*oldestTerm) {
		w.Unbounded, w.Width, w.Hop = false, half*oldestTerm, 0
	}
	s := m.spans(w)
	s.moves = true
	in := m.input(f, f.Args, formFloat, true)
	l := sharedLane(m, laneKey{kind: "decayed", spans: s, in: in, param: half}, func() *decayedSums {
		return &decayedSums{laneBase: laneBase{s}, in: in, half: half}
	})
	return func(*eventChunk) (arrow.Array, error) { return m.doubles(f, l.sums, l.counts), nil }, nil
}

// halves is how many half-lives a time has, and the rest of it as a share of one.
func (l *decayedSums) halves(t int64) (whole int, rest float64) {
	n := t / l.half
	if t%l.half < 0 {
		n--
	}
	return int(n), float64(t-n*l.half) / float64(l.half)
}

func (l *decayedSums) fold(c *eventChunk) error {
	s, values, times, first := l.spans, l.in.floats, c.events.times, c.events.first
	l.counts, l.sums = resized(l.counts, c.rows), resized(l.sums, c.rows)
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.n = 0
			l.sum.Reset()
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				shift, rest := l.halves(times[p])
				l.sum.SubScaled(values[p]*math.Exp2(rest), shift)
				l.n--
			}
		}
		if s.lo[i] < s.hi[i] {
			shift, _ := l.halves(times[s.lo[i]-first])
			l.sum.Forget(shift)
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				shift, rest := l.halves(times[p])
				l.sum.AddScaled(values[p]*math.Exp2(rest), shift)
				l.n++
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		if l.counts[i], l.sums[i] = l.n, 0; l.n == 0 {
			l.sum.Reset()
			continue
		}
		shift, rest := l.halves(c.times[i])
		l.sums[i] = l.sum.Scaled(shift, math.Exp2(-rest))
	}
	return nil
}
