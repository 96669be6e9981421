package compute

import (
	"math"
	"math/big"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

func swapped(k kernel) kernel {
	return func(c *context, args []value) (arrow.Array, error) { return k(c, []value{args[1], args[0]}) }
}

// shiftKernel moves a point in time by an interval, forth or back.
func shiftKernel(s session, op string, at, by, t plan.Type) binaryKernel {
	sign := int64(1)
	if op == "-" {
		sign = -1
	}
	if at.Kind == plan.KindDate {
		return dateShiftKernel(sign, by)
	}
	zone := s.zone
	if at.Kind == plan.KindTimestampNTZ {
		zone = fixedZone("UTC", 0)
	}
	move := zone.shift
	if t.Kind == plan.KindString {
		return textShiftKernel(zone, sign, by, move)
	}
	switch by.Kind {
	case plan.KindYearMonthInterval:
		return tryKernel2(func(v int64, m int32) (int64, bool, error) { return move(v, sign*int64(m), 0, 0) })
	case plan.KindDayTimeInterval:
		return tryKernel2(func(v, d int64) (int64, bool, error) {
			return move(v, 0, sign*(d/microsPerDay), sign*(d%microsPerDay))
		})
	}
	return tryKernel2(func(v int64, i interval) (int64, bool, error) {
		return move(v, sign*int64(i.Months), sign*int64(i.Days), sign*(i.Nanoseconds/1000))
	})
}

// textShiftKernel writes the outcome as text.
func textShiftKernel(zone *zone, sign int64, by plan.Type, move func(v int64, months, days, micros int64) (int64, bool, error)) binaryKernel {
	write := func(dst []byte, try bool, v, months, days, micros int64) ([]byte, bool, error) {
		out, ok, err := move(v, sign*months, sign*days, sign*micros)
		if try && err != nil {
			return dst, false, nil
		}
		return appendTimestamp(dst, zone.local(out)), ok, err
	}
	return func(try bool) kernel {
		if by.Kind == plan.KindDayTimeInterval {
			return textSome2(func(dst []byte, v, d int64) ([]byte, bool, error) {
				return write(dst, try, v, 0, d/microsPerDay, d%microsPerDay)
			})
		}
		return textSome2(func(dst []byte, v int64, i interval) ([]byte, bool, error) {
			return write(dst, try, v, int64(i.Months), int64(i.Days), i.Nanoseconds/1000)
		})
	}
}

// shift moves an instant by months and days of the local calendar, then by microseconds. Where the local time occurs
// twice it keeps its offset.
func (z *zone) shift(v, months, days, micros int64) (int64, bool, error) {
	if months != 0 || days != 0 {
		offset := z.offsetAt(v)
		day, clock := splitDay(z.local(v))
		if months != 0 {
			day = addMonths(day, months)
		}
		day += days
		if day > maxDay+1 || day < -maxDay-1 {
			return 0, false, arithmeticOverflow(plan.Int64, "")
		}
		local := saturatingAdd(day*microsPerDay, clock)
		if v = saturatingAdd(local, -offset*microsPerSecond); z.offsetAt(v) != offset {
			v = z.instant(local)
		}
	}
	out, ok := addOne(v, micros)
	if !ok || out == math.MinInt64 || out == math.MaxInt64 {
		return 0, false, arithmeticOverflow(plan.Int64, "")
	}
	return out, true, nil
}

func dateShiftKernel(sign int64, by plan.Type) binaryKernel {
	switch by.Kind {
	case plan.KindYearMonthInterval:
		return tryKernel2(func(d, m int32) (int32, bool, error) { return asDate(addMonths(int64(d), sign*int64(m))) })
	case plan.KindDayTimeInterval:
		return tryKernel2(func(d int32, micros int64) (int32, bool, error) {
			return asDate(int64(d) + sign*(micros/microsPerDay))
		})
	}
	return tryKernel2(func(d int32, i interval) (int32, bool, error) {
		if i.Nanoseconds != 0 {
			return 0, false, userError("INVALID_INTERVAL_WITH_MICROSECONDS_ADDITION",
				"Cannot add an interval to a date because its microseconds part is not 0. To resolve this, cast the input "+
					"date to a timestamp, which supports the addition of intervals with non-zero microseconds.")
		}
		return asDate(addMonths(int64(d), sign*int64(i.Months)) + sign*int64(i.Days))
	})
}

// differenceKernel counts the microseconds between two local times.
func differenceKernel(s session, t plan.Type) binaryKernel {
	zone := s.zone
	if t.Kind == plan.KindTimestampNTZ {
		zone = fixedZone("UTC", 0)
	}
	return tryKernel2(func(a, b int64) (int64, bool, error) {
		d, ok := subtractOne(zone.local(a), zone.local(b))
		if !ok {
			return 0, false, arithmeticOverflow(plan.Int64, "")
		}
		return d, true, nil
	})
}

func intervalSumKernel(op string, t plan.Type) binaryKernel {
	switch t.Kind {
	case plan.KindYearMonthInterval:
		return tryKernel2(intervalSum[int32](op))
	case plan.KindDayTimeInterval:
		return tryKernel2(intervalSum[int64](op))
	}
	return tryKernel2(func(a, b interval) (interval, bool, error) {
		months, ok1 := oneSum(op, a.Months, b.Months)
		days, ok2 := oneSum(op, a.Days, b.Days)
		nanos, ok3 := oneSum(op, a.Nanoseconds, b.Nanoseconds)
		if !ok1 || !ok2 || !ok3 {
			return interval{}, false, intervalOverflow(tryName(op))
		}
		return interval{Months: months, Days: days, Nanoseconds: nanos}, true, nil
	})
}

func oneSum[T integer](op string, a, b T) (T, bool) {
	if op == "-" {
		return subtractOne(a, b)
	}
	return addOne(a, b)
}

func intervalSum[T integer](op string) func(a, b T) (T, bool, error) {
	return func(a, b T) (T, bool, error) {
		v, ok := oneSum(op, a, b)
		if !ok {
			return 0, false, intervalOverflow(tryName(op))
		}
		return v, true, nil
	}
}

func quotientKernel(t plan.Type) binaryKernel {
	if t.Kind == plan.KindYearMonthInterval {
		return tryKernel2(func(a, b int32) (int64, bool, error) { return divideInts(int64(a), int64(b)) })
	}
	return tryKernel2(divideInts[int64])
}

// scaleKernel multiplies or divides an interval by a number.
func scaleKernel(op string, left, right plan.Type) binaryKernel {
	if !left.IsInterval() {
		other := scaleKernel(op, right, left)
		return func(try bool) kernel { return swapped(other(try)) }
	}
	divide := op == "/"
	switch left.Kind {
	case plan.KindYearMonthInterval:
		return scaleCounted[int32](divide, right)
	case plan.KindDayTimeInterval:
		return scaleCounted[int64](divide, right)
	}
	return tryKernel2(func(i interval, f float64) (interval, bool, error) {
		if divide && f == 0 {
			return i, false, intervalByZero()
		}
		return scaleInterval(i, f, divide)
	})
}

func intervalByZero() error {
	return userError("INTERVAL_DIVIDED_BY_ZERO",
		"Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.")
}

// scaleCounted rounds half away from zero.
func scaleCounted[T int32 | int64](divide bool, by plan.Type) binaryKernel {
	fit := func(v *big.Int) (T, bool, error) {
		if !v.IsInt64() || int64(T(v.Int64())) != v.Int64() {
			return 0, false, arithmeticOverflow(plan.Int64, "")
		}
		return T(v.Int64()), true, nil
	}
	switch by.Kind {
	case plan.KindInt64:
		return tryKernel2(func(v T, n int64) (T, bool, error) {
			if divide && n == 0 {
				return 0, false, intervalByZero()
			}
			if divide {
				return fit(roundedQuotient(big.NewInt(int64(v)), big.NewInt(n)))
			}
			hi, lo := mul64(int64(v), n)
			if hi != int64(lo)>>63 || int64(T(lo)) != int64(lo) {
				return 0, false, arithmeticOverflow(plan.Int64, "")
			}
			return T(lo), true, nil
		})
	case plan.KindDecimal:
		unit := bigPow10(by.Scale)
		return tryKernel2(func(v T, d decimal128.Num) (T, bool, error) {
			if divide && d.Sign() == 0 {
				return 0, false, intervalByZero()
			}
			if divide {
				return fit(roundedQuotient(new(big.Int).Mul(big.NewInt(int64(v)), unit), d.BigInt()))
			}
			return fit(roundedQuotient(new(big.Int).Mul(big.NewInt(int64(v)), d.BigInt()), unit))
		})
	}
	return tryKernel2(func(v T, f float64) (T, bool, error) {
		if divide && f == 0 {
			return 0, false, intervalByZero()
		}
		out := float64(v) * f
		if divide {
			out = float64(v) / f
		}
		rounded := math.Round(out)
		limit := float64(math.MaxInt64)
		if any(T(0)) == any(int32(0)) {
			limit = math.MaxInt32
		}
		if !(rounded <= limit && rounded >= -limit-1) {
			return 0, false, arithmeticOverflow(plan.Int64, "")
		}
		return T(rounded), true, nil
	})
}

// scaleInterval scales each part, and hands the fraction of days on to the microseconds; of months it is dropped.
func scaleInterval(i interval, f float64, divide bool) (interval, bool, error) {
	by := func(v float64) float64 {
		if divide {
			return v / f
		}
		return v * f
	}
	months, days := by(float64(i.Months)), by(float64(i.Days))
	micros := by(float64(i.Nanoseconds/1000)) + (days-math.Trunc(days))*microsPerDay
	micros = math.Floor(micros + 0.5)
	if !(math.Abs(months) <= math.MaxInt32 && math.Abs(days) <= math.MaxInt32 && math.Abs(micros) <= maxIntervalMicros) {
		return i, false, intervalOverflow("")
	}
	return interval{Months: int32(months), Days: int32(days), Nanoseconds: int64(micros) * 1000}, true, nil
}
