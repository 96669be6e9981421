package compute

import "github.com/quern-engine/quern/plan"

// commonWithoutText is the common type of two types that are not to meet by reading or writing strings.
func commonWithoutText(a, b plan.Type) (plan.Type, bool) {
	if (a.Kind == plan.KindString) != (b.Kind == plan.KindString) && a.Kind != plan.KindNull && b.Kind != plan.KindNull {
		return plan.Type{}, false
	}
	return CommonType(a, b)
}

// tightest is the common type of two types that holds every value of both without giving digits to decimals: numbers
// widen, an integer becomes a decimal only where that is wide enough as it is.
func tightest(a, b plan.Type) (plan.Type, bool) {
	t, ok := commonWithoutText(a, b)
	if !ok || t.Kind != plan.KindDecimal {
		return t, ok
	}
	return t, t.Equal(a) || t.Equal(b)
}

// commonInside is the common type of two nested types whose parts are compared: strings inside do not give way to other
// types, as they do outside.
func commonInside(a, b plan.Type) (plan.Type, bool) {
	if textMeetsOther(a, b) {
		return plan.Type{}, false
	}
	return CommonType(a, b)
}

// textMeetsOther reports a string beside another type inside of two types.
func textMeetsOther(a, b plan.Type) bool {
	if !a.IsNested() || a.Kind != b.Kind || len(a.Children) != len(b.Children) {
		_, ok := commonWithoutText(a, b)
		return !ok
	}
	for i, c := range a.Children {
		if textMeetsOther(c.Type, b.Children[i].Type) {
			return true
		}
	}
	return false
}

// wrongOperands is the error of two operands that an operator over one type does not take: they meet in a type that is not
// its own, or do not meet.
func wrongOperands(want string, a, b plan.Type) error {
	switch {
	case sameShape(a, b):
		return wrongTypeError{want, a}
	case isText(a) || isText(b):
		if t, ok := CommonType(a, b); ok {
			return wrongTypeError{want, t}
		}
	case a.Kind == plan.KindFloat64 && b.Kind == plan.KindDecimal, b.Kind == plan.KindFloat64 && a.Kind == plan.KindDecimal:
		return wrongTypeError{want, plan.Float64}
	}
	return mismatchError{a, b}
}
