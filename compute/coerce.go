package compute

import (
	"strings"

	"github.com/quern-engine/quern/plan"
)

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
// other numbers, else its type). Arrays, maps and structs meet part by part, structs if their fields have the same
// names; intervals in the type with the fields of both.
func CommonType(a, b plan.Type) (plan.Type, bool) {
	switch {
	case a.Equal(b) || b.Kind == plan.KindNull:
		return a, true
	case a.Kind == plan.KindNull:
		return b, true
	case a.Kind == plan.KindString:
		return besideString(b)
	case b.Kind == plan.KindString:
		return besideString(a)
	case a.IsNumeric() && b.IsNumeric():
		return commonNumber(a, b), true
	case isTime(a) && isTime(b):
		return commonTime(a, b), true
	case a.Kind != b.Kind:
		return plan.Type{}, false
	case a.IsNested():
		return commonNested(a, b)
	case a.IsInterval():
		return plan.Type{Kind: a.Kind, Precision: min(a.Precision, b.Precision), Scale: max(a.Scale, b.Scale)}, true
	}
	return plan.Type{}, false
}

func isTime(t plan.Type) bool {
	return t.Kind == plan.KindDate || t.Kind == plan.KindTimestamp || t.Kind == plan.KindTimestampNTZ
}

// isAnsiInterval reports the two kinds of interval that have an order.
func isAnsiInterval(t plan.Type) bool {
	return t.Kind == plan.KindYearMonthInterval || t.Kind == plan.KindDayTimeInterval
}

// commonTime is the common type of two different types of dates and timestamps.
func commonTime(a, b plan.Type) plan.Type {
	if a.Kind == plan.KindTimestamp || b.Kind == plan.KindTimestamp {
		return plan.Timestamp
	}
	return plan.TimestampNTZ
}

func commonNested(a, b plan.Type) (plan.Type, bool) {
	if len(a.Children) != len(b.Children) {
		return plan.Type{}, false
	}
	out := plan.Type{Kind: a.Kind, Children: make([]plan.Field, len(a.Children))}
	for i, x := range a.Children {
		y := b.Children[i]
		t, ok := CommonType(x.Type, y.Type)
		if !ok || a.Kind == plan.KindStruct && !strings.EqualFold(x.Name, y.Name) {
			return plan.Type{}, false
		}
		out.Children[i] = plan.Field{Name: x.Name, Type: t, Nullable: x.Nullable || y.Nullable}
	}
	return out, true
}

// sameShape reports types that differ in the names and nullability of their parts at most.
func sameShape(a, b plan.Type) bool {
	if a.Kind != b.Kind || len(a.Children) != len(b.Children) {
		return false
	}
	if !a.IsNested() {
		return a.Equal(b)
	}
	for i, c := range a.Children {
		if !sameShape(c.Type, b.Children[i].Type) {
			return false
		}
	}
	return true
}

// besideString is what a string is cast to when it meets a value of type t.
func besideString(t plan.Type) (plan.Type, bool) {
	switch {
	case t.IsInteger():
		return plan.Int64, true
	case t.IsNumeric():
		return plan.Float64, true
	}
	return t, !t.IsInterval() && !t.IsNested()
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
	case to.Kind == plan.KindInvalid:
		return false
	case from.Equal(to) || from.Kind == plan.KindNull || to.Kind == plan.KindString:
		return true
	case to.Kind == plan.KindNull || from.Kind == plan.KindBinary:
		return false
	case from.IsNested() || to.IsNested():
		return canCastNested(from, to)
	case from.Kind == plan.KindString:
		return true
	case from.IsNumeric():
		return to.IsNumeric() || to.Kind == plan.KindBoolean || to.Kind == plan.KindTimestamp ||
			isAnsiInterval(to) && !from.IsFloat()
	case from.Kind == plan.KindBoolean:
		return to.IsNumeric()
	case isTime(from):
		return isTime(to) || from.Kind == plan.KindTimestamp && to.IsNumeric()
	case isAnsiInterval(from):
		return to.Kind == from.Kind || to.IsInteger() || to.Kind == plan.KindDecimal
	}
	return false
}

