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
	e := &Literal{Kind: "typed", TypeName: strings.ToLower(t.text), Text: p.advance().text, Span: p.spanFrom(t.span)}
	switch t.upper {
	case "DATE", "TIMESTAMP", "TIMESTAMP_LTZ", "TIMESTAMP_NTZ":
	case "TIME":
		p.fail(e.Span, "UNSUPPORTED_TIME_TYPE", "the type TIME is not supported")
	case "X":
		p.binaryLiteral(e)
	default:
		if isReserved(t.upper) {
			p.fail(t.span, classSyntax, "expected an expression, found %s", p.describe(t))
			break
		}
		p.fail(e.Span, "UNSUPPORTED_TYPED_LITERAL", "there are no literals of type %s", t.upper).
			WithHint("DATE '…', TIMESTAMP '…', INTERVAL '…' and X'…' are; an alias is a name without quotes")
	}
	return e
}

// binaryLiteral checks the digits of X'…' and brings them into their usual form.
func (p *parser) binaryLiteral(e *Literal) {
	e.TypeName, e.Text = "binary", strings.ToUpper(e.Text)
	if strings.Trim(e.Text, "0123456789ABCDEF") != "" {
		p.fail(e.Span, "INVALID_TYPED_LITERAL", "X'…' holds hexadecimal digits alone")
	}
	if len(e.Text)%2 == 1 {
		e.Text = "0" + e.Text
	}
}
