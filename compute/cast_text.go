package compute

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// castString reads text; from is string or binary.
func castString(from, to plan.Type, c caster) (kernel, bool) {
	invalid := func(s string) error { return castInvalid(sqlString(s), from, to) }
	switch to.Kind {
	case plan.KindString, plan.KindBinary:
		return written(func(dst []byte, s string) []byte { return append(dst, s...) })
	case plan.KindInt8:
		return stringToInt[int8](8, c, invalid)
	case plan.KindInt16:
		return stringToInt[int16](16, c, invalid)
	case plan.KindInt32:
		return stringToInt[int32](32, c, invalid)
	case plan.KindInt64:
		return stringToInt[int64](64, c, invalid)
	case plan.KindFloat32:
		return attempt(c, func(s string) (float32, bool) {
			v, ok := parseFloat(s, 32)
			return float32(v), ok
		}, invalid)
	case plan.KindFloat64:
		return attempt(c, func(s string) (float64, bool) { return parseFloat(s, 64) }, invalid)
	case plan.KindDecimal:
		return attempt(c, func(s string) (decimal128.Num, bool) {
			d, err := parseDecimal(s, to)
			return d, err == nil
		}, func(s string) error {
			_, err := parseDecimal(s, to)
			return err
		})
	case plan.KindBoolean:
		return attempt(c, parseBoolean, invalid)
	case plan.KindDate:
		return attempt(c, parseDate, invalid)
	case plan.KindTimestamp:
		return attempt(c, c.parseTimestamp, invalid)
	case plan.KindTimestampNTZ:
		return attempt(c, c.parseNTZ, invalid)
	}
	return stringToInterval(to, c)
}

// trimSpace strips what Spark strips before it reads a value: blanks and control characters.
func trimSpace(s string) string {
	for len(s) > 0 && s[0] <= ' ' {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	return s
}

func stringToInt[R integer](bits int, c caster, invalid func(string) error) (kernel, bool) {
	return attempt(c, func(s string) (R, bool) {
		s = trimSpace(s)
		if c.wrap { // outside of ANSI mode a fraction is cut off
			if whole, fraction, ok := strings.Cut(s, "."); ok && strings.Trim(fraction, "0123456789") == "" {
				s = whole
			}
		}
		v, err := strconv.ParseInt(s, 10, bits)
		return R(v), err == nil
	}, invalid)
}
func parseFloat(s string, bits int) (float64, bool) {
	s = trimSpace(s)
	if s == "" {
		return 0, false
	}
	switch strings.ToLower(strings.TrimLeft(s, "+-")) {
	case "inf", "infinity", "nan":
		if len(s) > 1 && (s[1] == '+' || s[1] == '-') {
			return 0, false
		}
	default:
		if last := s[len(s)-1]; len(s) > 1 && strings.IndexByte("dDfF", last) >= 0 {
			s = s[:len(s)-1]
		}
		if strings.Trim(s, "0123456789+-.eE") != "" || strings.ContainsAny(s, "xXpP_iInN") {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(s, bits)
	if err != nil && err.(*strconv.NumError).Err != strconv.ErrRange {
		return 0, false
	}
	return v, true
}

func parseBoolean(s string) (value, ok bool) {
	switch strings.ToLower(trimSpace(s)) {
	case "t", "true", "y", "yes", "1":
		return true, true
	case "f", "false", "n", "no", "0":
		return false, true
	}
	return false, false
}

// parseDecimal reads digits with an optional point and exponent, and rounds half away from zero to the type's scale.
func parseDecimal(s string, t plan.Type) (decimal128.Num, error) {
	digits, scale, ok := scanDecimal(trimSpace(s))
	if !ok {
		return decimal128.Num{}, castInvalid(sqlString(s), plan.String, t)
	}
	const longest = 80 // beyond any decimal, whatever rounding does
	whole := len(strings.TrimLeft(strings.TrimLeft(digits, "-"), "0")) - scale
	switch {
	case whole > longest:
		if strings.Trim(digits, "-0") == "" {
			return decimal128.Num{}, nil
		}
		return decimal128.Num{}, decimalOutOfRange(trimSpace(s), t)
	case whole < -longest:
		return decimal128.Num{}, nil
	}
	if len(digits) <= 18 && scale >= 0 && scale <= plan.MaxPrecision {
		v, _ := strconv.ParseInt(digits, 10, 64)
		if d, ok := rescale(decimal128.FromI64(v), int32(scale), t); ok {
			return d, nil
		}
		return decimal128.Num{}, decimalOutOfRange(trimSpace(s), t)
	}
	v, _ := new(big.Int).SetString(digits, 10)
	if scale < 0 {
		v.Mul(v, bigPow10(int32(-scale)))
		scale = 0
	}
	d, _, err := fitDecimal(v, int32(scale), t)
	return d, err
}

// scanDecimal splits a number into its digits (with a minus sign) and how many of them lie after the point.
func scanDecimal(s string) (digits string, scale int, ok bool) {
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.ParseInt(s[i+1:], 10, 32)
		if err != nil {
			return "", 0, false
		}
		mantissa, exponent = s[:i], int(e)
	}
	sign := ""
	if mantissa != "" && (mantissa[0] == '-' || mantissa[0] == '+') {
		if mantissa[0] == '-' {
			sign = "-"
		}
		mantissa = mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false
	}
	return sign + digits, len(fraction) - exponent, true
}
