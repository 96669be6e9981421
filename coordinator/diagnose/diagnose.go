// Package diagnose says what made a run slow: facts in, findings out. It is a table of rules, each about one kind of trouble,
// and every threshold is a constant with its reason. Nothing of what it finds is kept: whoever asks gets what the rules say now.
package diagnose

import (
	"cmp"
	"math"
	"slices"

	"github.com/quern-engine/quern/api"
)

const (
	// worth is the part of the run's time that a finding has to be about, and leastSeconds the least: what is less is not why a
	// run is slow.
	worth        = 0.05
	leastSeconds = 0.05
	// uneven is how many times as long, or as many rows, as the median a task has before it stands out. Medians are up to a
	// quarter too large, so it is twice or more in truth.
	uneven = 1.75
)

// rules in order: a later one may leave alone what an earlier one has explained.
var rules = []struct {
	name string
	find func(*diagnosis)
}{
	{"spill", (*diagnosis).spills},
	{"slow workers", (*diagnosis).slowWorkers},
	{"stragglers", (*diagnosis).stragglers},
	{"small files", (*diagnosis).smallFiles},
	{"fetching", (*diagnosis).fetches},
	{"plugins", (*diagnosis).plugins},
	{"short tasks", (*diagnosis).shortTasks},
	{"lost workers", (*diagnosis).lostWorkers},
	{"retries", (*diagnosis).retries},
	{"phases", (*diagnosis).phases},
	{"slots", (*diagnosis).slots},
}

// Findings is what stands out in a run, most important first; none if nothing does.
func Findings(p *api.Profile) []api.Finding {
	d := &diagnosis{Profile: p, found: []api.Finding{}}
	for _, r := range rules {
		r.find(d)
	}
	for i := range d.found {
		d.found[i].Seconds = math.Round(1000*d.found[i].Seconds) / 1000
	}
	slices.SortStableFunc(d.found, func(a, b api.Finding) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(b.Seconds, a.Seconds))
	})
	return d.found
}

// order puts what would have helped behind what went wrong.
func order(f api.Finding) int {
	if f.Kind == api.FindingSlots {
		return 1
	}
	return 0
}

// diagnosis is a run while rules look at it.
type diagnosis struct {
	*api.Profile
	found []api.Finding
}

// tell adds a finding if it is about enough of the run's time.
func (d *diagnosis) tell(f api.Finding) {
	if f.Seconds >= max(worth*d.Seconds, leastSeconds) {
		d.found = append(d.found, f)
	}
}

// explained reports that something of a kind was found in a stage.
func (d *diagnosis) explained(stage int, kind api.FindingKind) bool {
	return slices.ContainsFunc(d.found, func(f api.Finding) bool { return f.Stage == stage && f.Kind == kind })
}

// part is how much of a stage's time something is about that its tasks did for so many seconds, all together.
func (d *diagnosis) part(s *api.StageProfile, seconds float64) float64 {
	if s.Busy <= 0 {
		return 0
	}
	return s.Wall(d.Seconds) * min(1, seconds/s.Busy)
}
