package state

import (
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// View is what the scheduler looks at. It shares nothing with the machine.
type View struct {
	Runs    []RunView // live runs with ready tasks, in order of submission
	Workers int       // how many are known
}

// RunView is a run's share of a view.
type RunView struct {
	ID      string
	Running int         // attempts that run now
	Ready   []ReadyTask // in order of stage and task
}

// ReadyTask is a task that can be granted.
type ReadyTask struct {
	plan.AttemptID        // the attempt that would be granted
	Avoid          string // the worker on which the last attempt failed
	Held           []Held // where its inputs are
}

// Held is how many bytes of something a worker has on its disk.
type Held struct {
	Worker string
	Bytes  int64
}

// View shows up to limit ready tasks of each live run.
func (m *Machine) View(limit int) View {
	v := View{Workers: len(m.doc.Workers)}
	for _, r := range m.doc.Runs {
		if !r.live() {
			continue
		}
		if rv := r.view(limit); len(rv.Ready) > 0 {
			v.Runs = append(v.Runs, rv)
		}
	}
	return v
}

func (r *run) view(limit int) RunView {
	v := RunView{ID: r.ID}
	for i, s := range r.Stages {
		v.Running += s.running
		if s.Done+s.running == s.Tasks || len(v.Ready) >= limit || !r.ready(i) {
			continue
		}
		held := r.inputsHeld(s)
		for j := s.cursor; j < len(s.List) && len(v.Ready) < limit; j++ {
			t := s.List[j]
			if t.State != taskPending {
				continue
			}
			id := plan.AttemptID{TaskID: plan.TaskID{Run: r.ID, Stage: i, Task: j}, Attempt: t.Next}
			v.Ready = append(v.Ready, ReadyTask{AttemptID: id, Avoid: t.Worker, Held: held})
		}
	}
	return v
}

// inputsHeld sums the bytes of a stage's inputs by worker. All tasks of a stage share it: how a map output divides
// into partitions is not kept.
func (r *run) inputsHeld(s *stage) []Held {
	var sum []Held
	for _, in := range s.Inputs {
		for _, h := range r.Stages[in].held {
			if i := slices.IndexFunc(sum, func(o Held) bool { return o.Worker == h.Worker }); i >= 0 {
				sum[i].Bytes += h.Bytes
			} else {
				sum = append(sum, h)
			}
		}
	}
	return sum
}

// Phase is what a run asks of the leader, beyond granting its tasks.
type Phase int

// The phases.
const (
	PhaseNone    Phase = iota
	PhaseCommit        // all tasks are committed: decide the files
	PhasePublish       // the files are decided: write manifest, markers, pointer
	PhaseClean         // failed or cancelled, and no attempt runs any more: delete what is left in the outputs
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

// Worker is a known worker.
type Worker struct {
	ID       string
	Address  string
	Slots    int
	Attempts []plan.AttemptID // that it has been given and that have not ended
}

// Free is how many of its slots are not taken.
func (w Worker) Free() int { return max(0, w.Slots-len(w.Attempts)) }

// Worker looks up a worker.
func (m *Machine) Worker(id string) (Worker, bool) {
	w := m.workers[id]
	if w == nil {
		return Worker{}, false
	}
	return w.view(), true
}

// Workers lists the known workers in order of registration.
func (m *Machine) Workers() []Worker {
	list := make([]Worker, len(m.doc.Workers))
	for i, w := range m.doc.Workers {
		list[i] = w.view()
	}
	return list
}

func (w *worker) view() Worker {
	return Worker{ID: w.ID, Address: w.Address, Slots: w.Slots, Attempts: slices.Clone(w.Attempts)}
}

// Current reports whether a worker is meant to be running an attempt: it is the one that its task runs, and the run is
// live.
func (m *Machine) Current(a plan.AttemptID, worker string) bool {
	r := m.runs[a.Run]
	if r == nil || !r.live() {
		return false
	}
	_, t := r.task(a.TaskID)
	return t != nil && t.State == taskRunning && t.Attempt == a.Attempt && t.Worker == worker
}

// Assignment is what a worker is told of an attempt that is current.
func (m *Machine) Assignment(a plan.AttemptID, worker string) (api.Assignment, bool) {
	if !m.Current(a, worker) {
		return api.Assignment{}, false
	}
	r := m.runs[a.Run]
	s := r.Stages[a.Stage]
	as := api.Assignment{AttemptID: a, Epoch: m.doc.Epoch, Plan: r.Plan}
	for _, in := range s.Inputs {
		as.Inputs = append(as.Inputs, api.StageInput{Stage: in, Version: r.Stages[in].Locations})
	}
	for _, o := range r.Outputs {
		if s.Sink == plan.SinkFile && o.Name == s.Output {
			as.OutputURL = o.VersionURL
		}
	}
	return as, true
}

// FinishedFor lists the runs, oldest first, that a worker has worked for and whose scratch can go: terminal, and not a
// result that may still be read. Those that skip reports are left out.
func (m *Machine) FinishedFor(worker string, skip func(run string) bool) []string {
	var list []string
	for _, r := range m.doc.Runs {
		if r.forgettable() && slices.Contains(r.Workers, worker) && !skip(r.ID) {
			list = append(list, r.ID)
		}
	}
	return list
}

func (r *run) forgettable() bool {
	return r.State.Terminal() && (r.Released || r.result() < 0)
}

// result is the stage whose rows the caller will read, or -1.
func (r *run) result() int {
	if r.State != api.RunSucceeded {
		return -1
	}
	return slices.IndexFunc(r.Stages, func(s *stage) bool { return s.Sink == plan.SinkResult })
}

// Committed is what a run has made: what its manifests are written from.
type Committed struct {
	Plan    string // digest
	Outputs []CommittedOutput
	Stages  []api.Counts
}

// CommittedOutput is an output and its shards in order.
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
		for _, t := range r.Stages[o.Stage].List {
			co.Files = append(co.Files, *t.Commit.File)
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
	at := map[string]int{}
	for i, t := range s.List {
		if t.Commit == nil {
			return api.StageOutputs{}, false
		}
		w, known := at[t.Commit.Address]
		if !known {
			w = len(out.Workers)
			at[t.Commit.Address] = w
			out.Workers = append(out.Workers, t.Commit.Address)
		}
		out.Tasks[i] = api.TaskLocation{Worker: w, Attempt: t.Commit.Attempt, Rows: t.Commit.Rows}
	}
	return out, true
}

// Request is the digest of the request that made a run.
func (m *Machine) Request(id string) (string, bool) {
	r := m.runs[id]
	if r == nil {
		return "", false
	}
	return r.Request, true
}
