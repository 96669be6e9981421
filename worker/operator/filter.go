package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Filter passes the rows for which a predicate is true.
type Filter struct {
	stream
	predicate *compute.Program
	selected  []int32
}

var _ Operator = (*Filter)(nil)

// NewFilter makes a filter over input. The predicate refers to the input's columns.
func NewFilter(env Env, input Operator, f *plan.Filter) (*Filter, error) {
	predicate, err := compute.Compile(f.Predicate, input.Schema(), env.Session)
	if err != nil {
		return nil, fmt.Errorf("compile filter %s: %w", f.Predicate, err)
	}
	return &Filter{stream: newStream(env, input.Schema(), input), predicate: predicate}, nil
}

// Next returns the selected rows of the next batch that has any.
func (f *Filter) Next(ctx context.Context) (arrow.Record, error) { return f.step(ctx, f.next) }

func (f *Filter) next(ctx context.Context) (arrow.Record, error) {
	for {
		rec, err := f.pull(ctx, 0)
		if err != nil {
			return nil, err
		}
		out, err := f.keep(rec)
		if out != nil || err != nil {
			return out, err
		}
	}
}

// keep takes over a batch and returns what is selected of it, nil for nothing.
func (f *Filter) keep(rec arrow.Record) (arrow.Record, error) {
	var err error
	f.selected, err = f.predicate.Select(f.env.Mem, rec, f.selected[:0])
	if err == nil && len(f.selected) == int(rec.NumRows()) {
		return rec, nil
	}
	defer rec.Release()
	if err != nil || len(f.selected) == 0 {
		return nil, err
	}
	return vector.TakeRecord(f.env.Mem, rec, f.selected), nil
}