// CastRefusal is the error of a cast that [CanCast] refuses, with Spark's advice in its class.
func CastRefusal(from, to plan.Type) error {
	class := "CAST_WITHOUT_SUGGESTION"
	f, t := from, to
	for f.Kind == plan.KindArray && t.Kind == plan.KindArray {
		f, t = f.Element().Type, t.Element().Type
	}
	nested := f.Kind != from.Kind
	switch {
	case f.IsNumeric() && !nested && t.Kind == plan.KindDate && f.IsInteger(), !nested && f.Kind == plan.KindDate && t.IsNumeric():
		class = "CAST_WITH_FUNC_SUGGESTION"
	case f.IsInteger() && t.Kind == plan.KindBinary, f.Kind == plan.KindBoolean && t.Kind == plan.KindTimestamp,
		isTime(f) && f.Kind != plan.KindTimestampNTZ && t.Kind == plan.KindBoolean:
		class = "CAST_WITH_CONF_SUGGESTION"
		if nested {
			class = "CAST_WITH_FUNC_SUGGESTION"
		}
	}
	return userError("DATATYPE_MISMATCH."+class, "Cannot resolve \"CAST\" due to data type mismatch: cannot cast %s to %s.",
		sqlType(from), sqlType(to))
}

func canCastNested(from, to plan.Type) bool {
	if from.Kind != to.Kind || len(from.Children) != len(to.Children) {
		return false
	}
	for i, c := range from.Children {
		if !CanCast(c.Type, to.Children[i].Type) || c.Nullable && !to.Children[i].Nullable {
			return false
		}
	}
	return true
}

// canCoerce reports whether a function argument may be cast without being asked to: what ANSI store assignment
// allows, and strings to anything that is not nested.
func canCoerce(from, to plan.Type) bool {
	switch {
	case from.Equal(to), from.Kind == plan.KindNull:
		return true
	case from.Kind == plan.KindString:
		return !to.IsNested()
	case to.Kind == plan.KindString:
		return !from.IsNested()
	case from.IsNested() && from.Kind == to.Kind:
		return canCoerceNested(from, to)
	case isAnsiInterval(from):
		return from.Kind == to.Kind
	}
	return (from.IsNumeric() && to.IsNumeric()) || (isTime(from) && isTime(to))
}

func canCoerceNested(from, to plan.Type) bool {
	if len(from.Children) != len(to.Children) {
		return false
	}
	for i, c := range from.Children {
		if !canCoerce(c.Type, to.Children[i].Type) || c.Nullable && !to.Children[i].Nullable {
			return false
		}
	}
	return true
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
	c.Nullable = e.Nullable || name == "try_cast" || losesValues(e.Type, to)
	return c
}

// losesValues reports casts that give NULL for some values even in ANSI mode: of NaN to a decimal, and of text that is no
// interval of months, days and time.
func losesValues(from, to plan.Type) bool {
	switch {
	case from.IsNested():
		return false // which parts are NULL is not the whole's business
	case to.Kind == plan.KindInterval:
		return from.Kind == plan.KindString
	}
	return from.IsFloat() && to.Kind == plan.KindDecimal
}

// narrowLiterals types the operands of an operator with integer literals beside decimals counted by their own digits,
// as Spark does: 1 is decimal(1,0) then, not decimal(10,0). A tinyint is not looked at.
func narrowLiterals(args []*plan.Expr) []plan.Type {
	types := exprTypes(args)
	if len(args) != 2 {
		return types
	}
	for i, a := range args {
		if types[1-i].Kind == plan.KindDecimal && a.Type.IsInteger() && a.Type.Kind != plan.KindInt8 && a.IsLiteral() && !a.Value.Null {
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
