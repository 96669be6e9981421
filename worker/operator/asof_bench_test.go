package operator_test

import (
	"context"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// Left rows at every second tick, right ones at every third, visible up to 500 ticks later and in the order of that.
func BenchmarkAsofJoin(b *testing.B) {
	const n = 1 << 21
	for _, c := range []struct {
		name string
		size int // left rows of a key
		join plan.AsofJoin
	}{
		{"backward/10", 10, plan.AsofJoin{Direction: plan.AsofBackward}},
		{"backward/all", n, plan.AsofJoin{Direction: plan.AsofBackward}},
		{"backward within 100/10", 10, plan.AsofJoin{Direction: plan.AsofBackward, Tolerance: tolerance(100)}},
		{"visible/all", n, plan.AsofJoin{Direction: plan.AsofBackward, Visible: 3}},
		{"forward/10", 10, plan.AsofJoin{Direction: plan.AsofForward}},
		{"nearest/10", 10, plan.AsofJoin{Direction: plan.AsofNearest}},
		{"nearest/all", n, plan.AsofJoin{Direction: plan.AsofNearest}},
		{"nearest visible/all", n, plan.AsofJoin{Direction: plan.AsofNearest, Visible: 3}},
	} {
		b.Run(c.name, func(b *testing.B) {
			left, right := asofRows(n, c.size, 2), asofRows(n*2/3, max(1, c.size*2/3), 3)
			j := c.join
			j.LeftKeys, j.RightKeys, j.LeftTime, j.RightTime, j.Ties = []int{0}, []int{0}, 2, 2, []int{3}
			if j.Visible > 0 {
				j.RightTime = 1
			}
			j.Left, j.Exact = true, true
			out := plan.Schema{Fields: append(append([]plan.Field{}, left.schema.Fields...), right.schema.Fields...)}
			b.ResetTimer()
			for b.Loop() {
				left.at, right.at = 0, 0
				op, err := operator.NewAsofJoin(operator.Env{}, left, right, &j, out)
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

func asofRows(n, size, tick int) *repeated {
	s := plan.Schema{Fields: []plan.Field{
		{Name: "k", Type: plan.Int64, Nullable: true}, {Name: "t", Type: plan.Int64, Nullable: true},
		{Name: "seen", Type: plan.Int64, Nullable: true}, {Name: "v", Type: plan.Int64, Nullable: true},
	}}
	k, t, seen, v := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range k {
		seen[i] = int64(i % size * tick)
		k[i], t[i], v[i] = int64(i/size), max(0, seen[i]-int64(i)*7919%500), int64(i)
	}
	var cols []arrow.Array
	for _, c := range [][]int64{k, t, seen, v} {
		cols = append(cols, vector.FromInt64s(memory.DefaultAllocator, c))
	}
	return &repeated{schema: s, rec: vector.NewRecord(s, cols, n)}
}
