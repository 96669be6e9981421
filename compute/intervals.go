package compute

import (
	"math"

	"github.com/quern-engine/quern/plan"
)

// intervalFunctions make intervals of numbers.
func intervalFunctions() []Function {
	i, d, seconds := of(plan.Int32), of(plan.Int32), of(plan.Decimal(18, 6))
	calendar := func(name string, try bool, summary, example, res string) Function {
		resolve := takesOptional(returns(plan.Interval), 7, i, i, i, i, i, i, seconds)
		if try {
			resolve = nullable(resolve)
		}
		return Function{
			Name: name, Usage: name + "([years[, months[, weeks[, days[, hours[, mins[, secs]]]]]]])", Summary: summary,
			Example: example, ExampleResult: res, resolve: resolve,
			build: func(b *binding) (node, error) {
				quiet, n := try || b.legacy, len(b.args)
				return strict(!quiet, mapRow(func(r tuple) (interval, bool, error) {
					v, ok := makeInterval(r, n)
					if !ok && !quiet {
						return v, false, arithmeticOverflow(plan.Int64, "")
					}
					return v, ok, nil
				}))(b)
			},
		}
	}
	return []Function{
		calendar("make_interval", false, "An interval of years, months, weeks, days, hours, minutes and seconds.",
			"make_interval(100, 11, 1, 1, 12, 30, 01.001001)", "100 years 11 months 8 days 12 hours 30 minutes 1.001001 seconds"),
		calendar("try_make_interval", true, "As make_interval, or NULL on overflow.", "try_make_interval(2147483647)", "NULL"),
		{
			Name: "make_dt_interval", Usage: "make_dt_interval([days[, hours[, mins[, secs]]]])", Summary: "A day-time interval of its parts.",
			Example: "make_dt_interval(1, 12, 30, 01.001001)", ExampleResult: "1 12:30:01.001001000",
			resolve: takesOptional(returns(plan.DayTimeInterval), 4, d, i, i, seconds), build: buildMakeDayTime,
		},
		{
			Name: "make_ym_interval", Usage: "make_ym_interval([years[, months]])", Summary: "A year-month interval of its parts.",
			Example: "make_ym_interval(1, 2)", ExampleResult: "1-2",
			resolve: takesOptional(returns(plan.YearMonthInterval), 2, i, i), build: buildMakeYearMonth,
		},
	}
}

// sumOf adds products of counts and units; false on overflow.
func sumOf(limit int64, pairs ...int64) (int64, bool) {
	total := int64(0)
	for i := 0; i < len(pairs); i += 2 {
		hi, lo := mul64(pairs[i], pairs[i+1])
		sum, ok := addOne(total, int64(lo))
		if !ok || hi != int64(lo)>>63 {
			return 0, false
		}
		total = sum
	}
	return total, total <= limit && total >= -limit-1
}

// part is an optional argument of n.
func (r tuple) part(arg, n int) int64 {
	if arg >= n {
		return 0
	}
	return int64(r.int(arg))
}

// micros is an optional argument of seconds with a fraction.
func (r tuple) micros(arg, n int) int64 {
	if arg >= n {
		return 0
	}
	return int64(r.decimal(arg).LowBits())
}

func makeInterval(r tuple, n int) (interval, bool) {
	months, ok1 := sumOf(math.MaxInt32, r.part(0, n), 12, r.part(1, n), 1)
	days, ok2 := sumOf(math.MaxInt32, r.part(2, n), 7, r.part(3, n), 1)
	micros, ok3 := sumOf(maxIntervalMicros, r.part(4, n), 3600*microsPerSecond, r.part(5, n), 60*microsPerSecond, r.micros(6, n), 1)
	return interval{Months: int32(months), Days: int32(days), Nanoseconds: micros * 1000}, ok1 && ok2 && ok3
}

func buildMakeDayTime(b *binding) (node, error) {
	n := len(b.args)
	return partial(mapRow(func(r tuple) (int64, bool, error) {
		v, ok := sumOf(math.MaxInt64, r.part(0, n), microsPerDay, r.part(1, n), 3600*microsPerSecond,
			r.part(2, n), 60*microsPerSecond, r.micros(3, n), 1)
		if !ok {
			return 0, false, intervalOverflow("")
		}
		return v, true, nil
	}))(b)
}

func buildMakeYearMonth(b *binding) (node, error) {
	n := len(b.args)
	return partial(mapRow(func(r tuple) (int32, bool, error) {
		v, ok := sumOf(math.MaxInt32, r.part(0, n), 12, r.part(1, n), 1)
		if !ok {
			return 0, false, intervalOverflow("")
		}
		return int32(v), true, nil
	}))(b)
}
