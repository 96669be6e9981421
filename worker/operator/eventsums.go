package operator

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// eventCounts counts events, or those that have a value.
type eventCounts struct {
	laneBase
	in     *eventInput
	n      int64
	counts []int64
}

func (m *laneMaker) count(f *plan.EventFeature) (eventColumn, error) {
	s := m.window(f)
	in := m.input(f, f.Args, formNone, true)
	if in.sparse {
		s.moves = true
	}
	l := sharedLane(m, laneKey{kind: "count", spans: s, in: in}, func() *eventCounts { return &eventCounts{laneBase: laneBase{s}, in: in} })
	return func(*eventChunk) (arrow.Array, error) { return m.counted(f, l.counts), nil }, nil
}

// counted is a column of counts.
func (m *laneMaker) counted(f *plan.EventFeature, counts []int64) arrow.Array {
	if zeroIfEmpty(f) {
		return vector.FromInt64s(m.o.env.Mem, counts)
	}
	there := make([]bool, len(counts))
	for i, n := range counts {
		there[i] = n > 0
	}
	return wordColumn(m.o.env.Mem, plan.Int64, counts, there)
}

func (l *eventCounts) fold(c *eventChunk) error {
	s := l.spans
	l.counts = resized(l.counts, c.rows)
	if !l.in.sparse && !s.late {
		for i := range l.counts {
			l.counts[i] = s.hi[i] - s.lo[i]
		}
		return nil
	}
	e, d := int32(0), int32(0)
	for i := range l.counts {
		if s.fresh[i] {
			l.n = 0
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.n++
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.n--
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		l.counts[i] = l.n
	}
	return nil
}

// sum makes sum and avg by the type of what is summed.
func (m *laneMaker) sum(f *plan.EventFeature) (eventColumn, error) {
	if f.Distinct || len(f.Args) != 1 {
		return nil, nil
	}
	t := m.o.events.schema.Fields[f.Args[0]].Type
	switch {
	case t.Kind == plan.KindDecimal && f.Type.Kind == plan.KindDecimal:
		return m.decimalSum(f, t)
	case t.IsInteger():
		return m.wholeSum(f)
	case t.IsFloat():
		return m.doubleSum(f)
	}
	return nil, nil
}

// wholeSums sums numbers of up to 64 bits in 128, so that only a window's own sum can overflow.
type wholeSums struct {
	laneBase
	in     *eventInput
	n      int64
	low    uint64
	high   int64
	counts []int64
	lows   []uint64
	highs  []int64
}

func (m *laneMaker) wholeSums(f *plan.EventFeature) *wholeSums {
	s, in := m.moving(f), m.input(f, f.Args, formWord, true)
	return sharedLane(m, laneKey{kind: "sum", spans: s, in: in}, func() *wholeSums { return &wholeSums{laneBase: laneBase{s}, in: in} })
}

func (l *wholeSums) fold(c *eventChunk) error {
	s, words := l.spans, l.in.words
	l.counts, l.lows, l.highs = resized(l.counts, c.rows), resized(l.lows, c.rows), resized(l.highs, c.rows)
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.n, l.low, l.high = 0, 0, 0
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if !l.in.has(p) {
				continue
			}
			v, carry := words[p], uint64(0)
			l.low, carry = bits.Add64(l.low, uint64(v), 0)
			l.high += v>>63 + int64(carry)
			l.n++
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if !l.in.has(p) {
				continue
			}
			v, borrow := words[p], uint64(0)
			l.low, borrow = bits.Sub64(l.low, uint64(v), 0)
			l.high -= v>>63 + int64(borrow)
			l.n--
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		l.counts[i], l.lows[i], l.highs[i] = l.n, l.low, l.high
	}
	return nil
}

// wholeSum makes the sum, or the mean, of integers.
func (m *laneMaker) wholeSum(f *plan.EventFeature) (eventColumn, error) {
	l, mem := m.wholeSums(f), m.o.env.Mem
	if f.Func == "avg" {
		return func(c *eventChunk) (arrow.Array, error) {
			means := make([]float64, c.rows)
			for i := range means {
				if l.counts[i] > 0 {
					means[i] = wholeToFloat(l.highs[i], l.lows[i]) / float64(l.counts[i])
				}
			}
			return m.doubles(f, means, l.counts), nil
		}, nil
	}
	zero := zeroIfEmpty(f)
	return func(c *eventChunk) (arrow.Array, error) {
		sums, there := make([]int64, c.rows), make([]bool, c.rows)
		for i := range sums {
			there[i] = l.counts[i] > 0 || zero
			if sums[i] = int64(l.lows[i]); l.highs[i] != sums[i]>>63 {
				return nil, sumOverflow()
			}
		}
		return wordColumn(mem, plan.Int64, sums, there), nil
	}, nil
}

