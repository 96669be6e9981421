package agg

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// checkFrequencies refuses negative frequencies; NULL counts as none.
func checkFrequencies(arr arrow.Array, rows []int32) error {
	values, valid := vector.Int64s(arr), vector.ValidityOf(arr)
	for _, r := range rows {
		if !valid.IsNull(int(r)) && values[r] < 0 {
			return plan.Failf(plan.FailureUser, "[NEGATIVE_VALUES_IN_FREQUENCY_EXPRESSION] Found the negative value in the "+
				"frequency: %dL, but expected a positive integral value.", values[r])
		}
	}
	return nil
}

// percentages is what a call asks for: 0.5 for median, else the parameter, and whether that is an array.
func percentages(a plan.Agg) (ps []float64, list bool) {
	if a.Func == "median" || len(a.Params) == 0 {
		return []float64{0.5}, false
	}
	p := a.Params[0]
	if p.Type.Kind != plan.KindArray {
		return []float64{p.Value.Float()}, false
	}
	for _, x := range p.Value.Items {
		ps = append(ps, x.Float())
	}
	return ps, true
}

// numbers is a column of numbers or spans as doubles. NULL rows have any value.
func numbers(arr arrow.Array) []float64 {
	switch dt := arr.DataType().(type) {
	case *arrow.Float64Type:
		return vector.Float64s(arr)
	case *arrow.Float32Type:
		out := make([]float64, arr.Len())
		for i, v := range vector.Float32s(arr) {
			out[i] = float64(v)
		}
		return out
	case *arrow.Decimal128Type:
		out := make([]float64, arr.Len())
		for i, v := range vector.Decimals(arr) {
			out[i] = v.ToFloat64(dt.Scale)
		}
		return out
	}
	out := make([]float64, 0, arr.Len())
	for _, v := range widened(arr, nil) {
		out = append(out, float64(v))
	}
	return out
}

// weighted is values in order, each with how many there are up to and including it.
type weighted struct {
	values []float64
	upTo   []int64
}

// at is the value at a place, counted from 0, of all values laid out.
func (w weighted) at(place int64) float64 {
	i, _ := slices.BinarySearch(w.upTo, place+1)
	return w.values[i]
}

// percentiles is percentile, percentile_cont, percentile_disc and median.
func percentiles(mem memory.Allocator, c *collected, from, to int) (arrow.Array, error) {
	ps, list := percentages(c.call)
	all := numbers(c.store.columns[0])
	var frequencies []int64
	var counted vector.Validity
	if c.call.Func == "percentile" && len(c.store.columns) > 1 {
		frequencies, counted = vector.Int64s(c.store.columns[1]), vector.ValidityOf(c.store.columns[1])
	}
	var out []float64
	some := make([]bool, to-from)
	for g := from; g < to; g++ {
		w := weigh(c.store.rows(g), all, func(r int32) int64 {
			switch {
			case frequencies == nil:
				return 1
			case counted.IsNull(int(r)):
				return 0
			}
			return frequencies[r]
		}, len(c.call.OrderBy) > 0 && c.call.OrderBy[0].Descending)
		if some[g-from] = len(w.values) > 0; !some[g-from] {
			continue
		}
		for _, p := range ps {
			out = append(out, w.percentile(p, c.call.Func == "percentile_disc"))
		}
	}
	t := c.call.Type
	if list {
		t = t.Element().Type
	}
	return perGroup(mem, c.call.Type, numberColumn(mem, t, out), some, len(ps), list)
}

func weigh(rows []int32, all []float64, weight func(int32) int64, descending bool) weighted {
	order := slices.Clone(rows)
	slices.SortStableFunc(order, func(a, b int32) int { return compareFloats(all[a], all[b]) })
	if descending {
		slices.Reverse(order)
	}
	var w weighted
	total := int64(0)
	for _, r := range order {
		if n := weight(r); n > 0 {
			total += n
			w.values, w.upTo = append(w.values, all[r]), append(w.upTo, total)
		}
	}
	return w
}

// compareFloats puts NaN above all else.
func compareFloats(a, b float64) int {
	switch {
	case a < b || b != b && a == a:
		return -1
	case a > b || a != a && b == b:
		return 1
	}
	return 0
}

func (w weighted) percentile(p float64, discrete bool) float64 {
	n := w.upTo[len(w.upTo)-1]
	if discrete {
		return w.at(max(int64(math.Ceil(float64(n)*p))-1, 0))
	}
	position := float64(n-1) * p
	lower, upper := math.Floor(position), math.Ceil(position)
	a, b := w.at(int64(lower)), w.at(int64(upper))
	if lower == upper || a == b {
		return a
	}
	return float64((upper-position)*a) + float64((position-lower)*b)
}

// numberColumn is doubles as a column of double, or of a span: fractions of those are cut off.
func numberColumn(mem memory.Allocator, t plan.Type, values []float64) arrow.Array {
	switch t.Kind {
	case plan.KindYearMonthInterval:
		buf, out := vector.Alloc[int32](mem, len(values))
		for i, v := range values {
			out[i] = int32(v)
		}
		return vector.Make(t.Arrow(), len(values), nil, buf)
	case plan.KindDayTimeInterval:
		buf, out := vector.Alloc[int64](mem, len(values))
		for i, v := range values {
			out[i] = int64(v)
		}
		return vector.Make(t.Arrow(), len(values), nil, buf)
	}
	return floatColumn(mem, values, func(v float64) (float64, bool) { return v, true })
}

// perGroup spreads values, so many for each group that has some, over the groups: as a value each, or as an array. It
// takes over the values.
func perGroup(mem memory.Allocator, t plan.Type, values arrow.Array, some []bool, width int, list bool) (arrow.Array, error) {
	idx, next := make([]int32, len(some)), int32(0)
	offsets := make([]int32, len(some)+1)
	nulls := &vector.Nulls{Mem: mem, Rows: len(some)}
	for i, ok := range some {
		idx[i] = -1
		if ok {
			idx[i] = next
			next += int32(width)
		} else if list {
			nulls.Set(i)
		}
		offsets[i+1] = next
	}
	if !list {
		defer values.Release()
		return vector.Take(mem, values, idx), nil
	}
	labelled := vector.Relabel(values, t.Element().Type.Arrow())
	values.Release()
	buf, out := vector.Alloc[int32](mem, len(offsets))
	copy(out, offsets)
	return vector.MakeList(t.Arrow(), len(some), nulls, buf, labelled), nil
}

// percentileRanks is percentile_approx: the value at the rank that the percentage asks for. It sorts what it has, so it
// is exact.
func percentileRanks(mem memory.Allocator, c *collected, from, to int) (arrow.Array, error) {
	ps, list := percentages(c.call)
	var picked []int32
	some := make([]bool, to-from)
	for g := from; g < to; g++ {
		rows := c.store.rows(g)
		if some[g-from] = len(rows) > 0; !some[g-from] {
			continue
		}
		values := vector.Take(heap, c.store.columns[0], rows)
		order := sortkey.EncodeColumns([]arrow.Array{values}, len(rows), []plan.SortKey{{}}).Order()
		for _, p := range ps {
			rank := max(int64(math.Ceil(p*float64(len(rows))))-1, 0)
			picked = append(picked, rows[order[rank]])
		}
	}
	return perGroup(mem, c.call.Type, vector.Take(mem, c.store.columns[0], picked), some, len(ps), list)
}
