package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// calmFunctions never raise an error, whatever their arguments. A list of what is safe, since a function that is
// forgotten here only stays where it was written.
func calmFunction(name string) bool {
	switch name {
	case "=", "<=>", "<>", "<", "<=", ">", ">=", "and", "or", "not", "isnull", "isnotnull", "isnan", "in", "like", "ilike",
		"case", "if", "coalesce", "nullif", "nvl2", "greatest", "least", "nanvl", "try_cast",
		"upper", "lower", "trim", "btrim", "ltrim", "rtrim", "length", "octet_length", "substring", "concat", "concat_ws", "left", "right",
		"startswith", "endswith", "contains", "reverse", "instr", "initcap",
		"year", "quarter", "month", "weekofyear", "day", "dayofweek", "weekday", "dayofyear", "hour", "minute", "second",
		"datediff", "date_trunc", "trunc", "last_day", "unix_date", "unix_micros", "unix_seconds", "unix_millis":
		return true
	}
	return false
}

// BehindFilter is an argument of an aggregate call that is not evaluated for rows that the call's filter leaves out, if
// that could fail.
func BehindFilter(a logical.AggCall, e *plan.Expr) *plan.Expr {
	if a.Filter == nil || !canFail(e) {
		return e
	}
	return &plan.Expr{Op: plan.OpCall, Name: "case", Type: e.Type, Nullable: true, Args: []*plan.Expr{a.Filter, e}}
}

// canFail reports whether evaluating an expression may raise an error on some row.
func canFail(e *plan.Expr) bool {
	fails := false
	e.Walk(func(x *plan.Expr) bool {
		switch {
		case x.Op == plan.OpUDF:
			fails = true
		case x.Op == plan.OpCall && x.Name == "cast":
			fails = fails || !calmCast(x.Args[0].Type, x.Type)
		case x.Op == plan.OpCall:
			fails = fails || !calmFunction(x.Name)
		}
		return !fails
	})
	return fails
}

// calmCast reports a cast that takes every value.
func calmCast(from, to plan.Type) bool {
	switch {
	case from.Kind == plan.KindNull, to.Kind == plan.KindString:
		return true
	case from.IsInteger() && to.IsInteger():
		return from.Kind <= to.Kind
	case from.IsNumeric() && to.IsFloat():
		return true
	case from.IsInteger() && to.Kind == plan.KindDecimal:
		digits := map[plan.Kind]int32{plan.KindInt8: 3, plan.KindInt16: 5, plan.KindInt32: 10, plan.KindInt64: 19}[from.Kind]
		return to.Precision-to.Scale >= digits
	case from.Kind == plan.KindDecimal && to.Kind == plan.KindDecimal:
		return to.Scale >= from.Scale && to.Precision-to.Scale >= from.Precision-from.Scale
	case from.Kind == plan.KindDate && to.Kind == plan.KindTimestamp:
		return true // every date that can be read or written has its midnight
	}
	return from.Kind == plan.KindTimestamp && to.Kind == plan.KindDate
}
