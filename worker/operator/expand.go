package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Expand puts out several rows for each input row, one per projection, for grouping sets. The rows of one input row
// stay together.
type Expand struct {
	stream
	projections [][]expandColumn
	input       arrow.Record // what is left of it from row at
	at          int
	out         pending
}

// expandColumn is a column of a projection: an input column, or a program.
type expandColumn struct {
	column  int
	program *compute.Program
}

var _ Operator = (*Expand)(nil)

// NewExpand makes an expansion of input to schema.
func NewExpand(env Env, input Operator, e *plan.Expand, schema plan.Schema) (*Expand, error) {
	o := &Expand{stream: newStream(env, schema, input)}
	if len(e.Projections) == 0 {
		return nil, fmt.Errorf("expand without projections")
	}
	for _, exprs := range e.Projections {
		if len(exprs) != len(schema.Fields) {
			return nil, fmt.Errorf("expand %d expressions to %d columns", len(exprs), len(schema.Fields))
		}
		var cols []expandColumn
		for _, x := range exprs {
			if x.Op == plan.OpColumn {
				cols = append(cols, expandColumn{column: x.Column})
				continue
			}
			program, err := compute.Compile(x, input.Schema(), env.Session)
			if err != nil {
				return nil, fmt.Errorf("compile %s: %w", x, err)
			}
			cols = append(cols, expandColumn{program: program})
		}
		o.projections = append(o.projections, cols)
	}
	return o, nil
}

// Next expands the next input rows, as many as fit a batch.
func (o *Expand) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Expand) next(ctx context.Context) (arrow.Record, error) {
	if rec := o.out.next(o.env.BatchRows); rec != nil {
		return rec, nil
	}
	if o.input == nil {
		rec, err := o.pull(ctx, 0)
		if err != nil {
			return nil, err
		}
		o.input, o.at = rec, 0
	}
	rows := min(int(o.input.NumRows())-o.at, max(1, o.env.BatchRows/len(o.projections)))
	part := vector.Slice(o.input, o.at, o.at+rows)
	defer part.Release()
	if o.at += rows; o.at == int(o.input.NumRows()) {
		o.input.Release()
		o.input = nil
	}
	out, err := o.expand(part)
	if err != nil {
		return nil, err
	}
	o.out.set(out)
	return o.out.next(o.env.BatchRows), nil
}

// expand evaluates all projections over a batch and interleaves their rows.
func (o *Expand) expand(rec arrow.Record) (arrow.Record, error) {
	rows, sets := int(rec.NumRows()), len(o.projections)
	order := make([]int32, 0, rows*sets)
	for i := range rows {
		for s := range sets {
			order = append(order, int32(s*rows+i))
		}
	}
	cols := make([]arrow.Array, len(o.schema.Fields))
	defer func() { releaseArrays(cols) }()
	for c := range cols {
		var err error
		if cols[c], err = o.column(rec, c, order); err != nil {
			return nil, err
		}
	}
	return vector.NewRecord(o.schema, cols, rows*sets), nil
}

func (o *Expand) column(rec arrow.Record, c int, order []int32) (arrow.Array, error) {
	parts := make([]arrow.Array, len(o.projections))
	defer releaseArrays(parts)
	for s, p := range o.projections {
		if p[c].program == nil {
			parts[s] = rec.Column(p[c].column)
			parts[s].Retain()
			continue
		}
		var err error
		if parts[s], err = p[c].program.Eval(o.env.Mem, rec); err != nil {
			return nil, err
		}
	}
	joined, err := vector.Concat(o.env.Mem, parts)
	if err != nil {
		return nil, err
	}
	defer joined.Release()
	return vector.Take(o.env.Mem, joined, order), nil
}

// Close releases the batches in hand and closes the input.
func (o *Expand) Close() error {
	o.out.drop()
	if o.input != nil {
		o.input.Release()
		o.input = nil
	}
	return o.stream.Close()
}
