package agg

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// bin is a centre and how many values it stands for.
type bin struct{ x, y float64 }

// histogram is the streaming histogram of Ben-Haim and Tom-Tov: a value without a bin gets one, and while there are too
// many the two closest become one. Of equally close ones chance decides, by java.util.Random and its seed in Spark, so
// that results agree.
type histogram struct {
	bins []bin
	most int
	seed uint64
}

const (
	randomMultiplier = 0x5DEECE66D
	randomMask       = 1<<48 - 1
	histogramSeed    = 31183
)

func newHistogram(most int) *histogram {
	return &histogram{most: most, seed: (histogramSeed ^ randomMultiplier) & randomMask}
}

// chance is nextDouble of java.util.Random.
func (h *histogram) chance() float64 {
	next := func(bits uint) uint64 {
		h.seed = (h.seed*randomMultiplier + 0xB) & randomMask
		return h.seed >> (48 - bits)
	}
	high := next(26)
	return float64(high<<27+next(27)) / (1 << 53)
}

func (h *histogram) add(v float64) {
	at, found := slices.BinarySearchFunc(h.bins, v, func(b bin, v float64) int { return compareFloats(b.x, v) })
	if found {
		h.bins[at].y++
		return
	}
	h.bins = slices.Insert(h.bins, at, bin{v, 1})
	for len(h.bins) > h.most {
		h.merge()
	}
}

func (h *histogram) merge() {
	least, at, ties := h.bins[1].x-h.bins[0].x, 0, 1
	for i := 1; i+1 < len(h.bins); i++ {
		switch d := h.bins[i+1].x - h.bins[i].x; {
		case d < least:
			least, at, ties = d, i, 1
		case d == least:
			ties++
			if h.chance() <= 1/float64(ties) {
				at = i
			}
		}
	}
	a, b := h.bins[at], h.bins[at+1]
	y := a.y + b.y
	h.bins[at] = bin{float64(a.x*(a.y/y)) + float64(b.x/y*b.y), y}
	h.bins = slices.Delete(h.bins, at+1, at+2)
}

// histograms is histogram_numeric. Values are taken in the order of the rows.
func histograms(mem memory.Allocator, c *collected, from, to int) (arrow.Array, error) {
	most := 2
	if len(c.call.Params) > 0 {
		most = int(c.call.Params[0].Value.Int)
	}
	all := numbers(c.store.columns[0])
	var xs, ys []float64
	offsets := make([]int32, to-from+1)
	nulls := &vector.Nulls{Mem: mem, Rows: to - from}
	for g := from; g < to; g++ {
		h := newHistogram(most)
		for _, r := range c.store.rows(g) {
			h.add(all[r])
		}
		for _, b := range h.bins {
			xs, ys = append(xs, b.x), append(ys, b.y)
		}
		if offsets[g-from+1] = int32(len(xs)); len(h.bins) == 0 {
			nulls.Set(g - from)
		}
	}
	element := c.call.Type.Element().Type
	bins := vector.MakeStruct(element.Arrow(), len(xs), nil,
		fromFloats(mem, element.Children[0].Type, xs), fromFloats(mem, plan.Float64, ys))
	buf, out := vector.Alloc[int32](mem, len(offsets))
	copy(out, offsets)
	return vector.MakeList(c.call.Type.Arrow(), to-from, nulls, buf, bins), nil
}

// fromFloats is doubles as a column of a number, a time or a span. Integers cut the fraction off, decimals round.
func fromFloats(mem memory.Allocator, t plan.Type, values []float64) arrow.Array {
	n := len(values)
	switch t.Kind {
	case plan.KindInt8:
		return vector.Make(t.Arrow(), n, nil, cutOff[int8](mem, values))
	case plan.KindInt16:
		return vector.Make(t.Arrow(), n, nil, cutOff[int16](mem, values))
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return vector.Make(t.Arrow(), n, nil, cutOff[int32](mem, values))
	case plan.KindFloat32:
		return vector.Make(t.Arrow(), n, nil, cutOff[float32](mem, values))
	case plan.KindFloat64:
		return vector.Make(t.Arrow(), n, nil, cutOff[float64](mem, values))
	case plan.KindDecimal:
		nulls := &vector.Nulls{Mem: mem, Rows: n}
		buf, out := vector.Alloc[decimal128.Num](mem, n)
		for i, v := range values {
			d, err := decimal128.FromFloat64(math.Round(v*math.Pow10(int(t.Scale)))/math.Pow10(int(t.Scale)), t.Precision, t.Scale)
			if out[i] = d; err != nil {
				nulls.Set(i)
			}
		}
		return vector.Make(t.Arrow(), n, nulls, buf)
	}
	return vector.Make(t.Arrow(), n, nil, cutOff[int64](mem, values))
}

func cutOff[T number](mem memory.Allocator, values []float64) *memory.Buffer {
	buf, out := vector.Alloc[T](mem, len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return buf
}
