package compute

import (
	"strings"

	"github.com/quern-engine/quern/plan"
)

// formatFunctions turn times into text and back by patterns (yyyy-MM-dd HH:mm:ss).
func formatFunctions() []Function {
	ts := of(plan.Timestamp)
	parse := func(name string, t plan.Type, try bool, summary, example, res string) Function {
		f := Function{
			Name: name, Usage: name + "(value[, pattern])", Summary: summary, Example: example, ExampleResult: res,
			resolve: resolveParse(t), build: buildParse(name, try),
		}
		if try {
			f.resolve = nullable(f.resolve)
		}
		return f
	}
	const says, null = "The time that a text says, by a pattern or as a cast reads it.", ", with NULL in place of errors."
	return []Function{
		{
			Name: "date_format", Usage: "date_format(timestamp, pattern)", Summary: "The time written by a pattern.",
			Example: "date_format('2016-04-08', 'y/MMM/dd EEEE')", ExampleResult: "2016/Apr/08 Friday",
			resolve: takes(returns(plan.String), ts, text()), build: buildFormat(identity[int64]),
		},
		{
			Name: "from_unixtime", Usage: "from_unixtime(seconds[, pattern])", Summary: "The time of a number of seconds, written by a pattern.",
			Example: "from_unixtime(0, 'yyyy-MM-dd HH:mm:ss')", ExampleResult: "1970-01-01 00:00:00",
			resolve: takesOptional(returns(plan.String), 1, of(plan.Int64), text()), build: buildFormat(saturatingSeconds),
		},
		parse("to_date", plan.Date, false, "The date that a text says, by a pattern or as a cast reads it.",
			"to_date('30.12.2016', 'dd.MM.yyyy')", "2016-12-30"),
		parse("try_to_date", plan.Date, true, "As to_date"+null, "try_to_date('foo', 'yyyy-MM-dd')", "NULL"),
		parse("to_timestamp", plan.Timestamp, false, says, "to_timestamp('2016-12-31 00:12:00')", "2016-12-31 00:12:00"),
		parse("to_timestamp_ltz", plan.Timestamp, false, says, "to_timestamp_ltz('2016-12-31', 'yyyy-MM-dd')", "2016-12-31 00:00:00"),
		parse("to_timestamp_ntz", plan.TimestampNTZ, false, "The time without a zone that a text says, by a pattern or as a cast reads it.",
			"to_timestamp_ntz('2016-12-31', 'yyyy-MM-dd')", "2016-12-31 00:00:00"),
		parse("try_to_timestamp", plan.Timestamp, true, "As to_timestamp"+null, "try_to_timestamp('foo', 'yyyy-MM-dd')", "NULL"),
		{
			Name: "unix_timestamp", Aliases: []string{"to_unix_timestamp"}, Usage: "unix_timestamp([value[, pattern]])",
			Summary: "The seconds since 1970-01-01 00:00:00 UTC of a time, of a text by a pattern, or of now.",
			Example: "unix_timestamp('2016-04-08', 'yyyy-MM-dd')", ExampleResult: "1460073600",
			resolve: resolveUnixTimestamp, build: buildUnixTimestamp,
		},
	}
}

const defaultPattern = "yyyy-MM-dd HH:mm:ss"

// withPattern adds the pattern that is left out.
func withPattern(b *binding) {
	if len(b.args) == 1 {
		b.args = append(b.args, newConst(plan.String, plan.Literal{Bytes: []byte(defaultPattern)}))
	}
}

// resolveParse takes anything that casts to the type, or text with a pattern.
func resolveParse(t plan.Type) resolver {
	castable := param{`("STRING" or "DATE" or "TIMESTAMP" or "TIMESTAMP_NTZ")`, func(a plan.Type) (plan.Type, bool) {
		ok := a.Kind == plan.KindString || isTime(a) || a.Kind == plan.KindNull || t.Kind == plan.KindTimestamp && a.IsNumeric()
		return a, ok
	}}
	return takesOptional(returns(t), 1, castable, text())
}

