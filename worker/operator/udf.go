package operator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// udfAhead is how many calls are with the plugins at once: while they work on one, its predecessor goes on here and its
// successor is made.
const udfAhead = 2

// Going to a plugin and back costs as much as it does to copy some 50,000 numbers, so a call has several batches, if they are small:
// as many rows as the function does in udfTime, for it must not take much longer than it would for one, and at most udfRows rows,
// or batches of udfBytes, since they are held meanwhile.
const (
	udfTime  = 100 * time.Millisecond
	udfRows  = 1 << 16
	udfBytes = 8 << 20
)

// UDF appends the results of plugin functions to its input's columns. What a plugin answers is not trusted: its length
// and type must be what the plan says. Rows that a function rejects do not go on.
type UDF struct {
	stream
	calls []plan.UDFCall
	args  []plan.Schema // per call

	under []*udfCall     // in order, the first the oldest
	ready []arrow.Record // batches that are done
	end   error          // what the input ended with, once it has
	read  int64          // rows
	most  int            // rows of a call; none for one batch

	hashes []uint64 // scratch
}

var _ Operator = (*UDF)(nil)

// udfCall is batches that are with the plugins.
type udfCall struct {
	recs   []arrow.Record
	rows   int            // of all
	first  int64          // number of the first row
	args   []arrow.Record // of all batches, per function
	cancel context.CancelFunc
	done   chan struct{} // closed when the following is there

	results  []arrow.Array
	rejected [][]plan.Rejection // per function
	took     time.Duration
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
	for len(o.ready) == 0 {
		for len(o.under) < udfAhead && o.end == nil {
			if err := o.begin(ctx); err != nil {
				return nil, err
			}
		}
		if len(o.under) == 0 {
			return nil, o.end
		}
		c := o.under[0]
		o.under = o.under[1:]
		<-c.done // soon, when ctx is done: calls heed it
		err := o.finish(ctx, c)
		c.release()
		if err != nil {
			return nil, err
		}
	}
	out := o.ready[0]
	o.ready = o.ready[1:]
	return out, nil
}

// begin has the plugins work on the next batches, if there are any.
func (o *UDF) begin(ctx context.Context) error {
	c := &udfCall{
		first: o.read, cancel: func() {}, done: make(chan struct{}),
		results: make([]arrow.Array, len(o.calls)), rejected: make([][]plan.Rejection, len(o.calls)),
	}
	for bytes := int64(0); len(c.recs) == 0 || c.rows < o.most && bytes < udfBytes; {
		rec, err := o.pull(ctx, 0)
		if err != nil {
			o.end = err
			break
		}
		c.recs, c.rows, bytes = append(c.recs, rec), c.rows+int(rec.NumRows()), bytes+recordBytes(rec)
	}
	if len(c.recs) == 0 {
		return nil
	}
	o.read += int64(c.rows)
	for i, call := range o.calls {
		args, err := o.arguments(c.recs, o.args[i], call.Args)
		if err != nil {
			c.release()
			return err
		}
		c.args = append(c.args, args)
	}
	o.under = append(o.under, c)
	ctx, c.cancel = context.WithCancel(ctx)
	go func() {
		defer close(c.done)
		defer func() {
			if p := recover(); p != nil {
				c.err = plan.Failf(plan.FailureInternal, "the engine panicked, which is a defect of Quern: %v\n%s", p, debug.Stack())
			}
		}()
		begun := time.Now()
		for i, call := range o.calls {
			if c.results[i], c.rejected[i], c.err = o.call(ctx, c.args[i], i); c.err != nil {
				c.err = fmt.Errorf("call %s: %w", call.Function, c.err)
				return
			}
		}
		c.took = time.Since(begun)
	}()
	return nil
}

