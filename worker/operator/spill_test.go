package operator_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// many makes rows of (k string, v bigint, x double) with so many keys, in no order.
func many(rows, keys int) []string {
	out := make([]string, rows)
	for i := range out {
		out[i] = fmt.Sprintf("k%d|%d|%g", i*7919%keys, i*31%97, float64(i%13)/3+0.1)
	}
	return out
}

// More runs than are merged at a time.
func TestSortInSeveralPasses(t *testing.T) {
	rows := many(120, 40)
	want := slices.Clone(rows)
	slices.SortStableFunc(want, func(a, b string) int {
		return strings.Compare(strings.Split(b, "|")[0], strings.Split(a, "|")[0])
	})
	for limit, size := range map[int64]int{-1: 120, 50: 50, 0: 0, 1000: 120} {
		sort := &plan.Node{Op: plan.NodeSort, Schema: schema(t, aggInput), Sort: &plan.Sort{
			Keys: []plan.SortKey{{Column: 0, Descending: true}}, Limit: limit,
		}}
		for world := range optest.Worlds {
			optest.RunIn(t, optest.Case{
				Inputs: []optest.Table{{Schema: aggInput, Rows: rows}}, Build: build(sort), Want: want[:size], Ordered: true,
				Spills: limit < 0 && world%3 < 2,
			}, world)
		}
	}
}

// Sums of doubles depend on the order of additions, so equal rows mean that each group folded in its rows in order.
func TestAggregateSpillsInOrder(t *testing.T) {
	rows := many(300, 60)
	for _, distinct := range []bool{false, true} {
		aggs := aggregates(distinct)
		for world := range 6 {
			optest.RunIn(t, optest.Case{
				Inputs: []optest.Table{{Schema: aggInput, Rows: rows}}, Build: aggregation(t, []int{0}, aggs, false),
				Want: unspilled(t, rows, aggs), Ordered: true, Spills: world%3 < 2,
			}, world)
		}
	}
}

// unspilled is what an aggregation in memory makes of rows.
func unspilled(t testing.TB, rows []string, aggs []plan.Agg) []string {
	t.Helper()
	groups, order := map[string][]string{}, []string{}
	for _, r := range rows {
		k := strings.Split(r, "|")[0]
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	var out []string
	for _, k := range order {
		out = append(out, fold(k, groups[k], aggs[1].Distinct))
	}
	return out
}

// fold computes count(*), count(v), sum(v), avg(x), min(k), max(x) of one group.
func fold(key string, rows []string, distinct bool) string {
	var vs, xs []string
	for _, r := range rows {
		cells := strings.Split(r, "|")
		if !distinct || !slices.Contains(vs, cells[1]) {
			vs = append(vs, cells[1])
		}
		if !distinct || !slices.Contains(xs, cells[2]) {
			xs = append(xs, cells[2])
		}
	}
	sum, total, largest := 0, 0.0, 0.0
	for _, v := range vs {
		var n int
		_, _ = fmt.Sscan(v, &n)
		sum += n
	}
	for _, x := range xs {
		var f float64
		_, _ = fmt.Sscan(x, &f)
		total += f
		largest = max(largest, f)
	}
	mean, top := vector.FormatFloat(total/float64(len(xs)), 64), vector.FormatFloat(largest, 64)
	return fmt.Sprintf("%s|%d|%d|%d|%s|%s|%s", key, len(rows), len(vs), sum, mean, key, top)
}

// A key with more rows than memory, which no division takes apart.
func TestJoinOfOneKey(t *testing.T) {
	var left, right, want []string
	for i := range 12 {
		left = append(left, fmt.Sprintf("x|%d", i))
	}
	for i := range 40 {
		right = append(right, fmt.Sprintf("x|%d", 100+i))
	}
	right = append(right, "y|1", "NULL|2")
	left = append(left, "NULL|3", "z|4")
	for _, kind := range everyJoin {
		j := &plan.Join{Type: kind, LeftKeys: []int{0}, RightKeys: []int{0}}
		if kind == plan.JoinCross {
			j.LeftKeys, j.RightKeys = nil, nil
		}
		want = nestedLoop(left, right, j, always)
		inputs := []optest.Table{{Schema: leftSchema, Rows: left}, {Schema: rightSchema, Rows: right}}
		for world := range 3 {
			optest.RunIn(t, optest.Case{Inputs: inputs, Build: join(t, j), Want: want, Ordered: true, Spills: world < 2}, world)
		}
	}
}

// What a partial aggregation puts out, cuts included, depends on the rows alone: batches of any size give the same.
func TestPartialAggregateCuts(t *testing.T) {
	partial := schema(t, "k string, n bigint not null")
	node := &plan.Aggregate{Mode: plan.AggregatePartial, Keys: []int{0}, Aggs: []plan.Agg{{Func: "count", Type: plan.Int64}}}
	rows := func(keys string) (out []string) {
		for _, k := range keys {
			out = append(out, string(k)+"|1|NULL")
		}
		return out
	}
	for name, c := range map[string]struct {
		keys   string
		want   []string
		sorted int64
	}{
		"cut after groups":        {"aabbccaadda", []string{"a|4", "b|2", "c|2", "d|2", "a|1"}, 9},
		"grouping is of no use":   {"abcdeefgaabb", []string{"a|1", "b|1", "c|1", "d|1", "e|1", "e|1", "f|1", "g|1", "a|2", "b|2"}, 9},
		"a few groups, no cut":    {"aabbaabb", []string{"a|4", "b|4"}, 9},
		"rows in order":           {"aabbaabbababab", []string{"a|2", "b|2", "a|2", "b|2", "a|3", "b|3"}, 2},
		"ends while rows pass on": {"abcdee", []string{"a|1", "b|1", "c|1", "d|1", "e|1", "e|1"}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{{Schema: aggInput, Rows: rows(c.keys)}}, Want: c.want, Ordered: true,
				Build: func(env operator.Env, in []operator.Operator) (operator.Operator, error) {
					op, err := operator.NewAggregate(env, in[0], node, partial)
					if err == nil {
						op.(*operator.PartialAggregate).SetLimits(3, 4, 4, c.sorted)
					}
					return op, err
				},
			})
		})
	}
}