// buildParse reads text; times need no reading, whatever the pattern.
func buildParse(name string, try bool) builder {
	return func(b *binding) (node, error) {
		if len(b.args) == 1 || b.arg(0).Kind != plan.KindString {
			return castNode(b.session, b.args[0], b.t, try)
		}
		return parserNode(name, try, b, func(v int64, zone *zone) int64 {
			if b.t.Kind == plan.KindTimestamp {
				return v
			}
			v = zone.local(v)
			if b.t.Kind == plan.KindDate {
				v = floorDiv(v, microsPerDay)
			}
			return v
		})
	}
}

// parserNode reads text by a pattern and hands on what of makes of the instant and the session's zone.
func parserNode(name string, try bool, b *binding, of func(micros int64, zone *zone) int64) (node, error) {
	cache := &patternCache{parsing: true}
	quiet := try || b.legacy
	parse := func(s, pattern string) (int64, bool, error) {
		p, err := cache.get(pattern)
		if err != nil {
			return 0, false, err
		}
		v, ok := parseTime(p, s, b.session)
		if !ok && !quiet {
			return 0, false, userError("CANNOT_PARSE_TIMESTAMP",
				"Text %s could not be parsed by the pattern %s. Use `try_%s` to tolerate invalid input string and return NULL instead.",
				sqlString(s), sqlString(pattern), name)
		}
		return of(v, b.zone), ok, nil
	}
	if b.t.Kind == plan.KindDate {
		return partial(mapSome2(func(s, pattern string) (int32, bool, error) {
			v, ok, err := parse(s, pattern)
			return int32(v), ok, err
		}))(b)
	}
	return partial(mapSome2(parse))(b)
}

func resolveUnixTimestamp(args []plan.Type) (Signature, error) {
	if len(args) == 0 {
		return Signature{Returns: plan.Int64}, nil
	}
	sig, err := resolveParse(plan.Timestamp)(args)
	sig.Returns = plan.Int64
	return sig, err
}

func buildUnixTimestamp(b *binding) (node, error) {
	seconds := func(v int64, _ *zone) int64 { return floorDiv(v, microsPerSecond) }
	switch {
	case len(b.args) == 0:
		now, err := b.clock()
		return newConst(plan.Int64, plan.Literal{Int: floorDiv(now, microsPerSecond)}), err
	case b.arg(0).Kind == plan.KindString:
		withPattern(b)
		return parserNode("to_timestamp", false, b, seconds)
	}
	ts := b.args[0]
	if ts.typ().Kind != plan.KindTimestampNTZ { // a time without zone counts as one of UTC
		var err error
		if ts, err = castNode(b.session, ts, plan.Timestamp, false); err != nil {
			return nil, err
		}
	}
	return total(map1(func(v int64) int64 { return seconds(v, nil) }))(&binding{b.name, []node{ts}, b.t, b.session})
}

// buildFormat writes the instant that of makes of the first argument.
func buildFormat(of func(int64) int64) builder {
	return func(b *binding) (node, error) {
		withPattern(b)
		cache := &patternCache{}
		return partial(textSome2(func(dst []byte, v int64, pattern string) ([]byte, bool, error) {
			p, err := cache.get(pattern)
			if err != nil {
				return dst, false, err
			}
			dst, err = appendTime(dst, p, newStamp(of(v), b.zone))
			return dst, true, err
		}))(b)
	}
}

// patternCache remembers the pattern it compiled last.
type patternCache struct {
	parsing bool
	text    string
	items   []patternItem
	ready   bool
}

func (c *patternCache) get(pattern string) ([]patternItem, error) {
	if !c.ready || c.text != pattern {
		items, err := compilePattern(strings.Clone(pattern), c.parsing)
		if err != nil {
			return nil, err
		}
		c.items, c.text, c.ready = items, strings.Clone(pattern), true
	}
	return c.items, nil
}
