package state

import (
	"slices"

	"github.com/quern-engine/quern/api"
)

// Phase is what a run asks of the leader, beyond granting its tasks.
type Phase int

// The phases.
const (
	PhaseNone    Phase = iota
	PhaseCommit        // all tasks are committed: decide the files
	PhasePublish       // the files are decided: write manifest, markers, pointer
	PhaseClean         // failed or cancelled, and no attempt runs any more: delete what is left in the outputs
	PhaseSweep         // succeeded, and the last attempt that lost to another has ended: delete what it may have left
)

// Due is a run that waits for the leader.
type Due struct {
	Run   string
	Phase Phase
}

// Due lists the runs that wait for the leader, in order of submission.
func (m *Machine) Due() []Due {
	var due []Due
	for _, r := range m.doc.Runs {
		if p := r.phase(); p != PhaseNone {
			due = append(due, Due{Run: r.ID, Phase: p})
		}
	}
	return due
}

func (r *run) phase() Phase {
	switch {
	case r.State == api.RunSucceeded && r.Litter && len(r.Stopping) == 0:
		return PhaseSweep
	case r.State.Terminal():
		return PhaseNone
	case r.Ending != "":
		if len(r.Stopping) == 0 {
			return PhaseClean
		}
		return PhaseNone
	case r.State == api.RunPublishing:
		return PhasePublish
	case r.complete():
		return PhaseCommit
	}
	return PhaseNone
}

// Committed is what a run has made: what its manifests are written from.
type Committed struct {
	Plan    string // digest
	Outputs []CommittedOutput
	Stages  []api.Counts
}

// CommittedOutput is an output and what its tasks have written, in order: a shard each, or the list of their shards.
type CommittedOutput struct {
	Output
	Files []api.FileInfo
}

// Committed is what a run in its publishing phase has made.
func (m *Machine) Committed(id string) (Committed, bool) {
	r := m.runs[id]
	if r == nil || r.State != api.RunPublishing || r.Ending != "" {
		return Committed{}, false
	}
	c := Committed{Plan: r.Plan}
	for _, s := range r.Stages {
		c.Stages = append(c.Stages, s.Counts)
	}
	for _, o := range r.Outputs {
		co := CommittedOutput{Output: o}
		list := r.Stages[o.Stage].List
		for i := range list {
			co.Files = append(co.Files, *list[i].file())
		}
		c.Outputs = append(c.Outputs, co)
	}
	return c, true
}

// Outputs are those of a run, whatever its state, and whether the run is over without having published them.
func (m *Machine) Outputs(id string) (outputs []Output, dead bool) {
	r := m.runs[id]
	if r == nil {
		return nil, false
	}
	return slices.Clone(r.Outputs), r.State == api.RunFailed || r.State == api.RunCancelled
}
