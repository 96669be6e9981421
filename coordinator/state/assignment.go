package state

import (
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Current reports whether a worker is meant to be running an attempt: it is one that its task runs, and the run is live.
func (m *Machine) Current(a plan.AttemptID, worker string) bool {
	r := m.runs[a.Run]
	if r == nil || !r.live() {
		return false
	}
	_, t := r.task(a.TaskID)
	return t != nil && r.runs(t, a.Attempt, worker)
}

// Assignment is what a worker is told of an attempt that is current.
func (m *Machine) Assignment(a plan.AttemptID, worker string) (api.Assignment, bool) {
	if !m.Current(a, worker) {
		return api.Assignment{}, false
	}
	r := m.runs[a.Run]
	s := r.Stages[a.Stage]
	as := api.Assignment{AttemptID: a, Epoch: m.doc.Epoch, Plan: r.Plan, Exclusive: m.workers[worker].exclusive(), Traceparent: r.Traceparent}
	for _, in := range s.Inputs {
		as.Inputs = append(as.Inputs, api.StageInput{Stage: in, Version: r.Stages[in].Locations, Part: s.part(a.Task, in)})
	}
	for _, o := range r.Outputs {
		if s.Sink == plan.SinkFile && o.Name == s.Output {
			as.OutputURL = o.VersionURL
		}
	}
	if o := r.keeper(a.Stage); o != nil && s.Rejects {
		as.RejectsURL = o.VersionURL
	}
	return as, true
}

// keeper is the output in whose folder the rejected rows of a stage are: the first that is made of what the stage makes.
func (r *run) keeper(stage int) *Output {
	for i := range r.Outputs {
		if r.feeds(stage, r.Outputs[i].Stage) {
			return &r.Outputs[i]
		}
	}
	return nil
}

// feeds reports that a stage is made of what another makes, or is that one. Inputs come before their readers.
func (r *run) feeds(stage, reader int) bool {
	if stage >= reader {
		return stage == reader
	}
	return slices.ContainsFunc(r.Stages[reader].Inputs, func(in int) bool { return r.feeds(stage, in) })
}

func (w *worker) exclusive() bool { return w != nil && w.Exclusive }

// part is what a task reads of an input, if that is not what was planned.
func (s *stage) part(task, input int) *api.Selection {
	if len(s.Layout) == 0 {
		return nil
	}
	for _, p := range s.Layout[task] {
		if p.Stage == input {
			return &p.Selection
		}
	}
	return nil
}

// Locations tells where the outputs of a stage are, in the newest version. Of an output that has been lost it gives
// the last place: a reader that is told so tries there, fails, and is retried when the output is back. False if there
// is no such stage, or a task of it has never committed.
func (m *Machine) Locations(id string, stage int) (api.StageOutputs, bool) {
	r := m.runs[id]
	if r == nil || stage < 0 || stage >= len(r.Stages) || len(r.Stages[stage].List) == 0 {
		return api.StageOutputs{}, false
	}
	s := r.Stages[stage]
	out := api.StageOutputs{Run: id, Stage: stage, Version: s.Locations, Tasks: make([]api.TaskLocation, len(s.List))}
	at := make([]int, len(r.Workers)+1) // places in out.Workers, from 1
	for i := range s.List {
		c := &s.List[i].Commit
		if c.Worker == 0 {
			return api.StageOutputs{}, false
		}
		if at[c.Worker] == 0 {
			out.Workers = append(out.Workers, r.Workers[c.Worker-1].Address)
			at[c.Worker] = len(out.Workers)
		}
		out.Tasks[i] = api.TaskLocation{Worker: at[c.Worker] - 1, Attempt: int(c.Attempt), Rows: c.Rows}
	}
	return out, true
}
