package compute

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func negateDecimal(v decimal128.Num) decimal128.Num { return v.Negate() }

// decimalKernel is an operator over two decimals, which keep their own scales. Where the exact result has at most 38
// digits no row can overflow, and 128 bits suffice.
func decimalKernel(op string, a, b, t plan.Type, try bool) kernel {
	switch op {
	case "+", "-":
		return looped(sumLoop(op, a, b, t), orNull2(addDecimals(op, a, b, t), try))
	case "*":
		return looped(productLoop(a, b, t), orNull2(multiplyDecimals(a, b, t), try))
	case "/":
		return mapSome2(orNull2(divideDecimals(a, b, t), try))
	case "div":
		return mapSome2(orNull2(wholeQuotient(a, b), try))
	}
	return mapSome2(orNull2(decimalRemainder(op, a, b, t), try))
}

// decimalFails reports whether some row can make the operator an error.
func decimalFails(op string, a, b plan.Type) bool {
	switch op {
	case "+", "-":
		return !sumFits(a, b)
	case "*":
		return !productFits(a, b)
	}
	return true
}

func sumFits(a, b plan.Type) bool {
	return max(a.Precision-a.Scale, b.Precision-b.Scale)+max(a.Scale, b.Scale)+1 <= plan.MaxPrecision
}

func productFits(a, b plan.Type) bool { return a.Precision+b.Precision+1 <= plan.MaxPrecision }

type decimalOp func(x, y decimal128.Num) (decimal128.Num, bool, error)

func addDecimals(op string, a, b, t plan.Type) decimalOp {
	scale := max(a.Scale, b.Scale)
	up, down := pow10(scale-a.Scale), pow10(scale-b.Scale)
	if op == "-" {
		down = down.Negate()
	}
	if sumFits(a, b) {
		return func(x, y decimal128.Num) (decimal128.Num, bool, error) { return x.Mul(up).Add(y.Mul(down)), true, nil }
	}
	bigUp, bigDown := up.BigInt(), down.BigInt()
	return func(x, y decimal128.Num) (decimal128.Num, bool, error) {
		sum := new(big.Int).Mul(x.BigInt(), bigUp)
		sum.Add(sum, new(big.Int).Mul(y.BigInt(), bigDown))
		return fitDecimal(sum, scale, t)
	}
}

func multiplyDecimals(a, b, t plan.Type) decimalOp {
	if productFits(a, b) {
		return func(x, y decimal128.Num) (decimal128.Num, bool, error) { return x.Mul(y), true, nil }
	}
	return func(x, y decimal128.Num) (decimal128.Num, bool, error) {
		return fitDecimal(new(big.Int).Mul(x.BigInt(), y.BigInt()), a.Scale+b.Scale, t)
	}
}

func divideDecimals(a, b, t plan.Type) decimalOp {
	shift := t.Scale - a.Scale + b.Scale
	return func(x, y decimal128.Num) (decimal128.Num, bool, error) {
		if y.Sign() == 0 {
			return y, false, divideByZero()
		}
		if v, ok := divideSmall(x, y, shift); ok && v.FitsInPrecision(t.Precision) {
			return v, true, nil
		}
		num, den := x.BigInt(), y.BigInt()
		if shift >= 0 {
			num.Mul(num, bigPow10(shift))
		} else {
			den.Mul(den, bigPow10(-shift))
		}
		return fitDecimal(roundedQuotient(num, den), t.Scale, t)
	}
}

// divideSmall divides x·10^shift by y, rounding half away from zero, where 128-bit by 64-bit division can do it.
func divideSmall(x, y decimal128.Num, shift int32) (decimal128.Num, bool) {
	if shift < 0 || shift > 18 || !isInt64(x) || !isInt64(y) {
		return decimal128.Num{}, false
	}
	den := magnitude(y)
	hi, lo := bits.Mul64(magnitude(x), pow10(shift).LowBits())
	if hi >= den {
		return decimal128.Num{}, false
	}
	q, r := bits.Div64(hi, lo, den)
	if r >= den-r {
		q++ // cannot wrap: the quotient of numbers this small stays below 2^64-1 unless hi is den-1
		if q == 0 {
			return decimal128.Num{}, false
		}
	}
	v := decimal128.New(0, q)
	if (x.HighBits() < 0) != (y.HighBits() < 0) {
		v = v.Negate()
	}
	return v, true
}

func isInt64(v decimal128.Num) bool { return v.HighBits() == int64(v.LowBits())>>63 }

func magnitude(v decimal128.Num) uint64 {
	if v.HighBits() < 0 {
		return -v.LowBits()
	}
	return v.LowBits()
}

