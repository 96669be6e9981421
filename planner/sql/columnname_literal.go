package sql

import (
	"math/big"
	"strconv"
	"strings"
)

func literalName(e *Literal) string {
	switch e.Kind {
	case "null":
		return "NULL"
	case "double":
		bits := 64
		if e.Suffix == "F" {
			bits = 32
		}
		if v, err := strconv.ParseFloat(e.Text, bits); err == nil {
			return javaFloat(v, bits)
		}
		return e.Text
	case "integer", "decimal":
		return decimalName(e.Text)
	case "typed":
		return typedName(e)
	}
	return e.Text
}

// decimalName writes a number as Java's BigDecimal does: plainly, but 1E-7 below one millionth.
func decimalName(text string) string {
	mantissa, exponentText, _ := strings.Cut(strings.ToUpper(text), "E")
	exponent, err := strconv.Atoi(exponentText)
	if exponentText != "" && err != nil {
		return text
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	unscaled, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return text
	}
	scale := len(fraction) - exponent
	if scale < 0 {
		unscaled.Mul(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
		scale = 0
	}
	sign, digits := "", unscaled.String()
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	if adjusted := len(digits) - 1 - scale; adjusted < -6 {
		if len(digits) > 1 {
			digits = digits[:1] + "." + digits[1:]
		}
		return sign + digits + "E" + strconv.Itoa(adjusted)
	}
	if scale == 0 {
		return sign + digits
	}
	digits = strings.Repeat("0", max(scale+1-len(digits), 0)) + digits
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// javaFloat writes a number as Java does, which is what Spark shows: 1.0, 1.0E10, 1.0E-5.
func javaFloat(v float64, bits int) string {
	abs := v
	if abs < 0 {
		abs = -abs
	}
	if abs == 0 || abs >= 1e-3 && abs < 1e7 {
		s := strconv.FormatFloat(v, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, err := strconv.Atoi(exponent)
	if err != nil {
		return mantissa
	}
	return mantissa + "E" + strconv.Itoa(n)
}

// intervalName is an interval in its canonical form; one without a value stays as it is written.
func intervalName(e *Interval) string {
	if v, ok := intervalOf(e); ok && !v.mixed() {
		return v.String()
	}
	return FormatExpr(e)
}

// typedName is DATE '2020-01-31' and TIMESTAMP '2020-01-31 12:00:00', written out. A time with a zone of its own, and
// what is no date at all, stays as it is.
func typedName(e *Literal) string {
	word := strings.ToUpper(e.TypeName)
	switch e.TypeName {
	case "binary":
		return formatLiteral(e)
	case "timestamp_ltz":
		word = "TIMESTAMP"
	}
	date, clock := cutDate(strings.TrimSpace(e.Text))
	day, ok := canonicalDate(date)
	if !ok {
		return formatLiteral(e)
	}
	if e.TypeName == "date" {
		return "DATE '" + day + "'"
	}
	if clock == "" {
		clock = "00:00:00"
	} else if clock, ok = canonicalClock(clock); !ok {
		return formatLiteral(e)
	}
	return word + " '" + day + " " + clock + "'"
}

// cutDate parts a date from the time behind it.
func cutDate(text string) (date, clock string) {
	if i := strings.IndexAny(text, " T"); i >= 0 {
		return text[:i], strings.TrimSpace(text[i+1:])
	}
	return text, ""
}

// canonicalDate writes 2020-1-5 as 2020-01-05 and 2020 as 2020-01-01.
func canonicalDate(text string) (string, bool) {
	parts := strings.Split(text, "-")
	if len(parts) > 3 || len(parts[0]) < 4 || len(parts[0]) > 6 {
		return "", false
	}
	for i, p := range parts {
		if digits(p) != len(p) || p == "" || i > 0 && len(p) > 2 {
			return "", false
		}
	}
	for len(parts) < 3 {
		parts = append(parts, "1")
	}
	return parts[0] + "-" + twoDigits(parts[1]) + "-" + twoDigits(parts[2]), true
}

// canonicalClock writes 1:2:3.500 as 01:02:03.5.
func canonicalClock(text string) (string, bool) {
	clock, fraction, point := strings.Cut(text, ".")
	parts := strings.Split(clock, ":")
	if len(parts) > 3 || point && (len(parts) != 3 || digits(fraction) != len(fraction)) {
		return "", false
	}
	for i, p := range parts {
		if digits(p) != len(p) || p == "" || len(p) > 2 {
			return "", false
		}
		parts[i] = twoDigits(p)
	}
	for len(parts) < 3 {
		parts = append(parts, "00")
	}
	out := strings.Join(parts, ":")
	if fraction = strings.TrimRight(fraction[:min(len(fraction), 6)], "0"); fraction != "" {
		out += "." + fraction
	}
	return out, true
}

func twoDigits(s string) string {
	if len(s) == 1 {
		return "0" + s
	}
	return s
}
