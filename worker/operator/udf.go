package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// UDF appends the results of plugin functions to its input's columns. What a plugin answers is not trusted: its length
// and type must be what the plan says.
type UDF struct {
	stream
	calls []plan.UDFCall
	args  []plan.Schema // per call
}

var _ Operator = (*UDF)(nil)

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
	rec, err := o.pull(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	cols := make([]arrow.Array, 0, len(o.schema.Fields))
	defer func() { releaseArrays(cols) }()
	for _, c := range rec.Columns() {
		c.Retain()
		cols = append(cols, c)
	}
	for i, call := range o.calls {
		result, err := o.call(ctx, rec, i)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", call.Function, err)
		}
		cols = append(cols, result)
	}
	return vector.NewRecord(o.schema, cols, int(rec.NumRows())), nil
}

func (o *UDF) call(ctx context.Context, rec arrow.Record, i int) (arrow.Array, error) {
	borrowed := vector.NewRecord(o.args[i], pick(rec, o.calls[i].Args), int(rec.NumRows()))
	defer borrowed.Release()
	args := vector.DecodeRecord(o.env.Mem, borrowed)
	defer args.Release()
	result, err := o.env.Caller.Call(ctx, o.calls[i].Function, args)
	if err != nil {
		var f *plan.Failure
		if errors.As(err, &f) || ctx.Err() != nil {
			return nil, err
		}
		return nil, plan.Failf(plan.FailurePlugin, "plugin: %w", err)
	}
	field := o.schema.Fields[len(o.inputs[0].Schema().Fields)+i]
	if err := check(result, field, int(rec.NumRows())); err != nil {
		if result != nil {
			result.Release()
		}
		return nil, err
	}
	return result, nil
}

func check(result arrow.Array, field plan.Field, rows int) error {
	switch {
	case result == nil:
		return plan.Failf(plan.FailurePlugin, "the plugin answered without a result")
	case result.Len() != rows:
		return plan.Failf(plan.FailurePlugin, "the plugin answered %d rows for %d", result.Len(), rows)
	case !arrow.TypeEqual(result.DataType(), field.Type.Arrow()):
		return plan.Failf(plan.FailurePlugin, "the plugin answered %s, declared %s", result.DataType(), field.Type)
	case !field.Nullable && result.NullN() > 0:
		return plan.Failf(plan.FailurePlugin, "the plugin answered NULL, declared never to")
	}
	return nil
}
