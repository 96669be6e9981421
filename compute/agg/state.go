package agg

import (
	"fmt"

	"github.com/quern-engine/quern/plan"
)

// StateFields is the columns in which a partial aggregation puts out the state of a, which is the i-th aggregate of
// its node:
//
//   - count and its kin: the count so far
//   - sum of anything but decimals, min, max, bit_and …: the value so far, of the result's type; NULL before the first value that is not NULL
//   - avg: the sum so far (double, the interval, or a decimal ten digits wider than the argument), and the count
//   - sum of decimals, try_sum, try_avg: the sum and the count, which is negative once the sum has overflowed
//   - first, last, any_value, max_by …: the value, whether there is one, and what it was chosen by
//   - variance and its kin: count, mean and central moments as doubles; of two variables both means and second moments
//   - approx_count_distinct: the registers as binary; bitmaps: themselves
//   - plugin functions: what they declare
//   - all that look at every value, and every DISTINCT aggregate: an array of the rows so far
func StateFields(a plan.Agg, i int) []plan.Field {
	field := func(part string, t plan.Type, nullable bool) plan.Field {
		return plan.Field{Name: fmt.Sprintf("%s%d_%s", a.Func, i, part), Type: t, Nullable: nullable}
	}
	if !a.Distinct && a.Plugin() {
		fields := make([]plan.Field, len(a.State))
		for k, f := range a.State {
			fields[k] = field(f.Name, f.Type, f.Nullable)
		}
		return fields
	}
	if a.Distinct || keepsRows(a.Func) {
		return []plan.Field{field("rows", rowsType(a.ArgTypes), false)}
	}
	sum, count := field("sum", sumState(a), false), field("count", plan.Int64, false)
	value, has := field("value", a.Type, true), field("has", plan.Boolean, false)
	if a.Func == "sum" && a.Type.Kind == plan.KindDecimal {
		return []plan.Field{sum, count}
	}
	switch a.Func {
	case "count", "count_if", "regr_count":
		return []plan.Field{count}
	case "avg", "try_avg", "try_sum", "regr_avgx", "regr_avgy":
		return []plan.Field{sum, count}
	case "first", "last", "any_value", "single_value":
		return []plan.Field{value, has}
	case "max_by", "min_by":
		return []plan.Field{value, has, field("by", a.ArgTypes[1], true)}
	case "bitmap_construct_agg", "bitmap_or_agg", "bitmap_and_agg":
		return []plan.Field{field("bitmap", plan.Binary, false)}
	case "approx_count_distinct":
		return []plan.Field{field("registers", plan.Binary, false)}
	}
	if parts := momentParts(a.Func); parts != nil {
		fields := make([]plan.Field, len(parts))
		for k, p := range parts {
			fields[k] = field(p, plan.Float64, false)
		}
		return fields
	}
	return []plan.Field{value}
}

// Splittable reports whether it pays to compute a in two phases: whether its states are small. The states of all others
// can be merged as well, but hold every row.
func Splittable(a plan.Agg) bool {
	return !a.Distinct && !keepsRows(a.Func) && len(a.OrderBy) == 0
}

// sumState is the type in which sums and means sum: a decimal argument keeps its scale and gets ten more digits, an
// interval its type, all else but sums of integers is summed as double.
func sumState(a plan.Agg) plan.Type {
	if len(a.ArgTypes) == 0 {
		return plan.Float64
	}
	arg := a.ArgTypes[0]
	if a.Func == "regr_avgx" && len(a.ArgTypes) == 2 {
		arg = a.ArgTypes[1]
	}
	switch {
	case arg.Kind == plan.KindDecimal:
		return plan.Decimal(min(plan.MaxPrecision, arg.Precision+10), arg.Scale)
	case arg.IsInterval():
		return arg
	case a.Func == "try_sum":
		return a.Type
	}
	return plan.Float64
}
