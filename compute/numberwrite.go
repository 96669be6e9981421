package compute

import (
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// write appends a number as the format has it. A number that needs more digits becomes #s.
func (f *numberFormat) write(dst []byte, v decimal128.Num, scale int32) []byte {
	negative := v.Sign() < 0
	text := strings.TrimPrefix(formatDecimal(v, scale), "-")
	whole, fraction, _ := strings.Cut(text, ".")
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if len(whole) > f.whole || len(fraction) > f.fraction {
		whole, fraction = strings.Repeat("#", f.whole), strings.Repeat("#", f.fraction)
	}
	out := make([]byte, 0, 64)
	if f.after == 'P' && negative {
		out = append(out, '<')
	}
	out = appendFormatSign(out, f.before, negative)
	if f.dollar {
		out = append(out, '$')
	}
	out = f.writeWhole(out, whole)
	if f.point && (f.fraction > 0 || f.after != 0) {
		if len(out) > 0 && out[len(out)-1] == ' ' {
			out[len(out)-1] = '0'
		}
		if f.fraction > 0 {
			out = append(out, '.')
		}
	} else if f.point {
		out = append(out, ' ')
	}
	out = append(out, fraction...)
	for i := len(fraction); i < f.fraction; i++ {
		out = append(out, '0')
	}
	switch {
	case f.after == 'P' && negative:
		out = insertBeforeBlanks(out, '>')
	case f.after == 'P':
		out = append(out, "  "...)
	default:
		out = appendFormatSign(out, f.after, negative)
	}
	return append(dst, out...)
}

// writeWhole writes the digits before the point. Where digits are missing there are blanks or, in groups that begin
// with 0, zeros; a sign in front moves next to the first digit.
func (f *numberFormat) writeWhole(out []byte, whole string) []byte {
	start := len(out)
	missing := f.whole - len(whole)
	for i, g := range f.groups {
		if i > 0 {
			separator := byte(' ')
			if last := out[len(out)-1]; last >= '0' && last <= '9' {
				separator = ','
			}
			out = append(out, separator)
		}
		for range g.digits {
			switch {
			case missing > 0 && g.exact:
				out = append(out, '0')
			case missing > 0:
				out = append(out, ' ')
			default:
				out, whole = append(out, whole[0]), whole[1:]
			}
			missing--
		}
	}
	if start > 0 && (out[start-1] == '-' || out[start-1] == '+' || out[start-1] == '<') {
		for i := start; i < len(out) && out[i] == ' '; i++ {
			out[i-1], out[i] = ' ', out[i-1]
		}
	}
	return out
}

func appendFormatSign(out []byte, kind byte, negative bool) []byte {
	switch {
	case kind == 0 || kind == 'P':
		return out
	case negative:
		return insertBeforeBlanks(out, '-')
	case kind == 'S':
		return insertBeforeBlanks(out, '+')
	}
	return append(out, ' ')
}

// insertBeforeBlanks puts a character behind the last one that is not blank.
func insertBeforeBlanks(out []byte, c byte) []byte {
	out = append(out, c)
	for i := len(out) - 1; i > 0 && out[i-1] == ' '; i-- {
		out[i], out[i-1] = ' ', c
	}
	return out
}
