package state

import (
	"cmp"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Request is the digest of the request that made a run.
func (m *Machine) Request(id string) (string, bool) {
	r := m.runs[id]
	if r == nil {
		return "", false
	}
	return r.Request, true
}

// KeptRequest is the digest of what a run was asked for, if the request itself is kept as a blob: that of a job is.
func (m *Machine) KeptRequest(id string) (digest string, kept bool) {
	r := m.runs[id]
	if r == nil {
		return "", false
	}
	return r.kept(), slices.Contains(r.Blobs, r.kept())
}

// kept is the digest of what a run was asked for as it is kept: with the functions that the coordinator has bound.
func (r *run) kept() string { return cmp.Or(r.Bound, r.Request) }

// Blobs lists the digests that runs which have not ended need, plans and plugins, and the profiles of those that have.
func (m *Machine) Blobs() []string {
	var list []string
	for _, r := range m.doc.Runs {
		switch {
		case !r.State.Terminal():
			list = append(append(list, r.Plan), r.Blobs...)
		case r.Profile != "":
			list = append(list, r.Profile)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// RetryBlobs lists the digests that retries of runs which have come to nothing need: requests and plugins. Of runs that ended under
// an older build they may be gone.
func (m *Machine) RetryBlobs() []string {
	var list []string
	for _, r := range m.doc.Runs {
		if r.State == api.RunFailed || r.State == api.RunCancelled {
			list = append(list, r.Blobs...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Expired lists the runs that ended, or were blocked, before a time.
func (m *Machine) Expired(before time.Time) []string {
	var list []string
	for _, r := range m.doc.Runs {
		over := r.Finished
		if r.blocked() {
			over = r.BlockedAt
		} else if !r.State.Terminal() {
			continue
		}
		if over.Before(before) && len(r.Stopping) == 0 && !r.Litter {
			list = append(list, r.ID)
		}
	}
	return list
}

func (a *applier) purge(c *PurgeRuns) {
	a.reject()
	for _, id := range c.RunIDs {
		r := a.runs[id]
		if r == nil {
			continue
		}
		if r.blocked() {
			a.result.Outcome = Applied
			r.Purged = true
			a.end(r, api.RunCancelled, plan.Failf(plan.FailureCancelled, "the run was blocked by its checks, and given up"))
			continue
		}
		if !r.State.Terminal() || len(r.Stopping) > 0 || r.Litter {
			continue
		}
		a.result.Outcome = Applied
		a.forgetRun(r)
	}
	a.doc.Runs = slices.DeleteFunc(a.doc.Runs, func(r *run) bool { return a.runs[r.ID] == nil })
}

// forgetRun takes a run off the indexes.
func (a *applier) forgetRun(r *run) {
	delete(a.runs, r.ID)
	a.journals -= r.Journal.size()
	a.logs -= r.logged()
	for _, w := range r.Workers {
		if known := a.workers[w.ID]; known != nil {
			delete(known.runs, r.ID)
		}
	}
}

// attachable is the newest run that has a plan and goes on or has published its outputs, if there is one.
func (m *Machine) attachable(digest string) *run {
	for _, r := range slices.Backward(m.doc.Runs) {
		if r.Plan == digest && (r.live() || (len(r.Outputs) > 0 && r.Ending == "" && r.State != api.RunFailed && r.State != api.RunCancelled)) {
			return r
		}
	}
	return nil
}

// Published is the run that a submit with a plan would be attached to, if that run has published its outputs.
func (m *Machine) Published(digest string) []Output {
	if r := m.attachable(digest); r != nil && r.State == api.RunSucceeded {
		return slices.Clone(r.Outputs)
	}
	return nil
}
