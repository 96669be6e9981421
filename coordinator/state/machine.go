package state

import (
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// What a run may try before it is given up.
const (
	// maxTaskFailures is how many attempts of a task may fail. Spark's number: enough for bad luck, few enough that a
	// task which cannot succeed is known soon.
	maxTaskFailures = 4
	// maxStageReruns is how often a complete stage may lose output to failed fetches.
	maxStageReruns = 4
	// maxWorkersLost is how many workers may vanish under one task before the task is taken for the cause.
	maxWorkersLost = 3
	// maxFetchFailures ends a task that keeps failing to fetch without naming an output that is really lost.
	maxFetchFailures = 20
	// maxMissing ends a task whose grants never arrive. Generous: each leader change may lose one.
	maxMissing = 16
	// keepFinished is how many finished runs are remembered, for idempotent submits and for people.
	keepFinished = 2000
)

// Machine is the whole state. It is not safe for concurrent use.
type Machine struct {
	doc     document
	runs    map[string]*run    // by id, of doc.Runs
	workers map[string]*worker // by id, of doc.Workers
	over    uint64             // grows when a run has become one that workers may forget

	journals int   // bytes of all runs' journals
	logs     int64 // bytes of all runs' log files
}

// document is what a snapshot holds: everything that is not derived from it.
type document struct {
	Version int       `json:"version"`
	Index   uint64    `json:"index"` // of the last applied log entry
	Epoch   uint64    `json:"epoch"` // highest that a grant carried
	Runs    []*run    `json:"runs"`  // in order of submission
	Workers []*worker `json:"workers"`
	// Entries is the newest version of log entries that was applied, from LogsVersion on.
	Entries int `json:"entries,omitempty"`
}

// worker is a process that has registered and has not been given up.
type worker struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Slots   int    `json:"slots"`
	Memory  int64  `json:"memory,omitempty"`
	// Attempts is what it has been given and has not yet ended, as far as is known; in order of grant.
	Attempts  []plan.AttemptID `json:"attempts"`
	Exclusive bool             `json:"exclusive,omitempty"` // the one attempt takes all slots
	Draining  bool             `json:"draining,omitempty"`  // it is about to stop
	Strikes   int              `json:"strikes,omitempty"`   // runs that have excluded it since it was last in quarantine
	Until     time.Time        `json:"until,omitzero"`      // it had best be given nothing before

	runs map[string]*run // that it has worked for
}

// free is how many of its slots are not taken.
func (w *worker) free() int {
	if w.Draining || w.Exclusive {
		return 0
	}
	return max(0, w.Slots-len(w.Attempts))
}

func (w *worker) drop(a plan.AttemptID) bool {
	i := slices.Index(w.Attempts, a)
	if i >= 0 {
		w.Attempts = slices.Delete(w.Attempts, i, i+1)
		w.Exclusive = w.Exclusive && len(w.Attempts) > 0
	}
	return i >= 0
}

// New is the state before the first log entry.
func New() *Machine {
	return &Machine{
		doc:  document{Version: documentVersion, Runs: []*run{}, Workers: []*worker{}},
		runs: map[string]*run{}, workers: map[string]*worker{},
	}
}

// Apply carries out an entry and answers command by command.
func (m *Machine) Apply(index uint64, e Entry) []Result {
	m.doc.Index = index
	if e.Version >= LogsVersion {
		m.doc.Entries = max(m.doc.Entries, e.Version)
	}
	results := make([]Result, len(e.Commands))
	for i, c := range e.Commands {
		a := applier{Machine: m, version: e.Version, result: Result{Outcome: Applied}}
		a.apply(c)
		results[i] = a.result
	}
	return results
}

// applier carries out one command and gathers what comes of it.
type applier struct {
	*Machine
	version int // of the entry
	at      time.Time
	result  Result
	touched []*run
}

func (a *applier) apply(c Command) {
	a.carryOut(c)
	for _, r := range a.touched {
		a.account(r, a.at)
	}
}

