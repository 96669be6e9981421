package sql

import (
	"strings"
	"unicode"
)

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

// intervalValue is the number of tokens of a value of an interval n tokens further: a number or adjacent strings, with
// a sign or without; 0 when none stands there.
func (p *parser) intervalValue(n int) int {
	first := n
	if t := p.peekAt(n); t.isOp("-") || t.isOp("+") {
		n++
	}
	if p.peekAt(n).kind == tokenNumber {
		return n + 1 - first
	}
	if p.peekAt(n).kind != tokenString {
		return 0
	}
	for p.peekAt(n).kind == tokenString {
		n++
	}
	return n - first
}

// startsInterval reports that the word INTERVAL, which comes next, is not a name.
func (p *parser) startsInterval() bool {
	n := p.intervalValue(1)
	if n == 0 {
		return false
	}
	t := p.peekAt(1)
	return t.kind == tokenString || t.kind == tokenNumber || intervalUnit(p.peekAt(1+n)) != ""
}

// interval reads INTERVAL '1' DAY, INTERVAL 3 MONTHS 2 DAYS, INTERVAL '1-2' YEAR TO MONTH and INTERVAL '3 days'.
func (p *parser) interval() Expr {
	start := p.advance().span
	e := &Interval{}
	for {
		n := p.intervalValue(0)
		if n == 0 || e.Parts != nil && intervalUnit(p.peekAt(n)) == "" {
			break
		}
		part := p.intervalPart()
		e.Parts = append(e.Parts, part)
		if part.Unit == "" {
			break
		}
	}
	e.Span = p.spanFrom(start)
	p.checkInterval(e)
	return e
}

// checkInterval refuses units that do not go together. What the values are is looked at where they get their type.
func (p *parser) checkInterval(e *Interval) {
	for _, part := range e.Parts {
		from, _, _ := unitOf(part.Unit)
		to, _, _ := unitOf(part.To)
		switch {
		case part.To == "":
			if part.Unit != "" && strings.ContainsFunc(part.Value.Text, unicode.IsLetter) {
				p.fail(part.Value.Span, "_LEGACY_ERROR_TEMP_0026", "the value of an interval before a unit is a number")
			}
		case len(e.Parts) > 1:
			p.fail(e.Span, "_LEGACY_ERROR_TEMP_0024", "an interval with %s TO %s has no other parts", strings.ToUpper(part.Unit), strings.ToUpper(part.To))
		case part.Value.Kind != "string":
			p.fail(e.Span, "_LEGACY_ERROR_TEMP_0027", "the value of %s TO %s is a string", strings.ToUpper(part.Unit), strings.ToUpper(part.To))
		case from >= to || (from >= unitDay) != (to >= unitDay):
			p.fail(e.Span, "INVALID_INTERVAL_FORMAT.UNSUPPORTED_FROM_TO_EXPRESSION", "an interval does not go from %s to %s", strings.ToUpper(part.Unit), strings.ToUpper(part.To))
		}
	}
	if v, ok := intervalOf(e); ok && v.mixed() {
		p.fail(e.Span, "_LEGACY_ERROR_TEMP_0029", "an interval has years and months, or days to seconds, not both")
	}
}

// intervalPart reads a value and its unit, or units.
func (p *parser) intervalPart() IntervalPart {
	start := p.peek().span
	negative := p.peek().isOp("-")
	if negative || p.peek().isOp("+") {
		p.advance()
	}
	part := IntervalPart{Value: &Literal{Kind: "string"}}
	t := p.peek()
	if t.kind == tokenString {
		part.Value.Text = p.stringValue()
	} else {
		p.advance()
		part.Value.Kind, part.Value.Text, part.Value.Suffix = t.number, t.text, t.upper
	}
	if negative {
		part.Value.Text = negate(part.Value.Text)
	}
	part.Value.Span = p.spanFrom(start)
	unit := p.peek()
	part.Unit = intervalUnit(unit)
	switch {
	case part.Unit == "" && t.kind == tokenNumber:
		p.failExpected("a unit such as DAY behind the number")
		return part
	case part.Unit == "":
		return part
	case t.kind == tokenNumber && (t.number == "double" || t.upper != ""), part.Unit == "quarter":
		p.failExpected("a plain number with a unit from YEAR to MICROSECOND")
		return part
	}
	p.advance()
	if p.peek().is("TO") && intervalUnit(p.peekAt(1)) != "" {
		p.advance()
		part.To = intervalUnit(p.advance())
	}
	return part
}

func negate(value string) string {
	if rest, ok := strings.CutPrefix(value, "-"); ok {
		return rest
	}
	return "-" + strings.TrimPrefix(value, "+")
}
