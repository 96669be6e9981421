package operator_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// sortedAggregation is count(*), sum(v), count(DISTINCT v) by k of rows whose groups lie side by side.
func sortedAggregation(t testing.TB) func(operator.Env, []operator.Operator) (operator.Operator, error) {
	v := func(name string, distinct bool) plan.Agg {
		return plan.Agg{Func: name, Args: []int{1}, ArgTypes: []plan.Type{plan.Int64}, Type: plan.Int64, Distinct: distinct}
	}
	aggs := []plan.Agg{{Func: "count", Type: plan.Int64}, v("sum", false), v("count", true)}
	return build(&plan.Node{Op: plan.NodeAggregate, Schema: schema(t, "k string, n bigint not null, s bigint, d bigint not null"),
		Aggregate: &plan.Aggregate{Mode: plan.AggregateComplete, Keys: []int{0}, Aggs: aggs, Sorted: true}})
}

func TestSortedAggregate(t *testing.T) {
	for name, c := range map[string]struct{ rows, want []string }{
		"no rows":         {nil, nil},
		"one group":       {[]string{"a|1|0.5", "a|2|1.5", "a|2|NULL"}, []string{"a|3|5|2"}},
		"each of its own": {[]string{"a|1|0.5", "b|1|0.5", "c|NULL|0.5"}, []string{"a|1|1|1", "b|1|1|1", "c|1|NULL|0"}},
		"several": {
			[]string{"b|1|0.5", "a|2|1.5", "a|2|NULL", "a|3|2.5", "NULL|4|NULL", "NULL|NULL|2.0", "c|NULL|NULL", "c|1|1.0", "''|7|0.0"},
			[]string{"b|1|1|1", "a|3|7|2", "NULL|2|4|1", "c|2|1|1", "''|1|7|1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			optest.Run(t, optest.Case{Inputs: []optest.Table{{Schema: aggInput, Rows: c.rows}}, Build: sortedAggregation(t), Want: c.want, Ordered: true})
		})
	}
}

// Groups of all lengths, in batches of all sizes.
func TestSortedAggregateOfRuns(t *testing.T) {
	aggregate := sortedAggregation(t)
	rapid.Check(t, func(t *rapid.T) {
		var rows, want []string
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 40), 0, 12).Draw(t, "lengths") {
			for v := range n {
				rows = append(rows, fmt.Sprintf("k%d|%d|NULL", i, v%3))
			}
			sum := n/3*3 + n%3*(n%3-1)/2
			want = append(want, fmt.Sprintf("k%d|%d|%d|%d", i, n, sum, min(n, 3)))
		}
		c := optest.Case{Inputs: []optest.Table{{Schema: aggInput, Rows: rows}}, Build: aggregate, Want: want, Ordered: true}
		optest.RunIn(t, c, rapid.IntRange(0, optest.Worlds-1).Draw(t, "world"))
	})
}
