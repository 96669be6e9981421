package task

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// generator makes batches of (k bigint, v double), k random below keys.
type generator struct {
	env  operator.Env
	rng  *rand.Rand
	rows int
	keys int64
}

var generated = plan.Schema{Fields: []plan.Field{{Name: "k", Type: plan.Int64}, {Name: "v", Type: plan.Float64}}}

func (g *generator) Schema() plan.Schema { return generated }
func (g *generator) Close() error        { return nil }
func (g *generator) Next(context.Context) (arrow.Record, error) {
	if g.rows <= 0 {
		return nil, io.EOF
	}
	n := operator.DefaultBatchRows
	g.rows -= n
	kb, ks := vector.Alloc[int64](g.env.Mem, n)
	vb, vs := vector.Alloc[float64](g.env.Mem, n)
	for i := range n {
		ks[i], vs[i] = g.rng.Int64N(g.keys), float64(i)
	}
	cols := []arrow.Array{
		vector.Make(arrow.PrimitiveTypes.Int64, n, nil, kb), vector.Make(arrow.PrimitiveTypes.Float64, n, nil, vb),
	}
	defer cols[0].Release()
	defer cols[1].Release()
	return vector.NewRecord(generated, cols, n), nil
}

// BenchmarkMemory runs blocking operators over 4 M rows (64 MiB) with room for all of them and with room for a quarter.
func BenchmarkMemory(b *testing.B) {
	const rows = 4 << 20
	out := plan.Schema{Fields: []plan.Field{generated.Fields[0], {Name: "n", Type: plan.Int64}, {Name: "s", Type: plan.Float64, Nullable: true}}}
	joined := plan.Schema{Fields: append(append([]plan.Field(nil), generated.Fields...), generated.Fields...)}
	aggs := []plan.Agg{
		{Func: "count", Type: plan.Int64}, {Func: "sum", Args: []int{1}, ArgTypes: []plan.Type{plan.Float64}, Type: plan.Float64},
	}
	leaf := func(env operator.Env, rows int, keys int64) operator.Operator {
		return &generator{env: env, rng: rand.New(rand.NewPCG(1, 2)), rows: rows, keys: keys}
	}
	for name, build := range map[string]func(env operator.Env) (operator.Operator, error){
		"sort": func(env operator.Env) (operator.Operator, error) {
			return operator.NewSort(env, leaf(env, rows, 1<<40), &plan.Sort{Keys: []plan.SortKey{{Column: 0}}, Limit: -1}), nil
		},
		"group by 4M": func(env operator.Env) (operator.Operator, error) {
			return operator.NewAggregate(env, leaf(env, rows, 1<<40), &plan.Aggregate{Mode: plan.AggregateComplete, Keys: []int{0}, Aggs: aggs}, out)
		},
		"group by 100k": func(env operator.Env) (operator.Operator, error) {
			return operator.NewAggregate(env, leaf(env, rows, 100_000), &plan.Aggregate{Mode: plan.AggregateComplete, Keys: []int{0}, Aggs: aggs}, out)
		},
		"join": func(env operator.Env) (operator.Operator, error) {
			return operator.NewHashJoin(env, leaf(env, rows, rows/2), leaf(env, rows/2, rows/2),
				&plan.Join{Type: plan.JoinInner, LeftKeys: []int{0}, RightKeys: []int{0}}, joined)
		},
	} {
		for what, share := range map[string]int64{"fits": 2 << 30, "spills": 32 << 20} {
			b.Run(name+"/"+what, func(b *testing.B) {
				for b.Loop() {
					drain(b, build, share)
				}
				b.SetBytes(rows * 16)
			})
		}
	}
}

func drain(b *testing.B, build func(operator.Env) (operator.Operator, error), share int64) {
	mem := recycle.New(64 << 20)
	disk := newScratch(mem, b.TempDir(), plan.AttemptID{})
	account := NewBudget(share, 1).Share()
	op, err := build(operator.Env{Mem: mem, Memory: account, Scratch: disk})
	if err != nil {
		b.Fatal(err)
	}
	for {
		rec, err := op.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		rec.Release()
	}
	if err := op.Close(); err != nil {
		b.Fatal(err)
	}
	if err := disk.Close(); err != nil {
		b.Fatal(err)
	}
}
