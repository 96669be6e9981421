package operator

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Values is a constant table.
type Values struct {
	stream
	rows [][]*plan.Expr
}

var _ Operator = (*Values)(nil)

// NewValues makes a constant table; every row has one literal per column of schema.
func NewValues(env Env, v *plan.Values, schema plan.Schema) (*Values, error) {
	for i, row := range v.Rows {
		if len(row) != len(schema.Fields) {
			return nil, fmt.Errorf("values: row %d has %d columns, not %d", i+1, len(row), len(schema.Fields))
		}
		for j, e := range row {
			if !e.IsLiteral() || !e.Type.Equal(schema.Fields[j].Type) {
				return nil, fmt.Errorf("values: row %d: %s is no %s constant", i+1, e, schema.Fields[j].Type)
			}
		}
	}
	return &Values{stream: newStream(env, schema), rows: v.Rows}, nil
}

// Next returns the next rows of the table.
func (o *Values) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Values) next(context.Context) (arrow.Record, error) {
	rows := o.rows[:min(len(o.rows), o.env.BatchRows)]
	if len(rows) == 0 {
		return nil, io.EOF
	}
	o.rows = o.rows[len(rows):]
	cols := make([]arrow.Array, len(o.schema.Fields))
	defer releaseArrays(cols)
	for j, f := range o.schema.Fields {
		parts := make([]arrow.Array, len(rows))
		for i, row := range rows {
			parts[i] = vector.FromLiteral(o.env.Mem, f.Type, row[j].Value, 1)
		}
		var err error
		cols[j], err = vector.Concat(o.env.Mem, parts)
		releaseArrays(parts)
		if err != nil {
			return nil, err
		}
	}
	return vector.NewRecord(o.schema, cols, len(rows)), nil
}
