package sql

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/quern-engine/quern/internal/source"
)

// quotedString reads '…' or "…" (both are strings in Spark) at l.pos; start is before the r of a raw string. A doubled
// quote stands for itself, and a backslash escapes unless the string is raw.
func (l *lexer) quotedString(start int, raw bool) *source.Error {
	quote, i := l.body[l.pos], l.pos+1
	var value strings.Builder
	for i < len(l.body) {
		c := l.body[i]
		switch {
		case c == '\\' && !raw:
			n, err := l.escape(i, &value)
			if err != nil {
				return err
			}
			i += n
		case c == quote && !raw && i+1 < len(l.body) && l.body[i+1] == quote:
			value.WriteByte(quote)
			i += 2
		case c == quote:
			l.pos = start
			l.emit(token{kind: tokenString, text: value.String()}, i+1)
			return nil
		default:
			if !raw && c == '$' {
				if err := l.refuseParam(i); err != nil {
					return err
				}
			}
			value.WriteByte(c)
			i++
		}
	}
	return l.text.Errorf(source.Span{Start: start, End: l.pos + 1}, classSyntax, "this string is never closed")
}

// refuseParam refuses ${name} in a string. It would silently stand for itself there, and nobody means that:
// parameters are typed values and take the place of a whole literal.
func (l *lexer) refuseParam(i int) *source.Error {
	rest := l.body[i+1:]
	if !strings.HasPrefix(rest, "{") {
		return nil
	}
	n := wordLength(rest[1:])
	if n == 0 || !strings.HasPrefix(rest[1+n:], "}") {
		return nil
	}
	name := rest[1 : 1+n]
	return l.text.Errorf(source.Span{Start: i, End: i + n + 3}, classSyntax, "the parameter ${%s} is inside a string, where it would stay as it is", name).
		WithHint(`a parameter is a value, not text: write ${%s} outside the quotes, joined with || if need be; \${ is a plain ${`, name)
}

// escape resolves the escape sequence at i as Spark does and returns its length.
func (l *lexer) escape(i int, value *strings.Builder) (int, *source.Error) {
	rest := l.body[i+1:]
	if rest == "" {
		value.WriteByte('\\')
		return 1, nil
	}
	switch c := rest[0]; c {
	case 'b':
		value.WriteByte('\b')
	case 't':
		value.WriteByte('\t')
	case 'n':
		value.WriteByte('\n')
	case 'r':
		value.WriteByte('\r')
	case 'Z':
		value.WriteByte(0x1A)
	case '%', '_': // kept for LIKE, which has its own escapes
		value.WriteString(`\` + rest[:1])
	case 'u', 'U':
		return l.unicodeEscape(i, value)
	default:
		if n, ok := octal(rest); ok {
			value.WriteRune(n)
			return 4, nil
		}
		if c == '0' {
			value.WriteByte(0)
			return 2, nil
		}
		r, size := utf8.DecodeRuneInString(rest)
		value.WriteRune(r)
		return 1 + size, nil
	}
	return 2, nil
}

// octal reads \ooo, three octal digits of which the first is 0 or 1.
func octal(s string) (rune, bool) {
	if len(s) < 3 || s[0] < '0' || s[0] > '1' || s[1] < '0' || s[1] > '7' || s[2] < '0' || s[2] > '7' {
		return 0, false
	}
	return rune(s[0]-'0')<<6 | rune(s[1]-'0')<<3 | rune(s[2]-'0'), true
}

// unicodeEscape reads \uXXXX (two of them when they are a surrogate pair) or \UXXXXXXXX. With too few digits the
// backslash is dropped, as before any other letter.
func (l *lexer) unicodeEscape(i int, value *strings.Builder) (int, *source.Error) {
	size := 4
	if l.body[i+1] == 'U' {
		size = 8
	}
	r, ok := hexDigits(l.body[i+2:], size)
	if !ok {
		value.WriteByte(l.body[i+1])
		return 2, nil
	}
	length := 2 + size
	if utf16.IsSurrogate(r) && strings.HasPrefix(l.body[i+length:], `\u`) {
		if low, ok := hexDigits(l.body[i+length+2:], 4); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				value.WriteRune(pair)
				return length + 6, nil
			}
		}
	}
	if !utf8.ValidRune(r) {
		return 0, l.text.Errorf(source.Span{Start: i, End: i + length}, classSyntax, "%s is not a Unicode character", l.body[i:i+length])
	}
	value.WriteRune(r)
	return length, nil
}

func hexDigits(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	var v uint32
	for _, c := range []byte(s[:n]) {
		d := strings.IndexByte("0123456789abcdefABCDEF", c)
		if d < 0 {
			return 0, false
		}
		if d > 15 {
			d -= 6
		}
		v = v<<4 | uint32(d)
	}
	if v > utf8.MaxRune {
		return utf8.MaxRune + 1, true
	}
	return rune(v), true
}
