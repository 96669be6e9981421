package state

import (
	"cmp"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// What is kept of where a run's time went is bounded by these, however many tasks, keys and workers there are.
const (
	mostSlow       = 8  // tasks of a stage: the slowest
	mostFrequent   = 16 // keys of a stage
	mostToldKeys   = 4  // keys of a task
	leastToldRows  = 4096
	leastToldShare = 32  // one in so many of a task's rows: a key with less is not told
	mostFactWorker = 64  // workers of a run, the first
	mostLost       = 16  // workers that vanished
	mostMessage    = 200 // bytes of a failure's message
)

// phase is what a run is at, for the sums of where its time went. Their order is that of api.PhaseTimes.
type factPhase int

const (
	phaseNoWorker factPhase = iota
	phaseWaiting
	phaseTasks
	phaseChecks
	phaseBlocked
	phasePublish
	phaseEnding
	phases // how many there are
)

// runFacts is where a run's time went. It is there while the run goes on, and until its profile is written down.
type runFacts struct {
	Phase factPhase     `json:"phase"`
	Since int64         `json:"since"` // when Phase began, in milliseconds since the epoch
	Spent [phases]int64 `json:"spent"` // milliseconds
	Lost  []lostWorker  `json:"lost,omitempty"`
}

// lostWorker is a worker that vanished.
type lostWorker struct {
	ID string `json:"id"`
	At int64  `json:"at"` // milliseconds since the epoch
}

// stageFacts is what a stage's tasks did, each once. Times are in milliseconds, points in time since the epoch.
type stageFacts struct {
	Ready   int64            `json:"ready,omitempty"` // when the inputs were there first
	Began   int64            `json:"began,omitempty"`
	Ended   int64            `json:"ended,omitempty"`
	AtOnce  int              `json:"at_once,omitempty"`
	Least   int64            `json:"least,omitempty"` // time of the fastest task
	Busy    int64            `json:"busy,omitempty"`
	Worked  int64            `json:"worked,omitempty"`
	Waited  int64            `json:"waited,omitempty"`
	Sum     api.AttemptFacts `json:"sum,omitzero"`
	Rows    durations        `json:"rows,omitempty"` // in, by task
	RowsMin int64            `json:"rows_min,omitempty"`
	RowsMax int64            `json:"rows_max,omitempty"`
	Spilled int              `json:"spilled,omitempty"`
	Slow    []slowTask       `json:"slow,omitempty"`
	Keys    []api.KeyRows    `json:"keys,omitempty"`
	Lost    []lostAttempts   `json:"lost,omitempty"`
	Workers []workerTook     `json:"workers,omitempty"` // by place in the run's table
}

type slowTask struct {
	Took   int64 `json:"took"`
	Waited int64 `json:"waited_ms,omitempty"`
	api.TaskProfile
}

type lostAttempts struct {
	Kind     plan.FailureKind `json:"kind"`
	Attempts int              `json:"attempts"`
	Took     int64            `json:"took"`
	Worker   string           `json:"worker,omitempty"`
	Message  string           `json:"message,omitempty"`
}

type workerTook struct {
	Place int32 `json:"place"`
	Tasks int   `json:"tasks"`
	Took  int64 `json:"took"`
	Rows  int64 `json:"rows"`
}

// watch has it noted from now on where a run's time goes. Builds that do not know how must have the same state, so it is not
// done for runs whose entries they read as well.
func (a *applier) watch(r *run) {
	if a.version < FactsVersion {
		return
	}
	r.Facts = &runFacts{Phase: a.phaseOf(r), Since: a.at.UnixMilli()}
	for _, s := range r.Stages {
		s.Facts = &stageFacts{}
	}
}

func (f *runFacts) copied() *runFacts {
	if f == nil {
		return nil
	}
	c := *f
	c.Lost = slices.Clone(f.Lost)
	return &c
}

func (f *stageFacts) copied() *stageFacts {
	if f == nil {
		return nil
	}
	c := *f
	c.Sum.Functions, c.Rows = slices.Clone(f.Sum.Functions), slices.Clone(f.Rows)
	c.Slow, c.Keys, c.Lost, c.Workers = slices.Clone(f.Slow), slices.Clone(f.Keys), slices.Clone(f.Lost), slices.Clone(f.Workers)
	return &c
}

// at is what a run is at now.
func (m *Machine) phaseOf(r *run) factPhase {
	switch {
	case r.Ending != "":
		return phaseEnding
	case r.State == api.RunChecking:
		return phaseChecks
	case r.State == api.RunBlocked:
		return phaseBlocked
	case r.State == api.RunPublishing, r.complete():
		return phasePublish
	case r.running() > 0:
		return phaseTasks
	case len(m.doc.Workers) == 0:
		return phaseNoWorker
	}
	return phaseWaiting
}

// account adds the time since the last change to what the run was at.
func (m *Machine) account(r *run, now time.Time) {
	f := r.Facts
	if f == nil || now.IsZero() || f.Since == 0 {
		return
	}
	f.Spent[f.Phase] += max(0, now.UnixMilli()-f.Since)
	f.Phase, f.Since = m.phaseOf(r), max(f.Since, now.UnixMilli())
	if r.State.Terminal() {
		f.Since = 0
	}
}

// accountAll is account for all runs, when there is a worker again, or none any more.
func (a *applier) accountAll() {
	for _, r := range a.doc.Runs {
		if r.live() {
			a.account(r, a.at)
		}
	}
}

// isReady notes when a stage's inputs were there.
func (s *stage) isReady(at time.Time) {
	if s.Facts != nil && s.Facts.Ready == 0 {
		s.Facts.Ready = at.UnixMilli()
	}
}

// given notes that a task was given out.
func (s *stage) given(t *task) {
	f := s.Facts
	if f == nil {
		return
	}
	if f.Began == 0 {
		f.Began = t.Since
	}
	f.AtOnce = max(f.AtOnce, len(s.live))
}

// takes notes what a task did that is done for the first time.
func (r *run) takes(s *stage, t *task, c *Report, at time.Time) {
	f := s.Facts
	if f == nil {
		return
	}
	id, counts := c.Report.AttemptID, &c.Report.Counts
	took, waited := max(0, at.UnixMilli()-t.Since), max(0, t.Since-f.Ready)
	rows := counts.RowsRead + counts.RowsIn
	first := f.Ended == 0
	if first || took < f.Least {
		f.Least = took
	}
	if first || rows < f.RowsMin {
		f.RowsMin = rows
	}
	f.RowsMax = max(f.RowsMax, rows)
	f.Rows.add(rows)
	f.Busy += took
	f.Worked += min(took, int64(c.Report.Seconds*1000))
	f.Waited += waited
	f.Sum.Add(c.Report.Facts)
	f.Ended = max(f.Ended, at.UnixMilli())
	spilled := counts.Spilled()
	if spilled > 0 {
		f.Spilled++
	}
	twin := t.Attempt != int32(id.Attempt)
	if len(f.Slow) < mostSlow || took > f.Slow[mostSlow-1].Took {
		f.slow(slowTask{Took: took, Waited: waited, TaskProfile: api.TaskProfile{
			Task: id.Task, Attempt: id.Attempt, Worker: c.Worker, Failures: int(t.Failures) + int(t.Fetches) + int(t.Losses), Twin: twin,
			RowsIn: rows, RowsOut: counts.RowsOut, Spilled: spilled, Peak: counts.Peak(), Facts: c.Report.Facts,
		}})
	}
	if c.Made != nil {
		for _, k := range c.Made.Keys {
			f.key(k)
		}
	}
	if place, ok := t.runs(id.Attempt); ok && !twin && place <= mostFactWorker {
		f.worker(place, took, rows)
	}
}

// slow takes in a task that is among the slowest so far.
func (f *stageFacts) slow(t slowTask) {
	i, _ := slices.BinarySearchFunc(f.Slow, t, func(have, t slowTask) int { return cmp.Or(cmp.Compare(t.Took, have.Took), -1) })
	f.Slow = slices.Insert(f.Slow, i, t)
	f.Slow = f.Slow[:min(len(f.Slow), mostSlow)]
}

// key adds what a task tells of a frequent key. Where there are many, the rarest is forgotten: what is kept is a lower bound.
func (f *stageFacts) key(k api.KeyRows) {
	i := slices.IndexFunc(f.Keys, func(have api.KeyRows) bool { return have.Hash == k.Hash })
	switch {
	case i >= 0:
		f.Keys[i].Rows += k.Rows
		f.Keys[i].Value = cmp.Or(f.Keys[i].Value, k.Value)
	case len(f.Keys) < mostFrequent:
		f.Keys = append(f.Keys, k)
	default:
		least := 0
		for j := range f.Keys {
			if f.Keys[j].Rows < f.Keys[least].Rows {
				least = j
			}
		}
		if k.Rows > f.Keys[least].Rows {
			f.Keys[least] = k
		}
	}
}

func (f *stageFacts) worker(place int32, took, rows int64) {
	i, known := slices.BinarySearchFunc(f.Workers, place, func(w workerTook, place int32) int { return cmp.Compare(w.Place, place) })
	if !known {
		f.Workers = slices.Insert(f.Workers, i, workerTook{Place: place})
	}
	w := &f.Workers[i]
	w.Tasks, w.Took, w.Rows = w.Tasks+1, w.Took+took, w.Rows+rows
}

// inVain notes an attempt that does not count. Call it while the task still runs it.
func (s *stage) inVain(t *task, attempt int, kind plan.FailureKind, worker, message string, at time.Time) {
	if s.Facts == nil {
		return
	}
	took := int64(0)
	if t.State == taskRunning && int(t.Attempt) == attempt { // when a second attempt began is not known
		took = max(0, at.UnixMilli()-t.Since)
	}
	s.Facts.lost(lostAttempts{Kind: kind, Attempts: 1, Took: took, Worker: worker, Message: clip(message, mostMessage)})
}

func (f *stageFacts) lost(l lostAttempts) {
	i := slices.IndexFunc(f.Lost, func(have lostAttempts) bool { return have.Kind == l.Kind })
	if i < 0 {
		f.Lost = append(f.Lost, l)
		return
	}
	have := &f.Lost[i]
	have.Attempts, have.Took = have.Attempts+l.Attempts, have.Took+l.Took
	have.Worker, have.Message = l.Worker, l.Message
}

// vanished notes a worker that has taken tasks or outputs of the run with it.
func (r *run) vanished(worker string, at time.Time) {
	if r.Facts == nil || len(r.Facts.Lost) == mostLost {
		return
	}
	if !slices.ContainsFunc(r.Facts.Lost, func(l lostWorker) bool { return l.ID == worker }) {
		r.Facts.Lost = append(r.Facts.Lost, lostWorker{ID: worker, At: at.UnixMilli()})
	}
}

// withoutNeeds is what builds know of operators that take no facts.
func withoutNeeds(counts []api.OperatorCounts) []api.OperatorCounts {
	counts = slices.Clone(counts)
	for i := range counts {
		counts[i].Needed = 0
	}
	return counts
}

// withoutValues leaves of keys what decisions need.
func withoutValues(keys []api.KeyRows) []api.KeyRows {
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i].Value = ""
	}
	return keys
}

// toldKeys are the keys of a task's output that have much of all its rows.
func toldKeys(partitions []api.PartitionInfo, rows int64) []api.KeyRows {
	if rows < leastToldRows {
		return nil
	}
	var keys []api.KeyRows
	for _, p := range partitions {
		for _, k := range p.Keys {
			if k.Rows >= rows/leastToldShare {
				keys = append(keys, k)
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b api.KeyRows) int { return cmp.Compare(b.Rows, a.Rows) })
	return keys[:min(len(keys), mostToldKeys)]
}
