package operator_test

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// aggregates over (k string, v bigint, x double): count(*), count(v), sum(v), avg(x), min(k), max(x).
func aggregates(distinct bool) []plan.Agg {
	call := func(name string, col int, arg, result plan.Type) plan.Agg {
		return plan.Agg{Func: name, Args: []int{col}, ArgTypes: []plan.Type{arg}, Type: result, Distinct: distinct}
	}
	return []plan.Agg{
		{Func: "count", Type: plan.Int64},
		call("count", 1, plan.Int64, plan.Int64),
		call("sum", 1, plan.Int64, plan.Int64),
		call("avg", 2, plan.Float64, plan.Float64),
		call("min", 0, plan.String, plan.String),
		call("max", 2, plan.Float64, plan.Float64),
	}
}

const aggInput = "k string, v bigint, x double"

// node is one aggregation, or with two phases a partial one below a final one.
func aggregation(t testing.TB, keys []int, aggs []plan.Agg, twoPhases bool) func(operator.Env, []operator.Operator) (operator.Operator, error) {
	t.Helper()
	in := schema(t, aggInput)
	var out, partial plan.Schema
	finalKeys := make([]int, len(keys))
	for i, k := range keys {
		out.Fields = append(out.Fields, in.Fields[k])
		finalKeys[i] = i
	}
	partial.Fields = slices.Clone(out.Fields)
	for i, a := range aggs {
		partial.Fields = append(partial.Fields, agg.StateFields(a, i)...)
		out.Fields = append(out.Fields, plan.Field{Name: a.Func + strconv.Itoa(i), Type: a.Type, Nullable: a.Func != "count"})
	}
	if !twoPhases {
		return build(&plan.Node{Op: plan.NodeAggregate, Schema: out,
			Aggregate: &plan.Aggregate{Mode: plan.AggregateComplete, Keys: keys, Aggs: aggs}})
	}
	return func(env operator.Env, inputs []operator.Operator) (operator.Operator, error) {
		first, err := operator.NewAggregate(env, inputs[0], &plan.Aggregate{Mode: plan.AggregatePartial, Keys: keys, Aggs: aggs}, partial)
		if err != nil {
			return nil, err
		}
		first.(*operator.PartialAggregate).SetLimits(2, 3, 4, 2) // so that even these inputs flush, and pass on rows
		return operator.NewAggregate(env, first, &plan.Aggregate{Mode: plan.AggregateFinal, Keys: finalKeys, Aggs: aggs}, out)
	}
}

func TestAggregate(t *testing.T) {
	input := optest.Table{Schema: aggInput, Rows: []string{
		"b|1|0.5", "a|2|NaN", "b|NULL|1.5", "NULL|4|NULL", "a|2|-1.0", "NULL|NULL|2.0", "c|NULL|NULL", "''|7|0.0",
	}}
	for name, c := range map[string]struct {
		keys     []int
		distinct bool
		want     []string
	}{
		"by key": {[]int{0}, false, []string{
			"b|2|1|1|1.0|b|1.5", "a|2|2|4|NaN|a|NaN", "NULL|2|1|4|2.0|NULL|2.0", "c|1|0|NULL|NULL|c|NULL", "''|1|1|7|0.0|''|0.0"}},
		"distinct by key": {[]int{0}, true, []string{
			"b|2|1|1|1.0|b|1.5", "a|2|1|2|NaN|a|NaN", "NULL|2|1|4|2.0|NULL|2.0", "c|1|0|NULL|NULL|c|NULL", "''|1|1|7|0.0|''|0.0"}},
		"all rows":          {nil, false, []string{"8|5|16|NaN|''|NaN"}},
		"distinct all rows": {nil, true, []string{"8|4|14|NaN|''|NaN"}},
	} {
		t.Run(name, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{input}, Build: aggregation(t, c.keys, aggregates(c.distinct), false), Want: c.want, Ordered: true,
			})
		})
		if !c.distinct {
			t.Run(name+" in two phases", func(t *testing.T) {
				optest.Run(t, optest.Case{
					Inputs: []optest.Table{input}, Build: aggregation(t, c.keys, aggregates(false), true), Want: c.want, Ordered: true,
				})
			})
		}
	}
}

func TestAggregateOfNothing(t *testing.T) {
	empty := optest.Table{Schema: aggInput}
	for _, twoPhases := range []bool{false, true} {
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{empty}, Build: aggregation(t, nil, aggregates(false), twoPhases),
			Want: []string{"0|0|NULL|NULL|NULL|NULL"},
		})
		optest.Run(t, optest.Case{Inputs: []optest.Table{empty}, Build: aggregation(t, []int{0}, aggregates(false), twoPhases)})
	}
}

func TestAggregateOverflow(t *testing.T) {
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{{Schema: aggInput, Rows: []string{
			"a|" + strconv.FormatInt(math.MaxInt64, 10) + "|NULL", "a|1|NULL",
		}}},
		Build:     aggregation(t, []int{0}, aggregates(false), false),
		WantError: &plan.Failure{Kind: plan.FailureUser},
	})
}

