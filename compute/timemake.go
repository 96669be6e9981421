package compute

import (
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// clockFunctions make times of their parts, move them between zones, and say what time it is.
func clockFunctions() []Function {
	ts, ntz, str := of(plan.Timestamp), of(plan.TimestampNTZ), text()
	moved := func(name, summary, example, res string, f func(z *zone, v int64) int64) Function {
		return Function{
			Name: name, Usage: name + "(timestamp, zone)", Summary: summary, Example: example, ExampleResult: res,
			resolve: takes(returns(plan.Timestamp), ts, str),
			build: func(b *binding) (node, error) {
				zones := b.zones
				return partial(mapSome2(func(v int64, name string) (int64, bool, error) {
					z, ok := zones.find(name)
					if !ok {
						return 0, false, invalidZone(name)
					}
					return f(z, v), true, nil
				}))(b)
			},
		}
	}
	return append([]Function{
		moved("from_utc_timestamp", "The time on the clocks of a zone when clocks of UTC show the timestamp.",
			"from_utc_timestamp('2016-08-31', 'Asia/Seoul')", "2016-08-31 09:00:00", (*zone).local),
		moved("to_utc_timestamp", "The time on the clocks of UTC when clocks of a zone show the timestamp.",
			"to_utc_timestamp('2016-08-31', 'Asia/Seoul')", "2016-08-30 15:00:00", (*zone).instant),
		{
			Name: "convert_timezone", Usage: "convert_timezone([source, ]target, timestamp)",
			Summary: "The local time in the target zone when it is the timestamp in the source zone, or in the session's.",
			Example: "convert_timezone('Europe/Brussels', 'America/Los_Angeles', '2021-12-06 00:00:00')", ExampleResult: "2021-12-05 15:00:00",
			resolve: either(takes(returns(plan.TimestampNTZ), str, ntz), takes(returns(plan.TimestampNTZ), str, str, ntz)),
			build:   buildConvertZone,
		},
		now("current_timestamp", []string{"now"}, plan.Timestamp, "The time at which the query began."),
		now("current_date", []string{"curdate"}, plan.Date, "The date on which the query began."),
		now("localtimestamp", nil, plan.TimestampNTZ, "The local time at which the query began."),
		{
			Name: "current_timezone", Usage: "current_timezone()", Summary: "The session's time zone.", Example: "current_timezone()",
			ExampleResult: "UTC", resolve: neverNull(takes(returns(plan.String))),
			build: func(b *binding) (node, error) {
				return newConst(plan.String, plan.Literal{Bytes: []byte(b.zone.name)}), nil
			},
		},
	}, makerFunctions()...)
}

// either tries the second resolver where the first refuses the number of arguments.
func either(first, second resolver) resolver {
	return func(args []plan.Type) (Signature, error) {
		sig, err := first(args)
		if _, ok := err.(arityError); ok {
			return second(args)
		}
		return sig, err
	}
}

func invalidZone(name string) error {
	return userError("INVALID_TIMEZONE", "The timezone: %s is invalid. The timezone must be either a region-based zone ID or a "+
		"zone offset. Region IDs must have the form 'area/city', such as 'America/Los_Angeles'. Zone offsets must be in the "+
		"format '(+|-)HH', '(+|-)HH:mm' or '(+|-)HH:mm:ss', e.g '-08' , '+01:00' or '-13:33:33', and must be in the range from "+
		"-18:00 to +18:00. 'Z' and 'UTC' are accepted as synonyms for '+00:00'.", name)
}

func buildConvertZone(b *binding) (node, error) {
	zones, from := b.zones, b.zone
	convert := func(from *zone, target string, v int64) (int64, bool, error) {
		to, ok := zones.find(target)
		if !ok {
			return 0, false, invalidZone(target)
		}
		return to.local(from.instant(v)), true, nil
	}
	if len(b.args) == 2 {
		return partial(mapSome2(func(target string, v int64) (int64, bool, error) { return convert(from, target, v) }))(b)
	}
	return partial(mapSome3(func(source, target string, v int64) (int64, bool, error) {
		from, ok := zones.find(source)
		if !ok {
			return 0, false, invalidZone(source)
		}
		return convert(from, target, v)
	}))(b)
}

// clock is the time at which the query began.
func (b *binding) clock() (int64, error) {
	if b.now == 0 {
		return 0, userError("UNSUPPORTED_FEATURE", "%s: no time of the query is given here. Pass the time as a parameter.", b.name)
	}
	return b.now, nil
}

// now is a function that tells the time; its example is one that does not depend on it.
func now(name string, aliases []string, t plan.Type, summary string) Function {
	return Function{
		Name: name, Aliases: aliases, Usage: name + "()", Summary: summary,
		Example: "typeof(" + name + "())", ExampleResult: t.String(), resolve: neverNull(takes(returns(t))),
		build: func(b *binding) (node, error) {
			v, err := b.clock()
			switch t.Kind {
			case plan.KindDate:
				v = floorDiv(b.zone.local(v), microsPerDay)
			case plan.KindTimestampNTZ:
				v = b.zone.local(v)
			}
			return newConst(t, plan.Literal{Int: v}), err
		},
	}
}

// secondsType is what seconds with a fraction are read as.
var secondsType = plan.Decimal(16, 6)

func makerFunctions() []Function {
	maker := func(name string, t plan.Type, withZone, try bool, summary, example, res string) Function {
		i := of(plan.Int32)
		parts := []param{i, i, i, i, i, of(secondsType)}
		usage, optional := "(year, month, day, hour, minute, second", 0
		if withZone {
			parts, optional = append(parts, text()), 1
			usage += "[, zone]"
		}
		resolve := either(resolveDateTime(t), takesOptional(returns(t), optional, parts...))
		if try {
			resolve = nullable(resolve)
		}
		return Function{
			Name: name, Usage: name + usage + ")", Summary: summary, Example: example, ExampleResult: res, resolve: resolve,
			build: buildMakeTimestamp(t, try),
		}
	}
	const made, null = "The time of its parts", ", or NULL where there is no such time."
	return []Function{
		maker("make_timestamp", plan.Timestamp, true, false, made+", in a zone or the session's.",
			"make_timestamp(2014, 12, 28, 6, 30, 45.887)", "2014-12-28 06:30:45.887"),
		maker("make_timestamp_ltz", plan.Timestamp, true, false, made+", in a zone or the session's.",
			"make_timestamp_ltz(2014, 12, 28, 6, 30, 45.887, 'CET')", "2014-12-28 05:30:45.887"),
		maker("make_timestamp_ntz", plan.TimestampNTZ, false, false, made+", without a zone.",
			"make_timestamp_ntz(2014, 12, 28, 6, 30, 45.887)", "2014-12-28 06:30:45.887"),
		maker("try_make_timestamp", plan.Timestamp, true, true, made+null, "try_make_timestamp(2014, 13, 28, 6, 30, 45.887)", "NULL"),
		maker("try_make_timestamp_ltz", plan.Timestamp, true, true, made+null, "try_make_timestamp_ltz(2014, 13, 28, 6, 30, 45.887)", "NULL"),
		maker("try_make_timestamp_ntz", plan.TimestampNTZ, false, true, made+null, "try_make_timestamp_ntz(2014, 13, 28, 6, 30, 45.887)", "NULL"),
	}
}

// resolveDateTime is a date, a time of day and a zone. There are no times of day, so that only NULL can stand for one.
func resolveDateTime(t plan.Type) resolver {
	time := param{`"TIME"`, func(a plan.Type) (plan.Type, bool) { return plan.Null, a.Kind == plan.KindNull }}
	return nullable(takesOptional(returns(t), 2, of(plan.Date), time, text()))
}

func buildMakeTimestamp(t plan.Type, try bool) builder {
	return func(b *binding) (node, error) {
		switch {
		case len(b.args) == 1:
			return castNode(b.session, b.args[0], t, try)
		case len(b.args) < 6:
			return newConst(t, plan.Literal{Null: true}), nil
		}
		zone, zones := b.zone, b.zones
		if t.Kind == plan.KindTimestampNTZ {
			zone = fixedZone("UTC", 0)
		}
		named := len(b.args) == 7
		quiet := try || b.legacy
		return strict(!quiet, mapRow(func(r tuple) (int64, bool, error) {
			local, err := makeLocal(r)
			in := zone
			if named && err == nil {
				var ok bool
				if in, ok = zones.find(r.text(6)); !ok {
					return 0, false, invalidZone(r.text(6))
				}
			}
			if err != nil {
				if quiet {
					err = nil
				}
				return 0, false, err
			}
			return in.instant(local), true, nil
		}))(b)
	}
}

// makeLocal puts year, month, day, hour, minute and second together.
func makeLocal(r tuple) (int64, error) {
	days, _, err := makeDate(r.int(0), r.int(1), r.int(2))
	if err != nil {
		return 0, err
	}
	micros := int64(r.decimal(5).LowBits())
	hour, minute, second := r.int(3), r.int(4), floorDiv(micros, microsPerSecond)
	switch {
	case hour < 0 || hour > 23:
		return 0, fieldOutOfBounds("Invalid value for HourOfDay (valid values 0 - 23): %d.", hour)
	case minute < 0 || minute > 59:
		return 0, fieldOutOfBounds("Invalid value for MinuteOfHour (valid values 0 - 59): %d.", minute)
	case second == 60 && micros%microsPerSecond != 0:
		return 0, userError("INVALID_FRACTION_OF_SECOND", "Valid range for seconds is [0, 60] (inclusive), but the provided value is %s.",
			formatDecimal(decimal128.FromI64(micros), 6))
	case second < 0 || second > 60:
		return 0, fieldOutOfBounds("Invalid value for SecondOfMinute (valid values 0 - 59): %d.", second)
	}
	local, ok := dayStart(int64(days))
	if !ok {
		return 0, datetimeOverflow()
	}
	return saturatingAdd(local, (int64(hour)*3600+int64(minute)*60)*microsPerSecond+micros), nil
}

func fieldOutOfBounds(format string, args ...any) error {
	return userError("DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", format, args...)
}

func makeDate(year, month, day int32) (int32, bool, error) {
	switch {
	case year < -999_999_999 || year > 999_999_999:
		return 0, false, fieldOutOfBounds("Invalid value for Year (valid values -999999999 - 999999999): %d.", year)
	case month < 1 || month > 12:
		return 0, false, fieldOutOfBounds("Invalid value for MonthOfYear (valid values 1 - 12): %d.", month)
	case day < 1 || day > 31:
		return 0, false, fieldOutOfBounds("Invalid value for DayOfMonth (valid values 1 - 28/31): %d.", day)
	case month == 2 && day == 29 && !isLeap(int64(year)):
		return 0, false, fieldOutOfBounds("Invalid date 'February 29' as '%d' is not a leap year.", year)
	case int(day) > daysInMonth(int64(year), int(month)):
		return 0, false, fieldOutOfBounds("Invalid date '%s %d'.", strings.ToUpper(monthNames[month-1]), day)
	}
	return asDate(daysOf(int64(year), int(month), int(day)))
}
