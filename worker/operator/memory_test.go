package operator_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// generated is an input that makes its rows (k bigint, s string) when asked, keys all distinct.
type generated struct {
	schema plan.Schema
	rows   int
	left   int
}

func (g *generated) Schema() plan.Schema { return g.schema }
func (g *generated) Close() error        { return nil }
func (g *generated) Next(context.Context) (arrow.Record, error) {
	n := min(g.left, operator.DefaultBatchRows)
	if n == 0 {
		return nil, io.EOF
	}
	keys, texts := make([]int64, n), make([]plan.Literal, n)
	for i := range keys {
		keys[i] = int64((g.rows-g.left+i)*7919%g.rows) * 1_000_003
		texts[i] = plan.Literal{Bytes: []byte(fmt.Sprintf("%060d", keys[i]))}
	}
	g.left -= n
	k, s := vector.FromInt64s(memory.DefaultAllocator, keys), columns.Build(memory.DefaultAllocator, plan.String, texts)
	defer k.Release()
	defer s.Release()
	return vector.NewRecord(g.schema, []arrow.Array{k, s}, n), nil
}

// books is a Memory without limit.
type books struct{ held int64 }

func (b *books) Reserve(n int64) error { b.Take(n); return nil }
func (b *books) Take(n int64)          { b.held += n }

// What operators reserve covers what they hold, as the garbage collector sees it, and is not far above it. Batches on
// their way through, a few of a MiB, are not reserved.
func TestReservationsMatchTheHeap(t *testing.T) {
	const rows, passing = 300_000, 4 << 20
	in := schema(t, "k bigint, s string")
	wide := plan.Schema{Fields: append(append([]plan.Field{}, in.Fields...), in.Fields...)}
	count, first := plan.Agg{Func: "count", Type: plan.Int64}, plan.Agg{Func: "max", Args: []int{1}, ArgTypes: []plan.Type{plan.String}, Type: plan.String}
	grouped := func(key int, aggs ...plan.Agg) *plan.Node {
		out := plan.Schema{Fields: []plan.Field{in.Fields[key]}}
		for i, a := range aggs {
			out.Fields = append(out.Fields, plan.Field{Name: fmt.Sprint("a", i), Type: a.Type, Nullable: true})
		}
		return &plan.Node{Op: plan.NodeAggregate, Schema: out, Aggregate: &plan.Aggregate{Keys: []int{key}, Aggs: aggs, Mode: plan.AggregateComplete}}
	}
	for _, c := range []struct {
		name string
		node *plan.Node
	}{
		{"group by bigint", grouped(0, count, plan.Agg{Func: "sum", Args: []int{0}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64})},
		{"group by string", grouped(1, count)},
		{"group by bigint, max of string", grouped(0, first)},
		{"sort", &plan.Node{Op: plan.NodeSort, Schema: in, Sort: &plan.Sort{Keys: []plan.SortKey{{Column: 1}}, Limit: -1}}},
		{"join", &plan.Node{Op: plan.NodeJoin, Schema: wide, Join: &plan.Join{Type: plan.JoinInner, LeftKeys: []int{0}, RightKeys: []int{0}}}},
		{"join by string", &plan.Node{Op: plan.NodeJoin, Schema: wide, Join: &plan.Join{Type: plan.JoinInner, LeftKeys: []int{1}, RightKeys: []int{1}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inputs := []operator.Operator{&generated{in, rows, rows}}
			if c.node.Op == plan.NodeJoin {
				inputs = append(inputs, &generated{in, rows, rows})
			}
			var b books
			before := heap()
			op, err := build(c.node)(operator.Env{Memory: &b}, inputs)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := op.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			rec.Release()
			held := heap() - before
			t.Logf("%d KiB reserved, %d KiB held", b.held>>10, held>>10)
			if held > b.held+passing || b.held > 2*held {
				t.Errorf("%d bytes reserved where %d are held", b.held, held)
			}
			if err := op.Close(); err != nil || b.held != 0 {
				t.Errorf("closed with %v, %d bytes still reserved", err, b.held)
			}
		})
	}
}

// heap is the bytes of live objects.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
