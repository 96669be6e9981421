package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Project computes one column per expression. A plain column reference passes the column through as it is.
type Project struct {
	stream
	columns  []int // the input column, or -1 where a program computes
	programs []*compute.Program
}

var _ Operator = (*Project)(nil)

// NewProject makes a projection of input to schema.
func NewProject(env Env, input Operator, p *plan.Project, schema plan.Schema) (*Project, error) {
	if len(p.Exprs) != len(schema.Fields) {
		return nil, fmt.Errorf("project %d expressions to %d columns", len(p.Exprs), len(schema.Fields))
	}
	o := &Project{stream: newStream(env, schema, input)}
	for _, e := range p.Exprs {
		if e.Op == plan.OpColumn {
			o.columns, o.programs = append(o.columns, e.Column), append(o.programs, nil)
			continue
		}
		program, err := compute.Compile(e, input.Schema(), env.Session)
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", e, err)
		}
		o.columns, o.programs = append(o.columns, -1), append(o.programs, program)
	}
	return o, nil
}

// Next computes the columns of the next batch.
func (o *Project) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Project) next(ctx context.Context) (arrow.Record, error) {
	rec, err := o.pull(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	cols := make([]arrow.Array, len(o.columns))
	defer releaseArrays(cols)
	for i, c := range o.columns {
		if c >= 0 {
			cols[i] = rec.Column(c)
			cols[i].Retain()
			continue
		}
		if cols[i], err = o.programs[i].Eval(o.env.Mem, rec); err != nil {
			return nil, err
		}
	}
	return vector.NewRecord(o.schema, cols, int(rec.NumRows())), nil
}
