package operator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// udfAhead is how many batches are with the plugins at once: while they work on one, its predecessor goes on here and its
// successor is made.
const udfAhead = 2

// UDF appends the results of plugin functions to its input's columns. What a plugin answers is not trusted: its length
// and type must be what the plan says. Rows that a function rejects do not go on.
type UDF struct {
	stream
	calls []plan.UDFCall
	args  []plan.Schema // per call

	under []*udfBatch // in order, the first the oldest
	end   error       // what the input ended with, once it has
	read  int64       // rows

	hashes []uint64 // scratch
}

var _ Operator = (*UDF)(nil)

// udfBatch is a batch that is with the plugins.
type udfBatch struct {
	rec    arrow.Record
	first  int64          // number of its first row
	args   []arrow.Record // per call
	cancel context.CancelFunc
	done   chan struct{} // closed when the following is there

	results  []arrow.Array
	rejected [][]plan.Rejection // per call
	err      error
}

// NewUDF makes the calls over input, to schema: the input's columns, then one per call.
func NewUDF(env Env, input Operator, u *plan.UDF, schema plan.Schema) (*UDF, error) {
	if env.Caller == nil {
		return nil, errors.New("udf: this task has no way to call plugin functions")
	}
	in := input.Schema()
	if len(schema.Fields) != len(in.Fields)+len(u.Calls) {
		return nil, fmt.Errorf("udf: %d columns and %d calls, schema has %d columns", len(in.Fields), len(u.Calls), len(schema.Fields))
	}
	o := &UDF{stream: newStream(env, schema, input), calls: u.Calls}
	for _, call := range u.Calls {
		var args plan.Schema
		for _, c := range call.Args {
			if c < 0 || c >= len(in.Fields) {
				return nil, fmt.Errorf("udf %s: argument is column %d of %d", call.Function, c, len(in.Fields))
			}
			args.Fields = append(args.Fields, in.Fields[c])
		}
		o.args = append(o.args, args)
	}
	return o, nil
}

// Next returns the next batch with the results beside it.
func (o *UDF) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *UDF) next(ctx context.Context) (arrow.Record, error) {
	for {
		for len(o.under) < udfAhead && o.end == nil {
			rec, err := o.pull(ctx, 0)
			if err != nil {
				o.end = err
				break
			}
			o.under = append(o.under, o.begin(ctx, rec))
		}
		if len(o.under) == 0 {
			return nil, o.end
		}
		b := o.under[0]
		o.under = o.under[1:]
		<-b.done // soon, when ctx is done: calls heed it
		out, err := o.finish(ctx, b)
		b.release()
		if out != nil || err != nil {
			return out, err
		}
	}
}

// begin has the plugins work on a batch, which it takes over.
func (o *UDF) begin(ctx context.Context, rec arrow.Record) *udfBatch {
	b := &udfBatch{rec: rec, first: o.read, done: make(chan struct{}), results: make([]arrow.Array, len(o.calls)), rejected: make([][]plan.Rejection, len(o.calls))}
	o.read += rec.NumRows()
	for i, call := range o.calls {
		borrowed := vector.NewRecord(o.args[i], pick(rec, call.Args), int(rec.NumRows()))
		b.args = append(b.args, vector.DecodeRecord(o.env.Mem, borrowed))
		borrowed.Release()
	}
	ctx, b.cancel = context.WithCancel(ctx)
	go func() {
		defer close(b.done)
		defer func() {
			if p := recover(); p != nil {
				b.err = plan.Failf(plan.FailureInternal, "the engine panicked, which is a defect of Quern: %v\n%s", p, debug.Stack())
			}
		}()
		for i, call := range o.calls {
			if b.results[i], b.rejected[i], b.err = o.call(ctx, b.args[i], i); b.err != nil {
				b.err = fmt.Errorf("call %s: %w", call.Function, b.err)
				return
			}
		}
	}()
	return b
}

// release gives back what a batch holds. It must be done.
func (b *udfBatch) release() {
	b.cancel()
	b.rec.Release()
	releaseRecords(b.args)
	releaseArrays(b.results)
}

