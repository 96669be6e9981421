package compute

import (
	"math/big"
	"strings"
)

// numberPattern is a pattern of Java's DecimalFormat: #,##0.00 with text around it.
type numberPattern struct {
	prefix, suffix string
	grouping       int // digits between separators; 0 for none
	least          int // digits before the point
	zeros, most    int // digits behind the point
	shift          int // powers of ten: 2 for percent
}

// numberPatternCache remembers the pattern it read last.
type numberPatternCache struct {
	text  string
	p     numberPattern
	ready bool
}

func (c *numberPatternCache) get(text string) (numberPattern, error) {
	if !c.ready || c.text != text {
		p, ok := parseNumberPattern(strings.Clone(text))
		if !ok {
			return p, userError("INVALID_PARAMETER_VALUE.PATTERN", "The value of parameter(s) `format` in `format_number` is invalid: %s.", sqlString(text))
		}
		c.text, c.p, c.ready = strings.Clone(text), p, true
	}
	return c.p, nil
}

// parseNumberPattern knows what DecimalFormat writes without exponents; an empty pattern is #,###.
func parseNumberPattern(text string) (p numberPattern, ok bool) {
	if text == "" {
		text = "#,###"
	}
	text, _, _ = strings.Cut(text, ";") // negative numbers have their own form there
	from := strings.IndexAny(text, "#0,.")
	if from < 0 {
		return p, false
	}
	to := strings.LastIndexAny(text, "#0,.") + 1
	p.prefix, p.suffix = strings.ReplaceAll(text[:from], "'", ""), strings.ReplaceAll(text[to:], "'", "")
	switch {
	case strings.ContainsAny(p.prefix+p.suffix, "%"):
		p.shift = 2
	case strings.ContainsAny(p.prefix+p.suffix, "\u2030"):
		p.shift = 3
	}
	body := text[from:to]
	if strings.Trim(body, "#0,.") != "" || strings.Count(body, ".") > 1 || strings.HasPrefix(p.suffix, "E") {
		return p, false
	}
	whole, fraction, _ := strings.Cut(body, ".")
	if i := strings.LastIndexByte(whole, ','); i >= 0 {
		p.grouping = len(whole) - i - 1
	}
	p.least, p.zeros, p.most = strings.Count(whole, "0"), strings.Count(fraction, "0"), len(fraction)
	if p.least == 0 && p.zeros == 0 && strings.Contains(body, ".") { // then one digit is always there
		if whole != "" {
			p.least = 1
		} else {
			p.zeros = min(1, p.most)
		}
	}
	return p, !strings.Contains(fraction, ",")
}

// appendGrouped rounds half to even to the pattern's digits, and writes the number.
func appendGrouped(dst []byte, unscaled *big.Int, scale int32, p numberPattern) []byte {
	v, drop := new(big.Int).Set(unscaled), int(scale)-p.shift-p.most
	switch {
	case drop > 0:
		v = roundBig(v, bigPow10(int32(drop)), true)
	case drop < 0:
		v.Mul(v, bigPow10(int32(-drop)))
	}
	if unscaled.Sign() < 0 {
		dst = append(dst, '-')
	}
	digits := v.Abs(v).String()
	if missing := p.most + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, fraction := digits[:len(digits)-p.most], digits[len(digits)-p.most:]
	for len(fraction) > p.zeros && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	whole = strings.TrimLeft(whole, "0")
	if missing := p.least - len(whole); missing > 0 {
		whole = strings.Repeat("0", missing) + whole
	}
	if whole == "" && fraction == "" {
		whole = "0"
	}
	dst = append(dst, p.prefix...)
	for i := range len(whole) {
		if left := len(whole) - i; i > 0 && p.grouping > 0 && left%p.grouping == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, whole[i])
	}
	if fraction != "" {
		dst = append(append(dst, '.'), fraction...)
	}
	return append(dst, p.suffix...)
}
