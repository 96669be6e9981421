package check

import (
	"fmt"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func judgeRows(c plan.Check, m *measures, r *api.CheckResult, earlier []Version) {
	rows := m.count("rows")
	r.Message = fmt.Sprintf("%d rows", rows)
	if c.Min != nil || c.Max != nil {
		r.Message += ", " + bounds(c.Min, c.Max, plainly) + " wanted"
	}
	if !within(float64(rows), c.Min, c.Max) {
		r.Outcome = api.CheckFailed
	}
	if c.Median == nil {
		return
	}
	earlier = earlier[:min(len(earlier), c.Median.Of)]
	if len(earlier) == 0 {
		r.Message += "; no earlier version to compare with"
		if c.Min == nil && c.Max == nil {
			r.Outcome = api.CheckSkipped
		}
		return
	}
	middle := median(earlier)
	times := func(v float64) string { return plainly(v * middle) }
	r.Message += fmt.Sprintf("; the median of %s is %s, %s wanted", plural(len(earlier), "earlier version"), plainly(middle), bounds(c.Median.Min, c.Median.Max, times))
	if (c.Median.Min != nil && float64(rows) < *c.Median.Min*middle) || (c.Median.Max != nil && float64(rows) > *c.Median.Max*middle) {
		r.Outcome = api.CheckFailed
	}
}

// median of the versions' rows; of an even number, the mean of the two in the middle.
func median(versions []Version) float64 {
	rows := make([]int64, len(versions))
	for i, v := range versions {
		rows[i] = v.Rows
	}
	slices.Sort(rows)
	n := len(rows)
	return (float64(rows[(n-1)/2]) + float64(rows[n/2])) / 2
}

func judgeWhere(c plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	rows, against := m.count("rows"), m.count("against")
	r.Message = fmt.Sprintf("it does not hold for %d of %d rows", against, rows)
	if against == 0 {
		r.Message = fmt.Sprintf("it holds for all of %d rows", rows)
	}
	if c.Max != nil && *c.Max > 0 {
		r.Message += ", " + bounds(nil, c.Max, plainly) + " may be"
	}
	if !within(float64(against), nil, c.Max) {
		r.Outcome = api.CheckFailed
	}
}

func judgeRate(c plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	strata := m.count("strata")
	if strata == 0 {
		r.Message = "no rows"
		return
	}
	least, ok1 := m.number("least")
	greatest, ok2 := m.number("greatest")
	if m.err == nil && !(ok1 && ok2) {
		m.err = fmt.Errorf("the rates were not measured")
	}
	place := func(name string) string {
		if len(c.Columns) == 0 {
			return ""
		}
		return " in " + m.text(name)
	}
	low, high := plainly(least)+place("least_in"), plainly(greatest)+place("greatest_in")
	switch {
	case c.Min != nil && least < *c.Min:
		r.Outcome, r.Message = api.CheckFailed, low
	case c.Max != nil && greatest > *c.Max:
		r.Outcome, r.Message = api.CheckFailed, high
	case len(c.Columns) == 0:
		r.Message = low
	default:
		r.Message = fmt.Sprintf("%s to %s, of %d strata", low, high, strata)
	}
	r.Message += ", " + bounds(c.Min, c.Max, plainly) + " wanted"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
