package state

import (
	"fmt"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Status tells how a run fares.
func (m *Machine) Status(id string) (api.RunStatus, bool) {
	r := m.runs[id]
	if r == nil {
		return api.RunStatus{}, false
	}
	return m.status(r), true
}

// Statuses tells how runs fare, newest first, at most limit of them: those that are in one of some states, of none all.
func (m *Machine) Statuses(limit int, states []api.RunState) []api.RunStatus {
	list := make([]api.RunStatus, 0, min(limit, len(m.doc.Runs)))
	for _, r := range slices.Backward(m.doc.Runs) {
		if len(list) == limit {
			break
		}
		if len(states) > 0 && !slices.Contains(states, r.State) {
			continue
		}
		list = append(list, m.status(r))
	}
	return list
}

// RunVersion is the version that a run's status would have.
func (m *Machine) RunVersion(id string) (uint64, bool) {
	r := m.runs[id]
	if r == nil {
		return 0, false
	}
	return r.Version, true
}

// RunEnded reports a run that will not change by itself any more, or that is not known.
func (m *Machine) RunEnded(id string) bool {
	r := m.runs[id]
	return r == nil || r.State.Terminal() || r.blocked()
}

func (m *Machine) status(r *run) api.RunStatus {
	st := api.RunStatus{
		RunID: r.ID, Name: r.Name, State: r.State, Reason: m.reason(r), Submitted: r.Submitted, Finished: r.Finished,
		Version: r.Version, Stages: make([]api.StageStatus, len(r.Stages)), Priority: r.Priority, Weight: r.Weight,
		Checks: r.shownResults(), Override: r.Override, ChecksOf: r.ChecksOf, RetryOf: r.RetryOf,
	}
	if r.Failure != nil {
		f := *r.Failure
		st.Failure = &f
	}
	for i, s := range r.Stages {
		st.Stages[i] = api.StageStatus{
			ID: i, Label: s.Label, Tasks: s.Tasks, Running: len(s.live), Done: s.Done, Failures: s.Failures, Twins: s.Twins,
			Adapted: s.Note, Median: float64(min(s.Took.median(), s.Slowest)) / 1000, Slowest: float64(s.Slowest) / 1000, Counts: s.Counts,
		}
	}
	if r.State != api.RunSucceeded {
		return st
	}
	for _, o := range r.Outputs {
		if st.Outputs == nil {
			st.Outputs = map[string]api.OutputStatus{}
		}
		s := r.Stages[o.Stage]
		st.Outputs[o.Name] = api.OutputStatus{
			Path: o.Path, VersionPath: o.VersionPath, Manifest: o.Manifest, Rows: s.Counts.RowsOut, Shards: s.shards(),
		}
	}
	if i := r.result(); i >= 0 {
		if out, ok := m.Locations(r.ID, i); ok {
			st.Result, st.ResultSchema = &out, r.Result
		}
	}
	return st
}

// shards is how many files the tasks of a stage have written: one each where nobody has counted.
func (s *stage) shards() int {
	if s.Counts.FilesOut == 0 && s.Counts.RowsOut > 0 {
		return s.Tasks
	}
	return int(s.Counts.FilesOut)
}

// reason says in words why a run does not move, if it does not.
func (m *Machine) reason(r *run) string {
	if r.Ending != "" {
		if n := len(r.Stopping); n > 0 {
			return fmt.Sprintf("%s; waiting for %s to stop", r.Ending, plural(n, "task"))
		}
		return string(r.Ending) + "; removing what it wrote"
	}
	switch r.State {
	case api.RunChecking:
		return "looking at its checks"
	case api.RunBlocked:
		return r.verdict() + "; release or cancel it"
	}
	if !r.live() || r.running() > 0 || r.complete() {
		return ""
	}
	slots, free, draining := 0, 0, 0
	for _, w := range m.doc.Workers {
		slots += w.Slots
		free += w.free()
		if w.Draining {
			draining++
		}
	}
	switch {
	case len(m.doc.Workers) == 0 && len(r.Workers) == 0:
		return "no worker has joined yet"
	case len(m.doc.Workers) == 0:
		return "all workers are gone"
	case free == 0 && draining == len(m.doc.Workers):
		return "all workers are about to stop"
	case free == 0:
		return fmt.Sprintf("all %s are busy", plural(slots, "slot"))
	}
	if floor := r.floor(); floor > 0 && floor >= m.most() {
		return fmt.Sprintf("a task ran out of memory and waits for a worker with more than %s", bytesText(floor))
	}
	return "" // it is about to be given out
}

// floor is the memory that the first task which waits has found too small.
func (r *run) floor() int64 {
	for i, s := range r.Stages {
		if s.cursor < len(s.List) && r.ready(i) && !s.waits() {
			return s.List[s.cursor].floor()
		}
	}
	return 0
}

func (r *run) running() int {
	n := 0
	for _, s := range r.Stages {
		n += len(s.live)
	}
	return n
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Stopping lists the attempts that an ended run still waits for.
func (m *Machine) Stopping(id string) []plan.AttemptID {
	var list []plan.AttemptID
	if r := m.runs[id]; r != nil {
		for _, g := range r.Stopping {
			list = append(list, g.AttemptID)
		}
	}
	return list
}
