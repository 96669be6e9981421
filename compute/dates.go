package compute

import (
	"math"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// dateFunctions work on whole days.
func dateFunctions() []Function {
	date := of(plan.Date)
	parts := []struct {
		name, alias, summary, example, res string
		f                                  func(days int32) int32
	}{
		{"year", "", "The year.", "year('2016-07-30')", "2016", func(d int32) int32 { y, _, _ := civil(int64(d)); return int32(y) }},
		{"quarter", "", "The quarter, from 1 to 4.", "quarter('2016-08-31')", "3", func(d int32) int32 { return int32(monthOf(d)-1)/3 + 1 }},
		{"month", "", "The month, from 1 to 12.", "month('2016-07-30')", "7", func(d int32) int32 { return int32(monthOf(d)) }},
		{"day", "dayofmonth", "The day of the month.", "day('2009-07-30')", "30", func(d int32) int32 { _, _, n := civil(int64(d)); return int32(n) }},
		{"dayofweek", "", "The day of the week, from 1, Sunday, to 7.", "dayofweek('2009-07-30')", "5",
			func(d int32) int32 { return int32(dayOfWeek(int64(d))+1)%7 + 1 }},
		{"weekday", "", "The day of the week, from 0, Monday, to 6.", "weekday('2009-07-30')", "3",
			func(d int32) int32 { return int32(dayOfWeek(int64(d))) }},
		{"dayofyear", "", "The day of the year.", "dayofyear('2016-04-09')", "100", dayOfYear},
		{"weekofyear", "", "The week of the year in ISO 8601.", "weekofyear('2008-02-20')", "8", weekOfYear},
	}
	var out []Function
	for _, p := range parts {
		f := Function{
			Name: p.name, Usage: p.name + "(date)", Summary: p.summary, Example: p.example, ExampleResult: p.res,
			resolve: takes(returns(plan.Int32), date), build: total(map1(p.f)),
		}
		if p.alias != "" {
			f.Aliases = []string{p.alias}
		}
		out = append(out, f)
	}
	out = append(out, Function{
		Name: "unix_date", Usage: "unix_date(date)", Summary: "The number of days since 1970-01-01.",
		Example: "unix_date(DATE '1970-01-02')", ExampleResult: "1", build: total(map1(identity[int32])),
		resolve: takes(returns(plan.Int32), param{sqlType(plan.Date), func(a plan.Type) (plan.Type, bool) {
			return plan.Date, a.Kind == plan.KindDate || a.Kind == plan.KindNull
		}}),
	})
	return append(out, calendarFunctions()...)
}

func monthOf(days int32) int {
	_, month, _ := civil(int64(days))
	return month
}

func dayOfYear(days int32) int32 {
	year, _, _ := civil(int64(days))
	return int32(int64(days)-daysOf(year, 1, 1)) + 1
}

// weekOfYear is the ISO week: the one of the year that the week's Thursday lies in.
func weekOfYear(days int32) int32 {
	thursday := int64(days) - int64(dayOfWeek(int64(days))) + 3
	year, _, _ := civil(thursday)
	return int32((thursday-daysOf(year, 1, 1))/7) + 1
}

// calendarFunctions move dates and make them.
func calendarFunctions() []Function {
	date, i32, isDate := of(plan.Date), of(plan.Int32), returns(plan.Date)
	name := func(n, example, res string, f func(days int32) string) Function {
		return Function{
			Name: n, Usage: n + "(date)", Summary: "The English name, in three letters.", Example: example, ExampleResult: res,
			resolve: takes(returns(plan.String), date),
			build:   total(text1(func(dst []byte, d int32) []byte { return append(dst, f(d)[:3]...) })),
		}
	}
	return []Function{
		{
			Name: "date_add", Aliases: []string{"dateadd"}, Usage: "date_add(date, days)", Summary: "The date so many days later.",
			Example: "date_add('2016-07-30', 1)", ExampleResult: "2016-07-31", resolve: takes(isDate, date, smallNumber()),
			build: partial(mapSome2(addDays)),
		},
		{
			Name: "date_sub", Usage: "date_sub(date, days)", Summary: "The date so many days earlier.",
			Example: "date_sub('2016-07-30', 1)", ExampleResult: "2016-07-29", resolve: takes(isDate, date, smallNumber()),
			build: partial(mapSome2(subtractDays)),
		},
		{
			Name: "datediff", Aliases: []string{"date_diff"}, Usage: "datediff(end, start)", Summary: "The number of days from start to end.",
			Example: "datediff('2009-07-31', '2009-07-30')", ExampleResult: "1", resolve: takes(returns(plan.Int32), date, date),
			build: total(map2(func(a, b int32) int32 { return a - b })),
		},
		{
			Name: "add_months", Usage: "add_months(date, n)", Summary: "The date so many months later, at most on the month's last day.",
			Example: "add_months('2016-08-31', 1)", ExampleResult: "2016-09-30", resolve: takes(isDate, date, i32),
			build: partial(mapSome2(func(d, n int32) (int32, bool, error) { return asDate(addMonths(int64(d), int64(n))) })),
		},
		{
			Name: "last_day", Usage: "last_day(date)", Summary: "The last day of the date's month.",
			Example: "last_day('2009-01-12')", ExampleResult: "2009-01-31", resolve: takes(isDate, date),
			build: partial(mapSome1(func(d int32) (int32, bool, error) {
				year, month, _ := civil(int64(d))
				return asDate(daysOf(year, month, daysInMonth(year, month)))
			})),
		},
		{
			Name: "next_day", Usage: "next_day(date, day)", Summary: "The first day after the date that is such a day of the week.",
			Example: "next_day('2015-01-14', 'TU')", ExampleResult: "2015-01-20", resolve: takes(isDate, date, text()),
			build: quietIn2(nextDay),
		},
		{
			Name: "make_date", Usage: "make_date(year, month, day)", Summary: "The date of a year, month and day.",
			Example: "make_date(2013, 7, 15)", ExampleResult: "2013-07-15", resolve: takes(isDate, i32, i32, i32),
			build: func(b *binding) (node, error) {
				return partial(mapSome3(func(y, m, d int32) (int32, bool, error) {
					v, ok, err := makeDate(y, m, d)
					if b.legacy {
						err = nil
					}
					return v, ok, err
				}))(b)
			},
		},
		{
			Name: "date_from_unix_date", Usage: "date_from_unix_date(days)", Summary: "The date so many days after 1970-01-01.",
			Example: "date_from_unix_date(1)", ExampleResult: "1970-01-02", resolve: takes(isDate, i32), build: total(map1(identity[int32])),
		},
		{
			Name: "trunc", Usage: "trunc(date, unit)", Summary: "The first day of the date's year, quarter, month or week; NULL for other units.",
			Example: "trunc('2019-08-04', 'week')", ExampleResult: "2019-07-29",
			resolve: nullable(takes(isDate, date, text())), build: partial(mapSome2(truncDate)),
		},
		name("dayname", "dayname('2008-02-20')", "Wed", func(d int32) string { return dayNames[dayOfWeek(int64(d))] }),
		name("monthname", "monthname('2008-02-20')", "Feb", func(d int32) string { return monthNames[monthOf(d)-1] }),
	}
}

// quietIn2 is a strict function whose errors are NULL outside of ANSI mode.
func quietIn2[A, B, R any](f func(A, B) (R, bool, error)) builder {
	return func(b *binding) (node, error) { return strict(!b.legacy, mapSome2(orNull2(f, b.legacy)))(b) }
}

// asDate refuses days that a date cannot hold.
func asDate(days int64) (int32, bool, error) {
	if days < math.MinInt32 || days > math.MaxInt32 {
		return 0, false, arithmeticOverflow(plan.Int32, "")
	}
	return int32(days), true, nil
}

func addDays(date, days int32) (int32, bool, error)      { return asDate(int64(date) + int64(days)) }
func subtractDays(date, days int32) (int32, bool, error) { return asDate(int64(date) - int64(days)) }

func nextDay(date int32, day string) (int32, bool, error) {
	want := -1
	upper := strings.ToUpper(day)
	for i, name := range dayNames {
		name = strings.ToUpper(name)
		if upper == name[:2] || upper == name[:3] || upper == name {
			want = i
		}
	}
	if want < 0 {
		return 0, false, userError("ILLEGAL_DAY_OF_WEEK", "Illegal input for day of week: %s.", day)
	}
	return asDate(int64(date) + 1 + floorMod(int64(want)-int64(dayOfWeek(int64(date)+1)), 7))
}

func truncDate(date int32, unit string) (int32, bool, error) {
	d := int64(date)
	year, month, _ := civil(d)
	switch strings.ToUpper(unit) {
	case "YEAR", "YYYY", "YY":
		return asDate(daysOf(year, 1, 1))
	case "QUARTER":
		return asDate(daysOf(year, (month-1)/3*3+1, 1))
	case "MONTH", "MON", "MM":
		return asDate(daysOf(year, month, 1))
	case "WEEK":
		return asDate(d - int64(dayOfWeek(d)))
	}
	return 0, false, nil
}
