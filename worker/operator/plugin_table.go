package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// PluginTable calls a table function of a plugin with its input, and puts out what it gives.
type PluginTable struct {
	stream
	plan *plan.PluginTable
	args plan.Schema
	keys []plan.SortKey // of functions per group
	last []byte         // the normalised keys of the row before; nil at the beginning
	rows PluginRows     // nil before the first Next
	part tablePart      // if rows may be put aside
}

var _ Operator = (*PluginTable)(nil)

// NewPluginTable makes the call over input, to schema.
func NewPluginTable(env Env, input Operator, t *plan.PluginTable, schema plan.Schema) (*PluginTable, error) {
	if env.Caller == nil {
		return nil, errors.New("plugin table: this task has no way to call plugin functions")
	}
	o := &PluginTable{stream: newStream(env, schema, input), plan: t}
	in := input.Schema()
	for _, c := range t.Args {
		if c < 0 || c >= len(in.Fields) {
			return nil, fmt.Errorf("plugin table %s: argument is column %d of %d", t.Function, c, len(in.Fields))
		}
		o.args.Fields = append(o.args.Fields, in.Fields[c])
	}
	for _, k := range t.Keys {
		o.keys = append(o.keys, plan.SortKey{Column: k})
	}
	return o, nil
}

// Next returns the next rows that the function gives.
func (o *PluginTable) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *PluginTable) next(ctx context.Context) (arrow.Record, error) {
	if o.plan.Quarantine {
		return o.nextPart(ctx)
	}
	if o.rows == nil {
		var err error
		if o.rows, err = o.env.Caller.Table(ctx, o.plan.Function, o.input); err != nil {
			return nil, err
		}
	}
	rec, err := o.rows.Next(ctx)
	if err != nil {
		return nil, err
	}
	return o.checked(rec)
}

// checked is what the function has given, which is taken over, if it is what was planned.
func (o *PluginTable) checked(rec arrow.Record) (arrow.Record, error) {
	defer rec.Release()
	if int(rec.NumCols()) != len(o.schema.Fields) {
		return nil, plan.Failf(plan.FailurePlugin, "%s: the plugin gave %d columns, not %d", o.plan.Function, rec.NumCols(), len(o.schema.Fields))
	}
	for i, field := range o.schema.Fields {
		if err := check(rec.Column(i), field, int(rec.NumRows()), 0); err != nil {
			return nil, fmt.Errorf("%s, column %s: %w", o.plan.Function, field.Name, err)
		}
	}
	return vector.NewRecord(o.schema, rec.Columns(), int(rec.NumRows())), nil
}

// input gives the function its next batch.
func (o *PluginTable) input(ctx context.Context) (arrow.Record, []uint32, error) {
	rec, err := o.pull(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	defer rec.Release()
	var groups []uint32
	if o.plan.Per == plan.PerGroup {
		groups = o.starts(rec)
	}
	return o.arguments(rec), groups, nil
}

// arguments is the function's columns of rows.
func (o *PluginTable) arguments(rec arrow.Record) arrow.Record {
	borrowed := vector.NewRecord(o.args, pick(rec, o.plan.Args), int(rec.NumRows()))
	defer borrowed.Release()
	return vector.DecodeRecord(o.env.Mem, borrowed)
}

// starts lists the rows of a batch whose keys differ from those of the row before.
func (o *PluginTable) starts(rec arrow.Record) []uint32 {
	marks := make([]byte, rec.NumRows())
	first := o.last == nil
	o.last = differences(rec, o.keys, o.last, marks, markPart)
	starts := []uint32{}
	for i, m := range marks {
		if m != 0 || i == 0 && first {
			starts = append(starts, uint32(i))
		}
	}
	return starts
}

// Close ends the call, and closes the input.
func (o *PluginTable) Close() error {
	var err error
	o.part.release()
	if o.rows != nil {
		err = o.rows.Close()
		o.rows = nil
	}
	return errors.Join(err, o.stream.Close())
}
