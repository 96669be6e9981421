package operator

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Union puts out its inputs one after the other, columns by position.
type Union struct {
	stream
	current int
}

var _ Operator = (*Union)(nil)

// NewUnion makes a union of inputs, whose columns have the types of schema.
func NewUnion(env Env, inputs []Operator, schema plan.Schema) (*Union, error) {
	for i, in := range inputs {
		have := in.Schema().Fields
		if len(have) != len(schema.Fields) {
			return nil, fmt.Errorf("union: input %d has %d columns, not %d", i, len(have), len(schema.Fields))
		}
		for j, f := range schema.Fields {
			if have[j].Type.Kind != f.Type.Kind {
				return nil, fmt.Errorf("union: column %d of input %d is %s, not %s", j, i, have[j].Type, f.Type)
			}
		}
	}
	return &Union{stream: newStream(env, schema, inputs...)}, nil
}

// Next returns the next batch of the first input that has one left.
func (o *Union) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Union) next(ctx context.Context) (arrow.Record, error) {
	for ; o.current < len(o.inputs); o.current++ {
		rec, err := o.pull(ctx, o.current)
		if err == io.EOF {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer rec.Release()
		return o.relabelled(rec), nil
	}
	return nil, io.EOF
}

// relabelled is a batch under the names and nested types of the union.
func (o *Union) relabelled(rec arrow.Record) arrow.Record {
	cols := make([]arrow.Array, rec.NumCols())
	defer releaseArrays(cols)
	for i, c := range rec.Columns() {
		if t := o.schema.Fields[i].Type; t.IsNested() {
			cols[i] = vector.Relabel(c, t.Arrow())
			continue
		}
		c.Retain()
		cols[i] = c
	}
	return vector.NewRecord(o.schema, cols, int(rec.NumRows()))
}
