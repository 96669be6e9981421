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
	PhaseMeasure       // the files are decided: begin the run that measures for the checks
	PhaseJudge         // that run has ended: see which checks hold
	PhaseProfile       // it has ended: write down where its time went
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
		if p := m.phase(r); p != PhaseNone {
			due = append(due, Due{Run: r.ID, Phase: p})
		}
	}
	return due
}

func (m *Machine) phase(r *run) Phase {
	switch {
	case r.State == api.RunSucceeded && r.Litter && len(r.Stopping) == 0:
		return PhaseSweep
	case r.State.Terminal() && r.Facts != nil && len(r.Stopping) == 0:
		return PhaseProfile
	case r.State.Terminal():
		return PhaseNone
	case r.Ending != "":
		if len(r.Stopping) == 0 {
			return PhaseClean
		}
		return PhaseNone
	case r.State == api.RunPublishing:
		return PhasePublish
	case r.State == api.RunChecking:
		return m.checking(r)
	case r.State == api.RunBlocked:
		return PhaseNone
	case r.complete():
		return PhaseCommit
	}
	return PhaseNone
}

// checking is what a run asks for whose checks are looked at.
func (m *Machine) checking(r *run) Phase {
	switch c := m.measuring(r); {
	case c == nil:
		return PhaseMeasure
	case c.State.Terminal():
		return PhaseJudge
	}
	return PhaseNone
}

// Committed is what a run has made: what its checks look at and its manifests are written from.
type Committed struct {
	State    api.RunState // checking or publishing
	Request  string       // digest
	Priority int
	Blobs    []string
	Checks   []api.CheckResult
	Override *api.Override

	Traceparent string

	Plan    string // digest
	Outputs []CommittedOutput
	Stages  []api.Counts
}

// CommittedOutput is an output and what its tasks have written, in order: a shard each, or the list of their shards.
type CommittedOutput struct {
	Output
	Parent string // the run that the output's pointer named when the files were decided; empty for none
	Files  []api.FileInfo
	// Rejects is what plugin functions could not do of what the output is made of, in the order of stages and tasks.
	Rejects []RejectsFile
}

// RejectsFile is a file with rejected rows.
type RejectsFile struct {
	api.Rejects
	Output string // in whose version folder it is
}

// Committed is what a run has made whose files are decided and that is not held up.
func (m *Machine) Committed(id string) (Committed, bool) {
	r := m.runs[id]
	if r == nil || (r.State != api.RunPublishing && r.State != api.RunChecking) || r.Ending != "" {
		return Committed{}, false
	}
	c := Committed{
		State: r.State, Plan: r.Plan, Request: r.kept(), Priority: r.Priority, Blobs: slices.Clone(r.Blobs),
		Checks: slices.Clone(r.Results), Override: r.Override, Traceparent: r.Traceparent,
	}
	for _, s := range r.Stages {
		c.Stages = append(c.Stages, s.Counts)
	}
	for i, o := range r.Outputs {
		co := CommittedOutput{Output: o}
		if i < len(r.Parents) {
			co.Parent = r.Parents[i]
		}
		list := r.Stages[o.Stage].List
		for j := range list {
			co.Files = append(co.Files, *list[j].file())
		}
		co.Rejects = r.rejects(o.Stage)
		c.Outputs = append(c.Outputs, co)
	}
	return c, true
}

// rejects are the files with rejected rows of a stage and all that it is made of.
func (r *run) rejects(reader int) []RejectsFile {
	var files []RejectsFile
	for i, s := range r.Stages {
		if !s.Rejects || !r.feeds(i, reader) {
			continue
		}
		for j := range s.List {
			if f := s.List[j].rejects(); f != nil {
				files = append(files, RejectsFile{Rejects: *f, Output: r.keeper(i).Name})
			}
		}
	}
	return files
}

// Outputs are those of a run, whatever its state, and whether the run is over without having published them.
func (m *Machine) Outputs(id string) (outputs []Output, dead bool) {
	r := m.runs[id]
	if r == nil {
		return nil, false
	}
	return slices.Clone(r.Outputs), r.State == api.RunFailed || r.State == api.RunCancelled
}
