package compute

import (
	"math"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func castFunctions() []Function {
	untyped := func([]plan.Type) (Signature, error) {
		return Signature{}, userError("DATATYPE_MISMATCH", "a cast needs a target type: cast(value AS type)")
	}
	out := []Function{
		{
			Name: "cast", Usage: "CAST(value AS type)", Summary: "The value in another type; an error where it has none there.",
			Example: "CAST('12' AS INT)", ExampleResult: "12", resolve: untyped,
		},
		{
			Name: "try_cast", Usage: "TRY_CAST(value AS type)", Summary: "The value in another type, or NULL where it has none there.",
			Example: "TRY_CAST('abc' AS INT)", ExampleResult: "NULL", resolve: untyped,
		},
	}
	for _, c := range []struct {
		t            plan.Type
		example, res string
	}{
		{plan.Boolean, "boolean('yes')", "true"}, {plan.Int8, "tinyint('1')", "1"}, {plan.Int16, "smallint(1.9)", "1"},
		{plan.Int32, "int('-7')", "-7"}, {plan.Int64, "bigint(true)", "1"}, {plan.Float32, "float('1.5')", "1.5"},
		{plan.Float64, "double('1e3')", "1000.0"}, {plan.Decimal(10, 0), "decimal('2.5')", "3"},
		{plan.String, "string(1.50)", "1.50"}, {plan.Binary, "binary('ab')", "ab"},
		{plan.Date, "date('2020-1-5')", "2020-01-05"}, {plan.Timestamp, "timestamp('2020-01-05 1:2')", "2020-01-05 01:02:00"},
	} {
		out = append(out, castFunction(c.t, c.example, c.res))
	}
	return out
}

// castFunction is a type's name used as a function.
func castFunction(t plan.Type, example, res string) Function {
	name := t.String()
	if t.Kind == plan.KindDecimal {
		name = "decimal"
	}
	accept := param{"castable", func(from plan.Type) (plan.Type, bool) { return from, CanCast(from, t) }}
	return Function{
		Name: name, Usage: name + "(value)", Summary: "The value cast to " + t.String() + ".", Example: example,
		ExampleResult: res, resolve: takes(returns(t), accept),
		build: func(b *binding) (node, error) { return castNode(b.session, b.args[0], t, false) },
	}
}

// caster is how to convert: with try set, NULL takes the place of errors; with wrap set, whole numbers that do not fit
// lose their high bits, as they do outside of ANSI mode.
type caster struct {
	session
	try, wrap bool
}

// kernel converts columns. It covers what [CanCast] allows.
func (c caster) kernel(from, to plan.Type) (k kernel, mayFail bool) {
	switch {
	case from.IsNested():
		return castNested(from, to, c)
	case from.IsInterval():
		return castInterval(from, to, c)
	case to.IsInterval() && from.IsNumeric():
		return numberToInterval(from, to, c)
	}
	switch from.Kind {
	case plan.KindInt8:
		return castInt[int8](from, to, c)
	case plan.KindInt16:
		return castInt[int16](from, to, c)
	case plan.KindInt32:
		return castInt[int32](from, to, c)
	case plan.KindInt64:
		return castInt[int64](from, to, c)
	case plan.KindFloat32:
		return castFloat[float32](from, to, c)
	case plan.KindFloat64:
		return castFloat[float64](from, to, c)
	case plan.KindDecimal:
		return castDecimal(from, to, c)
	case plan.KindBoolean:
		return castBoolean(to, c)
	case plan.KindDate:
		return castDate(to, c)
	case plan.KindTimestamp:
		return castTimestamp(from, to, c)
	case plan.KindTimestampNTZ:
		return castNTZ(to, c)
	}
	return castString(from, to, c)
}

// always makes a kernel of a conversion that has a result for every value, attempt of one that may fail: fail says how,
// for a value that it fails for.
func always[A, R any](f func(A) R) (kernel, bool) { return map1(f), false }

func attempt[A, R any](c caster, f func(A) (R, bool), fail func(A) error) (kernel, bool) {
	return mapSome1(func(a A) (R, bool, error) {
		v, ok := f(a)
		if !ok && !c.try {
			return v, false, fail(a)
		}
		return v, ok, nil
	}), !c.try
}

func written[A any](f func(dst []byte, a A) []byte) (kernel, bool) { return text1(f), false }

func castInt[A integer](from, to plan.Type, c caster) (kernel, bool) {
	switch to.Kind {
	case plan.KindInt8:
		return narrowInt[A, int8](from, to, c)
	case plan.KindInt16:
		return narrowInt[A, int16](from, to, c)
	case plan.KindInt32:
		return narrowInt[A, int32](from, to, c)
	case plan.KindInt64:
		return narrowInt[A, int64](from, to, c)
	case plan.KindFloat32:
		return always(func(v A) float32 { return float32(v) })
	case plan.KindFloat64:
		return always(func(v A) float64 { return float64(v) })
	case plan.KindBoolean:
		return always(func(v A) bool { return v != 0 })
	case plan.KindTimestamp:
		return always(func(v A) int64 { return saturatingSeconds(int64(v)) })
	case plan.KindString:
		return written(func(dst []byte, v A) []byte { return strconv.AppendInt(dst, int64(v), 10) })
	}
	return attempt(c, func(v A) (decimal128.Num, bool) { return rescale(decimal128.FromI64(int64(v)), 0, to) },
		func(v A) error { return decimalOutOfRange(strconv.FormatInt(int64(v), 10), to) })
}

func narrowInt[A, R integer](from, to plan.Type, c caster) (kernel, bool) {
	if from.Kind < to.Kind || c.wrap {
		return always(func(v A) R { return R(v) })
	}
	return attempt(c, func(v A) (R, bool) { r := R(v); return r, A(r) == v },
		func(v A) error { return castOverflow(sqlInt(from, int64(v)), from, to) })
}

// saturatingSeconds turns seconds into microseconds, as Java's TimeUnit does.
func saturatingSeconds(s int64) int64 {
	if hi, lo := mul64(s, 1e6); hi == int64(lo)>>63 {
		return int64(lo)
	}
	if s < 0 {
		return math.MinInt64
	}
	return math.MaxInt64
}

func castFloat[A float](from, to plan.Type, c caster) (kernel, bool) {
	bits := 64
	if from.Kind == plan.KindFloat32 {
		bits = 32
	}
	switch to.Kind {
	case plan.KindInt8:
		return floatToInt[A, int8](from, to, c)
	case plan.KindInt16:
		return floatToInt[A, int16](from, to, c)
	case plan.KindInt32:
		return floatToInt[A, int32](from, to, c)
	case plan.KindInt64:
		return floatToInt[A, int64](from, to, c)
	case plan.KindFloat32:
		return always(func(v A) float32 { return float32(v) })
	case plan.KindFloat64:
		return always(func(v A) float64 { return float64(v) })
	case plan.KindBoolean:
		return always(func(v A) bool { return v != 0 })
	case plan.KindString:
		return written(func(dst []byte, v A) []byte { return append(dst, vector.FormatFloat(float64(v), bits)...) })
	case plan.KindTimestamp:
		return attempt(c, func(v A) (int64, bool) { return floatToMicros(float64(v)) },
			func(v A) error { return microsError(float64(v), from, to) })
	}
	return mapSome1(func(v A) (decimal128.Num, bool, error) {
		d, ok, err := floatToDecimal(float64(v), bits, to)
		if c.try {
			err = nil
		}
		return d, ok, err
	}), !c.try
}

func floatToInt[A float, R integer](from, to plan.Type, c caster) (kernel, bool) {
	low, high := intBounds(to.Kind)
	if c.wrap {
		return always(func(v A) R {
			if to.Kind == plan.KindInt64 {
				return R(saturate(float64(v)))
			}
			return R(min(max(saturate(float64(v)), math.MinInt32), math.MaxInt32))
		})
	}
	return attempt(c, func(v A) (R, bool) {
		t := math.Trunc(float64(v))
		if !(t >= low && t < high) {
			return 0, false
		}
		return R(t), true
	}, func(v A) error { return castOverflow(sqlFloat(from, float64(v)), from, to) })
}

// intBounds is the least value of an integer type, and the least one beyond it.
func intBounds(k plan.Kind) (low, high float64) {
	high = math.Ldexp(1, map[plan.Kind]int{plan.KindInt8: 7, plan.KindInt16: 15, plan.KindInt32: 31, plan.KindInt64: 63}[k])
	return -high, high
}

// floatToMicros is seconds as microseconds; false for what is no number, or too far.
func floatToMicros(v float64) (int64, bool) {
	us := v * 1e6
	return saturate(us), us < math.MaxInt64 && us >= math.MinInt64
}

func microsError(v float64, from, to plan.Type) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return castInvalid(sqlFloat(from, v), from, to)
	}
	return castOverflow(sqlFloat(from, v), from, to)
}

