package compute

import (
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// anyTimestamp takes timestamps with and without zone as they are, and reads anything else as one with a zone.
func anyTimestamp() param {
	return oneOf(timestampLabel, plan.Timestamp, plan.TimestampNTZ)
}

// clockOf gives local times: the zone of a column's type.
func (b *binding) clockOf(arg int) *zone {
	if b.arg(arg).Kind == plan.KindTimestampNTZ {
		return fixedZone("UTC", 0)
	}
	return b.zone
}

// timestampFunctions work on points in time; clock times are those of the session's zone.
func timestampFunctions() []Function {
	ts, i64 := of(plan.Timestamp), of(plan.Int64)
	clock := func(name, summary, example, res string, unit, most int64) Function {
		return Function{
			Name: name, Usage: name + "(timestamp)", Summary: summary, Example: example, ExampleResult: res,
			resolve: takes(returns(plan.Int32), anyTimestamp()),
			build: func(b *binding) (node, error) {
				zone := b.clockOf(0)
				return total(map1(func(v int64) int32 {
					return int32(floorMod(floorDiv(zone.local(v), unit*microsPerSecond), most))
				}))(b)
			},
		}
	}
	since := func(name string, unit int64, example, res string) Function {
		return Function{
			Name: name, Usage: name + "(timestamp)", Summary: "The " + strings.TrimPrefix(name, "unix_") + " since 1970-01-01 00:00:00 UTC.",
			Example: example, ExampleResult: res, resolve: takes(returns(plan.Int64), ts),
			build: total(map1(func(v int64) int64 { return floorDiv(v, unit) })),
		}
	}
	from := func(name string, unit int64, example, res string) Function {
		return Function{
			Name: name, Usage: name + "(n)", Summary: "The time so many " + strings.TrimPrefix(name, "timestamp_") + " after 1970-01-01 00:00:00 UTC.",
			Example: example, ExampleResult: res, resolve: takes(returns(plan.Timestamp), wholeSeconds()),
			build: partial(mapSome1(func(v int64) (int64, bool, error) { return scaled(v, unit) })),
		}
	}
	return append([]Function{
		clock("hour", "The hour.", "hour('2009-07-30 12:58:59')", "12", 3600, 24),
		clock("minute", "The minute.", "minute('2009-07-30 12:58:59')", "58", 60, 60),
		clock("second", "The second.", "second('2009-07-30 12:58:59')", "59", 1, 60),
		since("unix_seconds", microsPerSecond, "unix_seconds('1970-01-01 00:00:01')", "1"),
		since("unix_millis", 1000, "unix_millis('1970-01-01 00:00:01')", "1000"),
		since("unix_micros", 1, "unix_micros('1970-01-01 00:00:01')", "1000000"),
		{
			Name: "timestamp_seconds", Usage: "timestamp_seconds(n)", Summary: "The time so many seconds after 1970-01-01 00:00:00 UTC.",
			Example: "timestamp_seconds(1.5)", ExampleResult: "1970-01-01 00:00:01.5",
			resolve: nullable(takes(returns(plan.Timestamp), number())), build: buildTimestampSeconds,
		},
		from("timestamp_millis", 1000, "timestamp_millis(1230219000123)", "2008-12-25 15:30:00.123"),
		from("timestamp_micros", 1, "timestamp_micros(1230219000123123)", "2008-12-25 15:30:00.123123"),
		{
			Name: "date_trunc", Usage: "date_trunc(unit, timestamp)",
			Summary: "The start of the year, quarter, month, week, day, hour, minute, second, …; NULL for other units.",
			Example: "date_trunc('HOUR', '2015-03-05 09:32:05')", ExampleResult: "2015-03-05 09:00:00",
			resolve: nullable(takes(returns(plan.Timestamp), text(), ts)),
			build:   func(b *binding) (node, error) { return partial(mapSome2(b.zone.truncate))(b) },
		},
		{
			Name: "months_between", Usage: "months_between(a, b[, round])", Summary: "The months from b to a; days count as 1/31.",
			Example: "months_between('1997-02-28 10:30:00', '1996-10-30')", ExampleResult: "3.94959677",
			resolve: takesOptional(returns(plan.Float64), 1, ts, ts, of(plan.Boolean)), build: buildMonthsBetween,
		},
		{
			Name: "timestampadd", Usage: "timestampadd(unit, n, timestamp)", Summary: "The time so many units later.",
			Example: "timestampadd('HOUR', 8, '2022-02-11 20:30:00')", ExampleResult: "2022-02-12 04:30:00",
			resolve: takes(sameAs(2), text(), i64, anyTimestamp()), build: buildTimestampAdd,
		},
		{
			Name: "timestampdiff", Usage: "timestampdiff(unit, start, end)", Summary: "The number of whole units from start to end.",
			Example: "timestampdiff('MONTH', '2022-02-11 20:30:00', '2022-04-11 20:30:00')", ExampleResult: "2",
			resolve: takes(returns(plan.Int64), text(), ts, ts),
			build:   func(b *binding) (node, error) { return partial(mapSome3(b.zone.difference))(b) },
		},
	}, formatFunctions()...)
}

// datetimeOverflow is what times beyond the range of a timestamp raise.
func datetimeOverflow() error {
	return userError("DATETIME_OVERFLOW", "Datetime operation overflow: the outcome is beyond the range of a timestamp.")
}

// scaled is v·unit.
func scaled(v, unit int64) (int64, bool, error) {
	hi, lo := mul64(v, unit)
	if hi != int64(lo)>>63 {
		return 0, false, datetimeOverflow()
	}
	return int64(lo), true, nil
}

func buildTimestampSeconds(b *binding) (node, error) {
	switch t := b.arg(0); t.Kind {
	case plan.KindFloat32:
		return partial(mapSome1(func(v float32) (int64, bool, error) { return floatSeconds(float64(v)) }))(b)
	case plan.KindFloat64:
		return partial(mapSome1(floatSeconds))(b)
	case plan.KindDecimal:
		return partial(mapSome1(func(v decimal128.Num) (int64, bool, error) {
			us := v.BigInt()
			us.Mul(us, bigPow10(6))
			q, r := us.QuoRem(us, bigPow10(t.Scale), bigPow10(0))
			if r.Sign() != 0 || !q.IsInt64() {
				return 0, false, arithmeticOverflow(plan.Int64, "")
			}
			return q.Int64(), true, nil
		}))(b)
	}
	seconds, err := castNode(b.session, b.args[0], plan.Int64, false)
	if err != nil {
		return nil, err
	}
	return partial(mapSome1(func(v int64) (int64, bool, error) { return scaled(v, microsPerSecond) }))(
		&binding{b.name, []node{seconds}, b.t, b.session})
}

func floatSeconds(v float64) (int64, bool, error) {
	if v != v || math.IsInf(v, 0) {
		return 0, false, nil
	}
	return saturate(v * microsPerSecond), true, nil
}

// splitDay separates a local time into its day and the microseconds since midnight.
func splitDay(v int64) (days, micros int64) {
	days = floorDiv(v, microsPerDay)
	return days, v - days*microsPerDay
}

// truncate is the start of a unit that an instant lies in.
func (z *zone) truncate(unit string, v int64) (int64, bool, error) {
	width := int64(0)
	switch strings.ToUpper(unit) {
	case "MICROSECOND":
		return v, true, nil
	case "MILLISECOND":
		width = 1000
	case "SECOND":
		width = microsPerSecond
	case "MINUTE":
		width = 60 * microsPerSecond
	case "HOUR":
		width = 3600 * microsPerSecond
	case "DAY", "DD":
		return z.midnight(floorDiv(z.local(v), microsPerDay)), true, nil
	}
	if width > 0 {
		offset := z.offsetAt(v) * microsPerSecond
		start := floorDiv(v+offset, width)*width - offset
		if z.offsetAt(start) != z.offsetAt(v) {
			start = z.instant(start + offset)
		}
		return start, true, nil
	}
	days, ok, err := truncDate(int32(floorDiv(z.local(v), microsPerDay)), unit)
	if !ok || err != nil {
		return 0, ok, err
	}
	return z.midnight(int64(days)), true, nil
}

func buildMonthsBetween(b *binding) (node, error) {
	zone := b.zone
	if len(b.args) == 2 {
		return total(map2(func(a, c int64) float64 { return zone.monthsBetween(a, c, true) }))(b)
	}
	return total(mapSome3(func(a, c int64, round bool) (float64, bool, error) {
		return zone.monthsBetween(a, c, round), true, nil
	}))(b)
}

func (z *zone) monthsBetween(a, b int64, round bool) float64 {
	daysA, daysB := floorDiv(z.local(a), microsPerDay), floorDiv(z.local(b), microsPerDay)
	yearA, monthA, dayA := civil(daysA)
	yearB, monthB, dayB := civil(daysB)
	months := float64((yearA-yearB)*12 + int64(monthA-monthB))
	if dayA == dayB || dayA == daysInMonth(yearA, monthA) && dayB == daysInMonth(yearB, monthB) {
		return months
	}
	// Seconds that have passed since midnight, which the clock need not show on days that it is put forward.
	seconds := int64(dayA-dayB)*86400 + (a-z.midnight(daysA))/microsPerSecond - (b-z.midnight(daysB))/microsPerSecond
	out := months + float64(seconds)/float64(31*86400)
	if round {
		return math.Floor(out*1e8+0.5) / 1e8
	}
	return out
}

// timeUnit is what one of a unit moves a time by.
type timeUnit struct{ months, days, micros int64 }

func unitNamed(unit, function string) (timeUnit, error) {
	switch strings.ToUpper(unit) {
	case "MICROSECOND":
		return timeUnit{micros: 1}, nil
	case "MILLISECOND":
		return timeUnit{micros: 1000}, nil
	case "SECOND":
		return timeUnit{micros: microsPerSecond}, nil
	case "MINUTE":
		return timeUnit{micros: 60 * microsPerSecond}, nil
	case "HOUR":
		return timeUnit{micros: 3600 * microsPerSecond}, nil
	case "DAY", "DAYOFYEAR":
		return timeUnit{days: 1}, nil
	case "WEEK":
		return timeUnit{days: 7}, nil
	case "MONTH":
		return timeUnit{months: 1}, nil
	case "QUARTER":
		return timeUnit{months: 3}, nil
	case "YEAR":
		return timeUnit{months: 12}, nil
	}
	return timeUnit{}, userError("INVALID_PARAMETER_VALUE.DATETIME_UNIT", "The value of parameter(s) `unit` in `%s` is invalid: "+
		"expects one of the units without quotes YEAR, QUARTER, MONTH, WEEK, DAY, DAYOFYEAR, HOUR, MINUTE, SECOND, MILLISECOND, "+
		"MICROSECOND, but got the string literal %s.", function, sqlString(unit))
}

func buildTimestampAdd(b *binding) (node, error) {
	zone := b.clockOf(2)
	return partial(mapSome3(func(unit string, n, v int64) (int64, bool, error) {
		u, err := unitNamed(unit, "timestampadd")
		if err != nil {
			return 0, false, err
		}
		months, ok1, _ := scaled(n, u.months)
		days, ok2, _ := scaled(n, u.days)
		micros, ok3, _ := scaled(n, u.micros)
		if !ok1 || !ok2 || !ok3 || int64(int32(months)) != months || int64(int32(days)) != days {
			return 0, false, datetimeOverflow()
		}
		out, ok, err := zone.shift(v, months, days, micros)
		if err != nil {
			err = datetimeOverflow()
		}
		return out, ok, err
	}))(b)
}

// difference counts whole units of local time between two instants.
func (z *zone) difference(unit string, start, end int64) (int64, bool, error) {
	u, err := unitNamed(unit, "timestampdiff")
	if err != nil {
		return 0, false, err
	}
	start, end = z.local(start), z.local(end)
	if u.months > 0 {
		return wholeMonths(start, end) / u.months, true, nil
	}
	d, ok := subtractOne(end, start)
	if !ok {
		return 0, false, datetimeOverflow()
	}
	return d / (u.days*microsPerDay + u.micros), true, nil
}

// wholeMonths counts the months that fit between two local times.
func wholeMonths(start, end int64) int64 {
	if end < start {
		return -wholeMonths(end, start)
	}
	daysS, microsS := splitDay(start)
	daysE, microsE := splitDay(end)
	yearS, monthS, dayS := civil(daysS)
	yearE, monthE, dayE := civil(daysE)
	months := (yearE-yearS)*12 + int64(monthE-monthS)
	if dayE < dayS || dayE == dayS && microsE < microsS {
		months--
	}
	return months
}

// wholeSeconds takes whole numbers as bigint.
func wholeSeconds() param {
	return param{`"INTEGRAL"`, func(t plan.Type) (plan.Type, bool) {
		return plan.Int64, t.IsInteger() || t.Kind == plan.KindNull || t.Kind == plan.KindString
	}}
}
