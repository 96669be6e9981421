package check

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func judgeDrift(c plan.Check, m *measures, r *api.CheckResult, earlier []Version) {
	var compared, with []string
	for i, column := range c.Columns {
		now := m.distribution(i, column)
		if m.err != nil {
			return
		}
		r.Distributions = append(r.Distributions, now)
		before, run, ok := find(earlier, now)
		if !ok {
			continue
		}
		text, holds := compare(c, before, now)
		if !holds {
			r.Outcome = api.CheckFailed
		}
		compared = append(compared, column+": "+text)
		if !slices.Contains(with, run) {
			with = append(with, run)
		}
	}
	if len(compared) == 0 {
		r.Outcome, r.Message = api.CheckSkipped, "no earlier version to compare with"
		return
	}
	r.Message = fmt.Sprintf("%s; against %s, %s wanted", strings.Join(compared, "; "), strings.Join(with, ", "), limits(c))
}

// distribution is how the values of column i of the check are distributed.
func (m *measures) distribution(i int, column string) api.Distribution {
	of := func(name string) string { return fmt.Sprintf("%d.%s", i, name) }
	d := api.Distribution{Column: column, Rows: m.count(of("rows")), Missing: m.count(of("missing"))}
	m.read(of("quantiles"), &d.Quantiles)
	m.read(of("values"), &d.Values)
	if m.err == nil && d.Rows > d.Missing && len(d.Quantiles)+len(d.Values) == 0 {
		m.err = fmt.Errorf("the distribution of %s was not measured", column)
	}
	return d
}

// find is the newest earlier distribution of the same column that can be compared with.
func find(earlier []Version, now api.Distribution) (before api.Distribution, run string, ok bool) {
	for _, v := range earlier[:min(len(earlier), driftDepth)] {
		for _, d := range v.Distributions {
			same := len(d.Values) == 0 || len(now.Quantiles) == 0
			same = same && (len(d.Quantiles) == 0 || len(now.Values) == 0)
			if strings.EqualFold(d.Column, now.Column) && same && d.Rows > 0 {
				return d, v.Run, true
			}
		}
	}
	return before, "", false
}

func compare(c plan.Check, before, now api.Distribution) (text string, holds bool) {
	if now.Rows == 0 {
		return "no rows", false
	}
	holds = true
	var parts []string
	if c.PSI != nil {
		v := psi(before, now)
		holds = v <= *c.PSI
		parts = append(parts, fmt.Sprintf("psi %.4f", v))
	}
	if c.KS != nil {
		v := ks(before.Quantiles, now.Quantiles)
		holds = holds && v <= *c.KS
		parts = append(parts, fmt.Sprintf("ks %.4f", v))
	}
	return strings.Join(parts, ", "), holds
}

// limits says in words what was asked for.
func limits(c plan.Check) string {
	var parts []string
	if c.PSI != nil {
		parts = append(parts, "psi at most "+plainly(*c.PSI))
	}
	if c.KS != nil {
		parts = append(parts, "ks at most "+plainly(*c.KS))
	}
	return strings.Join(parts, " and ")
}

// leastShare stands for smaller shares, whose logarithm would be without bounds.
const leastShare = 1e-4

// psi is the population stability index: the sum over bins of (now - before) · ln(now / before), in shares of the rows.
func psi(before, now api.Distribution) float64 {
	a, b := tenths(before, now)
	if len(before.Values)+len(now.Values) > 0 {
		a, b = frequencies(before, now)
	}
	a, b = append(a, share(before.Missing, before.Rows)), append(b, share(now.Missing, now.Rows))
	total := 0.0
	for i := range a {
		x, y := max(a[i], leastShare), max(b[i], leastShare)
		total += (y - x) * math.Log(y/x)
	}
	return total
}

// tenths are the shares of rows in bins between the tenths of the earlier distribution.
func tenths(before, now api.Distribution) (a, b []float64) {
	q := before.Quantiles
	if len(q) == 0 { // it had no values at all: those that there are now are one bin
		return []float64{0}, []float64{present(now)}
	}
	var edges []float64
	for i := 1; i < 10; i++ {
		if e := q[i*(len(q)-1)/10]; len(edges) == 0 || e > edges[len(edges)-1] {
			edges = append(edges, e)
		}
	}
	bins := func(d api.Distribution) (shares []float64) {
		last := 0.0
		for _, e := range edges {
			upTo, _ := cumulative(d.Quantiles, e)
			shares = append(shares, (upTo-last)*present(d))
			last = upTo
		}
		if len(d.Quantiles) == 0 {
			last = 1 // there is nothing above either
		}
		return append(shares, (1-last)*present(d))
	}
	return bins(before), bins(now)
}

// present is the share of rows that have a value.
func present(d api.Distribution) float64 { return 1 - share(d.Missing, d.Rows) }

// cumulative is the share of values up to x, and below x, as far as quantiles tell.
func cumulative(q []float64, x float64) (upTo, below float64) {
	n := float64(len(q) - 1)
	if len(q) < 2 {
		return 0, 0
	}
	first := sort.SearchFloat64s(q, x)                                 // of those that are x or more
	after := sort.Search(len(q), func(i int) bool { return q[i] > x }) // of those that are more
	if first < after {                                                 // x is one of them
		return float64(after-1) / n, float64(first) / n
	}
	switch first {
	case 0:
		return 0, 0
	case len(q):
		return 1, 1
	}
	at := (float64(first-1) + (x-q[first-1])/(q[first]-q[first-1])) / n
	return at, at
}

// ks is the greatest distance between two cumulative distributions.
func ks(before, now []float64) float64 {
	if len(before) == 0 || len(now) == 0 {
		if len(before) == len(now) {
			return 0
		}
		return 1
	}
	greatest := 0.0
	for _, x := range slices.Concat(before, now) {
		a, a0 := cumulative(before, x)
		b, b0 := cumulative(now, x)
		greatest = max(greatest, math.Abs(a-b), math.Abs(a0-b0))
	}
	return greatest
}

// frequencies are the shares of rows with each of the values that the earlier distribution names, and with all others.
func frequencies(before, now api.Distribution) (a, b []float64) {
	counts := map[string]int64{}
	for _, v := range now.Values {
		counts[v.Value] = v.Rows
	}
	restBefore, restNow := before.Rows-before.Missing, now.Rows-now.Missing
	for _, v := range before.Values {
		a, b = append(a, share(v.Rows, before.Rows)), append(b, share(counts[v.Value], now.Rows))
		restBefore, restNow = restBefore-v.Rows, restNow-counts[v.Value]
	}
	return append(a, share(restBefore, before.Rows)), append(b, share(restNow, now.Rows))
}
