package stats

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/zeebo/xxh3"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// raise takes a hash into the registers: the first bits name one, which counts the zeros that follow.
func raise(registers []byte, h uint64) {
	at := h >> (64 - registerBits)
	n := byte(bits.LeadingZeros64(h<<registerBits|1<<(registerBits-1)) + 1)
	if registers[at] < n {
		registers[at] = n
	}
}

// distinct estimates how many values the registers have seen.
func distinct(registers []byte) int64 {
	m, inverse, empty := float64(len(registers)), 0.0, 0
	for _, n := range registers {
		if inverse += 1 / float64(uint64(1)<<n); n == 0 {
			empty++
		}
	}
	estimate := 0.7213 / (1 + 1.079/m) * m * m / inverse
	if empty > 0 && estimate <= 2.5*m {
		estimate = m * math.Log(m/float64(empty))
	}
	return int64(math.Round(estimate))
}

// widen takes a range of values in.
func (b *bounds[T]) widen(least, greatest T, compare func(a, b T) int) {
	if !b.some {
		b.some, b.min, b.max = true, least, greatest
		return
	}
	if compare(least, b.min) < 0 {
		b.min = least
	}
	if compare(greatest, b.max) > 0 {
		b.max = greatest
	}
}

func (c *column) addBools(values vector.Bits, valid vector.Validity, n int) {
	for i := range n {
		if valid.IsNull(i) {
			continue
		}
		v := int64(0)
		if values.At(i) {
			v = 1
		}
		raise(c.registers, hash.Mix(uint64(v)))
		c.ints.widen(v, v, cmp.Compare)
	}
}

func addInts[T int8 | int16 | int32 | int64](c *column, values []T, valid vector.Validity) {
	first := 0
	for first < len(values) && valid.IsNull(first) {
		first++
	}
	if first == len(values) {
		return
	}
	if !c.ints.some {
		c.shift = float64(values[first])
	}
	low, high, shift, sum, square, registers := values[first], values[first], c.shift, c.sum, c.square, c.registers
	all := valid.AllValid()
	for i, v := range values {
		if !all && valid.IsNull(i) {
			continue
		}
		low, high = min(low, v), max(high, v)
		d := float64(v) - shift
		sum += d
		square += float64(d * d)
		raise(registers, hash.Mix(uint64(int64(v))))
	}
	c.sum, c.square = sum, square
	c.ints.widen(int64(low), int64(high), cmp.Compare)
}

// addFloats leaves NaN out, and counts it.
func addFloats[T float32 | float64](c *column, values []T, valid vector.Validity) {
	all := valid.AllValid()
	low, high, shift, sum, square, registers := c.floats.min, c.floats.max, c.shift, c.sum, c.square, c.registers
	for i, x := range values {
		if !all && valid.IsNull(i) {
			continue
		}
		v := float64(x)
		raise(registers, hash.Mix(hash.FloatBits(v)))
		if v != v {
			c.out.NaNs++
			continue
		}
		if !c.floats.some {
			c.floats.some, low, high, shift = true, v, v, v
		}
		low, high = min(low, v), max(high, v)
		d := v - shift
		sum += d
		square += float64(d * d)
	}
	c.floats.min, c.floats.max, c.shift, c.sum, c.square = low, high, shift, sum, square
}

func (c *column) addDecimals(values []decimal128.Num, valid vector.Validity) {
	for i, v := range values {
		if valid.IsNull(i) {
			continue
		}
		f := v.ToFloat64(c.of.Scale)
		if !c.decimals.some {
			c.shift = f
		}
		raise(c.registers, hash.Mix(hash.Mix(v.LowBits())^uint64(v.HighBits())))
		c.decimals.widen(v, v, decimal128.Num.Cmp)
		d := f - c.shift
		c.sum += d
		c.square += float64(d * d)
	}
}

func (c *column) addIntervals(values []arrow.MonthDayNanoInterval, valid vector.Validity) {
	for i, v := range values {
		if !valid.IsNull(i) {
			raise(c.registers, hash.Mix(hash.Mix(uint64(v.Months)<<32|uint64(uint32(v.Days)))^uint64(v.Nanoseconds)))
		}
	}
}

