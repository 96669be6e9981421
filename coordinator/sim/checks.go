package sim

import (
	"fmt"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

// measuring asks for the run that measures for a run's checks.
func (s *Sim) measuring(run string) *state.SubmitRun {
	return &state.SubmitRun{
		RunID: state.ChecksRun(run), Name: "checks", Request: "checks", Plan: "checks of " + run, ChecksOf: run, At: s.wall(), Priority: 2,
		Stages: s.job(run).checks.measures.stages,
	}
}

// judge says what came of a run's checks; nil if there is nothing to judge. What was measured must be right.
func (s *Sim) judge(m *state.Machine, run string) []api.CheckResult {
	measured, ok := m.Measured(run)
	if !ok {
		return nil
	}
	c := s.job(run).checks
	result := api.CheckResult{Name: "sum", Severity: api.SeverityBlock, Outcome: api.CheckPassed}
	switch {
	case measured.State != api.RunSucceeded:
		result.Outcome = api.CheckError
	case len(measured.Lines) != 1 || measured.Lines[0] != fmt.Sprint(c.measures.want):
		s.violated("run %s measured %q", state.ChecksRun(run), measured.Lines)
	case !c.hold:
		result.Outcome = api.CheckFailed
	}
	return []api.CheckResult{result}
}

// decide releases or cancels a blocked run, again and again until that is known to have come through.
func (s *Sim) decide(run string) {
	if l := s.log.leader; l != nil {
		st, known := l.machine().Status(run)
		if known && st.State != api.RunChecking && (st.State != api.RunBlocked || st.Failure != nil) {
			return
		}
		c := state.Command{Cancel: &state.CancelRun{RunID: run, At: s.wall()}}
		if s.job(run).checks.release {
			c = state.Command{Override: &state.OverrideChecks{RunID: run, Because: "it is right", By: "ada", At: s.wall()}}
		}
		l.propose(func([]state.Result, error) {}, c)
	}
	s.after(time.Second, func() { s.decide(run) })
}

// checkPublished holds the leader to publishing what its checks let through, or somebody has released.
func (s *Sim) checkPublished(run string, made state.Committed) {
	switch gated := s.job(run).checks != nil; {
	case gated != (len(made.Checks) > 0):
		s.violated("run %s is published with the checks %v", run, made.Checks)
	case api.Blocked(made.Checks) && made.Override == nil:
		s.violated("run %s is published in spite of its checks", run)
	}
}
