package host

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// Measurement is what calls of a function took.
type Measurement struct {
	Rows, Calls int64
	Bytes       int64         // in both directions
	Elapsed     time.Duration // of the calls, one after the other
	Busy        time.Duration // of that, the function itself
}

// Measure calls a bound scalar function, or folds an aggregate one without groups, a batch at a time, over and over until that
// has taken so long. Side files are paths by name.
func (p *Plugin) Measure(ctx context.Context, fn plan.Function, files map[string]string, batches []arrow.Record, atLeast time.Duration) (*Measurement, error) {
	side, _, err := localFiles(files)
	if err != nil {
		return nil, err
	}
	p.run.opened++ // nobody else uses this process
	instance := p.run.opened
	opened, err := p.run.rpc.Open(ctx, &udfpb.OpenRequest{Instance: instance, Function: fn.Export, Options: fn.Options, Files: side})
	if err != nil {
		return nil, p.failure(ctx, fmt.Errorf("open %s: %w%s", fn.Export, err, p.run.lastWords()))
	}
	if no := opened.GetRefusal(); no != nil {
		return nil, refusal(no)
	}
	m := &Measurement{}
	for round := 0; round == 0 || m.Elapsed < atLeast; round++ {
		for _, rec := range batches {
			if err := p.measure(ctx, fn, instance, rec, m); err != nil {
				return nil, err
			}
		}
		if round == 0 && m.Elapsed < atLeast {
			*m = Measurement{} // the first round warms up
		}
	}
	return m, nil
}

func (p *Plugin) measure(ctx context.Context, fn plan.Function, instance uint64, rec arrow.Record, m *Measurement) error {
	begun := time.Now()
	sent, err := udfpb.NewPayload(rec)
	if err != nil {
		return fmt.Errorf("measure %s: %w", fn.Export, err)
	}
	var got *udfpb.Payload
	var failures []*udfpb.Failure
	var report *udfpb.Report
	if fn.Is(plan.FunctionAggregate) {
		reply, rerr := p.run.rpc.Fold(ctx, &udfpb.FoldRequest{Instance: instance, Step: udfpb.Step_STEP_UPDATE, Groups: 1, Rows: sent})
		got, failures, report, err = reply.GetGroups(), reply.GetFailures(), reply.GetReport(), rerr
	} else {
		reply, rerr := p.run.rpc.Call(ctx, &udfpb.CallRequest{Instance: instance, Args: sent})
		got, failures, report, err = reply.GetColumn(), reply.GetFailures(), reply.GetReport(), rerr
	}
	if err != nil {
		return p.failure(ctx, fmt.Errorf("call %s: %w%s", fn.Export, err, p.run.lastWords()))
	}
	if len(failures) > 0 {
		return plan.Failf(plan.FailureUser, "function %s: %s", fn.Export, clip(failures[0].GetMessage()))
	}
	answer, err := got.Record(p.host.opts.Mem)
	if err != nil {
		return p.failure(ctx, fmt.Errorf("call %s: %w", fn.Export, err))
	}
	answer.Release()
	m.Elapsed += time.Since(begun)
	m.Rows, m.Calls = m.Rows+rec.NumRows(), m.Calls+1
	m.Bytes += int64(len(sent.GetArrow()) + len(got.GetArrow()))
	m.Busy += time.Duration(report.GetBusyNanos())
	return nil
}
