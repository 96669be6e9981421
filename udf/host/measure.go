package host

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// Measurement is what calls of a function took.
type Measurement struct {
	Rows, Calls int64
	Bytes       int64         // in both directions
	Elapsed     time.Duration // of the calls, one after the other
	Busy        time.Duration // of that, the function itself
	Shared      bool          // batches lay in shared memory
}

// mostTogether is how many rows and bytes of arguments a call of a run has at most: several batches, put together.
const (
	mostTogether      = 65536
	mostTogetherBytes = 4 << 20 // what a run gives 8 MiB with all columns
)

// Measure calls a bound scalar function, or folds an aggregate one without groups, over and over until that has taken so long: as a run
// does it, with several batches a call, through shared memory if the plugin takes them there; and again in messages, a batch each. Side files
// are paths by name.
func (p *Plugin) Measure(ctx context.Context, fn plan.Function, files map[string]string, batches []arrow.Record, atLeast time.Duration) (run, messages *Measurement, err error) {
	f, err := p.only(ctx, &fn, files)
	if err != nil {
		return nil, nil, err
	}
	together, err := joined(batches)
	if err != nil {
		return nil, nil, fmt.Errorf("measure %s: %w", fn.Export, err)
	}
	defer releaseAll(together)
	if run, err = f.measure(ctx, fn, together, atLeast); err != nil {
		return nil, nil, err
	}
	run.Shared = p.run.shares && (p.run.folds || !fn.Is(plan.FunctionAggregate))
	p.run.shares, p.run.folds = false, false // nobody else uses this process
	messages, err = f.measure(ctx, fn, batches, atLeast)
	return run, messages, err
}

// only opens a function in the process that was asked, and is what can call it there. The function's files are known to it alone.
func (p *Plugin) only(ctx context.Context, fn *plan.Function, files map[string]string) (*Functions, error) {
	side, _, err := localFiles(files)
	if err != nil {
		return nil, err
	}
	p.run.opened++
	n := p.run.opened
	reply, err := p.run.rpc.Open(ctx, &udfpb.OpenRequest{Instance: n, Function: fn.Export, Options: fn.Options, Files: side})
	if err != nil {
		return nil, p.failure(ctx, fmt.Errorf("open %s: %w%s", fn.Export, err, p.run.lastWords()))
	}
	if no := reply.GetRefusal(); no != nil {
		return nil, refusal(no)
	}
	fn.Files, fn.Name = nil, fn.Export
	p.run.instances[fn.Instance()] = opened{n, reply.GetFunction()}
	f, err := p.host.Open(ctx, []plan.Function{*fn})
	if err != nil {
		return nil, err
	}
	k, err := p.host.kind(ctx, *fn)
	if err != nil {
		return nil, err
	}
	f.leases[k] = &lease{sem: make(chan struct{}, 1), run: p.run}
	return f, nil
}

// measure calls a function with batches, again and again.
func (f *Functions) measure(ctx context.Context, fn plan.Function, batches []arrow.Record, atLeast time.Duration) (*Measurement, error) {
	m := &Measurement{}
	for round := 0; round == 0 || m.Elapsed < atLeast; round++ {
		for _, rec := range batches {
			before := f.told.worked()
			begun := time.Now()
			bytes, err := f.once(ctx, fn, rec)
			if err != nil {
				return nil, err
			}
			m.Elapsed += time.Since(begun)
			m.Busy += f.told.worked() - before
			m.Bytes += bytes
			m.Rows, m.Calls = m.Rows+rec.NumRows(), m.Calls+1
		}
		if round == 0 && m.Elapsed < atLeast {
			*m = Measurement{} // the first round warms up
		}
	}
	return m, nil
}

// once is one call, and the bytes of columns that went there and back.
func (f *Functions) once(ctx context.Context, fn plan.Function, rec arrow.Record) (bytes int64, err error) {
	if fn.Is(plan.FunctionAggregate) {
		states, err := f.Fold(ctx, fn.Name, Fold{Rows: rec, Groups: 1})
		if err != nil {
			return 0, err
		}
		defer states.Release()
		return recordBytes(rec) + recordBytes(states), nil
	}
	col, _, err := f.Call(ctx, fn.Name, rec)
	if err != nil {
		return 0, err
	}
	defer col.Release()
	return recordBytes(rec) + columnBytes(col), nil
}

// joined is batches put together as a run does it. Release them.
func joined(batches []arrow.Record) (out []arrow.Record, err error) {
	for from := 0; from < len(batches); {
		to, rows, bytes := from, int64(0), int64(0)
		for to < len(batches) && (to == from || rows+batches[to].NumRows() <= mostTogether && bytes < mostTogetherBytes) {
			rows, bytes = rows+batches[to].NumRows(), bytes+recordBytes(batches[to])
			to++
		}
		rec, err := join(batches[from:to], rows)
		if err != nil {
			releaseAll(out)
			return nil, err
		}
		out, from = append(out, rec), to
	}
	return out, nil
}

func join(batches []arrow.Record, rows int64) (arrow.Record, error) {
	cols := make([]arrow.Array, 0, batches[0].NumCols())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i := range batches[0].Columns() {
		parts := make([]arrow.Array, len(batches))
		for k, b := range batches {
			parts[k] = b.Column(i)
		}
		col, err := array.Concatenate(parts, heap)
		if err != nil {
			return nil, err
		}
		cols = append(cols, col)
	}
	return array.NewRecord(batches[0].Schema(), cols, rows), nil
}
