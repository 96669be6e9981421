// Package check judges the checks of a run: from what was measured of its outputs, and from the manifests of earlier
// versions, it says which conditions hold. It is a function of these alone.
//
// What is measured comes as lines of JSON, objects whose keys are "<number of the check>.<measure>"; planner/step makes
// the queries that give them.
package check

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Version is what the manifest of an earlier version of an output says.
type Version struct {
	Run           string
	Rows          int64
	Distributions []api.Distribution
}

// History is the earlier versions of outputs by name, newest first.
type History map[string][]Version

// Depth is how many earlier versions the checks want to know.
func Depth(checks []plan.Check) int {
	depth := 0
	for _, c := range checks {
		if c.Median != nil {
			depth = max(depth, c.Median.Of)
		}
		if c.Kind == plan.CheckDrift {
			depth = max(depth, driftDepth)
		}
	}
	return depth
}

// driftDepth is how far back a distribution is looked for.
const driftDepth = 7

// Judge says what came of each check. One whose measures are missing or make no sense is an error.
func Judge(checks []plan.Check, lines []string, history History) []api.CheckResult {
	measured, err := parse(lines)
	results := make([]api.CheckResult, len(checks))
	for i, c := range checks {
		r := result(c)
		m := &measures{all: measured, prefix: strconv.Itoa(i) + ".", err: err}
		judge, known := judges[c.Kind]
		if !known {
			m.err = fmt.Errorf("this build knows no check %q", c.Kind)
		} else if err == nil {
			judge(c, m, &r, history[c.Output])
		}
		if m.err != nil {
			r.Outcome, r.Message, r.Distributions = api.CheckError, m.err.Error(), nil
		}
		results[i] = r
	}
	return results
}

// Failed is the results where nothing could be measured.
func Failed(checks []plan.Check, reason string) []api.CheckResult {
	results := make([]api.CheckResult, len(checks))
	for i, c := range checks {
		results[i] = result(c)
		results[i].Outcome, results[i].Message = api.CheckError, reason
	}
	return results
}

func result(c plan.Check) api.CheckResult {
	r := api.CheckResult{Name: c.Name, Output: c.Output, Kind: c.Kind, Severity: api.SeverityBlock, Outcome: api.CheckPassed}
	if c.Warn {
		r.Severity = api.SeverityWarn
	}
	return r
}

// judges are the rules by kind. Each sets the outcome, if it is not that the check holds, and the message.
var judges = map[plan.CheckKind]func(c plan.Check, m *measures, r *api.CheckResult, earlier []Version){
	plan.CheckRows: judgeRows, plan.CheckNulls: judgeNulls, plan.CheckUnique: judgeUnique, plan.CheckRange: judgeRange,
	plan.CheckAccepted: judgeAccepted, plan.CheckWhere: judgeWhere, plan.CheckRate: judgeRate,
	plan.CheckReferences: judgeReferences, plan.CheckDisjoint: judgeDisjoint, plan.CheckDrift: judgeDrift,
	plan.CheckSampling: judgeSampling,
}

// measures reads what was measured for one check. It keeps the first problem.
type measures struct {
	all    map[string]json.RawMessage
	prefix string
	err    error
}

func parse(lines []string) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	for _, line := range lines {
		var some map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &some); err != nil {
			return nil, fmt.Errorf("what was measured cannot be read: %w", err)
		}
		for name, v := range some {
			all[name] = v
		}
	}
	return all, nil
}

// read decodes a measure into v. One that is NULL is left out of the line: false.
func (m *measures) read(name string, v any) bool {
	raw, ok := m.all[m.prefix+name]
	if !ok || m.err != nil {
		return false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		m.err = fmt.Errorf("the measure %s is %s: %w", name, raw, err)
	}
	return m.err == nil
}

// count is a number of rows, which must be there.
func (m *measures) count(name string) int64 {
	var n int64
	if !m.read(name, &n) && m.err == nil {
		m.err = fmt.Errorf("%s was not measured", name)
	}
	return n
}

func (m *measures) text(name string) (s string) {
	m.read(name, &s)
	return s
}

func (m *measures) number(name string) (v float64, ok bool) {
	ok = m.read(name, &v)
	return v, ok
}

// within reports a number between two bounds, where there are any.
func within(v float64, least, most *float64) bool {
	return (least == nil || v >= *least) && (most == nil || v <= *most)
}

// bounds says in words what was asked for.
func bounds(least, most *float64, show func(float64) string) string {
	switch {
	case least != nil && most != nil && *least == *most:
		return "exactly " + show(*least)
	case least != nil && most != nil:
		return show(*least) + " to " + show(*most)
	case least != nil:
		return "at least " + show(*least)
	case most != nil:
		return "at most " + show(*most)
	}
	return "any number"
}

// plainly shows a number with as many digits as it needs, and no more than six behind the first.
func plainly(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func share(part, all int64) float64 {
	if all == 0 {
		return 0
	}
	return float64(part) / float64(all)
}
