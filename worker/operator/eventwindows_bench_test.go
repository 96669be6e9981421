package operator_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// Five million rows and as many events, one of each at a tick; six aggregates in three windows of 10, 100 and 1000 ticks.
func BenchmarkEventWindows(b *testing.B) {
	const n = 5_000_000
	for _, c := range []struct {
		name  string
		size  int // rows of a key
		funcs []string
		late  bool
	}{
		{"six/key of 10", 10, []string{"count", "sum", "avg", "min", "max", "last"}, false},
		{"six/key of 1000", 1000, []string{"count", "sum", "avg", "min", "max", "last"}, false},
		{"six/one key", n, []string{"count", "sum", "avg", "min", "max", "last"}, false},
		{"six late/one key", n, []string{"count", "sum", "avg", "min", "max", "last"}, true},
		{"count/one key", n, []string{"count"}, false},
		{"sum/one key", n, []string{"sum"}, false},
		{"avg/one key", n, []string{"avg"}, false},
		{"stddev_pop/one key", n, []string{"stddev_pop"}, false},
		{"max/one key", n, []string{"max"}, false},
		{"last/one key", n, []string{"last"}, false},
		{"last_k/one key", n, []string{"last_k"}, false},
		{"top_k/one key", n, []string{"top_k"}, false},
		{"distinct/one key", n, []string{"distinct"}, false},
		{"approx_count_distinct/one key", n, []string{"approx_count_distinct"}, false},
		{"percentile_approx/one key", n, []string{"percentile_approx"}, false},
		{"decayed_sum/one key", n, []string{"decayed_sum"}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			rows, events := eventBench(n, c.size), eventBench(n, c.size)
			w := &plan.EventWindows{LeftKeys: []int{0}, EventKeys: []int{0}, LeftTime: 1, EventTime: 1}
			if c.late {
				w.Available = 4
			}
			out := plan.Schema{Fields: append([]plan.Field{}, rows.schema.Fields...)}
			for i, width := range []int64{10, 100, 1000} {
				w.Windows = append(w.Windows, plan.EventWindow{Width: width})
				for _, f := range c.funcs {
					x := benchFeature(f)
					x.Window = i
					w.Features = append(w.Features, x)
					out.Fields = append(out.Fields, plan.Field{Name: fmt.Sprint(f, width), Type: x.Type, Nullable: true})
				}
			}
			for b.Loop() {
				rows.at, events.at = 0, 0
				op, err := operator.NewEventWindows(operator.Env{}, rows, events, w, out)
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

func benchFeature(f string) plan.EventFeature {
	k := plan.Int64Literal(10)
	switch f {
	case "count":
		return plan.EventFeature{Agg: plan.Agg{Func: f, Type: plan.Int64}}
	case "avg", "stddev_pop":
		return over(f, 4, plan.Float64)
	case "decayed_sum":
		return with(over(f, 4, plan.Float64), plan.Int64Literal(50))
	case "last_k":
		return with(over(f, 2, plan.Array(plan.Int64, true)), k)
	case "top_k":
		x := with(over(f, 2, plan.Array(plan.Int64, true)), k)
		x.Args = append(x.Args, 2)
		return x
	case "percentile_approx":
		return with(over(f, 2, plan.Int64), doubleLiteral(0.9))
	case "distinct":
		x := over("count", 2, plan.Int64)
		x.Distinct = true
		return x
	}
	return over(f, 2, plan.Int64)
}

// eventBench is rows of keys that have so many, one at each tick, with a whole number, when that was known, and a double.
func eventBench(n, size int) *repeated {
	s := plan.Schema{}
	for _, name := range []string{"k", "t", "v", "ready", "x"} {
		s.Fields = append(s.Fields, plan.Field{Name: name, Type: plan.Int64, Nullable: true})
	}
	s.Fields[4].Type = plan.Float64
	k, t, v, ready := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	buf, x := vector.Alloc[float64](memory.DefaultAllocator, n)
	seed := uint64(1)
	for i := range k {
		seed = seed*6364136223846793005 + 1442695040888963407
		k[i], t[i], v[i] = int64(i/size), int64(i%size), int64(seed>>54)
		ready[i], x[i] = t[i]+int64(seed>>40&7)*int64(seed>>43&7), float64(seed>>44)/100
	}
	cols := []arrow.Array{}
	for _, c := range [][]int64{k, t, v, ready} {
		cols = append(cols, vector.FromInt64s(memory.DefaultAllocator, c))
	}
	cols = append(cols, vector.Make(arrow.PrimitiveTypes.Float64, n, nil, buf))
	return &repeated{schema: s, rec: vector.NewRecord(s, cols, n)}
}

// every is each n-th of the rows.
func (r *repeated) every(n int) *repeated {
	var idx []int32
	for i := n - 1; i < int(r.rec.NumRows()); i += n {
		idx = append(idx, int32(i))
	}
	return &repeated{schema: r.schema, rec: vector.TakeRecord(memory.DefaultAllocator, r.rec, idx)}
}
