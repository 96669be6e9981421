package compute

import (
	"math"
	"math/big"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

func mathFunctions() []Function {
	out := []Function{
		{
			Name: "abs", Usage: "abs(x)", Summary: "The number without its sign.", Example: "abs(-1)", ExampleResult: "1",
			resolve: takes(sameAs(0), measurable()), build: buildAbs,
		},
		{
			Name: "ceil", Aliases: []string{"ceiling"}, Usage: "ceil(x[, digits])", Summary: "The least whole number not below x, or number of so many digits behind the point.",
			Example: "ceil(-0.1)", ExampleResult: "0", resolve: either(takes(wholeNumber, number()), takes(scaledType, decimalParam(), of(plan.Int32))),
			refine: refineRound, build: buildWhole(math.Ceil, 1),
		},
		{
			Name: "floor", Usage: "floor(x[, digits])", Summary: "The greatest whole number not above x, or number of so many digits behind the point.",
			Example: "floor(-0.1)", ExampleResult: "-1", resolve: either(takes(wholeNumber, number()), takes(scaledType, decimalParam(), of(plan.Int32))),
			refine: refineRound, build: buildWhole(math.Floor, -1),
		},
		{
			Name: "round", Usage: "round(x[, digits])", Summary: "x rounded to digits after the point, halves away from zero.",
			Example: "round(2.5, 0)", ExampleResult: "3",
			resolve: takesOptional(roundedType, 1, number(), of(plan.Int32)), refine: refineRound, build: buildRound(false),
		},
		{
			Name: "bround", Usage: "bround(x[, digits])", Summary: "x rounded to digits after the point, halves to even.",
			Example: "bround(2.5, 0)", ExampleResult: "2",
			resolve: takesOptional(roundedType, 1, number(), of(plan.Int32)), refine: refineRound, build: buildRound(true),
		},
		double2("pow", []string{"power"}, "x to the power of y.", "pow(2, 3)", "8.0", math.Pow),
		double2("atan2", nil, "The angle of the point (y, x), in radians.", "atan2(0, 1)", "0.0",
			func(y, x float64) float64 { return math.Atan2(y+0, x+0) }), // zeros lose their sign
		double2("hypot", nil, "The length of the vector (x, y).", "hypot(3, 4)", "5.0", math.Hypot),
		logarithm("ln", 0, math.Log, "The natural logarithm; NULL unless positive.", "ln(1)", "0.0"),
		logarithm("log10", 0, logTen, "The logarithm to base 10; NULL unless positive.", "log10(10)", "1.0"),
		logarithm("log2", 0, func(v float64) float64 { return math.Log(v) / math.Log(2) }, "The logarithm to base 2; NULL unless positive.", "log2(8)", "3.0"),
		logarithm("log1p", -1, math.Log1p, "The natural logarithm of 1 + x.", "log1p(0)", "0.0"),
		{
			Name: "log", Usage: "log([base,] x)", Summary: "The logarithm to a base (e unless given); NULL unless positive.",
			Example: "log(10, 100)", ExampleResult: "2.0",
			resolve: nullable(takesOptional(returns(plan.Float64), 1, of(plan.Float64), of(plan.Float64))), build: buildLog,
		},
		{
			Name: "sign", Aliases: []string{"signum"}, Usage: "sign(x)", Summary: "-1.0, 0.0 or 1.0, as x is.",
			Example: "sign(-40)", ExampleResult: "-1.0", resolve: takes(returns(plan.Float64), signParam()), build: buildSign,
		},
		constant("pi", math.Pi, "3.141592653589793"), constant("e", math.E, "2.718281828459045"),
		{
			Name: "factorial", Usage: "factorial(n)", Summary: "n!, or NULL outside of 0 to 20.", Example: "factorial(5)",
			ExampleResult: "120", resolve: nullable(takes(returns(plan.Int64), of(plan.Int32))), build: total(mapSome1(factorial)),
		},
	}
	for _, f := range []struct {
		name, summary, example, res string
		f                           func(float64) float64
	}{
		{"sqrt", "The square root.", "sqrt(4)", "2.0", math.Sqrt},
		{"cbrt", "The cube root.", "cbrt(27)", "3.0", math.Cbrt},
		{"exp", "e to the power of x.", "exp(0)", "1.0", exponential},
		{"expm1", "e to the power of x, minus 1.", "expm1(0)", "0.0", math.Expm1},
		{"sin", "The sine of an angle in radians.", "sin(0)", "0.0", math.Sin},
		{"cos", "The cosine of an angle in radians.", "cos(0)", "1.0", math.Cos},
		{"tan", "The tangent of an angle in radians.", "tan(0)", "0.0", math.Tan},
		{"asin", "The angle of a sine, in radians.", "asin(0)", "0.0", math.Asin},
		{"acos", "The angle of a cosine, in radians.", "acos(1)", "0.0", math.Acos},
		{"atan", "The angle of a tangent, in radians.", "atan(0)", "0.0", math.Atan},
		{"sinh", "The hyperbolic sine.", "sinh(0)", "0.0", math.Sinh},
		{"cosh", "The hyperbolic cosine.", "cosh(0)", "1.0", math.Cosh},
		{"tanh", "The hyperbolic tangent.", "tanh(0)", "0.0", math.Tanh},
		{"rint", "The nearest whole number, the even one of two.", "rint(12.3456)", "12.0", math.RoundToEven},
		{"sec", "The secant of an angle in radians.", "sec(0)", "1.0", func(v float64) float64 { return 1 / math.Cos(v) }},
		{"csc", "The cosecant of an angle in radians.", "csc(0)", "Infinity", func(v float64) float64 { return 1 / math.Sin(v) }},
		{"cot", "The cotangent of an angle in radians.", "cot(0)", "Infinity", func(v float64) float64 { return 1 / math.Tan(v) }},
		{"asinh", "The inverse hyperbolic sine.", "asinh(0)", "0.0", inverseSinh},
		{"acosh", "The inverse hyperbolic cosine.", "acosh(1)", "0.0", func(v float64) float64 { return math.Log(v + math.Sqrt(v*v-1)) }},
		{"atanh", "The inverse hyperbolic tangent.", "atanh(0)", "0.0", func(v float64) float64 { return 0.5 * (math.Log1p(v) - math.Log1p(-v)) }},
		{"degrees", "An angle in radians, in degrees.", "degrees(0)", "0.0", func(v float64) float64 { return v * (180 / math.Pi) }},
		{"radians", "An angle in degrees, in radians.", "radians(0)", "0.0", func(v float64) float64 { return v * (math.Pi / 180) }},
	} {
		out = append(out, Function{
			Name: f.name, Usage: f.name + "(x)", Summary: f.summary, Example: f.example, ExampleResult: f.res,
			resolve: takes(returns(plan.Float64), of(plan.Float64)), build: total(map1(f.f)),
		})
	}
	return out
}

func double2(name string, aliases []string, summary, example, res string, f func(a, b float64) float64) Function {
	return Function{
		Name: name, Aliases: aliases, Usage: name + "(x, y)", Summary: summary, Example: example, ExampleResult: res,
		resolve: takes(returns(plan.Float64), of(plan.Float64), of(plan.Float64)), build: total(map2(f)),
	}
}

// logarithm is NULL for arguments at or below a bound.
func logarithm(name string, above float64, f func(float64) float64, summary, example, res string) Function {
	return Function{
		Name: name, Usage: name + "(x)", Summary: summary, Example: example, ExampleResult: res,
		resolve: nullable(takes(returns(plan.Float64), of(plan.Float64))),
		build:   total(mapSome1(func(v float64) (float64, bool, error) { return f(v), !(v <= above), nil })),
	}
}

func constant(name string, v float64, res string) Function {
	return Function{
		Name: name, Usage: name + "()", Summary: "The constant " + name + ".", Example: name + "()", ExampleResult: res,
		resolve: neverNull(takes(returns(plan.Float64))),
		build: func(*binding) (node, error) {
			return newConst(plan.Float64, plan.Literal{Bits: math.Float64bits(v)}), nil
		},
	}
}

func buildLog(b *binding) (node, error) {
	if len(b.args) == 1 {
		return total(mapSome1(func(v float64) (float64, bool, error) { return math.Log(v), !(v <= 0), nil }))(b)
	}
	return total(mapSome2(func(base, v float64) (float64, bool, error) {
		return math.Log(v) / math.Log(base), !(v <= 0) && !(base <= 0), nil
	}))(b)
}

func signum(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return v
}

func factorial(n int32) (int64, bool, error) {
	if n < 0 || n > 20 {
		return 0, false, nil
	}
	f := int64(1)
	for i := int64(2); i <= int64(n); i++ {
		f *= i
	}
	return f, true, nil
}

func buildAbs(b *binding) (node, error) {
	switch b.t.Kind {
	case plan.KindInt8:
		return partial(mapSome1(absInt[int8](b.t, b.legacy)))(b)
	case plan.KindInt16:
		return partial(mapSome1(absInt[int16](b.t, b.legacy)))(b)
	case plan.KindInt32:
		return partial(mapSome1(absInt[int32](b.t, b.legacy)))(b)
	case plan.KindInt64:
		return partial(mapSome1(absInt[int64](b.t, b.legacy)))(b)
	case plan.KindFloat32:
		return total(map1(func(v float32) float32 { return float32(math.Abs(float64(v))) }))(b)
	case plan.KindFloat64:
		return total(map1(math.Abs))(b)
	case plan.KindYearMonthInterval:
		return partial(mapSome1(absInt[int32](plan.Int32, false)))(b)
	case plan.KindDayTimeInterval:
		return partial(mapSome1(absInt[int64](plan.Int64, false)))(b)
	}
	return total(map1(decimal128.Num.Abs))(b)
}

func absInt[T integer](t plan.Type, wrap bool) func(T) (T, bool, error) {
	return func(v T) (T, bool, error) {
		if v >= 0 || wrap && v == -v {
			return v, true, nil
		}
		if v == -v {
			return 0, false, arithmeticOverflow(t, "")
		}
		return -v, true, nil
	}
}

// wholeNumber is the type of ceil and floor.
func wholeNumber(args []plan.Type) plan.Type {
	if t := args[0]; t.Kind == plan.KindDecimal {
		if t.Scale == 0 {
			return t
		}
		return plan.Decimal(min(plan.MaxPrecision, t.Precision-t.Scale+1), 0)
	}
	return plan.Int64
}

// buildWhole is ceil (side 1) or floor (side -1).
func buildWhole(f func(float64) float64, side int) builder {
	return func(b *binding) (node, error) {
		if len(b.args) == 2 {
			return partial(mapSome2(scaleDecimals(b.arg(0), b.t, side)))(b)
		}
		switch t := b.arg(0); t.Kind {
		case plan.KindDecimal:
			unit := bigPow10(t.Scale)
			return total(map1(func(v decimal128.Num) decimal128.Num { return wholeDecimal(v, unit, side) }))(b)
		case plan.KindFloat32:
			return partial(mapSome1(func(v float32) (int64, bool, error) { return wholeFloat(f(float64(v)), b.legacy) }))(b)
		case plan.KindFloat64:
			return partial(mapSome1(func(v float64) (int64, bool, error) { return wholeFloat(f(v), b.legacy) }))(b)
		}
		return castNode(b.session, b.args[0], plan.Int64, false)
	}
}

func wholeDecimal(v decimal128.Num, unit *big.Int, side int) decimal128.Num {
	q, r := new(big.Int).QuoRem(v.BigInt(), unit, new(big.Int))
	if r.Sign() == side {
		q.Add(q, big.NewInt(int64(side)))
	}
	return decimal128.FromBigInt(q)
}

// wholeFloat is a whole double as a bigint, which it must fit in ANSI mode.
func wholeFloat(v float64, legacy bool) (int64, bool, error) {
	if !legacy && (v >= math.MaxInt64 || v < math.MinInt64) {
		return 0, false, arithmeticOverflow(plan.Int64, "")
	}
	return saturate(v), true, nil
}

// saturate is Java's conversion of a double to a long.
func saturate(v float64) int64 {
	switch {
	case v != v:
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	}
	return int64(v)
}

// roundedType is the type of round where the digits are not known to be a constant: a decimal keeps its scale then,
// and without digits loses it.
func roundedType(args []plan.Type) plan.Type {
	t := args[0]
	if t.Kind != plan.KindDecimal {
		return t
	}
	if len(args) == 1 {
		return roundedDecimal(t, 0)
	}
	return roundedDecimal(t, t.Scale)
}

func roundedDecimal(t plan.Type, digits int32) plan.Type {
	whole := t.Precision - t.Scale + 1 // rounding up may need one more digit
	if digits < 0 {
		return plan.Decimal(min(max(whole, 1-digits), plan.MaxPrecision), 0)
	}
	scale := min(t.Scale, digits)
	return plan.Decimal(min(whole+scale, plan.MaxPrecision), scale)
}

func refineRound(sig Signature, args []*plan.Expr) Signature {
	if sig.Returns.Kind != plan.KindDecimal || len(args) != 2 {
		return sig
	}
	n := args[1]
	if n.Op == plan.OpCall && n.Name == "cast" { // a planner may have cast the constant already
		n = n.Args[0]
	}
	if !n.IsLiteral() || !n.Type.IsInteger() && !n.Value.Null {
		return sig
	}
	// NULL counts as no digits.
	digits := min(max(n.Value.Int, -plan.MaxPrecision), plan.MaxPrecision)
	sig.Returns = roundedDecimal(sig.Args[0], int32(digits))
	return sig
}

func buildRound(even bool) builder {
	return func(b *binding) (node, error) {
		if len(b.args) == 1 {
			b.args = append(b.args, newConst(plan.Int32, plan.Literal{}))
		}
		switch t := b.arg(0); t.Kind {
		case plan.KindInt8:
			return partial(mapSome2(roundInts[int8](t, even)))(b)
		case plan.KindInt16:
			return partial(mapSome2(roundInts[int16](t, even)))(b)
		case plan.KindInt32:
			return partial(mapSome2(roundInts[int32](t, even)))(b)
		case plan.KindInt64:
			return partial(mapSome2(roundInts[int64](t, even)))(b)
		case plan.KindFloat32:
			return total(map2(func(v float32, d int32) float32 { return float32(roundFloat(float64(v), d, 32, even)) }))(b)
		case plan.KindFloat64:
			return total(map2(func(v float64, d int32) float64 { return roundFloat(v, d, 64, even) }))(b)
		default:
			return partial(mapSome2(roundDecimals(t, b.t, even)))(b)
		}
	}
}

func roundInts[T integer](t plan.Type, even bool) func(v T, digits int32) (T, bool, error) {
	return func(v T, digits int32) (T, bool, error) {
		switch {
		case digits >= 0:
			return v, true, nil
		case digits < -19:
			return 0, true, nil
		}
		unit := bigPow10(-digits)
		out := roundBig(big.NewInt(int64(v)), unit, even)
		out.Mul(out, unit)
		if low, high := intRange(t.Kind); !out.IsInt64() || out.Int64() < low || out.Int64() > high {
			return 0, false, arithmeticOverflow(t, "")
		}
		return T(out.Int64()), true, nil
	}
}

// roundBig is v/unit rounded to a whole number, halves away from zero or to even.
func roundBig(v, unit *big.Int, even bool) *big.Int {
	if !even {
		return roundedQuotient(new(big.Int).Set(v), unit)
	}
	q, r := new(big.Int).QuoRem(v, unit, new(big.Int))
	twice := new(big.Int).Abs(r)
	switch twice.Lsh(twice, 1).CmpAbs(unit) {
	case 0:
		if q.Bit(0) == 1 {
			q.Add(q, big.NewInt(int64(r.Sign())))
		}
	case 1:
		q.Add(q, big.NewInt(int64(r.Sign())))
	}
	return q
}

// roundFloat rounds the number's shortest decimal form, as Spark does: round(1.005, 2) is 1.01. A decimal knows no
// negative zero, so neither does the result.
func roundFloat(v float64, digits int32, bits int, even bool) float64 {
	switch {
	case v == 0:
		return 0
	case v != v || math.IsInf(v, 0):
		return v
	}
	text, scale, _ := scanDecimal(strconv.FormatFloat(v, 'e', -1, bits))
	drop := scale - int(digits)
	if drop <= 0 {
		return v
	}
	if drop > 20 {
		return 0
	}
	m, _ := new(big.Int).SetString(text, 10)
	out, _ := strconv.ParseFloat(roundBig(m, bigPow10(int32(drop)), even).String()+"e"+strconv.Itoa(-int(digits)), bits)
	return out
}

func roundDecimals(from, to plan.Type, even bool) func(v decimal128.Num, digits int32) (decimal128.Num, bool, error) {
	return func(v decimal128.Num, digits int32) (decimal128.Num, bool, error) {
		drop := from.Scale - max(digits, -plan.MaxPrecision)
		if drop <= 0 {
			return fitDecimal(v.BigInt(), from.Scale, to)
		}
		rounded := roundBig(v.BigInt(), bigPow10(drop), even)
		if digits < 0 {
			rounded.Mul(rounded, bigPow10(min(-digits, plan.MaxPrecision)))
			digits = 0
		}
		return fitDecimal(rounded, digits, to)
	}
}
