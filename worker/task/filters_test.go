package task

import (
	"fmt"
	"testing"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

func TestScansNarrowByRuntimeFilters(t *testing.T) {
	schema := plan.Schema{Fields: []plan.Field{{Name: "k", Type: plan.Int64}, {Name: "s", Type: plan.String}}}
	low, high := plan.Literal{Int: 3}, plan.Literal{Int: 9}
	all := operator.RuntimeFilter{Type: plan.Int64, Min: &low, Max: &high, Values: []plan.Literal{low, {Int: 5}, high}}
	for name, c := range map[string]struct {
		filter operator.RuntimeFilter
		column int
		want   string
	}{
		"range and values":  {all, 0, "[true in(k#0, 3, 5, 9) (k#0 >= 3) (k#0 <= 9)]"},
		"range":             {operator.RuntimeFilter{Type: plan.Int64, Min: &low, Max: &high}, 0, "[true (k#0 >= 3) (k#0 <= 9)]"},
		"range and a set":   {operator.RuntimeFilter{Type: plan.Int64, Min: &low, Max: &high, Set: vector.NewBitmap(3, 9)}, 0, "[true (k#0 >= 3) (k#0 <= 9)]"},
		"nothing":           {operator.RuntimeFilter{Type: plan.Int64, Empty: true}, 0, "[true false]"},
		"of another type":   {all, 1, "[true]"},
		"of a column gone":  {all, 2, "[true]"},
		"not yet published": {operator.RuntimeFilter{}, -1, "[true]"},
	} {
		filters := &runtimeFilters{}
		scan := &plan.Scan{
			Prune:          []*plan.Expr{{Op: plan.OpLiteral, Type: plan.Boolean, Value: plan.Literal{Int: 1}}},
			RuntimeFilters: []plan.RuntimeFilter{{ID: 4, Column: max(c.column, 0)}},
		}
		if c.column >= 0 {
			filters.Publish(4, c.filter)
		}
		narrowed, among := filters.narrow(scan, schema)
		if among[0] != c.filter.Set {
			t.Errorf("%s: the set is %v", name, among[0])
		}
		if got := fmt.Sprint(narrowed.Prune); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if len(scan.Prune) != 1 {
			t.Errorf("%s: the plan's scan was changed", name)
		}
	}
}
