package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// View is what the scheduler looks at. It shares nothing with the machine.
type View struct {
	Runs    []RunView // live runs with something to grant, in the order in which they are served
	Workers int       // how many are known
}

// RunView is a run's share of a view.
type RunView struct {
	ID       string
	Priority int
	Weight   int
	Running  int         // attempts that run now
	Ready    []ReadyTask // in order of stage and task
	Slow     []ReadyTask // second attempts of tasks that take much longer than others of their stage
	Excluded []string    // workers that the run keeps away from
}

// ReadyTask is a task that can be granted.
type ReadyTask struct {
	plan.AttemptID        // the attempt that would be granted
	Avoid          string // the worker on which the last attempt failed; of a twin, where the first one runs
	Held           []Held // workers that hold much of its inputs, most first
	Alone          bool   // it wants a worker to itself
	Floor          int64  // and one with more bytes of memory than this
}

// Held is how many bytes of something a worker has on its disk.
type Held struct {
	Worker string
	Bytes  int64
}

// Look says what a view shows.
type Look struct {
	Ready  int       // most tasks of each run
	Active int       // most runs: those first in line; 0 is all
	Now    time.Time // for telling which tasks are slow; zero shows none
}

// View shows what can be granted.
func (m *Machine) View(look Look) View {
	v := View{Workers: len(m.doc.Workers)}
	for _, r := range m.line(look.Active) {
		if rv := r.view(look); len(rv.Ready)+len(rv.Slow) > 0 {
			v.Runs = append(v.Runs, rv)
		}
	}
	return v
}

// line is the first live runs, those of the highest priority first, in order of submission.
func (m *Machine) line(limit int) []*run {
	var line []*run
	for _, r := range m.doc.Runs {
		if r.live() {
			line = append(line, r)
		}
	}
	slices.SortStableFunc(line, func(a, b *run) int { return cmp.Compare(b.Priority, a.Priority) })
	if limit > 0 && len(line) > limit {
		line = line[:limit]
	}
	return line
}

// Live is how many runs take grants.
func (m *Machine) Live() int {
	n := 0
	for _, r := range m.doc.Runs {
		if r.live() {
			n++
		}
	}
	return n
}

// Ahead is how many runs are served before a live one.
func (m *Machine) Ahead(id string) int {
	return max(0, slices.IndexFunc(m.line(0), func(r *run) bool { return r.ID == id }))
}

func (r *run) view(look Look) RunView {
	v := RunView{ID: r.ID, Priority: r.Priority, Weight: r.Weight}
	for _, w := range r.Workers {
		if w.Excluded {
			v.Excluded = append(v.Excluded, w.ID)
		}
	}
	for i, s := range r.Stages {
		v.Running += len(s.live)
		if !look.Now.IsZero() {
			v.Slow = append(v.Slow, r.slow(i, look.Now)...)
		}
		if s.Done+len(s.live) == s.Tasks || len(v.Ready) >= look.Ready || s.waits() || !r.ready(i) {
			continue
		}
		for j := s.cursor; j < len(s.List) && len(v.Ready) < look.Ready; j++ {
			if t := &s.List[j]; t.State == taskPending {
				v.Ready = append(v.Ready, ReadyTask{
					AttemptID: r.next(i, j), Avoid: r.worker(t.Worker), Held: s.prefer, Alone: t.alone(), Floor: t.floor(),
				})
			}
		}
	}
	return v
}

// next is the attempt of a task that would be granted.
func (r *run) next(stage, task int) plan.AttemptID {
	return plan.AttemptID{TaskID: plan.TaskID{Run: r.ID, Stage: stage, Task: task}, Attempt: int(r.Stages[stage].List[task].Next)}
}

// A task is slow when three quarters of its stage are done, or all others, and it has run half as long again as the
// median of these, and for a second at least.
const slowAtLeast = time.Second

// slow lists second attempts for the slow tasks of a stage: for one in ten at most, so that a stage whose tasks are all
// slower than the first ones is not run twice.
func (r *run) slow(i int, now time.Time) []ReadyTask {
	s := r.Stages[i]
	most := 4*s.Done >= 3*s.Tasks || s.Done == s.Tasks-1
	if len(s.live) == 0 || s.Done == 0 || !most || !r.ready(i) {
		return nil
	}
	limit := max(slowAtLeast.Milliseconds(), s.Took.median()*3/2)
	room := max(1, s.Tasks/10)
	var list []ReadyTask
	for _, j := range s.running() {
		t := &s.List[j]
		if t.TwinWorker != 0 {
			room--
		} else if now.UnixMilli()-t.Since > limit && !t.alone() {
			list = append(list, ReadyTask{AttemptID: r.next(i, j), Avoid: r.worker(t.Worker), Held: s.prefer})
		}
	}
	return list[:max(0, min(len(list), room))]
}

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

