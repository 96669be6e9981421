package compute

import (
	"math"
	"math/big"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// measurable takes what abs takes: numbers, and intervals that count one unit.
func measurable() param {
	n := number()
	return param{`("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH")`, func(t plan.Type) (plan.Type, bool) {
		if isAnsiInterval(t) {
			return t, true
		}
		return n.accept(t)
	}}
}

// signParam takes what sign takes.
func signParam() param {
	return param{`("DOUBLE" or "INTERVAL YEAR TO MONTH" or "INTERVAL DAY TO SECOND")`, func(t plan.Type) (plan.Type, bool) {
		if isAnsiInterval(t) {
			return t, true
		}
		return plan.Float64, canCoerce(t, plan.Float64)
	}}
}

func buildSign(b *binding) (node, error) {
	switch b.arg(0).Kind {
	case plan.KindYearMonthInterval:
		return total(map1(func(v int32) float64 { return signum(float64(v)) }))(b)
	case plan.KindDayTimeInterval:
		return total(map1(func(v int64) float64 { return signum(float64(v)) }))(b)
	}
	return total(map1(signum))(b)
}

// decimalParam takes numbers as decimals: integers with all their digits, doubles with 15 behind the point.
func decimalParam() param {
	return param{`"DECIMAL"`, func(t plan.Type) (plan.Type, bool) {
		switch t.Kind {
		case plan.KindFloat64, plan.KindString, plan.KindNull:
			return plan.Decimal(30, 15), true
		case plan.KindFloat32:
			return plan.Decimal(14, 7), true
		}
		return decimalOf(t)
	}}
}

// scaledType is the type of ceil and floor of so many digits where the digits are no constant.
func scaledType(args []plan.Type) plan.Type { return roundedDecimal(args[0], args[0].Scale) }

// scaleDecimals cuts digits off, upwards (side 1) or downwards.
func scaleDecimals(from, to plan.Type, side int) func(v decimal128.Num, digits int32) (decimal128.Num, bool, error) {
	return func(v decimal128.Num, digits int32) (decimal128.Num, bool, error) {
		drop := from.Scale - max(digits, -plan.MaxPrecision)
		if drop <= 0 {
			return fitDecimal(v.BigInt(), from.Scale, to)
		}
		unit := bigPow10(drop)
		q, r := new(big.Int).QuoRem(v.BigInt(), unit, new(big.Int))
		if r.Sign() == side {
			q.Add(q, big.NewInt(int64(side)))
		}
		return fitDecimal(q.Mul(q, unit), from.Scale, to)
	}
}

// inverseSinh keeps its sign and its digits near zero.
func inverseSinh(v float64) float64 {
	if math.IsInf(v, 0) || v == 0 {
		return v
	}
	a := math.Abs(v)
	return math.Copysign(math.Log1p(a+a*a/(1+math.Sqrt(a*a+1))), v)
}

// exponential and logTen give the digits that Java's StrictMath prescribes, the same on every machine: reduction to a
// small argument, whose function is a polynomial with the coefficients that the prescription names.

const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

func exponential(v float64) float64 {
	switch {
	case v != v || math.IsInf(v, 1):
		return v
	case v > 7.09782712893383973096e+02:
		return math.Inf(1)
	case v < -7.45133219101941108420e+02:
		return 0
	case math.Abs(v) < 1.0/(1<<28):
		return 1 + v
	}
	high, low, k := v, 0.0, 0
	if a := math.Abs(v); a > 0.5*math.Ln2 {
		k = int(math.Copysign(1, v))
		if a >= 1.5*math.Ln2 {
			k = int(float64(math.Log2E*v) + math.Copysign(0.5, v))
		}
		high, low = v-float64(float64(k)*ln2High), float64(k)*ln2Low
	}
	x := high - low
	t := x * x
	c := 4.13813679705723846039e-08
	for _, p := range [...]float64{-1.65339022054652515390e-06, 6.61375632143793436117e-05, -2.77777777770155933842e-03, 1.66666666666666019037e-01} {
		c = p + float64(t*c) // the conversion keeps machines from fusing the two operations
	}
	c = x - float64(t*c)
	if k == 0 {
		return 1 - (float64(x*c)/(c-2) - x)
	}
	return math.Ldexp(1-((low-float64(x*c)/(2-c))-high), k)
}

func logTen(v float64) float64 {
	switch {
	case v != v || v < 0:
		return math.NaN()
	case v == 0:
		return math.Inf(-1)
	case math.IsInf(v, 1):
		return v
	}
	fraction, exponent := math.Frexp(v)
	k := exponent - 1
	fraction *= 2
	if k < 0 {
		fraction, k = fraction/2, k+1
	}
	y := float64(k)
	z := float64(y*3.69423907715893078616e-13) + float64(4.34294481903251816668e-01*math.Log(fraction))
	return z + float64(y*3.01029995663611771306e-01)
}
