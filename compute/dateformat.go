package compute

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quern-engine/quern/plan"
)

// The English names, which patterns and functions cut to three letters.
var (
	dayNames   = [...]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	monthNames = [...]string{
		"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
	}
)

// formatFunctions turn times into text and back by patterns (yyyy-MM-dd HH:mm:ss).
func formatFunctions() []Function {
	ts := of(plan.Timestamp)
	return []Function{
		{
			Name: "date_format", Usage: "date_format(timestamp, pattern)", Summary: "The time written by a pattern.",
			Example: "date_format('2016-04-08', 'y/MMM/dd EEEE')", ExampleResult: "2016/Apr/08 Friday",
			resolve: takes(returns(plan.String), ts, text()), build: buildFormat,
		},
		{
			Name: "from_unixtime", Usage: "from_unixtime(seconds[, pattern])", Summary: "The time of a number of seconds, written by a pattern.",
			Example: "from_unixtime(0, 'yyyy-MM-dd HH:mm:ss')", ExampleResult: "1970-01-01 00:00:00",
			resolve: takesOptional(returns(plan.String), 1, of(plan.Int64), text()), build: buildFromUnixtime,
		},
		{
			Name: "to_date", Usage: "to_date(value[, pattern])", Summary: "The date that a text says, by a pattern or as a cast reads it.",
			Example: "to_date('30.12.2016', 'dd.MM.yyyy')", ExampleResult: "2016-12-30",
			resolve: resolveParse(plan.Date), build: buildParse("to_date", false, func(v int64) int64 { return floorDiv(v, microsPerDay) }),
		},
		{
			Name: "to_timestamp", Usage: "to_timestamp(value[, pattern])",
			Summary: "The time that a text says, by a pattern or as a cast reads it.",
			Example: "to_timestamp('2016-12-31 00:12:00')", ExampleResult: "2016-12-31 00:12:00",
			resolve: resolveParse(plan.Timestamp), build: buildParse("to_timestamp", false, identity[int64]),
		},
		{
			Name: "try_to_timestamp", Usage: "try_to_timestamp(value[, pattern])", Summary: "As to_timestamp, with NULL in place of errors.",
			Example: "try_to_timestamp('foo', 'yyyy-MM-dd')", ExampleResult: "NULL",
			resolve: nullable(resolveParse(plan.Timestamp)), build: buildParse("to_timestamp", true, identity[int64]),
		},
		{
			Name: "unix_timestamp", Aliases: []string{"to_unix_timestamp"}, Usage: "unix_timestamp(value[, pattern])",
			Summary: "The seconds since 1970-01-01 00:00:00 UTC of a time, or of a text by a pattern.",
			Example: "unix_timestamp('2016-04-08', 'yyyy-MM-dd')", ExampleResult: "1460073600",
			resolve: resolveUnixTimestamp, build: buildUnixTimestamp,
		},
	}
}

const defaultPattern = "yyyy-MM-dd HH:mm:ss"

// resolveParse takes anything that casts to the type, or text with a pattern.
func resolveParse(t plan.Type) resolver {
	castable := param{sqlType(plan.String), func(a plan.Type) (plan.Type, bool) {
		return a, a.Kind == plan.KindString || CanCast(a, t)
	}}
	return takesOptional(returns(t), 1, castable, text())
}

// buildParse reads text; times need no reading, whatever the pattern.
func buildParse(name string, try bool, of func(micros int64) int64) builder {
	return func(b *binding) (node, error) {
		if len(b.args) == 1 || b.arg(0).Kind != plan.KindString {
			return castNode(b.args[0], b.t, try)
		}
		cache := &patternCache{}
		parse := func(s, pattern string) (int64, bool, error) {
			v, err := cache.parse(name, s, pattern)
			if err != nil {
				if try {
					err = nil
				}
				return 0, false, err
			}
			return of(v), true, nil
		}
		if b.t.Kind == plan.KindDate {
			return strict(!try, mapSome2(func(s, pattern string) (int32, bool, error) {
				v, ok, err := parse(s, pattern)
				return int32(v), ok, err
			}))(b)
		}
		return strict(!try, mapSome2(parse))(b)
	}
}

