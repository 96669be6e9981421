package plan

import (
	"cmp"
	"math"
	"slices"
)

// TallyCount is what a tally has counted, in one task or in all of a stage's.
type TallyCount struct {
	Place  int       `json:"place"`            // in the stage's tree, parents first
	Strata []Stratum `json:"strata"`           // in order of their keys; one without a key where nothing divides the rows
	Merged bool      `json:"merged,omitempty"` // there are more than MostStrata, so all are one
	// Partial says that not all rows have come by: what was counted says nothing.
	Partial bool `json:"partial,omitempty"`
}

// Stratum is the counts of the rows that have the same values.
type Stratum struct {
	Key   []*string   `json:"key,omitempty"` // as text, nil for NULL
	Rows  int64       `json:"rows"`
	Where []int64     `json:"where,omitempty"`
	Sums  []Expansion `json:"sums,omitempty"`
}

// NewTallyCount puts strata in order.
func NewTallyCount(place int, strata []Stratum, merged bool) TallyCount {
	c := TallyCount{Place: place, Merged: merged}
	return c.with(strata)
}

// Add is both counts together. It changes neither, and the order of additions does not matter.
func (c TallyCount) Add(o TallyCount) TallyCount {
	c.Merged, c.Partial = c.Merged || o.Merged, c.Partial || o.Partial
	return c.with(append(slices.Clone(c.Strata), o.Strata...))
}

// with is the count of strata, of which several may have the same key.
func (c TallyCount) with(strata []Stratum) TallyCount {
	slices.SortStableFunc(strata, func(a, b Stratum) int { return compareKeys(a.Key, b.Key) })
	for c.Strata = nil; ; c.Strata = nil {
		for _, s := range strata {
			if c.Merged {
				s.Key = nil
			}
			if last := len(c.Strata) - 1; last >= 0 && compareKeys(c.Strata[last].Key, s.Key) == 0 {
				c.Strata[last] = c.Strata[last].add(s)
			} else {
				c.Strata = append(c.Strata, s)
			}
		}
		if len(c.Strata) <= MostStrata {
			return c
		}
		c.Merged = true
	}
}

func compareKeys(a, b []*string) int {
	return slices.CompareFunc(a, b, func(x, y *string) int {
		switch {
		case x == nil || y == nil:
			return cmp.Compare(map[bool]int{true: 1}[x != nil], map[bool]int{true: 1}[y != nil])
		}
		return cmp.Compare(*x, *y)
	})
}

func (s Stratum) add(o Stratum) Stratum {
	s.Rows += o.Rows
	s.Where, s.Sums = slices.Clone(s.Where), slices.Clone(s.Sums)
	for i := range s.Where {
		s.Where[i] += o.Where[i]
	}
	for i := range s.Sums {
		sum := slices.Clone(s.Sums[i])
		for _, x := range o.Sums[i] {
			sum = sum.Add(x)
		}
		s.Sums[i] = sum
	}
	return s
}

// Expansion is a sum of doubles without rounding, as doubles of falling exponents that add up to it (Shewchuk): in which order
// they were added does not show in its value.
type Expansion []float64

// Add adds a double, in the expansion's memory. What is no number or infinite is left out.
func (e Expansion) Add(x float64) Expansion {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return e
	}
	kept := 0
	for _, y := range e {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		sum := x + y
		if rest := y - (sum - x); rest != 0 {
			e[kept] = rest
			kept++
		}
		x = sum
	}
	if math.IsInf(x, 0) {
		return e[:kept]
	}
	return append(e[:kept], x)
}

// AddTimes adds a double so many times.
func (e Expansion) AddTimes(x float64, times int64) Expansion {
	n := float64(times)
	product := x * n
	return e.Add(product).Add(math.FMA(x, n, -product))
}

// Value is the double that is nearest to the sum.
func (e Expansion) Value() float64 {
	n := len(e)
	if n == 0 {
		return 0
	}
	n--
	high, low := e[n], 0.0
	for n > 0 {
		n--
		x, y := high, e[n]
		high = x + y
		if low = y - (high - x); low != 0 {
			break
		}
	}
	// Halfway cases go by the sign of what follows.
	if n > 0 && (low < 0 && e[n-1] < 0 || low > 0 && e[n-1] > 0) {
		if y := low * 2; y == (high+y)-high {
			high += y
		}
	}
	return high
}