// floatToDecimal goes through the number's shortest decimal form, as Spark does: 0.1 is 0.1 and not 0.1000000000000000055.
// What is no number is NULL.
func floatToDecimal(v float64, bits int, to plan.Type) (decimal128.Num, bool, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return decimal128.Num{}, false, nil
	}
	d, err := parseDecimal(strconv.FormatFloat(v, 'e', -1, bits), to)
	return d, err == nil, err
}

func castDecimal(from, to plan.Type, c caster) (kernel, bool) {
	switch to.Kind {
	case plan.KindInt8:
		return decimalToInt[int8](from, to, c)
	case plan.KindInt16:
		return decimalToInt[int16](from, to, c)
	case plan.KindInt32:
		return decimalToInt[int32](from, to, c)
	case plan.KindInt64:
		return decimalToInt[int64](from, to, c)
	case plan.KindFloat32:
		return always(func(v decimal128.Num) float32 { return float32(decimalToFloat(v, from.Scale)) })
	case plan.KindFloat64:
		return always(func(v decimal128.Num) float64 { return decimalToFloat(v, from.Scale) })
	case plan.KindBoolean:
		return always(func(v decimal128.Num) bool { return v.Sign() != 0 })
	case plan.KindString:
		return written(func(dst []byte, v decimal128.Num) []byte { return append(dst, formatDecimal(v, from.Scale)...) })
	case plan.KindTimestamp:
		return attempt(c, func(v decimal128.Num) (int64, bool) { return decimalToMicros(v, from) },
			func(v decimal128.Num) error { return castOverflow(formatDecimal(v, from.Scale)+"BD", from, to) })
	}
	return attempt(c, func(v decimal128.Num) (decimal128.Num, bool) { return rescale(v, from.Scale, to) },
		func(v decimal128.Num) error { return decimalOutOfRange(formatDecimal(v, from.Scale), to) })
}

