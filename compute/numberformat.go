package compute

import (
	"math/big"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// numberFormat is a pattern such as '$99,999.99S', which says how a number is written: [MI|S] [$] [0|9|G|,]* [.|D]
// [0|9]* [PR|MI|S].
type numberFormat struct {
	text     string
	before   byte // the sign in front: 'S', 'M', or 0 for none
	after    byte // the sign behind: 'S', 'M', 'P' for angle brackets, or 0
	dollar   bool
	groups   []digitGroup // before the point, from the left
	point    bool
	fraction int // digits behind the point
	whole    int // digits before the point
}

// digitGroup is a run of digits without a separator.
type digitGroup struct {
	digits string // 0s and 9s
	exact  bool   // it begins with 0: the number has exactly as many digits there
}

// formatError refuses a pattern.
func formatError(sub, text, format string, args ...any) error {
	return userError("INVALID_FORMAT."+sub, "The format is invalid: "+strings.ReplaceAll(sqlString(text), "%", "%%")+". "+format, args...)
}

// formatToken is a piece of a pattern: a letter, or 0 for digits.
type formatToken struct {
	kind byte
	text string
}

func tokensOf(s string) []formatToken {
	var out []formatToken
	for i := 0; i < len(s); {
		n, kind := 1, s[i]
		switch {
		case kind == '0' || kind == '9':
			for i+n < len(s) && (s[i+n] == '0' || s[i+n] == '9') {
				n++
			}
			kind = 0
		case kind == 'G':
			kind = ','
		case kind == 'D':
			kind = '.'
		case strings.HasPrefix(s[i:], "MI"), strings.HasPrefix(s[i:], "PR"):
			n = 2
		case strings.IndexByte(",.$S", kind) < 0:
			kind = '?'
		}
		out = append(out, formatToken{kind, s[i : i+n]})
		i += n
	}
	return out
}

func parseNumberFormat(text string) (*numberFormat, error) {
	upper := strings.ToUpper(text)
	tokens := tokensOf(upper)
	if len(tokens) == 0 {
		return nil, formatError("EMPTY", upper, "The number format string cannot be empty.")
	}
	if err := checkTokens(upper, tokens); err != nil {
		return nil, err
	}
	f := &numberFormat{text: upper}
	for i, t := range tokens {
		switch t.kind {
		case 0:
			if f.point {
				f.fraction += len(t.text)
				continue
			}
			f.whole += len(t.text)
			f.groups = append(f.groups, digitGroup{t.text, t.text[0] == '0'})
		case '.':
			f.point = true
		case '$':
			f.dollar = true
		case 'S', 'M', 'P':
			if i == 0 && t.kind != 'P' {
				f.before = t.kind
			} else {
				f.after = t.kind
			}
		}
	}
	if n := f.whole + f.fraction; n > plan.MaxPrecision {
		return nil, userError("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", "Decimal precision %d exceeds max precision %d.", n, plan.MaxPrecision)
	}
	return f, nil
}

// checkTokens applies Spark's rules in their order.
func checkTokens(text string, tokens []formatToken) error {
	count, firstDigit := map[byte]int{}, -1
	for i, t := range tokens {
		count[t.kind]++
		if t.kind == 0 && firstDigit < 0 {
			firstDigit = i
		}
	}
	if count[0] == 0 {
		return formatError("WRONG_NUM_DIGIT", text, "The format string requires at least one number digit.")
	}
	for _, c := range []struct {
		kind byte
		name string
	}{{'.', ". or D"}, {'S', "S"}, {'$', "$"}, {'M', "MI"}, {'P', "PR"}} {
		if count[c.kind] > 1 {
			return formatError("WRONG_NUM_TOKEN", text, "At most one %s is allowed in the number format.", c.name)
		}
	}
	pointed := false
	for i, t := range tokens {
		switch {
		case t.kind == '.':
			pointed = true
		case t.kind == ',' && pointed:
			return formatError("THOUSANDS_SEPS_MUST_BEFORE_DEC", text, "Thousands separators (, or G) may not appear after the decimal point.")
		case t.kind == ',' && (i == 0 || i+1 == len(tokens) || tokens[i-1].kind != 0 || tokens[i+1].kind != 0):
			return formatError("CONT_THOUSANDS_SEPS", text, "Thousands separators (, or G) must have digits in between them.")
		case t.kind == '$' && i > firstDigit:
			return formatError("CUR_MUST_BEFORE_DIGIT", text, "Currency characters must appear before digits in the number format.")
		}
	}
	return checkOrder(text, tokens)
}

// checkOrder walks through the places that tokens may have.
func checkOrder(text string, tokens []formatToken) error {
	const sign, dollar, digits, point, fraction, end = 0, 1, 2, 3, 4, 5
	place := sign
	for _, t := range tokens {
		next := -1
		switch t.kind {
		case 'S', 'M':
			if next = end; place == sign {
				next = dollar
			}
		case '$':
			next = digits
		case 0, ',':
			if next = digits; place >= point {
				next = fraction
			}
		case '.':
			next = point
		case 'P':
			next = end
		}
		allowed := next >= 0 && next >= place && place < end || place == sign
		if t.kind == '?' || !allowed || place == end {
			name := t.text
			if t.kind == 0 {
				name = "digit sequence"
			}
			return formatError("UNEXPECTED_TOKEN", text, "Found the unexpected %s in the format string.", name)
		}
		place = max(next, dollar)
	}
	return nil
}

// read is the unscaled value of a text, with as many digits behind the point as the format has.
func (f *numberFormat) read(s string) (decimal128.Num, bool) {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, s)
	negative := false
	if f.after == 'P' && strings.HasPrefix(s, "<") {
		if !strings.HasSuffix(s, ">") {
			return decimal128.Num{}, false
		}
		negative, s = true, s[1:len(s)-1]
	}
	if f.before != 0 {
		s = cutFormatSign(s, f.before, &negative, strings.CutPrefix)
	}
	if f.after == 'S' || f.after == 'M' {
		s = cutFormatSign(s, f.after, &negative, strings.CutSuffix)
	}
	if f.dollar {
		var ok bool
		if s, ok = strings.CutPrefix(s, "$"); !ok {
			return decimal128.Num{}, false
		}
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if !f.point && len(whole) != len(s) || len(fraction) > f.fraction || !f.fits(whole) {
		return decimal128.Num{}, false
	}
	digits := strings.ReplaceAll(whole, ",", "") + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return decimal128.Num{}, false
	}
	v, _ := new(big.Int).SetString(digits+strings.Repeat("0", f.fraction-len(fraction)), 10)
	if negative {
		v.Neg(v)
	}
	return decimal128.FromBigInt(v), true
}

func cutFormatSign(s string, kind byte, negative *bool, cut func(s, sign string) (string, bool)) string {
	if rest, ok := cut(s, "-"); ok {
		*negative = true
		return rest
	}
	if rest, ok := cut(s, "+"); ok && kind == 'S' {
		return rest
	}
	return s
}

// fits compares the groups of digits from the right.
func (f *numberFormat) fits(whole string) bool {
	if whole == "" && len(f.groups) == 0 {
		return true
	}
	given := strings.Split(whole, ",")
	if len(given) > len(f.groups) {
		return false
	}
	for i := range f.groups {
		group, digits := f.groups[len(f.groups)-1-i], 0
		if i < len(given) {
			digits = len(given[len(given)-1-i])
		}
		if digits > len(group.digits) || group.exact && digits != len(group.digits) {
			return false
		}
	}
	return true
}
