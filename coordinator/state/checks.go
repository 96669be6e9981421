package state

import (
	"fmt"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// RunChecked says what came of a run's checks. A run that none of them blocks is published.
type RunChecked struct {
	RunID   string            `json:"run_id"`
	Results []api.CheckResult `json:"results"`
	At      time.Time         `json:"at"`
}

// OverrideChecks has a run published that its checks have blocked.
type OverrideChecks struct {
	RunID   string    `json:"run_id"`
	Because string    `json:"because"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

// ChecksSuffix ends the id of the run that measures for the checks of another.
const ChecksSuffix = ".checks"

// ChecksRun is the id of the run that measures for a run's checks: the same whoever leads.
func ChecksRun(id string) string { return id + ChecksSuffix }

// measuring is the run that measures for the checks of a run, if there is one.
func (m *Machine) measuring(r *run) *run {
	if c := m.runs[ChecksRun(r.ID)]; c != nil && c.ChecksOf == r.ID {
		return c
	}
	return nil
}

// Measured is what a run has measured that was made for checks.
type Measured struct {
	State   api.RunState
	Failure *plan.Failure
	Lines   []string
}

// Measured is what came of measuring for a run's checks, when that is over.
func (m *Machine) Measured(id string) (Measured, bool) {
	r := m.runs[id]
	if r == nil || r.State != api.RunChecking || r.Ending != "" {
		return Measured{}, false
	}
	c := m.measuring(r)
	if c == nil || !c.State.Terminal() {
		return Measured{}, false
	}
	return Measured{State: c.State, Failure: c.Failure, Lines: c.Lines}, true
}

// measurable reports that a run may be begun to measure for the checks of another one.
func (m *Machine) measurable(id string) bool {
	r := m.runs[id]
	return r != nil && r.State == api.RunChecking && r.Ending == ""
}

func (a *applier) checked(c *RunChecked) {
	r := a.runs[c.RunID]
	switch {
	case r == nil || r.Ending != "":
		a.reject()
	case len(r.Results) > 0:
		a.repeat()
	case r.State != api.RunChecking || len(c.Results) == 0:
		a.reject()
	default:
		r.Results = c.Results
		if measuring := a.measuring(r); measuring != nil {
			measuring.Lines = nil // nobody will ask for them again
		}
		a.touch(r)
		if api.Blocked(r.Results) {
			r.State, r.BlockedAt = api.RunBlocked, a.at
			a.over++
			a.event(Event{Kind: EventRunBlocked, Run: r.ID, Message: r.verdict()})
			return
		}
		r.State = api.RunPublishing
		a.event(Event{Kind: EventRunChecked, Run: r.ID, Message: r.verdict()})
	}
}

func (a *applier) override(c *OverrideChecks) {
	r := a.runs[c.RunID]
	switch {
	case r == nil || r.Ending != "":
		a.reject()
	case r.Override != nil:
		a.repeat()
	case r.State != api.RunBlocked:
		a.reject()
	default:
		r.Override = &api.Override{Because: c.Because, By: c.By, At: a.at}
		r.State = api.RunPublishing
		a.touch(r)
		a.event(Event{Kind: EventRunReleased, Run: r.ID, Message: c.By + ": " + c.Because})
	}
}

// verdict says in words how many checks do not hold.
func (r *run) verdict() string {
	blocking, warnings := 0, 0
	for _, c := range r.Results {
		switch {
		case c.Blocks():
			blocking++
		case c.Outcome == api.CheckFailed || c.Outcome == api.CheckError:
			warnings++
		}
	}
	text := fmt.Sprintf("%d of %s not met", blocking+warnings, plural(len(r.Results), "check"))
	if warnings > 0 {
		text += fmt.Sprintf(", of which %s", plural(warnings, "warning"))
	}
	return text
}

// decided reports a run whose files are decided and not yet published.
func (r *run) decided() bool {
	return r.State == api.RunChecking || r.State == api.RunBlocked || r.State == api.RunPublishing
}

// withheld reports a run whose files are decided, and of which nobody can have seen any.
func (r *run) withheld() bool {
	return (r.State == api.RunChecking || r.State == api.RunBlocked) && r.Ending == ""
}

// blocked reports a run that stays as it is until somebody decides.
func (r *run) blocked() bool { return r.State == api.RunBlocked && r.Ending == "" }

// shownResults are the results without what only manifests have.
func (r *run) shownResults() []api.CheckResult {
	var list []api.CheckResult
	for _, c := range r.Results {
		c.Distributions = nil
		list = append(list, c)
	}
	return list
}

// Checks is how many checks a run's outputs have to meet.
func (m *Machine) Checks(id string) int {
	if r := m.runs[id]; r != nil {
		return r.Checks
	}
	return 0
}
