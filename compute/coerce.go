package compute

import "github.com/quern-engine/quern/plan"

// decimalOf is the decimal that holds every value of an integer type.
func decimalOf(t plan.Type) (plan.Type, bool) {
	switch t.Kind {
	case plan.KindInt8:
		return plan.Decimal(3, 0), true
	case plan.KindInt16:
		return plan.Decimal(5, 0), true
	case plan.KindInt32:
		return plan.Decimal(10, 0), true
	case plan.KindInt64:
		return plan.Decimal(20, 0), true
	case plan.KindDecimal:
		return t, true
	}
	return plan.Type{}, false
}

// CommonType is the least common type of two types, which comparisons, CASE, IN, UNION and the like cast both sides
// to: Spark's rules in ANSI mode, with strings giving way to the other side (to bigint beside an integer, double beside
// other numbers, else its type).
func CommonType(a, b plan.Type) (plan.Type, bool) {
	switch {
	case a.Equal(b) || b.Kind == plan.KindNull:
		return a, true
	case a.Kind == plan.KindNull:
		return b, true
	case a.Kind == plan.KindString:
		return besideString(b), true
	case b.Kind == plan.KindString:
		return besideString(a), true
	case a.IsNumeric() && b.IsNumeric():
		return commonNumber(a, b), true
	case isTime(a) && isTime(b):
		return plan.Timestamp, true
	}
	return plan.Type{}, false
}

func isTime(t plan.Type) bool { return t.Kind == plan.KindDate || t.Kind == plan.KindTimestamp }

// besideString is what a string is cast to when it meets a value of type t.
func besideString(t plan.Type) plan.Type {
	switch {
	case t.IsInteger():
		return plan.Int64
	case t.IsNumeric():
		return plan.Float64
	}
	return t
}

func commonNumber(a, b plan.Type) plan.Type {
	if a.Kind == plan.KindDecimal || b.Kind == plan.KindDecimal {
		da, okA := decimalOf(a)
		db, okB := decimalOf(b)
		if !okA || !okB {
			return plan.Float64
		}
		return commonDecimal(da, db)
	}
	if a.IsFloat() != b.IsFloat() {
		return plan.Float64 // a float would lose digits of an int
	}
	if a.Kind > b.Kind {
		return a
	}
	return b
}

// commonDecimal keeps every digit of both types where 38 digits allow it, else the digits before the point.
func commonDecimal(a, b plan.Type) plan.Type {
	scale := max(a.Scale, b.Scale)
	whole := max(a.Precision-a.Scale, b.Precision-b.Scale)
	if whole+scale <= plan.MaxPrecision {
		return plan.Decimal(whole+scale, scale)
	}
	return plan.Decimal(plan.MaxPrecision, max(0, plan.MaxPrecision-whole))
}

// adjustedDecimal bounds a result type to 38 digits: it gives up digits after the point, but keeps at least six of
// them (or all, if fewer).
func adjustedDecimal(precision, scale int32) plan.Type {
	if precision <= plan.MaxPrecision {
		return plan.Decimal(precision, scale)
	}
	whole := precision - scale
	return plan.Decimal(plan.MaxPrecision, max(plan.MaxPrecision-whole, min(scale, 6)))
}

// CanCast reports whether an explicit cast between the types exists.
func CanCast(from, to plan.Type) bool {
	switch {
	case from.Equal(to) || from.Kind == plan.KindNull:
		return to.Kind != plan.KindInvalid
	case to.Kind == plan.KindString:
		return from.Kind >= plan.KindBoolean && from.Kind <= plan.KindTimestamp
	case from.Kind == plan.KindString:
		return to.Kind >= plan.KindBoolean && to.Kind <= plan.KindTimestamp
	case from.IsNumeric():
		return to.IsNumeric() || to.Kind == plan.KindBoolean || to.Kind == plan.KindTimestamp
	case from.Kind == plan.KindBoolean:
		return to.IsNumeric()
	case from.Kind == plan.KindDate:
		return to.Kind == plan.KindTimestamp
	case from.Kind == plan.KindTimestamp:
		return to.Kind == plan.KindDate || to.IsNumeric()
	}
	return false
}

// canCoerce reports whether a function argument may be cast without being asked to: what ANSI store assignment
// allows, and strings to anything.
func canCoerce(from, to plan.Type) bool {
	switch {
	case from.Equal(to), from.Kind == plan.KindNull, from.Kind == plan.KindString:
		return true
	case to.Kind == plan.KindString:
		return CanCast(from, to)
	}
	return (from.IsNumeric() && to.IsNumeric()) || (isTime(from) && isTime(to))
}

// Cast adds a cast to a type, unless the expression has it already. It does not ask [CanCast]; [Compile] does. A cast
// of NULL is a NULL of that type.
func Cast(e *plan.Expr, to plan.Type) *plan.Expr { return castCall("cast", e, to) }

// TryCast is [Cast] with NULL in place of errors.
func TryCast(e *plan.Expr, to plan.Type) *plan.Expr { return castCall("try_cast", e, to) }

func castCall(name string, e *plan.Expr, to plan.Type) *plan.Expr {
	if e.Type.Equal(to) {
		return e
	}
	if e.IsLiteral() && e.Value.Null {
		return plan.NullLiteral(to)
	}
	c := plan.CallExpr(name, to, e)
	c.Nullable = e.Nullable || name == "try_cast"
	return c
}

// narrowLiterals types the operands of an operator with integer literals beside decimals counted by their own digits,
// as Spark does: 1 is decimal(1,0) then, not decimal(10,0).
func narrowLiterals(args []*plan.Expr) []plan.Type {
	types := exprTypes(args)
	if len(args) != 2 {
		return types
	}
	for i, a := range args {
		if types[1-i].Kind == plan.KindDecimal && a.Type.IsInteger() && a.IsLiteral() && !a.Value.Null {
			types[i] = plan.Decimal(digitsOf(a.Value.Int), 0)
		}
	}
	return types
}

// digitsOf counts the decimal digits of a number.
func digitsOf(v int64) int32 {
	n := int32(1)
	for v /= 10; v != 0; v /= 10 {
		n++
	}
	return n
}
