package state

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// report counts the end of an attempt, if it is one that its task runs now.
func (a *applier) report(c *Report) {
	id := c.Report.AttemptID
	if w := a.workers[c.Worker]; w != nil {
		w.drop(id)
	}
	r := a.runs[id.Run]
	if r == nil {
		a.refuse(c, "unknown run")
		return
	}
	if r.stopped(id) {
		a.touchUnfinished(r)
		a.event(Event{Kind: EventTaskStopped, Run: r.ID, Task: &id, Worker: c.Worker})
	}
	s, t := r.task(id.TaskID)
	switch {
	case t != nil && t.State == taskDone && int(t.Commit.Attempt) == id.Attempt && c.Report.Failure == nil:
		a.repeat()
	case !r.live():
		// The file of a run that succeeded may be the very one that was published: the answer to its first report was lost.
		a.refuse(c, "the run has ended")
		dead := r.State == api.RunFailed || r.State == api.RunCancelled
		a.result.Discard = c.Report.Wrote() && dead
		// A worker that was given up, and whose files were swept, may come back and write more of them.
		r.Litter = r.Litter || c.Report.Wrote() && !dead
	case t == nil || !r.runs(t, id.Attempt, c.Worker):
		a.refuse(c, "the attempt is not current")
		a.result.Discard = c.Report.Wrote() && t != nil
	case c.Report.Failure != nil:
		a.failed(r, id, c.Report.Failure, c.Worker)
	default:
		if problem := s.malformed(c); problem != "" {
			a.failed(r, id, plan.Failf(plan.FailureInternal, "worker %s sent a report that makes no sense: %s", c.Worker, problem), c.Worker)
			return
		}
		a.commit(r, s, t, c)
	}
}

// runs reports whether the worker runs the attempt for the task.
func (r *run) runs(t *task, attempt int, worker string) bool {
	place, ok := t.runs(attempt)
	return ok && r.worker(place) == worker
}

func (a *applier) refuse(c *Report, why string) {
	id := c.Report.AttemptID
	a.reject()
	a.event(Event{Kind: EventReportRefused, Run: id.Run, Task: &id, Worker: c.Worker, Message: why})
}

// ValidFileName reports a name that can only mean a file right inside a folder.
func ValidFileName(name string) bool {
	return name != "" && name[0] != '.' && name[0] != '_' && !strings.ContainsAny(name, `/\?#`)
}

// malformed says what is wrong with the report of a success; reports come over the network.
func (s *stage) malformed(c *Report) string {
	r := c.Report
	if j := r.Rejects; j != nil && (!s.Rejects || !api.IsRejects(j.Name)) {
		return fmt.Sprintf("rejected rows in %q", j.Name)
	}
	if s.Sink == plan.SinkFile {
		switch {
		case r.File == nil:
			return "no file"
		case !ValidFileName(r.File.Name):
			return fmt.Sprintf("file name %q", r.File.Name)
		}
		return ""
	}
	if s.Sink == plan.SinkReport {
		if len(r.Lines) == 0 {
			return "no rows"
		}
		return ""
	}
	want := s.Partitions
	if s.Sink == plan.SinkResult {
		want = 1
	}
	if c.Made != nil { // the leader has looked at it
		if s.sized && len(c.Made.Parts) != want {
			return fmt.Sprintf("%d partitions instead of %d", len(c.Made.Parts), want)
		}
		return ""
	}
	if len(r.Partitions) != want {
		return fmt.Sprintf("%d partitions instead of %d", len(r.Partitions), want)
	}
	return ""
}

func (a *applier) commit(r *run, s *stage, t *task, c *Report) {
	id := c.Report.AttemptID
	made := c.Made
	if made == nil {
		made = s.made(c.Report, r.heavy(id.Stage))
	}
	first := !t.committed()
	if !first && s.Sink != plan.SinkFile && (t.Commit.Fingerprint != made.Sum || !sameRejects(t.rejects(), c.Report.Rejects)) {
		a.differs(r, t, c, made)
		return
	}
	if other, worker, two := t.rival(id.Attempt); two {
		r.stop(id.TaskID, other, worker)
		r.Litter = r.Litter || s.writes()
	}
	place, _ := t.runs(id.Attempt)
	if place == t.Worker && t.Attempt == int32(id.Attempt) {
		took := a.at.UnixMilli() - t.Since
		s.Took.add(took)
		s.Slowest = max(s.Slowest, took)
	}
	t.Commit = commit{Attempt: int32(id.Attempt), Worker: place, Rows: made.Rows, Bytes: made.Bytes, Fingerprint: made.Sum}
	if c.Report.File != nil {
		t.aside().File = c.Report.File
	}
	if c.Report.Rejects != nil {
		t.aside().Rejects = c.Report.Rejects
	}
	if s.Sink == plan.SinkReport {
		r.Lines = c.Report.Lines
	}
	if len(s.Functions) > 0 {
		t.aside().Calls = c.Report.Calls
	}
	if first {
		counts := c.Report.Counts
		if a.version < LogsVersion {
			counts.Counters = nil // of which older builds know nothing
		}
		if a.version < FactsVersion {
			counts.Operators = withoutNeeds(counts.Operators) // likewise
		}
		s.count(t, counts, made)
		r.takes(s, t, c, a.at)
	} else {
		s.inVain(t, id.Attempt, "", c.Worker, "", a.at)
	}
	s.finish(id.Task)
	a.touch(r)
	a.event(Event{Kind: EventTaskCommitted, Run: r.ID, Task: &id, Worker: c.Worker})
	if s.complete() {
		a.event(Event{Kind: EventStageDone, Run: r.ID, Stage: id.Stage, Message: fmt.Sprintf("%d rows", s.Counts.RowsOut)})
		a.completed(r, id.Stage)
	}
}

