package coordinator

import (
	"fmt"
	"sync"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/traces"
)

// traced are the runs whose spans this coordinator has emitted when they ended, and whose profiles are not written down yet. It is
// safe for concurrent use.
type traced struct {
	mu   sync.Mutex
	runs map[string]bool // guarded by mu
}

// first notes a run, and reports that it was not noted before.
func (t *traced) first(run string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runs == nil {
		t.runs = map[string]bool{}
	}
	known := t.runs[run]
	t.runs[run] = true
	return !known
}

func (t *traced) forget(run string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.runs, run)
}

// partOf is a traceparent as commands carry it: "" if it cannot be read, which begins a new trace as the standard wants it, or if
// some coordinator would not know what it is.
func (c *Coordinator) partOf(traceparent string) string {
	if traces.Check(traceparent) != nil || c.node.EntryVersion() < state.TracesVersion {
		return ""
	}
	return traceparent
}

// trace emits the spans of a run that has ended, once: when its end has been decided here, or before its profile is written down, if
// another led then, who may not have come to it. If that one has, these are the same spans again.
func (c *Coordinator) trace(run string) {
	if c.options.Traces == nil || !c.traced.first(run) {
		return
	}
	var known state.Profiled
	ok := false
	c.node.Read(func(m *state.Machine) { known, ok = m.Profile(run, c.now()) })
	if !ok || known.Written != "" {
		return
	}
	p, place := &known.Profile, traces.Run(run, known.Traceparent)
	c.options.Traces.Emit(runSpan(p, place, c.options.ID))
	for i := range p.Stages {
		if s := &p.Stages[i]; s.AtOnce > 0 || s.Done > 0 {
			c.options.Traces.Emit(stageSpan(p, s, place.Stage(run, s.ID)))
		}
	}
}

func runSpan(p *api.Profile, place traces.Place, coordinator string) traces.Span {
	s := traces.Span{Place: place, Name: "run " + p.Name, Start: p.Submitted, End: p.Finished, Failed: p.State == api.RunFailed}
	s.Attributes = []traces.Attribute{
		{Key: "quern.run.id", Value: p.RunID}, {Key: "quern.job", Value: p.Name}, {Key: "quern.run.state", Value: string(p.State)},
		{Key: "quern.coordinator.id", Value: coordinator}, {Key: "quern.run.stages", Value: len(p.Stages)},
		{Key: "quern.run.seconds.no_worker", Value: p.Phases.NoWorker}, {Key: "quern.run.seconds.waiting", Value: p.Phases.Waiting},
		{Key: "quern.run.seconds.tasks", Value: p.Phases.Tasks}, {Key: "quern.run.seconds.checks", Value: p.Phases.Checks},
		{Key: "quern.run.seconds.blocked", Value: p.Phases.Blocked}, {Key: "quern.run.seconds.publish", Value: p.Phases.Publish},
	}
	if f := p.Failure; f != nil {
		s.Failure = f.Message
		s.Attributes = append(s.Attributes, traces.Attribute{Key: "quern.failure.kind", Value: string(f.Kind)})
	}
	for _, l := range p.Lost {
		s.Events = append(s.Events, traces.Event{
			Name: "worker lost", At: after(p, l.At), Attributes: []traces.Attribute{{Key: "quern.worker.id", Value: l.Worker}},
		})
	}
	return s
}

func stageSpan(p *api.Profile, g *api.StageProfile, place traces.Place) traces.Span {
	s := traces.Span{Place: place, Name: "stage " + g.Label, Start: after(p, g.Began), End: p.Finished}
	if g.Done == g.Tasks {
		s.End = after(p, g.Ended)
	} else if f := p.Failure; f != nil && p.State == api.RunFailed && f.Stage == g.ID {
		s.Failed, s.Failure = true, f.Message
	}
	s.Attributes = []traces.Attribute{
		{Key: "quern.run.id", Value: p.RunID}, {Key: "quern.stage", Value: g.ID}, {Key: "quern.stage.label", Value: g.Label},
		{Key: "quern.stage.tasks", Value: g.Tasks}, {Key: "quern.stage.tasks.done", Value: g.Done}, {Key: "quern.stage.second_attempts", Value: g.Twins},
		{Key: "quern.stage.ready", Value: after(p, g.Ready).Format(time.RFC3339Nano)},
		{Key: "quern.rows.read", Value: g.Counts.RowsRead}, {Key: "quern.bytes.read", Value: g.Counts.BytesRead},
		{Key: "quern.rows.in", Value: g.Counts.RowsIn}, {Key: "quern.rows.out", Value: g.Counts.RowsOut},
		{Key: "quern.bytes.out", Value: g.Counts.BytesOut}, {Key: "quern.bytes.spilled", Value: g.Counts.Spilled()},
	}
	for _, l := range g.Lost {
		s.Attributes = append(s.Attributes, traces.Attribute{Key: fmt.Sprintf("quern.attempts.lost.%s", lostKind(l)), Value: l.Attempts})
	}
	return s
}

// lostKind is why attempts did not count, or that outputs had to be computed again.
func lostKind(l api.LostAttempts) string {
	if l.Kind == "" {
		return "output"
	}
	return string(l.Kind)
}

func after(p *api.Profile, seconds float64) time.Time {
	return p.Submitted.Add(time.Duration(seconds * float64(time.Second)))
}