// finish is a batch with its results, without what was rejected; nil if that is all.
func (o *UDF) finish(ctx context.Context, b *udfBatch) (arrow.Record, error) {
	if b.err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx) // whatever went wrong went wrong because of that
	}
	if b.err != nil {
		return nil, b.err
	}
	o.sum(b)
	keep, err := o.reject(ctx, b)
	if err != nil || keep != nil && len(keep) == 0 {
		return nil, err
	}
	cols := append(b.rec.Columns()[:b.rec.NumCols():b.rec.NumCols()], b.results...)
	out := vector.NewRecord(o.schema, cols, int(b.rec.NumRows()))
	if keep == nil {
		return out, nil
	}
	defer out.Release()
	return vector.TakeRecord(o.env.Mem, out, keep), nil
}

// sum tells what the functions have answered. Rows come in the same order whenever a task is done, so their numbers are part of it.
func (o *UDF) sum(b *udfBatch) {
	if o.env.Answered == nil {
		return
	}
	for i, call := range o.calls {
		field := o.schema.Fields[int(b.rec.NumCols())+i]
		result := vector.NewRecord(plan.Schema{Fields: []plan.Field{field}}, b.results[i:i+1], int(b.rec.NumRows()))
		o.hashes = hash.Columns(result, []int{0}, 0, o.hashes)
		result.Release()
		var sum uint64
		for row, h := range o.hashes {
			sum += h * (2*uint64(b.first+int64(row)) + 1)
		}
		o.env.Answered(call.Function, sum)
	}
}

// reject hands on the rejected rows, each with the first of the calls that did so, and tells which rows are left; nil if all are.
func (o *UDF) reject(ctx context.Context, b *udfBatch) ([]int32, error) {
	var gone []bool
	for i, call := range o.calls {
		for _, r := range b.rejected[i] {
			if gone == nil {
				gone = make([]bool, b.rec.NumRows())
			}
			if gone[r.Row] {
				continue
			}
			gone[r.Row] = true
			if o.env.Rejects == nil {
				return nil, plan.Failf(plan.FailureInternal, "udf %s: this task has nowhere to put rejected rows", call.Function)
			}
			if err := o.env.Rejects.Reject(ctx, call.Function, b.first+int64(r.Row), r, b.rec, b.args[i]); err != nil {
				return nil, err
			}
		}
	}
	if gone == nil {
		return nil, nil
	}
	keep := make([]int32, 0, len(gone))
	for row, g := range gone {
		if !g {
			keep = append(keep, int32(row))
		}
	}
	return keep, nil
}

func (o *UDF) call(ctx context.Context, args arrow.Record, i int) (arrow.Array, []plan.Rejection, error) {
	result, rejected, err := o.env.Caller.Call(ctx, o.calls[i].Function, args)
	if err != nil {
		var f *plan.Failure
		if errors.As(err, &f) || ctx.Err() != nil {
			return nil, nil, err
		}
		return nil, nil, plan.Failf(plan.FailurePlugin, "plugin: %w", err)
	}
	field := o.schema.Fields[len(o.inputs[0].Schema().Fields)+i]
	if err := check(result, field, int(args.NumRows()), len(rejected)); err != nil {
		if result != nil {
			result.Release()
		}
		return nil, nil, err
	}
	return result, rejected, nil
}

// Close gives up what is with the plugins and waits for it.
func (o *UDF) Close() error {
	for _, b := range o.under {
		b.cancel()
	}
	for _, b := range o.under {
		<-b.done
		b.release()
	}
	o.under = nil
	return o.stream.Close()
}

func check(result arrow.Array, field plan.Field, rows, rejected int) error {
	switch {
	case result == nil:
		return plan.Failf(plan.FailurePlugin, "the plugin answered without a result")
	case result.Len() != rows:
		return plan.Failf(plan.FailurePlugin, "the plugin answered %d rows for %d", result.Len(), rows)
	case !arrow.TypeEqual(result.DataType(), field.Type.Arrow()):
		return plan.Failf(plan.FailurePlugin, "the plugin answered %s, declared %s", result.DataType(), field.Type)
	case !field.Nullable && result.NullN() > rejected:
		return plan.Failf(plan.FailurePlugin, "the plugin answered NULL, declared never to")
	}
	return nil
}
