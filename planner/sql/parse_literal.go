package sql

import (
	"math"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// stringValue reads one or more adjacent string literals, which are one string.
func (p *parser) stringValue() string {
	s := p.advance().text
	if p.peek().kind != tokenString {
		return s
	}
	var b strings.Builder
	b.WriteString(s)
	for p.peek().kind == tokenString {
		b.WriteString(p.advance().text)
	}
	return b.String()
}

// number reads a number; a minus sign at start was read already when negative.
func (p *parser) number(start source.Span, negative bool) Expr {
	t := p.advance()
	e := &Literal{Kind: t.number, Text: t.text, Suffix: t.upper, Span: p.spanFrom(start)}
	if negative {
		e.Text = "-" + t.text
	}
	p.checkNumber(e)
	return e
}

// checkNumber refuses a literal that its type cannot hold.
func (p *parser) checkNumber(e *Literal) {
	switch e.Suffix {
	case "Y":
		p.checkInteger(e, "tinyint", math.MinInt8, math.MaxInt8)
		return
	case "S":
		p.checkInteger(e, "smallint", math.MinInt16, math.MaxInt16)
		return
	case "L":
		p.checkInteger(e, "bigint", math.MinInt64, math.MaxInt64)
		return
	}
	if e.Kind == "double" {
		bits, name, least, most := 64, "double", "-1.7976931348623157E308", "1.7976931348623157E308"
		if e.Suffix == "F" {
			bits, name, least, most = 32, "float", "-3.4028234663852886E38", "3.4028234663852886E38"
		}
		if v, err := strconv.ParseFloat(e.Text, bits); err != nil || math.IsInf(v, 0) {
			p.outOfRange(e, name, least, most)
		}
		return
	}
	p.checkDecimal(e)
}

func (p *parser) checkInteger(e *Literal, name string, least, most int64) {
	if v, err := strconv.ParseInt(e.Text, 10, 64); err != nil || v < least || v > most {
		p.outOfRange(e, name, strconv.FormatInt(least, 10), strconv.FormatInt(most, 10))
	}
}

func (p *parser) outOfRange(e *Literal, name, least, most string) {
	p.fail(e.Span, "INVALID_NUMERIC_LITERAL_RANGE", "the number is outside the range of %s, %s to %s", name, least, most)
}

// checkDecimal refuses more digits than the widest decimal has. Integers without suffix are int, bigint or decimal,
// whichever is the first to hold them.
func (p *parser) checkDecimal(e *Literal) {
	const most = 38
	if DecimalDigits(e.Text) > most {
		p.fail(e.Span, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "the number needs more than %d digits, the most that a decimal has", most)
	}
}

// DecimalDigits is the precision that a decimal number as written needs: its digits without leading zeros, but all
// behind the point. With an exponent the digits are those of the number written out.
func DecimalDigits(text string) int {
	mantissa, exponentText, _ := strings.Cut(strings.ToUpper(strings.TrimLeft(text, "+-")), "E")
	exponent, err := strconv.Atoi(exponentText)
	if exponentText != "" && (err != nil || exponent > 1000 || exponent < -1000) {
		return math.MaxInt32
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	significant := len(strings.TrimLeft(whole+fraction, "0"))
	scale := len(fraction) - exponent
	if scale < 0 && significant > 0 {
		return significant - scale
	}
	return max(significant, scale, 1)
}

// typedLiteral reads DATE '…', TIMESTAMP '…' and X'…'.
func (p *parser) typedLiteral() Expr {
	t := p.advance()
	e := &Literal{Kind: "typed", TypeName: strings.ToLower(t.text), Text: p.stringValue(), Span: p.spanFrom(t.span)}
	switch t.upper {
	case "DATE", "TIMESTAMP":
	case "TIMESTAMP_LTZ":
		e.TypeName = "timestamp"
	case "TIME", "TIMESTAMP_NTZ":
		p.unsupported(e.Span, "the type "+t.upper+" is not supported")
	case "X":
		e.TypeName, e.Text = "binary", strings.ToUpper(e.Text)
		if strings.Trim(e.Text, "0123456789ABCDEF") != "" {
			p.fail(e.Span, "INVALID_TYPED_LITERAL", "X'…' holds hexadecimal digits alone")
		}
		if len(e.Text)%2 == 1 {
			e.Text = "0" + e.Text
		}
	default:
		if isReserved(t.upper) {
			p.fail(t.span, classSyntax, "expected an expression, found %s", p.describe(t))
			break
		}
		err := p.fail(e.Span, "UNSUPPORTED_TYPED_LITERAL", "there are no literals of type %s", strings.ToUpper(t.text))
		err.WithHint("DATE '…', TIMESTAMP '…', INTERVAL '…' and X'…' are; an alias is a name without quotes")
	}
	return e
}

// intervalUnit is the canonical (lower-case, singular) form of a unit, "" for other words.
func intervalUnit(t token) string {
	if t.kind != tokenWord {
		return ""
	}
	unit := strings.TrimSuffix(strings.ToLower(t.text), "s")
	switch unit {
	case "year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond":
		return unit
	}
	return ""
}

// startsInterval reports that the word INTERVAL, which comes next, is not a name.
func (p *parser) startsInterval() bool {
	t := p.peekAt(1)
	if t.isOp("-") || t.isOp("+") {
		t = p.peekAt(2)
		return (t.kind == tokenNumber || t.kind == tokenString) && intervalUnit(p.peekAt(3)) != ""
	}
	return t.kind == tokenString || t.kind == tokenNumber
}

// interval reads INTERVAL '1' DAY, INTERVAL 3 MONTHS 2 DAYS, INTERVAL '1-2' YEAR TO MONTH and INTERVAL '3 days'. The
// literal's text is what the last of these forms would hold: "1 day", "3 month 2 day", "1-2 year to month".
func (p *parser) interval() Expr {
	start := p.advance().span
	e := &Literal{Kind: "interval"}
	var parts []string
	for first := true; ; first = false {
		sign, at := "", p.peek()
		if (at.isOp("-") || at.isOp("+")) && intervalUnit(p.peekAt(2)) != "" {
			p.advance()
			if sign = "-"; at.isOp("+") {
				sign = ""
			}
		}
		t := p.peek()
		if t.kind != tokenNumber && t.kind != tokenString {
			break
		}
		if !first && intervalUnit(p.peekAt(1)) == "" {
			break
		}
		value := ""
		if t.kind == tokenString {
			value = p.stringValue()
		} else {
			value = p.advance().text
		}
		if sign != "" {
			value = negate(value)
		}
		parts = append(parts, value)
		unit := intervalUnit(p.peek())
		if unit == "" {
			if t.kind == tokenNumber {
				p.failExpected("a unit such as DAY behind the number")
			}
			break
		}
		p.advance()
		parts = append(parts, unit)
		if p.peek().is("TO") {
			p.advance()
			to := intervalUnit(p.peek())
			if to == "" {
				p.failExpected("a unit after TO")
			}
			p.advance()
			parts = append(parts, "to", to)
		}
	}
	e.Text, e.Span = strings.Join(parts, " "), p.spanFrom(start)
	return e
}

func negate(value string) string {
	if rest, ok := strings.CutPrefix(value, "-"); ok {
		return rest
	}
	return "-" + strings.TrimPrefix(value, "+")
}