func resolveUnixTimestamp(args []plan.Type) (Signature, error) {
	sig, err := resolveParse(plan.Timestamp)(args)
	sig.Returns = plan.Int64
	return sig, err
}

func buildUnixTimestamp(b *binding) (node, error) {
	if b.arg(0).Kind == plan.KindString {
		if len(b.args) == 1 {
			b.args = append(b.args, newConst(plan.String, plan.Literal{Bytes: []byte(defaultPattern)}))
		}
		return buildParse(b.name, false, func(v int64) int64 { return floorDiv(v, microsPerSecond) })(b)
	}
	ts, err := castNode(b.args[0], plan.Timestamp, false)
	if err != nil {
		return nil, err
	}
	return total(map1(func(v int64) int64 { return floorDiv(v, microsPerSecond) }))(&binding{b.name, []node{ts}, b.t})
}

func buildFormat(b *binding) (node, error) {
	cache := &patternCache{}
	return partial(textSome2(func(dst []byte, v int64, pattern string) ([]byte, bool, error) {
		p, err := cache.get(pattern)
		if err != nil {
			return dst, false, err
		}
		return appendTime(dst, p, v), true, nil
	}))(b)
}

func buildFromUnixtime(b *binding) (node, error) {
	if len(b.args) == 1 {
		b.args = append(b.args, newConst(plan.String, plan.Literal{Bytes: []byte(defaultPattern)}))
	}
	cache := &patternCache{}
	return partial(textSome2(func(dst []byte, seconds int64, pattern string) ([]byte, bool, error) {
		p, err := cache.get(pattern)
		if err != nil {
			return dst, false, err
		}
		return appendTime(dst, p, saturatingSeconds(seconds)), true, nil
	}))(b)
}

// patternCache remembers the pattern it compiled last.
type patternCache struct {
	text  string
	items []patternItem
	ready bool
}

func (c *patternCache) get(pattern string) ([]patternItem, error) {
	if !c.ready || c.text != pattern {
		items, err := compilePattern(strings.Clone(pattern))
		if err != nil {
			return nil, err
		}
		c.items, c.text, c.ready = items, strings.Clone(pattern), true
	}
	return c.items, nil
}

func (c *patternCache) parse(function, s, pattern string) (int64, error) {
	p, err := c.get(pattern)
	if err != nil {
		return 0, err
	}
	v, ok := parseTime(p, s)
	if !ok {
		return 0, userError("CANNOT_PARSE_TIMESTAMP",
			"Text %s could not be parsed by the pattern %s. Use `try_%s` to tolerate invalid input string and return NULL instead.",
			sqlString(s), sqlString(pattern), function)
	}
	return v, nil
}

// patternItem is a run of one letter, or literal text.
type patternItem struct {
	letter   byte // 0: literal; '[': optional
	count    int
	literal  string
	optional []patternItem // what stands in brackets
}

// patternLetters gives each letter's longest run.
var patternLetters = map[byte]int{
	'y': 6, 'u': 6, 'M': 4, 'L': 4, 'd': 2, 'D': 3, 'Q': 2, 'q': 2, 'E': 4, 'a': 1, 'H': 2, 'h': 2, 'k': 2, 'K': 2, 'm': 2,
	's': 2, 'S': 9, 'X': 5, 'x': 5, 'Z': 3, 'z': 4, 'V': 2, 'G': 3,
}

func compilePattern(s string) ([]patternItem, error) {
	out, end, err := compileSection(s, 0)
	if err == nil && end < len(s) {
		err = badPattern(s, "a bracket that closes nothing")
	}
	return out, err
}

