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