func (a *applier) carryOut(c Command) {
	switch {
	case c.Submit != nil:
		a.submit(c.Submit)
	case c.Register != nil:
		a.at = c.Register.At
		a.register(c.Register)
	case c.WorkerLost != nil:
		a.at = c.WorkerLost.At
		a.workerLost(c.WorkerLost.ID)
	case c.Grant != nil:
		a.at = c.Grant.At
		a.grant(c.Grant)
	case c.Report != nil:
		a.at = c.Report.At
		a.report(c.Report)
	case c.Missing != nil:
		a.at = c.Missing.At
		a.missing(c.Missing)
	case c.Cancel != nil:
		a.at = c.Cancel.At
		a.cancel(c.Cancel)
	case c.Commit != nil:
		a.at = c.Commit.At
		a.commitJob(c.Commit)
	case c.Published != nil:
		a.at = c.Published.At
		a.published(c.Published)
	case c.Fail != nil:
		a.at = c.Fail.At
		a.fail(c.Fail)
	case c.Cleaned != nil:
		a.at = c.Cleaned.At
		a.cleaned(c.Cleaned)
	case c.Release != nil:
		a.release(c.Release)
	case c.Drain != nil:
		a.drain(c.Drain)
	case c.Adapt != nil:
		a.at = c.Adapt.At
		a.adapt(c.Adapt)
	case c.Purge != nil:
		a.at = c.Purge.At
		a.purge(c.Purge)
	case c.Checked != nil:
		a.at = c.Checked.At
		a.checked(c.Checked)
	case c.Override != nil:
		a.at = c.Override.At
		a.override(c.Override)
	case c.Logs != nil:
		a.keepLogs(c.Logs)
	case c.Profiled != nil:
		a.profiled(c.Profiled)
	default:
		a.reject()
	}
}

func (a *applier) event(e Event) {
	a.result.Events = append(a.result.Events, e)
	if e.told() {
		a.note(a.runs[e.Run], e)
	}
}

func (a *applier) reject() { a.result.Outcome = Rejected }

func (a *applier) repeat() { a.result.Outcome = Repeated }

// touch makes a change of the run visible to those who wait for one.
func (a *applier) touch(r *run) {
	r.Version = a.doc.Index
	if r.Facts != nil && (len(a.touched) == 0 || a.touched[len(a.touched)-1] != r) {
		a.touched = append(a.touched, r)
	}
}

// touchUnfinished leaves the version of a run that is over alone: nobody need look at it again.
func (a *applier) touchUnfinished(r *run) {
	if !r.State.Terminal() {
		a.touch(r)
	}
}

func (a *applier) submit(c *SubmitRun) {
	a.at = c.At
	if r, known := a.runs[c.RunID]; known {
		if a.repeat(); r.Request != c.Request {
			a.result.Outcome = Conflict
		}
		return
	}
	if !c.consistent() || (c.ChecksOf != "" && !a.measurable(c.ChecksOf)) {
		a.reject()
		return
	}
	if r := a.attachable(c.Plan); c.Attach && r != nil {
		a.repeat()
		a.result.Run = r.ID
		return
	}
	r := newRun(c)
	a.watch(r)
	a.touch(r)
	a.runs[r.ID] = r
	a.doc.Runs = append(a.doc.Runs, r)
	a.event(Event{Kind: EventRunSubmitted, Run: r.ID, Message: r.Name})
	for i := range r.Stages {
		if r.ready(i) {
			r.Stages[i].isReady(a.at)
			a.event(Event{Kind: EventStageReady, Run: r.ID, Stage: i, Message: r.Stages[i].Label})
		}
	}
}

func (a *applier) cancel(c *CancelRun) {
	r := a.runs[c.RunID]
	switch {
	case r == nil:
		a.reject()
	case r.State == api.RunCancelled || r.Ending == api.RunCancelled:
		a.repeat()
	case !r.live() && !r.withheld():
		a.reject()
	default:
		message := "the run was cancelled"
		if c.Reason != "" {
			message += ": " + c.Reason
		}
		a.end(r, api.RunCancelled, plan.Failf(plan.FailureCancelled, "%s", message))
	}
}

func (a *applier) commitJob(c *JobCommit) {
	r := a.runs[c.RunID]
	switch {
	case r == nil || r.Ending != "":
		a.reject()
	case r.decided() || r.State == api.RunSucceeded:
		a.repeat()
	case !r.live() || !r.complete():
		a.reject()
	default:
		r.State, r.Parents = api.RunPublishing, c.Parents
		if r.Checks > 0 {
			r.State = api.RunChecking
		}
		a.touch(r)
		a.event(Event{Kind: EventRunCommitted, Run: r.ID})
	}
}