// compileSection compiles up to the end, or up to the bracket that closes an optional part.
func compileSection(s string, i int) (out []patternItem, end int, err error) {
	literal := func(text string) { out = append(out, patternItem{literal: text}) }
	for i < len(s) && s[i] != ']' {
		c := s[i]
		switch {
		case c == '[':
			inner, end, err := compileSection(s, i+1)
			if err != nil {
				return nil, 0, err
			}
			out = append(out, patternItem{letter: '[', optional: inner})
			i = min(end+1, len(s)) // an open bracket ends with the pattern, as in Java
		case c == '\'':
			text, next, ok := quoted(s, i)
			if !ok {
				return nil, 0, badPattern(s, "an unclosed quote")
			}
			literal(text)
			i = next
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(s) && s[i+n] == c {
				n++
			}
			if n > patternLetters[c] {
				return nil, 0, badPattern(s, s[i:i+n])
			}
			out = append(out, patternItem{letter: c, count: n})
			i += n
		case strings.IndexByte("{}#", c) >= 0:
			return nil, 0, badPattern(s, s[i:i+1])
		default:
			_, size := utf8.DecodeRuneInString(s[i:])
			literal(s[i : i+size])
			i += size
		}
	}
	return out, i, nil
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

func badPattern(pattern, what string) error {
	return userError("INVALID_DATETIME_PATTERN", "Unrecognized datetime pattern: %s: %s is not supported.", sqlString(pattern), what)
}

func appendTime(dst []byte, items []patternItem, v int64) []byte {
	days, micros := splitDay(v)
	year, month, day := civil(days)
	seconds := micros / microsPerSecond
	hour := seconds / 3600
	for _, it := range items {
		switch it.letter {
		case 0:
			dst = append(dst, it.literal...)
		case '[':
			dst = appendTime(dst, it.optional, v)
		case 'y', 'u':
			dst = appendYear(dst, year, it.count)
		case 'M', 'L':
			dst = appendMonth(dst, month, it.count)
		case 'Q', 'q':
			dst = appendPadded(dst, int64(month-1)/3+1, it.count)
		case 'd':
			dst = appendPadded(dst, int64(day), it.count)
		case 'D':
			dst = appendPadded(dst, days-daysOf(year, 1, 1)+1, it.count)
		case 'E':
			name := dayNames[dayOfWeek(days)]
			if it.count < 4 {
				name = name[:3]
			}
			dst = append(dst, name...)
		case 'a':
			dst = append(dst, "AMPM"[2*(hour/12):2*(hour/12)+2]...)
		case 'H':
			dst = appendPadded(dst, hour, it.count)
		case 'k':
			dst = appendPadded(dst, (hour+23)%24+1, it.count)
		case 'K':
			dst = appendPadded(dst, hour%12, it.count)
		case 'h':
			dst = appendPadded(dst, (hour+11)%12+1, it.count)
		case 'm':
			dst = appendPadded(dst, seconds/60%60, it.count)
		case 's':
			dst = appendPadded(dst, seconds%60, it.count)
		case 'S':
			fraction := appendPadded(nil, micros%microsPerSecond*1000, 9)
			dst = append(dst, fraction[:it.count]...)
		case 'G':
			dst = append(dst, "AD"...)
		default:
			dst = append(dst, zoneText(it)...)
		}
	}
	return dst
}

func appendYear(dst []byte, year int64, count int) []byte {
	if count == 2 {
		return appendPadded(dst, floorMod(year, 100), 2)
	}
	if year < 0 {
		dst, year = append(dst, '-'), -year
	} else if year > 9999 && count == 4 {
		dst = append(dst, '+')
	}
	return appendPadded(dst, year, count)
}

func appendMonth(dst []byte, month, count int) []byte {
	switch count {
	case 3:
		return append(dst, monthNames[month-1][:3]...)
	case 4:
		return append(dst, monthNames[month-1]...)
	}
	return appendPadded(dst, int64(month), count)
}

func appendPadded(dst []byte, v int64, width int) []byte {
	text := strconv.FormatInt(v, 10)
	for i := len(text); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// zoneText is UTC in the forms of the zone letters.
func zoneText(it patternItem) string {
	switch {
	case it.letter == 'X':
		return "Z"
	case it.letter == 'x' && it.count == 1:
		return "+00"
	case it.letter == 'x' && it.count%2 == 0, it.letter == 'Z':
		return "+0000"
	case it.letter == 'x':
		return "+00:00"
	case it.letter == 'z' && it.count == 4:
		return "Coordinated Universal Time"
	}
	return "UTC"
}
