package state

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// report counts the end of an attempt, if it is the one that its task runs now.
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
	case t != nil && t.State == taskDone && t.Commit.Attempt == id.Attempt && c.Report.Failure == nil:
		a.repeat()
	case !r.live():
		// The file of a run that succeeded may be the very one that was published: the answer to its first report was lost.
		a.refuse(c, "the run has ended")
		a.result.Discard = c.Report.File != nil && (r.State == api.RunFailed || r.State == api.RunCancelled)
	case t == nil || t.State != taskRunning || t.Attempt != id.Attempt || t.Worker != c.Worker:
		a.refuse(c, "the attempt is not current")
		a.result.Discard = c.Report.File != nil && t != nil
	case c.Report.Failure != nil:
		a.failed(r, id, c.Report.Failure, c.Worker)
	default:
		if problem := s.malformed(c.Report); problem != "" {
			a.failed(r, id, plan.Failf(plan.FailureInternal, "worker %s sent a report that makes no sense: %s", c.Worker, problem), c.Worker)
			return
		}
		a.commit(r, s, t, c)
	}
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
func (s *stage) malformed(r api.Report) string {
	if s.Sink == plan.SinkFile {
		switch {
		case r.File == nil:
			return "no file"
		case !ValidFileName(r.File.Name):
			return fmt.Sprintf("file name %q", r.File.Name)
		}
		return ""
	}
	want := s.Partitions
	if s.Sink == plan.SinkResult {
		want = 1
	}
	if len(r.Partitions) != want {
		return fmt.Sprintf("%d partitions instead of %d", len(r.Partitions), want)
	}
	return ""
}

func (a *applier) commit(r *run, s *stage, t *task, c *Report) {
	id := c.Report.AttemptID
	made := &commit{
		Attempt: id.Attempt, Worker: c.Worker, Address: a.address(c.Worker), File: c.Report.File,
		Counts: c.Report.Counts, Fingerprint: fingerprint(c.Report.Partitions),
	}
	for _, p := range c.Report.Partitions {
		made.Rows += p.Rows
		made.Bytes += p.Bytes
	}
	if f := c.Report.File; f != nil {
		made.Rows, made.Bytes = f.Rows, f.Bytes
	}
	if before := t.Commit; before != nil && before.Fingerprint != made.Fingerprint {
		s.pend(id.Task)
		f := plan.Failf(plan.FailureNondeterminism,
			"%s, task %d: its output was lost and computed again, and the rows came out different (%d rows from attempt %d, %d rows from attempt %d): "+
				"something in it is not deterministic; look for random numbers, the clock, or plugin functions that keep state or walk a map",
			r.describe(id.Stage), id.Task, before.Rows, before.Attempt, made.Rows, made.Attempt)
		a.end(r, api.RunFailed, locate(f, id, c.Worker))
		return
	}
	t.State, t.Commit = taskDone, made
	s.running--
	s.Done++
	s.Counts.Add(made.Counts)
	a.touch(r)
	a.event(Event{Kind: EventTaskCommitted, Run: r.ID, Task: &id, Worker: c.Worker})
	if !s.complete() {
		return
	}
	s.weigh()
	for i, next := range r.Stages {
		if !next.complete() && slices.Contains(next.Inputs, id.Stage) && r.ready(i) {
			a.event(Event{Kind: EventStageReady, Run: r.ID, Stage: i})
		}
	}
	if len(r.Outputs) == 0 && r.complete() {
		a.finish(r, api.RunSucceeded)
	}
}

// fingerprint sums up the rows of a map output so that two executions can be compared. The bytes are left out: they
// may differ with the layout.
func fingerprint(partitions []api.PartitionInfo) string {
	if len(partitions) == 0 {
		return ""
	}
	h := sha256.New()
	for _, p := range partitions {
		fmt.Fprintf(h, "%d %s\n", p.Rows, p.Checksum)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// failed lets the kind of a failure decide what follows.
func (a *applier) failed(r *run, id plan.AttemptID, f *plan.Failure, worker string) {
	s, t := r.task(id.TaskID)
	s.pend(id.Task)
	s.Failures++
	a.touch(r)
	a.event(Event{Kind: EventTaskFailed, Run: r.ID, Task: &id, Worker: worker, Message: string(f.Kind) + ": " + f.Message})
	f = locate(f, id, worker)
	switch f.Kind {
	case plan.FailureUser, plan.FailureNondeterminism:
		a.end(r, api.RunFailed, f)
	case plan.FailureFetch:
		t.Worker = "" // the reader's worker is not to blame
		a.fetchFailed(r, id, f)
	default:
		if t.Failures++; t.Failures >= maxTaskFailures {
			a.end(r, api.RunFailed, a.giveUp(r, id, f, fmt.Sprintf("failed %d times", t.Failures)))
		}
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

func (m *Machine) address(worker string) string {
	if w := m.workers[worker]; w != nil {
		return w.Address
	}
	return ""
}