// arguments is columns of batches as one batch, in the plain layout.
func (o *UDF) arguments(recs []arrow.Record, schema plan.Schema, columns []int) (arrow.Record, error) {
	parts := make([]arrow.Record, len(recs))
	for i, rec := range recs {
		borrowed := vector.NewRecord(schema, pick(rec, columns), int(rec.NumRows()))
		parts[i] = vector.DecodeRecord(o.env.Mem, borrowed)
		borrowed.Release()
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	defer releaseRecords(parts)
	return vector.ConcatRecords(o.env.Mem, schema, parts)
}

// release gives back what a call holds. It must be done.
func (c *udfCall) release() {
	c.cancel()
	releaseRecords(c.recs)
	releaseRecords(c.args)
	releaseArrays(c.results)
}

// finish makes ready the batches of a call with their results, without what was rejected.
func (o *UDF) finish(ctx context.Context, c *udfCall) error {
	if c.err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // whatever went wrong went wrong because of that
	}
	if c.err != nil {
		return c.err
	}
	o.most = int(min(udfRows, int64(c.rows)*int64(udfTime)/max(int64(c.took), 1)))
	o.sum(c)
	from := 0
	for _, rec := range c.recs {
		to := from + int(rec.NumRows())
		out, err := o.part(ctx, c, rec, from, to)
		if err != nil {
			return err
		}
		if out != nil {
			o.ready = append(o.ready, out)
		}
		from = to
	}
	return nil
}

// part is one of the batches of a call, which has some of its rows, with the results; nil if all were rejected.
func (o *UDF) part(ctx context.Context, c *udfCall, rec arrow.Record, from, to int) (arrow.Record, error) {
	keep, err := o.reject(ctx, c, rec, from, to)
	if err != nil || keep != nil && len(keep) == 0 {
		return nil, err
	}
	cols := rec.Columns()[:rec.NumCols():rec.NumCols()]
	results := make([]arrow.Array, len(c.results))
	defer func() { releaseArrays(results) }()
	for i, r := range c.results {
		results[i] = array.NewSlice(r, int64(from), int64(to))
	}
	out := vector.NewRecord(o.schema, append(cols, results...), int(rec.NumRows()))
	if keep == nil {
		return out, nil
	}
	defer out.Release()
	return vector.TakeRecord(o.env.Mem, out, keep), nil
}

// sum tells what the functions have answered. Rows come in the same order whenever a task is done, so their numbers are part of it.
func (o *UDF) sum(c *udfCall) {
	if o.env.Answered == nil {
		return
	}
	for i, call := range o.calls {
		field := o.schema.Fields[len(o.schema.Fields)-len(o.calls)+i]
		result := vector.NewRecord(plan.Schema{Fields: []plan.Field{field}}, c.results[i:i+1], c.rows)
		o.hashes = hash.Columns(result, []int{0}, 0, o.hashes)
		result.Release()
		var sum uint64
		for row, h := range o.hashes {
			sum += h * (2*uint64(c.first+int64(row)) + 1)
		}
		o.env.Answered(call.Function, sum)
	}
}

// reject hands on the rejected rows of a batch, each with the first of the functions that did so, and tells which rows of the batch
// are left; nil if all are.
func (o *UDF) reject(ctx context.Context, c *udfCall, rec arrow.Record, from, to int) ([]int32, error) {
	var gone []bool
	for i, call := range o.calls {
		for len(c.rejected[i]) > 0 && c.rejected[i][0].Row < to {
			r := c.rejected[i][0]
			c.rejected[i] = c.rejected[i][1:]
			number := c.first + int64(r.Row)
			if r.Row -= from; gone == nil {
				gone = make([]bool, to-from)
			}
			if gone[r.Row] {
				continue
			}
			gone[r.Row] = true
			if o.env.Rejects == nil {
				return nil, plan.Failf(plan.FailureInternal, "udf %s: this task has nowhere to put rejected rows", call.Function)
			}
			args := vector.Slice(c.args[i], from, to)
			err := o.env.Rejects.Reject(ctx, call.Function, number, r, rec, args)
			args.Release()
			if err != nil {
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
	for _, c := range o.under {
		c.cancel()
	}
	for _, c := range o.under {
		<-c.done
		c.release()
	}
	releaseRecords(o.ready)
	o.under, o.ready = nil, nil
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
