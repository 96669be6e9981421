package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/plan"
)

// fault is what went wrong with a batch, for the plugin's part.
type fault struct {
	failure *plan.Failure // for a run that fails of it
	reason  string        // for the rejects: the same whenever it happens
	row     int           // of the batch; -1 when it may be any
	died    bool          // the process ended by itself
}

func (f *fault) Error() string { return f.failure.Error() }
func (f *fault) Unwrap() error { return f.failure }

// answer is what a function gives for a batch: a value for each row, NULL for those that it could not do.
type answer struct {
	column   arrow.Array
	rejected []plan.Rejection // in order
}

// maxDeadly is how many rows of a task may cost a process before it is taken that the function is at fault and not they.
const maxDeadly = 100

// trial tries the rows of a batch that has gone wrong, in fresh processes of its own, in ever smaller parts. What goes wrong
// once may be the machine's doing (a process that was killed for its memory, say), and its rows are done in the end; a row
// is only to blame when it has gone wrong alone, twice.
type trial struct {
	f      *Functions
	fn     plan.Function
	run    *running // nil when the last one is lost
	pieces []arrow.Array
	answer answer
}

// retry answers a batch row by row where need be.
func (f *Functions) retry(ctx context.Context, fn plan.Function, args arrow.Record) (answer, error) {
	t := &trial{f: f, fn: fn}
	defer t.close()
	if err := t.rows(ctx, args, 0); err != nil {
		return answer{}, err
	}
	column, err := array.Concatenate(t.pieces, heap)
	if err != nil {
		return answer{}, plan.Failf(plan.FailureInternal, "%s: %w", label(fn), err)
	}
	t.answer.column = column
	return t.answer, nil
}

func (t *trial) close() {
	for _, p := range t.pieces {
		p.Release()
	}
	if t.run != nil {
		t.f.host.release(t.run)
	}
}

// rows answers rows of which the first has a number in the batch.
func (t *trial) rows(ctx context.Context, args arrow.Record, first int) error {
	rows := int(args.NumRows())
	if rows == 0 {
		return nil
	}
	a, err := t.once(ctx, args)
	var bad *fault
	if errors.As(err, &bad) && rows == 1 {
		a, err = t.once(ctx, args)
	}
	switch {
	case err == nil:
		t.pieces = append(t.pieces, a.column)
		t.answer.rejected = appendRejections(t.answer.rejected, a.rejected, first)
		return nil
	case !errors.As(err, &bad):
		return err
	case rows == 1:
		return t.reject(args, bad, first)
	case bad.row >= 0:
		return t.parts(ctx, args, first, bad.row, bad.row+1)
	}
	return t.parts(ctx, args, first, rows/2)
}

// parts answers rows cut at some places.
func (t *trial) parts(ctx context.Context, args arrow.Record, first int, cuts ...int) error {
	from := 0
	for _, to := range append(cuts, int(args.NumRows())) {
		part := args.NewSlice(int64(from), int64(to))
		err := t.rows(ctx, part, first+from)
		part.Release()
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}

// once calls the function in a process that has done nothing, or nothing wrong, before.
func (t *trial) once(ctx context.Context, args arrow.Record) (answer, error) {
	if t.run == nil {
		run, err := t.f.freshFor(ctx, t.fn)
		if err != nil {
			return answer{}, err
		}
		t.run = run
	}
	c := &call{fn: t.fn, run: t.run, host: t.f.host, functions: t.f}
	var a answer
	err := c.open(ctx)
	if err == nil {
		a, err = c.batch(ctx, args)
	}
	if t.run.unfit.Load() {
		t.f.host.discard(t.run)
		t.run = nil
	}
	return a, err
}

// reject is for a row that has gone wrong alone, twice.
func (t *trial) reject(args arrow.Record, bad *fault, row int) error {
	if t.fn.OnError == plan.FailRun {
		f := *bad.failure
		f.Message = fmt.Sprintf("for (%s), tried alone, twice: %s", rowText(args, 0), f.Message)
		return &f
	}
	if n := t.f.deadly.Add(1); n > maxDeadly {
		return t.f.tooDeadly(t.fn, n, args, bad)
	}
	t.pieces = append(t.pieces, array.MakeArrayOfNull(heap, t.fn.Returns.Arrow(), 1))
	t.answer.rejected = append(t.answer.rejected, plan.Rejection{Row: row, Reason: bad.reason})
	return nil
}

// appendRejections adds those of a part of the batch.
func appendRejections(all, part []plan.Rejection, first int) []plan.Rejection {
	for _, r := range part {
		all = append(all, plan.Rejection{Row: first + r.Row, Reason: r.Reason})
	}
	return all
}