func wholeQuotient(a, b plan.Type) func(x, y decimal128.Num) (int64, bool, error) {
	return func(x, y decimal128.Num) (int64, bool, error) {
		if y.Sign() == 0 {
			return 0, false, divideByZero()
		}
		num, den := alignScales(x, y, a, b)
		num.Quo(num, den)
		if !num.IsInt64() {
			return 0, false, userError("ARITHMETIC_OVERFLOW",
				"Overflow in integral divide. Use 'try_divide' to tolerate overflow and return NULL instead.")
		}
		return num.Int64(), true, nil
	}
}

func decimalRemainder(op string, a, b, t plan.Type) decimalOp {
	scale := max(a.Scale, b.Scale)
	return func(x, y decimal128.Num) (decimal128.Num, bool, error) {
		if y.Sign() == 0 {
			return y, false, remainderByZero()
		}
		num, den := alignScales(x, y, a, b)
		num.Rem(num, den)
		if op == "pmod" && num.Sign() < 0 {
			num.Add(num, den)
			num.Rem(num, den)
		}
		return fitDecimal(num, scale, t)
	}
}

func alignScales(x, y decimal128.Num, a, b plan.Type) (num, den *big.Int) {
	scale := max(a.Scale, b.Scale)
	num, den = x.BigInt(), y.BigInt()
	return num.Mul(num, bigPow10(scale-a.Scale)), den.Mul(den, bigPow10(scale-b.Scale))
}

// fitDecimal rounds an unscaled value of some scale half away from zero to a decimal type; it fails when the value
// needs more digits than the type has.
func fitDecimal(v *big.Int, scale int32, t plan.Type) (decimal128.Num, bool, error) {
	out := v
	switch {
	case scale > t.Scale:
		out = roundedQuotient(new(big.Int).Set(v), bigPow10(scale-t.Scale))
	case scale < t.Scale:
		out = new(big.Int).Mul(v, bigPow10(t.Scale-scale))
	}
	if d, ok := toDecimal(out, t.Precision); ok {
		return d, true, nil
	}
	return decimal128.Num{}, false, decimalOutOfRange(vector.FormatDecimal(v.String(), scale), t)
}

func toDecimal(v *big.Int, precision int32) (decimal128.Num, bool) {
	if v.BitLen() > 127 {
		return decimal128.Num{}, false
	}
	d := decimal128.FromBigInt(v)
	return d, d.FitsInPrecision(precision)
}

// roundedQuotient is num/den rounded half away from zero; it uses num up.
func roundedQuotient(num, den *big.Int) *big.Int {
	q, r := num.QuoRem(num, den, new(big.Int))
	negative := r.Sign()*den.Sign() < 0
	if r.Abs(r).Lsh(r, 1).CmpAbs(den) >= 0 {
		if negative {
			return q.Sub(q, big.NewInt(1))
		}
		return q.Add(q, big.NewInt(1))
	}
	return q
}

// rescale changes a decimal's scale, rounding half away from zero; false when it needs more digits than the type has.
func rescale(v decimal128.Num, from int32, t plan.Type) (decimal128.Num, bool) {
	switch shift := t.Scale - from; {
	case shift == 0:
		return v, v.FitsInPrecision(t.Precision)
	case shift > 0 && v.FitsInPrecision(max(plan.MaxPrecision-shift, 0)):
		out := v.Mul(pow10(shift))
		return out, out.FitsInPrecision(t.Precision)
	case shift > 0:
		return v, v.Sign() == 0
	case shift >= -18 && isInt64(v):
		out := decimal128.FromI64(roundInt(int64(v.LowBits()), int64(pow10(-shift).LowBits())))
		return out, out.FitsInPrecision(t.Precision)
	default:
		return toDecimal(roundedQuotient(v.BigInt(), bigPow10(-shift)), t.Precision)
	}
}

// roundInt is v/unit rounded half away from zero.
func roundInt(v, unit int64) int64 {
	q, r := v/unit, v%unit
	switch {
	case r >= unit-r:
		return q + 1
	case -r >= unit+r:
		return q - 1
	}
	return q
}

// pow10 is 10^n for n from 0 to 38.
func pow10(n int32) decimal128.Num { return decimal128.GetScaleMultiplier(int(n)) }

func bigPow10(n int32) *big.Int {
	if n <= plan.MaxPrecision {
		return pow10(n).BigInt()
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// decimalToFloat is the double nearest to a decimal.
func decimalToFloat(v decimal128.Num, scale int32) float64 {
	const exact = 1 << 53 // integers up to here, and powers of ten up to 22, are doubles: one rounding in all
	if isInt64(v) && magnitude(v) <= exact && scale <= 22 {
		return float64(int64(v.LowBits())) / math.Pow10(int(scale))
	}
	f, _ := new(big.Rat).SetFrac(v.BigInt(), bigPow10(scale)).Float64()
	return f
}
