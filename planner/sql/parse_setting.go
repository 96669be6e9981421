package sql

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// timeZoneKey is the setting behind SET TIME ZONE.
const timeZoneKey = "spark.sql.session.timeZone"

// parseSetting reads SET and RESET, whose values are plain text.
func parseSetting(text *source.Text, part source.Span, word string) (Statement, error) {
	l := &lexer{text: text, body: text.Body[:part.End], pos: part.Start}
	if err := l.skipBlank(); err != nil {
		return nil, err
	}
	l.pos += len(word)
	span := source.Span{Start: l.pos, End: part.End}
	rest := strings.TrimSpace(strings.TrimRight(strings.TrimSpace(l.body[l.pos:]), "; \t\r\n"))
	s := &Set{Reset: word == "RESET", Span: part}
	switch upper := strings.ToUpper(rest); {
	case rest == "":
		return s, nil
	case s.Reset:
		key, tail, ok := settingKey(rest)
		if !ok || tail != "" {
			return nil, text.Errorf(span, "INVALID_RESET_COMMAND_FORMAT", "expected RESET or RESET key")
		}
		s.Key = key
		return s, nil
	case isWords(upper, "TIME", "ZONE"):
		return timeZone(text, part, s)
	case !s.Reset && (isWords(upper, "VAR") || isWords(upper, "VARIABLE")):
		return parseSetVariable(text, part)
	case isWords(upper, "ROLE"), isWords(upper, "CATALOG"):
		return nil, text.Errorf(span, "UNSUPPORTED_FEATURE", "SET %s is not supported", strings.Fields(upper)[0])
	case rest == "-v":
		return s, nil
	}
	key, tail, ok := settingKey(rest)
	value, equals := strings.CutPrefix(tail, "=")
	if !ok || tail != "" && !equals {
		return nil, text.Errorf(span, "INVALID_SET_SYNTAX", "expected SET, SET key or SET key = value").
			WithHint("back quotes allow any character: SET `key` = `value`")
	}
	s.Key, s.HasValue, s.Value = key, equals, unquoted(strings.TrimSpace(value))
	return s, nil
}

// isWords reports that a text in upper case begins with some words, and goes on behind them.
func isWords(upper string, words ...string) bool {
	fields := strings.Fields(upper)
	if len(fields) <= len(words) {
		return false
	}
	for i, w := range words {
		if fields[i] != w {
			return false
		}
	}
	return !strings.HasPrefix(fields[len(words)], "=")
}

// settingKey cuts the key of a setting from what follows it: letters, digits, "_", ".", ":" and "\", or anything in
// back quotes.
func settingKey(s string) (key, tail string, ok bool) {
	if rest, quoted := strings.CutPrefix(s, "`"); quoted {
		key, tail, ok = strings.Cut(rest, "`")
		return key, strings.TrimSpace(tail), ok && key != ""
	}
	n := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && r != '.' && r != ':' && r != '\\' && !(r >= 'a' && r <= 'z') && !(r >= 'A' && r <= 'Z') && !isDigitRune(r)
	})
	if n < 0 {
		n = len(s)
	}
	return s[:n], strings.TrimSpace(s[n:]), n > 0
}

// unquoted is a value without the back quotes around it.
func unquoted(value string) string {
	if len(value) >= 2 && value[0] == '`' && value[len(value)-1] == '`' {
		return value[1 : len(value)-1]
	}
	return value
}

// timeZone reads SET TIME ZONE LOCAL, a string or an interval, which becomes an offset such as +08:30.
func timeZone(text *source.Text, part source.Span, s *Set) (Statement, error) {
	p, err := newParser(text, part)
	if err != nil {
		return nil, err
	}
	for range 3 { // SET TIME ZONE
		p.advance()
	}
	s.Key, s.HasValue = timeZoneKey, true
	t := p.peek()
	switch {
	case t.is("LOCAL"):
		p.advance()
		s.Value = "LOCAL"
	case t.kind == tokenString:
		s.Value = p.stringValue()
	case t.is("INTERVAL") && p.startsInterval():
		s.Value = p.offset(p.interval().(*Interval))
	default:
		p.fail(t.span, "_LEGACY_ERROR_TEMP_0045", "a time zone is a string, LOCAL or an interval").WithHint("SET TIME ZONE 'Europe/Vienna'")
	}
	p.endStatement()
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
}

// offset is an interval as a time zone.
func (p *parser) offset(e *Interval) string {
	v, ok := intervalOf(e)
	const second, most = 1_000_000, 18 * 3600
	seconds := v.micros / second
	if !ok || v.from < unitDay || v.micros%second != 0 || seconds < -most || seconds > most {
		p.fail(e.Span, "INVALID_INTERVAL_FORMAT.TIMEZONE_INTERVAL_OUT_OF_RANGE", "a time zone is at most 18 hours, in whole seconds")
		return ""
	}
	if seconds == 0 {
		return "Z"
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	s := fmt.Sprintf("%s%02d:%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		s += fmt.Sprintf(":%02d", seconds%60)
	}
	return s
}
