package compute

import (
	"testing"

	"github.com/quern-engine/quern/plan"
)

// FuzzParse feeds text to every reader of values: none may panic, and what is in range stays there.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "1", "-1.5e3", "2020-02-30", "2020-01-02 03:04:05.6+01:00", "+99999999-1-1", "1e-2147483648", "0e2147483647", "inf", "2020-01-01 1:2:3GMT+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in, err := newSession(plan.Session{TimeZone: "Europe/Paris"})
		if err != nil {
			t.Fatal(err)
		}
		to := plan.Decimal(20, 4)
		if d, err := parseDecimal(s, to); err == nil && !d.FitsInPrecision(20) {
			t.Errorf("%q does not fit %s", s, to)
		}
		if v, ok := in.parseTimestamp(s); ok && (v/microsPerDay > maxDay+1 || v/microsPerDay < -maxDay-1) {
			t.Errorf("%q is %d", s, v)
		}
		for _, t := range []plan.Type{plan.Interval, plan.YearMonthInterval, plan.DayTimeInterval} {
			_, _ = ParseInterval(s, t)
		}
		_, _ = parseDate(s)
		_, _ = parseFloat(s, 64)
		if _, ok := parseBoolean(s); ok && len(s) == 0 {
			t.Error("an empty text is a boolean")
		}
	})
}

// FuzzPatterns feeds text to the compilers of patterns.
func FuzzPatterns(f *testing.F) {
	for _, s := range []string{"yyyy-MM-dd", "'", "[[", "yyyy[-MM]", "SSSSSSSSS", "%_\\", "\\", "%a%b_%"} {
		f.Add(s, "2020-01-02")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if items, err := compilePattern(pattern, true); err == nil {
			in, _ := newSession(plan.Session{TimeZone: "Europe/Paris"})
			parseTime(items, s, in)
			_, _ = appendTime(nil, items, newStamp(1_600_000_000_123_456, in.zone))
		}
		if like, err := compileLike(pattern, `\`, false); err == nil {
			like.match(s)
		}
	})
}
