package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Generate calls a generator for each input row and puts out the row's columns followed by the generator's, once for
// each row that it gives. Outer keeps rows for which it gives none, with NULLs.
type Generate struct {
	stream
	program *compute.GeneratorProgram
	outer   bool
	out     pending
}

var _ Operator = (*Generate)(nil)

// NewGenerate makes a generate operator over input to schema.
func NewGenerate(env Env, input Operator, g *plan.Generate, schema plan.Schema) (*Generate, error) {
	program, err := compute.CompileGenerator(g.Call, input.Schema(), env.Session)
	if err != nil {
		return nil, err
	}
	if want := len(input.Schema().Fields) + len(program.Type().Children); want != len(schema.Fields) {
		return nil, fmt.Errorf("generate: %d columns, schema has %d", want, len(schema.Fields))
	}
	return &Generate{stream: newStream(env, schema, input), program: program, outer: g.Outer}, nil
}

// Next returns the next rows.
func (o *Generate) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Generate) next(ctx context.Context) (arrow.Record, error) {
	for {
		if rec := o.out.next(o.env.BatchRows); rec != nil {
			return rec, nil
		}
		rec, err := o.pull(ctx, 0)
		if err != nil {
			return nil, err
		}
		out, err := o.generate(rec)
		rec.Release()
		if err != nil {
			return nil, err
		}
		o.out.set(out)
	}
}

func (o *Generate) generate(rec arrow.Record) (arrow.Record, error) {
	rows, generated, err := o.program.Run(o.env.Mem, rec)
	if err != nil {
		return nil, err
	}
	defer releaseArrays(generated)
	cols := make([]arrow.Array, 0, len(o.schema.Fields))
	defer func() { releaseArrays(cols) }()
	var places []int32
	if o.outer {
		rows, places = withMissing(rows, int(rec.NumRows()))
	}
	for _, c := range rec.Columns() {
		cols = append(cols, vector.Take(o.env.Mem, c, rows))
	}
	for _, c := range generated {
		if places == nil {
			c.Retain()
		} else {
			c = vector.Take(o.env.Mem, c, places)
		}
		cols = append(cols, c)
	}
	return vector.NewRecord(o.schema, cols, len(rows)), nil
}

// withMissing adds each of n rows that is not among rows, in its place, and says which generated row goes with each: -1
// for those added.
func withMissing(rows []int32, n int) (all, places []int32) {
	all, places = make([]int32, 0, max(len(rows), n)), make([]int32, 0, max(len(rows), n))
	at := 0
	for i := range int32(n) {
		if at == len(rows) || rows[at] != i {
			all, places = append(all, i), append(places, -1)
			continue
		}
		for ; at < len(rows) && rows[at] == i; at++ {
			all, places = append(all, i), append(places, int32(at))
		}
	}
	return all, places
}

// Close releases the batch in hand and closes the input.
func (o *Generate) Close() error {
	o.out.drop()
	return o.stream.Close()
}
