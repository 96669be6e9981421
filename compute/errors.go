package compute

import (
	"strings"

	"github.com/quern-engine/quern/plan"
)

// userError is a failure that the job's own SQL or data is to blame for, with Spark's error class in front.
func userError(class, format string, args ...any) error {
	return plan.Failf(plan.FailureUser, "["+class+"] "+format, args...)
}

func divideByZero() error {
	return userError("DIVIDE_BY_ZERO",
		"Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.")
}

func remainderByZero() error {
	return userError("REMAINDER_BY_ZERO",
		"Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL instead.")
}

// arithmeticOverflow is Spark's for int and bigint; try names the tolerant function, if there is one.
func arithmeticOverflow(t plan.Type, try string) error {
	what := map[plan.Kind]string{plan.KindInt32: "integer", plan.KindInt64: "long"}[t.Kind]
	if what == "" {
		what = t.String()
	}
	hint := ""
	if try != "" {
		hint = " Use '" + try + "' to tolerate overflow and return NULL instead."
	}
	return userError("ARITHMETIC_OVERFLOW", "%s overflow.%s", what, hint)
}

// binaryOverflow is Spark's for tinyint and smallint.
func binaryOverflow(t plan.Type, left int64, symbol string, right int64, try string) error {
	suffix := map[plan.Kind]string{plan.KindInt8: "Y", plan.KindInt16: "S"}[t.Kind]
	hint := ""
	if try != "" {
		hint = " Use `" + try + "` to ignore overflow problem and return NULL."
	}
	return userError("BINARY_ARITHMETIC_OVERFLOW", "%d%s %s %d%s caused overflow.%s", left, suffix, symbol, right, suffix, hint)
}

func decimalOutOfRange(value string, t plan.Type) error {
	return userError("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
		"The %s cannot be represented as Decimal(%d, %d).", value, t.Precision, t.Scale)
}

func castInvalid(value string, from, to plan.Type) error {
	return userError("CAST_INVALID_INPUT", "The value %s of the type %s cannot be cast to %s because it is malformed. "+
		"Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and "+
		"return NULL instead.", value, sqlType(from), sqlType(to))
}

func castOverflow(value string, from, to plan.Type) error {
	return userError("CAST_OVERFLOW", "The value %s of the type %s cannot be cast to %s due to an overflow. Use "+
		"`try_cast` to tolerate overflow and return NULL instead.", value, sqlType(from), sqlType(to))
}

// sqlType is a type as error messages show it: "BIGINT" in double quotes.
func sqlType(t plan.Type) string { return `"` + strings.ToUpper(t.String()) + `"` }

// sqlString is a string as error messages show it.
func sqlString(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }
