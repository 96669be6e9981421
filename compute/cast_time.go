package compute

import (
	"strconv"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func castDate(to plan.Type, c caster) (kernel, bool) {
	switch to.Kind {
	case plan.KindString:
		return written(func(dst []byte, v int32) []byte { return append(dst, vector.FormatDate(v)...) })
	case plan.KindTimestampNTZ:
		return attempt(c, func(v int32) (int64, bool) { return dayStart(int64(v)) }, tooFarDate)
	}
	return attempt(c, func(v int32) (int64, bool) {
		local, ok := dayStart(int64(v))
		return c.zone.instant(local), ok
	}, tooFarDate)
}

func tooFarDate(int32) error { return arithmeticOverflow(plan.Int64, "") }

// dayStart is the microseconds from the epoch to a day; false beyond what a timestamp holds.
func dayStart(days int64) (int64, bool) {
	return days * microsPerDay, days <= maxDay && days >= -maxDay
}

func castTimestamp(from, to plan.Type, c caster) (kernel, bool) {
	switch to.Kind {
	case plan.KindString:
		return written(func(dst []byte, v int64) []byte { return appendTimestamp(dst, c.zone.local(v)) })
	case plan.KindDate:
		return always(func(v int64) int32 { return int32(floorDiv(c.zone.local(v), microsPerDay)) })
	case plan.KindTimestampNTZ:
		return always(c.zone.local)
	case plan.KindInt8:
		return secondsAs[int8](from, to, c)
	case plan.KindInt16:
		return secondsAs[int16](from, to, c)
	case plan.KindInt32:
		return secondsAs[int32](from, to, c)
	case plan.KindInt64:
		return secondsAs[int64](from, to, c)
	case plan.KindFloat32:
		return always(func(v int64) float32 { return float32(float64(v) / 1e6) })
	case plan.KindFloat64:
		return always(func(v int64) float64 { return float64(v) / 1e6 })
	}
	return attempt(c, func(v int64) (decimal128.Num, bool) { return rescale(decimal128.FromI64(v), 6, to) },
		func(v int64) error {
			return decimalOutOfRange(vector.FormatDecimal(strconv.FormatInt(v, 10), 6), to)
		})
}

func secondsAs[R integer](from, to plan.Type, c caster) (kernel, bool) {
	return attempt(c, func(v int64) (R, bool) {
		s := floorDiv(v, microsPerSecond)
		r := R(s)
		return r, int64(r) == s
	}, func(v int64) error {
		return castOverflow("TIMESTAMP '"+string(appendTimestamp(nil, c.zone.local(v)))+"'", from, to)
	})
}

func castNTZ(to plan.Type, c caster) (kernel, bool) {
	switch to.Kind {
	case plan.KindString:
		return written(func(dst []byte, v int64) []byte { return appendTimestamp(dst, v) })
	case plan.KindDate:
		return always(func(v int64) int32 { return int32(floorDiv(v, microsPerDay)) })
	}
	return always(c.zone.instant)
}

// appendTimestamp writes local microseconds as yyyy-MM-dd HH:mm:ss[.ffffff].
func appendTimestamp(dst []byte, local int64) []byte {
	days, micros := splitDay(local)
	dst = append(appendDate(dst, days), ' ')
	seconds := micros / microsPerSecond
	dst = appendPadded(dst, seconds/3600, 2)
	dst = appendPadded(append(dst, ':'), seconds/60%60, 2)
	dst = appendPadded(append(dst, ':'), seconds%60, 2)
	return appendFraction(dst, micros%microsPerSecond)
}

// appendFraction writes .ffffff without trailing zeros, nothing for zero.
func appendFraction(dst []byte, micros int64) []byte {
	if micros == 0 {
		return dst
	}
	dst = appendPadded(append(dst, '.'), micros, 6)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendDate writes yyyy-MM-dd, with a sign for years beyond four digits and before the year 0.
func appendDate(dst []byte, days int64) []byte {
	year, month, day := civil(days)
	switch {
	case year > 9999:
		dst = append(dst, '+')
	case year < 0:
		dst, year = append(dst, '-'), -year
	}
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), int64(month), 2)
	return appendPadded(append(dst, '-'), int64(day), 2)
}
