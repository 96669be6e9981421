package worker

import (
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/traces"
	"github.com/quern-engine/quern/plan"
)

// trace emits the span of an attempt that has ended. One that was cancelled has not failed: its run was, or another attempt was
// done first.
func (w *Worker) trace(a *api.Assignment, r *api.Report, start time.Time) {
	if w.opts.Traces == nil {
		return
	}
	s := traces.Span{
		Place: traces.Run(a.Run, a.Traceparent).Stage(a.Run, a.Stage).Attempt(a.Run, a.Stage, a.Task, a.Attempt),
		Name:  "task", Start: start, End: time.Now(),
		Attributes: []traces.Attribute{
			{Key: "quern.run.id", Value: a.Run}, {Key: "quern.stage", Value: a.Stage}, {Key: "quern.task", Value: a.Task},
			{Key: "quern.attempt", Value: a.Attempt}, {Key: "quern.worker.id", Value: w.opts.ID},
			{Key: "quern.rows.read", Value: r.Counts.RowsRead}, {Key: "quern.bytes.read", Value: r.Counts.BytesRead},
			{Key: "quern.rows.in", Value: r.Counts.RowsIn}, {Key: "quern.rows.out", Value: r.Counts.RowsOut},
			{Key: "quern.bytes.out", Value: r.Counts.BytesOut}, {Key: "quern.bytes.spilled", Value: r.Counts.Spilled()},
			{Key: "quern.bytes.peak", Value: r.Counts.Peak()},
		},
	}
	if f := r.Facts; f != nil {
		s.Attributes = append(s.Attributes, waited(f)...)
	}
	if f := r.Failure; f != nil {
		s.Failed, s.Failure = f.Kind != plan.FailureCancelled, f.Message
		s.Attributes = append(s.Attributes, traces.Attribute{Key: "quern.failure.kind", Value: string(f.Kind)})
	}
	w.opts.Traces.Emit(s)
}

// waited says what an attempt did beside working, in seconds.
func waited(f *api.AttemptFacts) (list []traces.Attribute) {
	for _, p := range []struct {
		what  string
		nanos int64
	}{{"slot", f.Slot}, {"fetch", f.Fetch}, {"read", f.Read}, {"write", f.Write}, {"plugin", f.Plugin}} {
		list = append(list, traces.Attribute{Key: "quern.task.seconds." + p.what, Value: time.Duration(p.nanos).Seconds()})
	}
	return list
}