// Worker is a known worker.
type Worker struct {
	ID       string
	Address  string
	Slots    int
	Memory   int64
	Free     int // slots that can be given
	Draining bool
	Until    time.Time        // it had best be given nothing before
	Attempts []plan.AttemptID // that it has been given and that have not ended
}

// Worker looks up a worker.
func (m *Machine) Worker(id string) (Worker, bool) {
	w := m.workers[id]
	if w == nil {
		return Worker{}, false
	}
	return w.view(), true
}

// Known reports a worker that has registered and has not been given up.
func (m *Machine) Known(id string) bool { return m.workers[id] != nil }

// Workers lists the known workers in order of registration.
func (m *Machine) Workers() []Worker {
	list := make([]Worker, len(m.doc.Workers))
	for i, w := range m.doc.Workers {
		list[i] = w.view()
	}
	return list
}

func (w *worker) view() Worker {
	return Worker{
		ID: w.ID, Address: w.Address, Slots: w.Slots, Memory: w.Memory, Free: w.free(), Draining: w.Draining, Until: w.Until,
		Attempts: slices.Clone(w.Attempts),
	}
}

// Healthy reports that there is a worker which is not in quarantine and does not stop.
func (m *Machine) Healthy(now time.Time) bool {
	return slices.ContainsFunc(m.doc.Workers, func(w *worker) bool { return !w.Draining && !w.Until.After(now) })
}

// Drained reports a worker that can go without a loss: it is about to stop, runs nothing, and no run that goes on, and no
// result that may still be read, needs what it holds.
func (m *Machine) Drained(id string) bool {
	w := m.workers[id]
	if w == nil {
		return true
	}
	if !w.Draining || len(w.Attempts) > 0 {
		return false
	}
	for _, r := range w.runs {
		if r.holds(r.places[id]) {
			return false
		}
	}
	return true
}

// holds reports that a worker has output that somebody may still read.
func (r *run) holds(place int32) bool {
	if r.forgettable() || r.State == api.RunPublishing {
		return false
	}
	for i, s := range r.Stages {
		if s.Sink == plan.SinkFile || (r.live() && !r.needed(i)) {
			continue
		}
		for j := range s.List {
			if t := &s.List[j]; t.State == taskDone && t.Commit.Worker == place {
				return true
			}
		}
	}
	return false
}

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
	as := api.Assignment{AttemptID: a, Epoch: m.doc.Epoch, Plan: r.Plan, Exclusive: m.workers[worker].exclusive()}
	for _, in := range s.Inputs {
		as.Inputs = append(as.Inputs, api.StageInput{Stage: in, Version: r.Stages[in].Locations, Part: s.part(a.Task, in)})
	}
	for _, o := range r.Outputs {
		if s.Sink == plan.SinkFile && o.Name == s.Output {
			as.OutputURL = o.VersionURL
		}
	}
	return as, true
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

// Over grows whenever there is something new for FinishedFor to say.
func (m *Machine) Over() uint64 { return m.over }

// FinishedFor lists the runs, oldest first, that a worker has worked for and whose scratch can go: terminal, and not a
// result that may still be read. Those that skip reports are left out.
func (m *Machine) FinishedFor(worker string, skip func(run string) bool) []string {
	w := m.workers[worker]
	if w == nil {
		return nil
	}
	var list []*run
	for id, r := range w.runs {
		if r.forgettable() && !skip(id) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *run) int { return cmp.Or(a.Submitted.Compare(b.Submitted), strings.Compare(a.ID, b.ID)) })
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ID
	}
	return ids
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

// Blobs lists the digests that runs which have not ended need: plans and plugins.
func (m *Machine) Blobs() []string {
	var list []string
	for _, r := range m.doc.Runs {
		if !r.State.Terminal() {
			list = append(append(list, r.Plan), r.Blobs...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Expired lists the runs that ended before a time.
func (m *Machine) Expired(before time.Time) []string {
	var list []string
	for _, r := range m.doc.Runs {
		if r.State.Terminal() && r.Finished.Before(before) && len(r.Stopping) == 0 && !r.Litter {
			list = append(list, r.ID)
		}
	}
	return list
}

// Request is the digest of the request that made a run.
func (m *Machine) Request(id string) (string, bool) {
	r := m.runs[id]
	if r == nil {
		return "", false
	}
	return r.Request, true
}
