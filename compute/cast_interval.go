package compute

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// interval is a value of the type interval: its microseconds are counted in nanoseconds.
type interval = arrow.MonthDayNanoInterval

// maxIntervalMicros is what an interval's nanoseconds hold.
const maxIntervalMicros = math.MaxInt64 / 1000

// stringToInterval reads intervals. Their errors say more than those of other casts; the type interval has NULL for
// what it cannot read.
func stringToInterval(to plan.Type, c caster) (kernel, bool) {
	fail := func(s string) error {
		_, err := ParseInterval(s, to)
		return err
	}
	switch to.Kind {
	case plan.KindYearMonthInterval:
		return attempt(c, func(s string) (int32, bool) {
			v, err := parseYearMonth(s, to)
			return v, err == nil
		}, fail)
	case plan.KindDayTimeInterval:
		return attempt(c, func(s string) (int64, bool) {
			v, err := parseDayTime(s, to)
			return v, err == nil
		}, fail)
	}
	return mapSome1(func(s string) (interval, bool, error) {
		u, err := parseUnits(s)
		if err != nil || u.micros > maxIntervalMicros || u.micros < -maxIntervalMicros {
			return interval{}, false, nil
		}
		return interval{Months: int32(u.months), Days: int32(u.days), Nanoseconds: u.micros * 1000}, true, nil
	}), false
}

func castInterval(from, to plan.Type, c caster) (kernel, bool) {
	switch {
	case from.Kind == plan.KindInterval:
		return written(func(dst []byte, v interval) []byte {
			return append(dst, vector.FormatInterval(v.Months, v.Days, v.Nanoseconds/1000)...)
		})
	case from.Kind == plan.KindYearMonthInterval:
		return castCounted[int32](from, to, c)
	}
	return castCounted[int64](from, to, c)
}

// castCounted converts intervals that count one unit.
func castCounted[A int32 | int64](from, to plan.Type, c caster) (kernel, bool) {
	unit := fieldsOf(from)[len(fieldsOf(from))-1].unit
	switch to.Kind {
	case plan.KindString:
		return written(func(dst []byte, v A) []byte { return appendInterval(dst, int64(v), from) })
	case plan.KindYearMonthInterval, plan.KindDayTimeInterval:
		keep := A(fieldsOf(to)[len(fieldsOf(to))-1].unit)
		if to.Scale == plan.FieldSecond && to.Kind == plan.KindDayTimeInterval {
			keep = 1
		}
		return always(func(v A) A { return v - v%keep })
	case plan.KindInt8:
		return intervalToInt[A, int8](from, to, unit, c)
	case plan.KindInt16:
		return intervalToInt[A, int16](from, to, unit, c)
	case plan.KindInt32:
		return intervalToInt[A, int32](from, to, unit, c)
	case plan.KindInt64:
		return intervalToInt[A, int64](from, to, unit, c)
	}
	scale := int32(0)
	if from.Kind == plan.KindDayTimeInterval && from.Scale == plan.FieldSecond {
		unit, scale = 1, 6
	}
	return attempt(c, func(v A) (decimal128.Num, bool) {
		return rescale(decimal128.FromI64(int64(v)/unit), scale, to)
	}, func(v A) error { return decimalOutOfRange(formatDecimal(decimal128.FromI64(int64(v)/unit), scale), to) })
}

func intervalToInt[A int32 | int64, R integer](from, to plan.Type, unit int64, c caster) (kernel, bool) {
	return attempt(c, func(v A) (R, bool) {
		whole := int64(v) / unit
		return R(whole), int64(R(whole)) == whole
	}, func(v A) error { return castOverflow(string(appendInterval(nil, int64(v), from)), from, to) })
}

// numberToInterval counts in the last field of the interval.
func numberToInterval(from, to plan.Type, c caster) (kernel, bool) {
	unit := fieldsOf(to)[len(fieldsOf(to))-1].unit
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	if to.Kind == plan.KindYearMonthInterval {
		low, high = math.MinInt32, math.MaxInt32
	}
	of := func(v int64) (int64, bool) {
		hi, lo := mul64(v, unit)
		return int64(lo), hi == int64(lo)>>63 && int64(lo) >= low && int64(lo) <= high
	}
	switch from.Kind {
	case plan.KindInt8:
		return intToInterval[int8](from, to, of, c)
	case plan.KindInt16:
		return intToInterval[int16](from, to, of, c)
	case plan.KindInt32:
		return intToInterval[int32](from, to, of, c)
	case plan.KindInt64:
		return intToInterval[int64](from, to, of, c)
	}
	decimal := func(v decimal128.Num) (int64, bool) { return decimalToInterval(v, from.Scale, to, of) }
	fail := func(v decimal128.Num) error { return castOverflow(formatDecimal(v, from.Scale)+"BD", from, to) }
	return counted(to, decimal, fail, c)
}

func intToInterval[A integer](from, to plan.Type, of func(int64) (int64, bool), c caster) (kernel, bool) {
	return counted(to, func(v A) (int64, bool) { return of(int64(v)) },
		func(v A) error { return castOverflow(sqlInt(from, int64(v)), from, to) }, c)
}

// counted makes a kernel of a conversion to months or microseconds.
func counted[A any](to plan.Type, f func(A) (int64, bool), fail func(A) error, c caster) (kernel, bool) {
	if to.Kind == plan.KindDayTimeInterval {
		return attempt(c, f, fail)
	}
	return attempt(c, func(a A) (int32, bool) {
		v, ok := f(a)
		return int32(v), ok
	}, fail)
}

// decimalToInterval rounds to months and microseconds; of days, hours and minutes it cuts the fraction off.
func decimalToInterval(v decimal128.Num, scale int32, to plan.Type, of func(int64) (int64, bool)) (int64, bool) {
	n, unit := v.BigInt(), int64(0)
	switch {
	case to.Kind == plan.KindYearMonthInterval && to.Scale == plan.FieldMonth:
		unit = 1
	case to.Kind == plan.KindDayTimeInterval && to.Scale == plan.FieldSecond:
		unit = microsPerSecond
	default:
		n.Quo(n, bigPow10(scale))
		if !n.IsInt64() {
			return 0, false
		}
		return of(n.Int64())
	}
	n = roundedQuotient(n.Mul(n, big.NewInt(unit)), bigPow10(scale))
	ok := n.IsInt64() && (to.Kind == plan.KindDayTimeInterval || int64(int32(n.Int64())) == n.Int64())
	return n.Int64(), ok
}

// appendInterval writes a year-month or day-time interval as SQL has it: INTERVAL '1-2' YEAR TO MONTH.
func appendInterval(dst []byte, v int64, t plan.Type) []byte {
	dst = append(dst, "INTERVAL '"...)
	rest := uint64(v)
	if v < 0 {
		dst, rest = append(dst, '-'), -rest
	}
	for i, f := range fieldsOf(t) {
		if i > 0 {
			dst = append(dst, f.before)
		}
		n := rest / uint64(f.unit)
		rest -= n * uint64(f.unit)
		if f.most == 0 || t.Kind == plan.KindYearMonthInterval {
			dst = strconv.AppendUint(dst, n, 10)
		} else {
			dst = appendPadded(dst, int64(n), 2)
		}
		if f.name == "second" {
			dst = appendFraction(dst, int64(rest))
		}
	}
	return append(append(dst, "' "...), strings.ToUpper(strings.TrimPrefix(t.String(), "interval "))...)
}