// sameRejects reports that two executions have rejected the same rows for the same reasons.
func sameRejects(a, b *api.Rejects) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SHA256 == b.SHA256
}

// count takes in what a task made. It does so once: another execution makes the same rows.
func (s *stage) count(t *task, counts api.Counts, made *Made) {
	s.Counts.Add(counts)
	if !s.sized {
		return
	}
	if s.Parts == nil {
		s.Parts = make([]int64, len(made.Parts))
	}
	for i, rows := range made.Parts {
		s.Parts[i] += rows
	}
	if len(made.Heavy) > 0 {
		t.aside().Heavy = made.Heavy
	}
}

// differs ends a run whose rows came out different.
func (a *applier) differs(r *run, t *task, c *Report, made *Made) {
	id := c.Report.AttemptID
	f := plan.Failf(plan.FailureNondeterminism,
		"%s, task %d: its output was lost and computed again, and the rows came out different (%d rows from attempt %d, %d rows from attempt %d): %s; "+
			"look for random numbers, the clock, or plugin functions that keep state or walk a map",
		r.describe(id.Stage), id.Task, t.Commit.Rows, t.Commit.Attempt, made.Rows, id.Attempt, r.Stages[id.Stage].culprit(t, c.Report.Calls))
	r.Stages[id.Stage].drop(id.Task, id.Attempt)
	a.end(r, api.RunFailed, locate(f, id, c.Worker))
}

// culprit says what has answered differently. Functions come before those that are given what they answered.
func (s *stage) culprit(t *task, calls []uint64) string {
	var before []uint64
	if t.Extra != nil {
		before = t.Extra.Calls
	}
	var others []string
	for i, name := range s.Functions {
		if i < len(before) && i < len(calls) && before[i] != calls[i] {
			others = append(others, name)
		}
	}
	switch len(others) {
	case 0:
		return "something in it is not deterministic"
	case 1:
		return fmt.Sprintf("the plugin function %s has answered differently for the same rows", others[0])
	}
	return fmt.Sprintf("the plugin function %s has answered differently for the same rows, and so have %s, which may have been given what it answered",
		others[0], strings.Join(others[1:], ", "))
}

// completed lets the stages that read a complete one begin, and the run end if it was the last.
func (a *applier) completed(r *run, stage int) {
	for i, next := range r.Stages {
		if !next.complete() && slices.Contains(next.Inputs, stage) && r.ready(i) {
			r.weigh(i)
			next.isReady(a.at)
			a.event(Event{Kind: EventStageReady, Run: r.ID, Stage: i, Message: next.Label})
		}
	}
	if len(r.Outputs) == 0 && r.complete() {
		a.finish(r, api.RunSucceeded)
	}
}

// failed lets the kind of a failure decide what follows.
func (a *applier) failed(r *run, id plan.AttemptID, f *plan.Failure, worker string) {
	s, t := r.task(id.TaskID)
	place, _ := t.runs(id.Attempt)
	s.inVain(t, id.Attempt, f.Kind, worker, f.Message, a.at)
	s.drop(id.Task, id.Attempt)
	s.Failures++
	a.touch(r)
	a.event(Event{Kind: EventTaskFailed, Run: r.ID, Task: &id, Worker: worker, Message: string(f.Kind) + ": " + f.Message})
	f = locate(f, id, worker)
	switch f.Kind {
	case plan.FailureUser, plan.FailureNondeterminism:
		a.end(r, api.RunFailed, f)
		return
	case plan.FailureFetch:
		if t.State == taskPending && t.Fetches == 0 {
			t.Worker = 0 // the reader's worker is not to blame; if it cannot fetch again, it may be
		}
		a.fetchFailed(r, id, f)
		return
	}
	if t.Failures++; t.Failures >= maxTaskFailures {
		a.end(r, api.RunFailed, a.giveUp(r, id, f, fmt.Sprintf("failed %d times", t.Failures)))
		return
	}
	switch f.Kind {
	case plan.FailureOutOfMemory:
		a.outOfMemory(r, t, id, f, worker)
	case plan.FailureInternal, plan.FailureStorage:
		a.blame(r, place, id.TaskID)
	}
}

func locate(f *plan.Failure, id plan.AttemptID, worker string) *plan.Failure {
	c := *f
	c.Stage, c.Task, c.Attempt, c.Worker = id.Stage, id.Task, id.Attempt, worker
	return &c
}

func (a *applier) giveUp(r *run, id plan.AttemptID, last *plan.Failure, what string) *plan.Failure {
	c := *last
	c.Message = fmt.Sprintf("%s, task %d %s; last: %s", r.describe(id.Stage), id.Task, what, last.Message)
	return &c
}
