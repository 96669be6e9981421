package compute

import (
	"strings"
	"unicode/utf8"
)

// patternItem is a run of one letter, or literal text.
type patternItem struct {
	letter   byte // 0: literal; '[': optional
	era      bool // a year of an era, for a pattern with one
	count    int
	literal  string
	optional []patternItem // what stands in brackets
}

// patternLetters gives each letter's longest run.
var patternLetters = map[byte]int{
	'y': 6, 'u': 6, 'M': 4, 'L': 4, 'd': 2, 'D': 3, 'Q': 4, 'q': 4, 'E': 4, 'F': 1, 'a': 1, 'H': 2, 'h': 2, 'k': 2, 'K': 2,
	'm': 2, 's': 2, 'S': 9, 'X': 5, 'x': 5, 'Z': 5, 'z': 4, 'V': 2, 'O': 4, 'G': 4,
}

func compilePattern(s string, parsing bool) ([]patternItem, error) {
	c := patternCompiler{text: s, parsing: parsing}
	out, end, err := c.section(0)
	if err == nil && end < len(s) {
		err = c.bad("WITH_SUGGESTION", "")
	}
	if err == nil && c.era {
		markEra(out)
	}
	return out, err
}

func markEra(items []patternItem) {
	for i := range items {
		items[i].era = true
		markEra(items[i].optional)
	}
}

type patternCompiler struct {
	text         string
	parsing, era bool
}

// bad refuses the pattern. Where the formatter that Spark had before would have taken it, Spark's error says so.
func (c *patternCompiler) bad(sub, what string) error {
	plain, old := true, true
	for i := range len(c.text) {
		b := c.text[i]
		switch {
		case b == '\'':
			plain = !plain
		case plain && (b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'):
			old = old && strings.IndexByte("GyYMLwWDdFEuaHkKhmsSzZX", b) >= 0
		}
	}
	if old && plain {
		return userError("INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION",
			"Fail to recognize %s pattern in the DateTimeFormatter.", sqlString(c.text))
	}
	switch sub {
	case "WEEK":
		return userError("INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN",
			"All week-based patterns are unsupported, detected week-based character: %s.", what)
	case "ILLEGAL_CHARACTER":
		return userError("INVALID_DATETIME_PATTERN."+sub, "Unrecognized datetime pattern: %s. Illegal pattern character: %s.", c.text, what)
	case "LENGTH":
		return userError("INVALID_DATETIME_PATTERN."+sub, "Unrecognized datetime pattern: %s. Too many letters: %s.", c.text, what)
	}
	return userError("INVALID_DATETIME_PATTERN."+sub, "Unrecognized datetime pattern: %s.", sqlString(c.text))
}

// section compiles up to the end, or up to the bracket that closes an optional part.
func (c *patternCompiler) section(i int) (out []patternItem, end int, err error) {
	s := c.text
	literal := func(text string) { out = append(out, patternItem{literal: text}) }
	for i < len(s) && s[i] != ']' {
		b := s[i]
		switch {
		case b == '[':
			inner, end, err := c.section(i + 1)
			if err != nil {
				return nil, 0, err
			}
			out = append(out, patternItem{letter: '[', optional: inner})
			i = min(end+1, len(s)) // an open bracket ends with the pattern, as in Java
		case b == '\'':
			text, next, ok := quoted(s, i)
			if !ok {
				return nil, 0, c.bad("WITH_SUGGESTION", "")
			}
			literal(text)
			i = next
		case b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z':
			n := 1
			for i+n < len(s) && s[i+n] == b {
				n++
			}
			if err := c.checkRun(b, n); err != nil {
				return nil, 0, err
			}
			c.era = c.era || b == 'G'
			out = append(out, patternItem{letter: b, count: n})
			i += n
		case strings.IndexByte("{}#", b) >= 0:
			return nil, 0, c.bad("WITH_SUGGESTION", "")
		default:
			_, size := utf8.DecodeRuneInString(s[i:])
			literal(s[i : i+size])
			i += size
		}
	}
	return out, i, nil
}

// checkRun refuses letters that have no meaning, or not so many times.
func (c *patternCompiler) checkRun(b byte, n int) error {
	most, known := patternLetters[b]
	switch {
	case strings.IndexByte("YWwuec", b) >= 0:
		return c.bad("WEEK", string(b))
	case strings.IndexByte("ABnNp", b) >= 0, c.parsing && strings.IndexByte("EFqQ", b) >= 0:
		return c.bad("ILLEGAL_CHARACTER", string(b))
	case n > most && strings.IndexByte("GMLEQqy", b) >= 0:
		return c.bad("LENGTH", strings.Repeat(string(b), n))
	case !known, n > most, b == 'V' && n != 2, b == 'O' && n != 1 && n != 4:
		return c.bad("WITH_SUGGESTION", "")
	}
	return nil
}

// quoted reads 'text' with ” for a quote; an empty pair outside of text is a quote, too.
func quoted(s string, i int) (text string, next int, ok bool) {
	var b strings.Builder
	start := i
	for i++; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i == start+1 {
			return "'", i + 1, true
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), i + 1, true
	}
	return "", i, false
}