func decimalToInt[R integer](from, to plan.Type, c caster) (kernel, bool) {
	low, high := intRange(to.Kind)
	if c.wrap {
		return always(func(v decimal128.Num) R { return R(wholePart(v, from.Scale).LowBits()) })
	}
	return attempt(c, func(v decimal128.Num) (R, bool) {
		whole := wholePart(v, from.Scale)
		n := int64(whole.LowBits())
		return R(n), isInt64(whole) && n >= low && n <= high
	}, func(v decimal128.Num) error { return castOverflow(formatDecimal(v, from.Scale)+"BD", from, to) })
}

// wholePart is a decimal without its fraction.
func wholePart(v decimal128.Num, scale int32) decimal128.Num {
	switch {
	case scale == 0:
		return v
	case scale <= 18 && isInt64(v):
		return decimal128.FromI64(int64(v.LowBits()) / int64(pow10(scale).LowBits()))
	}
	q, _ := v.Div(pow10(scale))
	return q
}

func intRange(k plan.Kind) (low, high int64) {
	bits := map[plan.Kind]int{plan.KindInt8: 7, plan.KindInt16: 15, plan.KindInt32: 31, plan.KindInt64: 63}[k]
	high = int64(1<<bits - 1)
	return -high - 1, high
}

func decimalToMicros(v decimal128.Num, from plan.Type) (int64, bool) {
	us := v.BigInt()
	us.Mul(us, bigPow10(6)).Quo(us, bigPow10(from.Scale))
	return us.Int64(), us.IsInt64()
}

func formatDecimal(v decimal128.Num, scale int32) string {
	if isInt64(v) {
		return vector.FormatDecimal(strconv.FormatInt(int64(v.LowBits()), 10), scale)
	}
	return vector.FormatDecimal(v.BigInt().String(), scale)
}

func castBoolean(to plan.Type, c caster) (kernel, bool) {
	switch to.Kind {
	case plan.KindInt8:
		return always(func(v bool) int8 { return int8(bit(v)) })
	case plan.KindInt16:
		return always(func(v bool) int16 { return int16(bit(v)) })
	case plan.KindInt32:
		return always(func(v bool) int32 { return int32(bit(v)) })
	case plan.KindInt64:
		return always(func(v bool) int64 { return int64(bit(v)) })
	case plan.KindFloat32:
		return always(func(v bool) float32 { return float32(bit(v)) })
	case plan.KindFloat64:
		return always(func(v bool) float64 { return float64(bit(v)) })
	case plan.KindString:
		return written(func(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) })
	}
	return attempt(c, func(v bool) (decimal128.Num, bool) { return rescale(decimal128.FromI64(int64(bit(v))), 0, to) },
		func(v bool) error { return decimalOutOfRange(strconv.Itoa(int(bit(v))), to) })
}

// sqlInt and sqlFloat show a number as error messages do, with the suffix of its type.
func sqlInt(t plan.Type, v int64) string {
	return strconv.FormatInt(v, 10) + map[plan.Kind]string{plan.KindInt8: "Y", plan.KindInt16: "S", plan.KindInt64: "L"}[t.Kind]
}

func sqlFloat(t plan.Type, v float64) string {
	if t.Kind == plan.KindFloat32 {
		return vector.FormatFloat(v, 32)
	}
	return vector.FormatFloat(v, 64) + "D"
}