// addDictionary looks at each value that is in use once.
func (c *column) addDictionary(d vector.Dictionary, valid vector.Validity) {
	used := make([]bool, d.Values.Len())
	if valid.AllValid() {
		for _, code := range d.Codes {
			used[code] = true
		}
	} else {
		for i, code := range d.Codes {
			if !valid.IsNull(i) {
				used[code] = true
			}
		}
	}
	for i, u := range used {
		if u {
			c.addText(d.Values.At(i))
		}
	}
}

func (c *column) addTexts(arr arrow.Array, valid vector.Validity) {
	if d, ok := vector.DictionaryOf(arr); ok {
		if d.Values.Len() <= arr.Len() {
			c.addDictionary(d, valid)
			return
		}
		for i, code := range d.Codes {
			if !valid.IsNull(i) {
				c.addText(d.Values.At(int(code)))
			}
		}
		return
	}
	texts := vector.StringsOf(arr)
	for i := range texts.Len() {
		if !valid.IsNull(i) {
			c.addText(texts.At(i))
		}
	}
}

func (c *column) addText(v []byte) {
	raise(c.registers, xxh3.Hash(v))
	switch {
	case c.of.Kind != plan.KindString:
	case !c.texts.some:
		c.texts = bounds[[]byte]{true, append([]byte{}, v...), append([]byte{}, v...)}
	case bytes.Compare(v, c.texts.min) < 0:
		c.texts.min = append(c.texts.min[:0], v...)
	case bytes.Compare(v, c.texts.max) > 0:
		c.texts.max = append(c.texts.max[:0], v...)
	}
}

// sample takes in the rows that were picked.
func (c *column) sample(arr arrow.Array, from int32, picked []int32) {
	if c.registers == nil || c.of.Kind == plan.KindBinary || c.of.Kind == plan.KindInterval {
		return
	}
	c.samples.add(arr, from, picked)
}

// number is a value as a double; false for those that are none, and for NaN and infinities.
func number(t plan.Type, v plan.Literal) (float64, bool) {
	switch t.Kind {
	case plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64, plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ,
		plan.KindYearMonthInterval, plan.KindDayTimeInterval:
		return float64(v.Int), true
	case plan.KindFloat32, plan.KindFloat64:
		return v.Float(), v.Float()-v.Float() == 0
	case plan.KindDecimal:
		return v.Decimal().ToFloat64(t.Scale), true
	}
	return 0, false
}

// The most points and frequent values of a column of a shard.
const (
	maxPoints   = 128
	maxFrequent = 64
)

// summary is what the column has come to.
func (c *column) summary() Column {
	out := c.out
	out.Registers = c.registers
	if n := float64(out.Values - out.NaNs); n > 0 && measured(c.of) {
		out.Mean, out.Squares = c.shift+c.sum/n, max(0, c.square-c.sum*c.sum/n)
		if out.Unmeasured = out.Mean-out.Mean != 0 || out.Squares-out.Squares != 0; out.Unmeasured {
			out.Mean, out.Squares = 0, 0
		}
	}
	out.Min, out.Max = c.bounds()
	var points []float64
	var words []int64
	counted := make([]plan.Literal, 0, len(c.samples.other))
	for i, is := range c.samples.is {
		if is == isNull {
			continue
		}
		out.Sampled++
		if is == isLong {
			continue
		}
		v := c.samples.value(i)
		if x, ok := number(c.of, v); ok {
			points = append(points, x)
		}
		if c.samples.words != nil {
			words = append(words, v.Int)
		} else {
			counted = append(counted, v)
		}
	}
	slices.Sort(points)
	out.Points = thinned(points)
	switch {
	case !frequents(c.of):
	case c.samples.words != nil:
		out.Frequent = frequentWords(words)
	default:
		out.Frequent = frequent(counted)
	}
	return out
}

// measured reports a type whose values have a mean.
func measured(t plan.Type) bool { return t.IsNumeric() }

// frequents reports a type of which single values are worth showing.
func frequents(t plan.Type) bool {
	switch t.Kind {
	case plan.KindFloat32, plan.KindFloat64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		return false
	}
	return true
}

