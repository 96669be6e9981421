package check

import (
	"fmt"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func judgeNulls(c plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	rows, nulls := m.count("rows"), m.count("nulls")
	r.Message = fmt.Sprintf("NULL in %d of %d rows (%s), %s wanted", nulls, rows, plainly(share(nulls, rows)), bounds(nil, c.Max, plainly))
	if !within(share(nulls, rows), nil, c.Max) {
		r.Outcome = api.CheckFailed
	}
}

func judgeUnique(_ plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	keys, rows := m.count("keys"), m.count("rows")
	if keys == 0 {
		r.Message = "no two rows are the same"
		return
	}
	r.Outcome = api.CheckFailed
	r.Message = fmt.Sprintf("%d rows share %s; one is %s", rows, plural(int(keys), "value"), m.text("example"))
}

func judgeRange(_ plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	rows := m.count("rows")
	var outside [2]int64 // a bound that was not asked for was not measured
	m.read("below", &outside[0])
	m.read("above", &outside[1])
	var least, greatest string
	some := m.read("least", &least)
	m.read("greatest", &greatest)
	r.Message = "no values"
	if some {
		r.Message = fmt.Sprintf("from %s to %s", least, greatest)
	}
	if outside[0]+outside[1] > 0 {
		r.Outcome = api.CheckFailed
		r.Message += fmt.Sprintf("; of %d rows, %d lie below and %d above", rows, outside[0], outside[1])
	}
}

func judgeAccepted(_ plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	rows, others := m.count("rows"), m.count("others")
	if others == 0 {
		r.Message = "no other values"
		return
	}
	r.Outcome = api.CheckFailed
	r.Message = fmt.Sprintf("other values in %d of %d rows; one is %s", others, rows, m.text("example"))
}

func judgeReferences(c plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	rows, found := m.count("rows"), m.count("found")
	rate := 1.0
	if rows > 0 {
		rate = share(found, rows)
	}
	r.Message = fmt.Sprintf("%d of %d rows have a partner (%s), %s wanted", found, rows, plainly(rate), bounds(c.Min, nil, plainly))
	if found < rows {
		r.Message += "; none has " + m.text("example")
	}
	if !within(rate, c.Min, nil) {
		r.Outcome = api.CheckFailed
	}
}

func judgeDisjoint(_ plan.Check, m *measures, r *api.CheckResult, _ []Version) {
	shared := m.count("shared")
	if shared == 0 {
		r.Message = "none is in two sets"
		return
	}
	r.Outcome = api.CheckFailed
	r.Message = fmt.Sprintf("in several sets: %d; one is %s", shared, m.text("example"))
}
