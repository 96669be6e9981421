package task

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// runtimeFilters is what the joins of an attempt have published, for the attempt's scan. An attempt runs its operators
// in one goroutine.
type runtimeFilters struct {
	byID map[int]operator.RuntimeFilter
}

var _ operator.Filters = (*runtimeFilters)(nil)

// Publish keeps a filter.
func (f *runtimeFilters) Publish(id int, filter operator.RuntimeFilter) {
	if f.byID == nil {
		f.byID = map[int]operator.RuntimeFilter{}
	}
	f.byID[id] = filter
}

// narrow is the scan with what is known of its columns by now added to what it may prune by, and the sets of values that
// are too large to name.
func (f *runtimeFilters) narrow(scan *plan.Scan, schema plan.Schema) (*plan.Scan, map[int]*vector.Bitmap) {
	narrowed, sets := *scan, map[int]*vector.Bitmap{}
	narrowed.Prune = append([]*plan.Expr(nil), scan.Prune...)
	for _, want := range scan.RuntimeFilters {
		filter, ok := f.byID[want.ID]
		if !ok || want.Column < 0 || want.Column >= len(schema.Fields) {
			continue
		}
		field := schema.Fields[want.Column]
		if !field.Type.Equal(filter.Type) {
			continue
		}
		narrowed.Prune = append(narrowed.Prune, conjuncts(plan.ColumnExpr(want.Column, field), filter)...)
		if filter.Set != nil {
			sets[want.Column] = filter.Set
		}
	}
	return &narrowed, sets
}

// conjuncts is a filter as expressions over its column.
func conjuncts(column *plan.Expr, f operator.RuntimeFilter) []*plan.Expr {
	constant := func(t plan.Type, v plan.Literal) *plan.Expr { return &plan.Expr{Op: plan.OpLiteral, Type: t, Value: v} }
	if f.Empty {
		return []*plan.Expr{constant(plan.Boolean, plan.Literal{})}
	}
	var out []*plan.Expr
	if f.Values != nil { // first: few rows are left to compare with the bounds
		in := []*plan.Expr{column}
		for _, v := range f.Values {
			in = append(in, constant(f.Type, v))
		}
		out = append(out, plan.CallExpr("in", plan.Boolean, in...))
	}
	if f.Min != nil {
		out = append(out, plan.CallExpr(">=", plan.Boolean, column, constant(f.Type, *f.Min)))
	}
	if f.Max != nil {
		out = append(out, plan.CallExpr("<=", plan.Boolean, column, constant(f.Type, *f.Max)))
	}
	return out
}

// lateScan opens its scan when it is first asked for rows, since joins publish their filters before that.
type lateScan struct {
	open   func(context.Context) (batchSource, error)
	source batchSource
}

func (l *lateScan) Next(ctx context.Context) (arrow.Record, error) {
	if l.source == nil {
		source, err := l.open(ctx)
		if err != nil {
			return nil, err
		}
		l.source = source
	}
	return l.source.Next(ctx)
}

func (l *lateScan) Close() error {
	if l.source == nil {
		return nil
	}
	return l.source.Close()
}
