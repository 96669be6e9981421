package operator_test

import (
	"context"
	"io"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// repeated is an input that gives slices of one batch.
type repeated struct {
	schema plan.Schema
	rec    arrow.Record
	at     int
}

func (r *repeated) Schema() plan.Schema { return r.schema }
func (r *repeated) Close() error        { return nil }
func (r *repeated) Next(context.Context) (arrow.Record, error) {
	if r.at == int(r.rec.NumRows()) {
		return nil, io.EOF
	}
	to := min(r.at+operator.DefaultBatchRows, int(r.rec.NumRows()))
	part := vector.Slice(r.rec, r.at, to)
	r.at = to
	return part, nil
}

func BenchmarkWindow(b *testing.B) {
	const n = 1 << 19
	here := plan.Int64Literal(0)
	for _, c := range []struct {
		name string
		size int // rows of a partition
		call plan.WindowCall
	}{
		{"row_number/10", 10, plan.WindowCall{Agg: plan.Agg{Func: "row_number", Type: plan.Int32}}},
		{"row_number/all", n, plan.WindowCall{Agg: plan.Agg{Func: "row_number", Type: plan.Int32}}},
		{"lag/10", 10, plan.WindowCall{Agg: plan.Agg{Func: "lag", Args: []int{2}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64}}},
		{"whole sum/10", 10, call("sum", 2, plan.Int64, plan.Int64, between(plan.FrameRange, nil, nil))},
		{"growing sum/10", 10, call("sum", 2, plan.Int64, plan.Int64, between(plan.FrameRange, nil, here))},
		{"growing stddev/1000", 1000, call("var_pop", 3, plan.Float64, plan.Float64, between(plan.FrameRows, nil, here))},
		{"rows 5/1000", 1000, call("sum", 2, plan.Int64, plan.Int64, between(plan.FrameRows, plan.Int64Literal(-5), here))},
		{"rows 300/all", n, call("sum", 2, plan.Int64, plan.Int64, between(plan.FrameRows, plan.Int64Literal(-300), here))},
		{"rows 10000/all", n, call("sum", 2, plan.Int64, plan.Int64, between(plan.FrameRows, plan.Int64Literal(-10000), here))},
		{"range 5/all", n, call("sum", 2, plan.Int64, plan.Int64, between(plan.FrameRange, plan.Int64Literal(-5), here))},
		{"to the end/all", n, call("max", 2, plan.Int64, plan.Int64, between(plan.FrameRows, here, nil))},
	} {
		b.Run(c.name, func(b *testing.B) {
			in := benchRows(n, c.size)
			out := plan.Schema{Fields: append(append([]plan.Field{}, in.schema.Fields...), plan.Field{Name: "w", Type: c.call.Type, Nullable: true})}
			w := &plan.Window{PartitionBy: []int{0}, OrderBy: []plan.SortKey{{Column: 1}}, Calls: []plan.WindowCall{c.call}}
			b.ResetTimer()
			for b.Loop() {
				in.at = 0
				op, err := operator.NewWindow(operator.Env{}, in, w, out)
				if err != nil {
					b.Fatal(err)
				}
				if err := drain(context.Background(), op); err != nil {
					b.Fatal(err)
				}
				_ = op.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
		})
	}
}

func benchRows(n, size int) *repeated {
	s := plan.Schema{Fields: []plan.Field{
		{Name: "p", Type: plan.Int64}, {Name: "o", Type: plan.Int64}, {Name: "v", Type: plan.Int64}, {Name: "d", Type: plan.Float64},
	}}
	p, o, v := make([]int64, n), make([]int64, n), make([]int64, n)
	d := array.NewFloat64Builder(memory.DefaultAllocator)
	for i := range p {
		p[i], o[i], v[i] = int64(i/size), int64(i%size), int64(i)*7919%1000
		d.Append(float64(v[i]))
	}
	cols := []arrow.Array{
		vector.FromInt64s(memory.DefaultAllocator, p), vector.FromInt64s(memory.DefaultAllocator, o),
		vector.FromInt64s(memory.DefaultAllocator, v), d.NewArray(),
	}
	return &repeated{schema: s, rec: vector.NewRecord(s, cols, n)}
}