func keyOf(v plan.Literal) string {
	var words [16]byte
	for i := range 8 {
		words[i], words[8+i] = byte(v.Int>>(8*i)), byte(v.High>>(8*i))
	}
	return string(words[:]) + string(v.Bytes)
}

// frequent is the most frequent of some values, and how often they are there; equally frequent ones are in the order of
// their keys.
func frequent(values []plan.Literal) []Frequency {
	order := make([]rank, len(values))
	for i, v := range values {
		order[i] = rank{bits.ReverseBytes64(uint64(v.Int)), bits.ReverseBytes64(uint64(v.High)), int32(i)}
	}
	slices.SortFunc(order, func(a, b rank) int { return a.compare(b, values) })
	runs := make([]run, 0, len(values))
	for i, r := range order {
		if i > 0 && order[i-1].compare(r, values) == 0 {
			runs[len(runs)-1].count++
			continue
		}
		runs = append(runs, run{at: r.at, count: 1})
	}
	runs = most(runs)
	out := make([]Frequency, len(runs))
	for i, r := range runs {
		out[i] = Frequency{values[r.at], r.count}
	}
	return out
}

// frequentWords is frequent of integers, whose numbers alone are sorted.
func frequentWords(words []int64) []Frequency {
	order := make([]uint64, len(words))
	for i, w := range words {
		order[i] = bits.ReverseBytes64(uint64(w))
	}
	slices.Sort(order)
	runs := make([]run, 0, len(order))
	for i, w := range order {
		if i > 0 && order[i-1] == w {
			runs[len(runs)-1].count++
			continue
		}
		runs = append(runs, run{at: int32(i), count: 1})
	}
	runs = most(runs)
	out := make([]Frequency, len(runs))
	for i, r := range runs {
		out[i] = Frequency{plan.Literal{Int: int64(bits.ReverseBytes64(order[r.at]))}, r.count}
	}
	return out
}

// most is the most frequent values, the first ones among equals.
func most(runs []run) []run {
	repeated := make([]run, 0, len(runs))
	for _, r := range runs {
		if r.count > 1 {
			repeated = append(repeated, r)
		}
	}
	slices.SortStableFunc(repeated, func(a, b run) int { return cmp.Compare(b.count, a.count) })
	for i := 0; i < len(runs) && len(repeated) < maxFrequent; i++ {
		if runs[i].count == 1 {
			repeated = append(repeated, runs[i])
		}
	}
	return repeated[:min(len(repeated), maxFrequent)]
}

// rank says where a value stands in the order of keys: its numbers as those of keyOf compare, and which value it is.
type rank struct {
	number, high uint64
	at           int32
}

func (r rank) compare(o rank, values []plan.Literal) int {
	switch {
	case r.number != o.number:
		return cmp.Compare(r.number, o.number)
	case r.high != o.high:
		return cmp.Compare(r.high, o.high)
	}
	return bytes.Compare(values[r.at].Bytes, values[o.at].Bytes)
}

// run is a value that is there so often.
type run struct {
	at    int32
	count int64
}

// thinned is at most maxPoints of sorted values, at equal distances.
func thinned(points []float64) []float64 {
	n := len(points)
	if n <= maxPoints {
		return points
	}
	out := make([]float64, maxPoints)
	for i := range out {
		out[i] = points[(2*i+1)*n/(2*maxPoints)]
	}
	return out
}

func (c *column) bounds() (least, greatest *plan.Literal) {
	switch {
	case c.ints.some:
		return &plan.Literal{Int: c.ints.min}, &plan.Literal{Int: c.ints.max}
	case c.floats.some:
		return &plan.Literal{Bits: math.Float64bits(c.floats.min)}, &plan.Literal{Bits: math.Float64bits(c.floats.max)}
	case c.decimals.some:
		low, high := c.decimals.min, c.decimals.max
		return &plan.Literal{Int: int64(low.LowBits()), High: low.HighBits()}, &plan.Literal{Int: int64(high.LowBits()), High: high.HighBits()}
	case c.texts.some && len(c.texts.min) <= maxText && len(c.texts.max) <= maxText:
		return &plan.Literal{Bytes: c.texts.min}, &plan.Literal{Bytes: c.texts.max}
	}
	return nil, nil
}