func (a *applier) published(c *RunPublished) {
	r := a.runs[c.RunID]
	switch {
	case r == nil:
		a.reject()
	case r.State == api.RunSucceeded:
		a.repeat()
	case r.State != api.RunPublishing || r.Ending != "":
		a.reject()
	default:
		a.finish(r, api.RunSucceeded)
	}
}

func (a *applier) fail(c *FailRun) {
	r := a.runs[c.RunID]
	switch {
	case r == nil:
		a.reject()
	case r.State == api.RunFailed || r.Ending == api.RunFailed:
		a.repeat()
	case r.State.Terminal() || r.Ending != "":
		a.reject()
	default:
		f := c.Failure
		if f == nil {
			f = plan.Failf(plan.FailureInternal, "the run was given up without a reason")
		}
		a.end(r, api.RunFailed, f)
	}
}

func (a *applier) cleaned(c *RunCleaned) {
	r := a.runs[c.RunID]
	switch {
	case r == nil:
		a.reject()
	case r.State == api.RunSucceeded && r.Litter && len(r.Stopping) == 0:
		r.Litter = false
	case r.State.Terminal():
		a.repeat()
	case r.Ending == "":
		a.reject()
	default:
		a.finish(r, r.Ending)
		if r.Purged {
			a.forgetRun(r)
			a.doc.Runs = slices.DeleteFunc(a.doc.Runs, func(other *run) bool { return other == r })
		}
	}
}

func (a *applier) release(c *ReleaseRun) {
	r := a.runs[c.RunID]
	switch {
	case r == nil:
		a.reject()
	case r.Released:
		a.repeat()
	default:
		r.Released = true
		a.over++
		a.touch(r)
	}
}

// end begins the end of a run that fails or is cancelled. Nothing is granted or accepted any more. If one of its tasks
// may have written to an output, the run becomes terminal only when that is stopped and deleted (see RunCleaned), so
// that whoever sees a failed run sees none of its files.
func (a *applier) end(r *run, to api.RunState, f *plan.Failure) {
	r.Failure, r.Ending = f, to
	a.touch(r)
	if c := a.measuring(r); c != nil && c.live() {
		a.end(c, api.RunCancelled, plan.Failf(plan.FailureCancelled, "the run that it measures for has ended"))
	}
	for i, s := range r.Stages {
		for _, j := range s.running() {
			t, id := &s.List[j], plan.TaskID{Run: r.ID, Stage: i, Task: j}
			r.stop(id, int(t.Attempt), t.Worker)
			if other, worker, two := t.rival(int(t.Attempt)); two {
				r.stop(id, other, worker)
			}
			s.pend(j)
		}
	}
	if !r.Wrote {
		a.finish(r, to)
		return
	}
	a.event(Event{Kind: EventRunEnding, Run: r.ID, Message: string(to) + ": " + f.Message})
}

// finish makes a run terminal and forgets the details that nobody will ask for again.
func (a *applier) finish(r *run, to api.RunState) {
	r.State, r.Ending, r.Finished = to, "", a.at
	a.touch(r)
	message := string(to)
	if r.Failure != nil {
		message += ": " + r.Failure.Message
	}
	a.event(Event{Kind: EventRunEnded, Run: r.ID, Message: message})
	for _, s := range r.Stages {
		s.live, s.Parts, s.Layout, s.prefer = nil, nil, nil, nil
		if to != api.RunSucceeded || s.Sink != plan.SinkResult {
			s.List = nil
		}
	}
	r.Litter = r.Litter && to == api.RunSucceeded
	a.over++
	a.trim()
}

// trim forgets the oldest finished runs beyond those worth keeping.
func (a *applier) trim() {
	finished := 0
	for _, r := range a.doc.Runs {
		if r.State.Terminal() {
			finished++
		}
	}
	if finished <= keepFinished {
		return
	}
	a.doc.Runs = slices.DeleteFunc(a.doc.Runs, func(r *run) bool {
		if finished <= keepFinished || !r.State.Terminal() || len(r.Stopping) > 0 || r.Litter {
			return false
		}
		finished--
		a.forgetRun(r)
		return true
	})
}