// drawGroupRows draws rows of (k string, v bigint, x double). Doubles are halves, so that their sums are exact.
func drawGroupRows(t *rapid.T) []string {
	cell := func(name string, values ...string) *rapid.Generator[string] {
		return rapid.SampledFrom(append(values, "NULL"))
	}
	k, v, x := cell("k", "''", "a", "b", "cc"), cell("v", "-1", "0", "1", "2"), cell("x", "0.5", "-0.0", "0.0", "NaN", "-3.5", "Infinity")
	rows := make([]string, rapid.IntRange(0, 12).Draw(t, "rows"))
	for i := range rows {
		rows[i] = k.Draw(t, "k") + "|" + v.Draw(t, "v") + "|" + x.Draw(t, "x")
	}
	return rows
}

// naiveGroupBy computes count(*), count(v), sum(v), avg(x), max(x) per key, from the rows' text.
func naiveGroupBy(rows []string, key func(cells []string) string) []string {
	type state struct {
		rows, n, sum int64
		xs           []float64
	}
	states, order := map[string]*state{}, []string{}
	for _, row := range rows {
		cells := strings.Split(row, "|")
		g := key(cells)
		s, ok := states[g]
		if !ok {
			s = &state{}
			states[g] = s
			order = append(order, g)
		}
		s.rows++
		if v, err := strconv.ParseInt(cells[1], 10, 64); err == nil {
			s.n, s.sum = s.n+1, s.sum+v
		}
		if x, err := strconv.ParseFloat(cells[2], 64); err == nil {
			s.xs = append(s.xs, x)
		}
	}
	out := make([]string, len(order))
	for i, g := range order {
		s := states[g]
		sum, avg, largest := "NULL", "NULL", "NULL"
		if s.n > 0 {
			sum = strconv.FormatInt(s.sum, 10)
		}
		if len(s.xs) > 0 {
			total, top := 0.0, s.xs[0]
			for _, x := range s.xs {
				total += x
				if x > top || x != x || x == top && !math.Signbit(x) {
					if top == top {
						top = x
					}
				}
			}
			avg, largest = vector.FormatFloat(total/float64(len(s.xs)), 64), vector.FormatFloat(top, 64)
		}
		out[i] = fmt.Sprintf("%s|%d|%d|%s|%s|%s", g, s.rows, s.n, sum, avg, largest)
	}
	return out
}

func TestAggregateAgainstOracle(t *testing.T) {
	all := aggregates(false)
	aggs := append(slices.Clone(all[:4]), all[5])
	rapid.Check(t, func(rt *rapid.T) {
		rows := drawGroupRows(rt)
		twoPhases, world := rapid.Bool().Draw(rt, "two phases"), rapid.IntRange(0, optest.Worlds-1).Draw(rt, "world")
		inputs := []optest.Table{{Schema: aggInput, Rows: rows}}
		optest.RunIn(rt, optest.Case{
			Inputs: inputs, Build: aggregation(t, []int{0, 1}, aggs, twoPhases), Ordered: true,
			Want: naiveGroupBy(rows, func(c []string) string { return c[0] + "|" + c[1] }),
		}, world)
		optest.RunIn(rt, optest.Case{
			Inputs: inputs, Build: aggregation(t, []int{2}, aggs, twoPhases), Ordered: true,
			Want: naiveGroupBy(rows, func(c []string) string { return strings.Replace(c[2], "-0.0", "0.0", 1) }),
		}, world)
	})
}

// Where nearly every row has a group of its own, rows pass ungrouped; but not if one key has many of them, which would all go
// to one task.
func TestPartialAggregateGroupsFrequentKeys(t *testing.T) {
	const n = 400_000
	for _, c := range []struct {
		hot  int // one row in so many; 0: none
		most int64
	}{{0, n}, {5, n - n/5 + 10}, {100, n}} {
		in := asofRows(n, 1, 1) // each with a key of its own
		keys := vector.Int64s(in.rec.Column(0))
		for i := range keys {
			if c.hot > 0 && i%c.hot == 0 {
				keys[i] = -1
			}
		}
		a := &plan.Aggregate{Mode: plan.AggregatePartial, Keys: []int{0}, Aggs: []plan.Agg{{Func: "count", Args: []int{1}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64}}}
		schema := plan.Schema{Fields: append([]plan.Field{in.schema.Fields[0]}, agg.StateFields(a.Aggs[0], 0)...)}
		op, err := operator.NewAggregate(operator.Env{}, in, a, schema)
		if err != nil {
			t.Fatal(err)
		}
		rows := int64(0)
		for rec, err := op.Next(t.Context()); err != io.EOF; rec, err = op.Next(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			rows += rec.NumRows()
			rec.Release()
		}
		if rows > c.most || rows < c.most-n/100 {
			t.Errorf("one row in %d of one key: %d rows, want about %d", c.hot, rows, c.most)
		}
		if err := op.Close(); err != nil {
			t.Error(err)
		}
	}
}