// wholeToFloat is an integer of 128 bits as the nearest double.
func wholeToFloat(high int64, low uint64) float64 {
	if high == int64(low)>>63 {
		return float64(int64(low))
	}
	v, _ := new(big.Float).SetInt(decimal128.New(high, low).BigInt()).Float64()
	return v
}

// doubles is a column of doubles. Where the count is 0 it has NULL, or 0 if the feature says so.
func (m *laneMaker) doubles(f *plan.EventFeature, values []float64, counts []int64) arrow.Array {
	nulls := &vector.Nulls{Mem: m.o.env.Mem, Rows: len(values)}
	buf, out := vector.Alloc[float64](m.o.env.Mem, len(values))
	copy(out, values)
	zero := zeroIfEmpty(f)
	for i, n := range counts {
		if n > 0 {
			continue
		}
		if out[i] = 0; !zero {
			nulls.Set(i)
		}
	}
	return vector.Make(arrow.PrimitiveTypes.Float64, len(values), nulls, buf)
}

// doubleSums sums doubles without rounding on the way.
type doubleSums struct {
	laneBase
	in     *eventInput
	n      int64
	sum    agg.ExactSum
	counts []int64
	sums   []float64
}

func (m *laneMaker) doubleSum(f *plan.EventFeature) (eventColumn, error) {
	s, in := m.moving(f), m.input(f, f.Args, formFloat, true)
	l := sharedLane(m, laneKey{kind: "sum", spans: s, in: in}, func() *doubleSums { return &doubleSums{laneBase: laneBase{s}, in: in} })
	if f.Func == "sum" {
		return func(*eventChunk) (arrow.Array, error) { return m.doubles(f, l.sums, l.counts), nil }, nil
	}
	return func(c *eventChunk) (arrow.Array, error) {
		means := make([]float64, c.rows)
		for i, sum := range l.sums {
			means[i] = sum / float64(l.counts[i])
		}
		return m.doubles(f, means, l.counts), nil
	}, nil
}

