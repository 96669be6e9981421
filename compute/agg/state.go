package agg

import (
	"fmt"

	"github.com/quern-engine/quern/plan"
)

// StateFields is the columns in which a partial aggregation puts out the state of a, which is the i-th aggregate of
// its node:
//
//   - count: the count so far
//   - sum, min, max: the value so far, of the result's type; NULL before the first value that is not NULL
//   - avg: the sum so far (double, or a decimal ten digits wider than the argument), and the count
func StateFields(a plan.Agg, i int) []plan.Field {
	name := func(part string) string { return fmt.Sprintf("%s%d_%s", a.Func, i, part) }
	switch a.Func {
	case "count":
		return []plan.Field{{Name: name("count"), Type: plan.Int64}}
	case "avg":
		return []plan.Field{
			{Name: name("sum"), Type: avgSumType(a), Nullable: false},
			{Name: name("count"), Type: plan.Int64},
		}
	}
	return []plan.Field{{Name: name("value"), Type: a.Type, Nullable: true}}
}

// avgSumType is the type in which avg sums: a decimal argument keeps its scale and gets ten more digits, as many as
// sum gives it; all else is summed as double.
func avgSumType(a plan.Agg) plan.Type {
	if len(a.ArgTypes) == 1 && a.ArgTypes[0].Kind == plan.KindDecimal {
		t := a.ArgTypes[0]
		return plan.Decimal(min(plan.MaxPrecision, t.Precision+10), t.Scale)
	}
	return plan.Float64
}