func (l *doubleSums) fold(c *eventChunk) error {
	s, values := l.spans, l.in.floats
	l.counts, l.sums = resized(l.counts, c.rows), resized(l.sums, c.rows)
	e, d, value := int32(0), int32(0), l.sum.Value()
	for i := range c.rows {
		changed := s.fresh[i] || e < s.enterTo[i] || d < s.leaveTo[i]
		if s.fresh[i] {
			l.n = 0
			l.sum.Reset()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.sum.Add(values[p])
				l.n++
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.sum.Sub(values[p])
				l.n--
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		if changed {
			if l.n == 0 {
				l.sum.Reset() // so that it has no more digits than the values to come
			}
			value = l.sum.Value()
		}
		l.counts[i], l.sums[i] = l.n, value
	}
	return nil
}

// decimalSum makes the sum, or the mean, of decimals.
func (m *laneMaker) decimalSum(f *plan.EventFeature, t plan.Type) (eventColumn, error) {
	sum := func(i int) (decimal128.Num, bool) { return decimal128.Num{}, true }
	var counts *[]int64
	if isWord(t) {
		l := m.wholeSums(f)
		counts = &l.counts
		sum = func(i int) (decimal128.Num, bool) { return decimal128.New(l.highs[i], l.lows[i]), true }
	} else {
		s, in := m.moving(f), m.input(f, f.Args, formWide, true)
		l := sharedLane(m, laneKey{kind: "sum", spans: s, in: in}, func() *wideSums { return &wideSums{laneBase: laneBase{s}, in: in} })
		counts = &l.counts
		sum = l.at
	}
	mean, zero := f.Func == "avg", zeroIfEmpty(f)
	return func(c *eventChunk) (arrow.Array, error) {
		nulls := &vector.Nulls{Mem: m.o.env.Mem, Rows: c.rows}
		buf, out := vector.Alloc[decimal128.Num](m.o.env.Mem, c.rows)
		fits := true
		for i, n := range *counts {
			if out[i] = (decimal128.Num{}); n == 0 {
				if !zero {
					nulls.Set(i)
				}
				continue
			}
			v, ok := sum(i)
			if mean && ok {
				v, ok = agg.DecimalMean(v, n, f.Type.Scale-t.Scale)
			}
			out[i] = v
			fits = fits && ok && v.FitsInPrecision(f.Type.Precision)
		}
		arr := vector.Make(f.Type.Arrow(), c.rows, nulls, buf)
		if !fits {
			arr.Release()
			return nil, agg.DecimalOverflow(mean)
		}
		return arr, nil
	}, nil
}

// wideSums sums decimals of more than 64 bits in 192.
type wideSums struct {
	laneBase
	in      *eventInput
	n       int64
	words   [3]uint64 // the lowest first
	counts  []int64
	history [][3]uint64
}

func (l *wideSums) fold(c *eventChunk) error {
	s, values := l.spans, l.in.wides
	l.counts, l.history = resized(l.counts, c.rows), resized(l.history, c.rows)
	e, d := int32(0), int32(0)
	for i := range c.rows {
		if s.fresh[i] {
			l.n, l.words = 0, [3]uint64{}
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.put(values[p])
				l.n++
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.put(values[p].Negate())
				l.n--
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		l.counts[i], l.history[i] = l.n, l.words
	}
	return nil
}

func (l *wideSums) put(v decimal128.Num) {
	var carry uint64
	l.words[0], carry = bits.Add64(l.words[0], v.LowBits(), 0)
	l.words[1], carry = bits.Add64(l.words[1], uint64(v.HighBits()), carry)
	l.words[2] += uint64(v.HighBits()>>63) + carry
}

// at is the sum of a row, if it has no more than 128 bits.
func (l *wideSums) at(i int) (decimal128.Num, bool) {
	w := l.history[i]
	return decimal128.New(int64(w[1]), w[0]), int64(w[2]) == int64(w[1])>>63
}

// spreads follows the moments of doubles.
type spreads struct {
	laneBase
	in        *eventInput
	moments   agg.ExactMoments
	counts    []int64
	mantissas []float64
	exponents []int
}

// variance makes variances and standard deviations.
func (m *laneMaker) variance(f *plan.EventFeature) (eventColumn, error) {
	if f.Distinct || len(f.Args) != 1 || f.Type.Kind != plan.KindFloat64 {
		return nil, nil
	}
	s, in := m.moving(f), m.input(f, f.Args, formFloat, true)
	l := sharedLane(m, laneKey{kind: "spread", spans: s, in: in}, func() *spreads { return &spreads{laneBase: laneBase{s}, in: in} })
	sample := f.Func == "var_samp" || f.Func == "stddev_samp"
	root := f.Func == "stddev_samp" || f.Func == "stddev_pop"
	return func(c *eventChunk) (arrow.Array, error) {
		values, counts := make([]float64, c.rows), make([]int64, c.rows)
		for i, n := range l.counts {
			divisor := n
			if sample {
				divisor--
			}
			if counts[i] = divisor; divisor <= 0 {
				counts[i] = 0
				continue
			}
			values[i] = math.Ldexp(l.mantissas[i]/float64(n*divisor), l.exponents[i])
			if root {
				values[i] = math.Sqrt(values[i])
			}
		}
		return m.doubles(f, values, counts), nil
	}, nil
}

func (l *spreads) fold(c *eventChunk) error {
	s, values := l.spans, l.in.floats
	l.counts, l.mantissas, l.exponents = resized(l.counts, c.rows), resized(l.mantissas, c.rows), resized(l.exponents, c.rows)
	e, d := int32(0), int32(0)
	mantissa, exponent := l.moments.Spread()
	for i := range c.rows {
		changed := s.fresh[i] || e < s.enterTo[i] || d < s.leaveTo[i]
		if s.fresh[i] {
			l.moments.Reset()
		}
		for _, p := range s.enter[e:s.enterTo[i]] {
			if l.in.has(p) {
				l.moments.Add(values[p])
			}
		}
		for _, p := range s.leave[d:s.leaveTo[i]] {
			if l.in.has(p) {
				l.moments.Sub(values[p])
			}
		}
		e, d = s.enterTo[i], s.leaveTo[i]
		if changed {
			if l.moments.N == 0 {
				l.moments.Reset()
			}
			mantissa, exponent = l.moments.Spread()
		}
		l.counts[i], l.mantissas[i], l.exponents[i] = l.moments.N, mantissa, exponent
	}
	return nil
}
