package compute

import (
	"github.com/quern-engine/quern/plan"
)

// timestampLabel is what Spark calls the timestamps that intervals go with.
const timestampLabel = `"(TIMESTAMP OR TIMESTAMP WITHOUT TIME ZONE)"`

// temporalArithmetic types the operators over dates, timestamps and intervals; ok is false for operands that are none.
func temporalArithmetic(op string, a, b plan.Type) (sig Signature, ok bool, err error) {
	if !isTemporal(a) && !isTemporal(b) {
		return Signature{}, false, nil
	}
	switch op {
	case "+":
		sig, err = resolvePlus(a, b)
	case "-":
		sig, err = resolveMinus(a, b)
	case "*", "/":
		sig, err = resolveScale(op, a, b)
	case "div":
		sig, err = resolveIntervalQuotient(a, b)
	default:
		err = wrongOperands(arithmeticLabel, a, b)
	}
	return sig, true, err
}

func isTemporal(t plan.Type) bool { return isTime(t) || t.IsInterval() }

func isDays(t plan.Type) bool {
	return t.Kind == plan.KindDayTimeInterval && t.Scale == plan.FieldDay
}

func resolvePlus(a, b plan.Type) (Signature, error) {
	switch {
	case a.Kind == plan.KindNull:
		return resolvePlus(nullBeside(b, true), b)
	case b.Kind == plan.KindNull:
		return resolvePlus(a, nullBeside(a, true))
	case a.IsInterval() && a.Kind == b.Kind:
		return sumOfIntervals(a, b)
	case a.IsInterval() && !b.IsInterval():
		sig, err := shiftSignature(b, a, 0)
		if err == nil {
			sig.Args[0], sig.Args[1] = sig.Args[1], sig.Args[0]
		}
		return sig, err
	case b.IsInterval():
		return shiftSignature(a, b, 0)
	case a.Kind == plan.KindDate:
		return dateShift(b, 1)
	case b.Kind == plan.KindDate:
		sig, err := dateShift(a, 0)
		if err == nil {
			sig.Args[0], sig.Args[1] = sig.Args[1], sig.Args[0]
		}
		return sig, err
	case a.Kind != b.Kind && isTime(a) && isTime(b):
		return Signature{}, mismatchError{a, b}
	case isTime(a) && (isTime(b) || b.Kind == plan.KindString):
		return Signature{}, wrongTypeError{arithmeticLabel, a}
	case a.Kind == plan.KindString:
		return Signature{}, wrongTypeError{arithmeticLabel, b}
	}
	return Signature{}, mismatchError{a, b}
}

// nullBeside is the type that a bare NULL takes beside a date, timestamp or interval.
func nullBeside(t plan.Type, plus bool) plan.Type {
	if plus && isTime(t) {
		return plan.DayTimeInterval
	}
	return t
}

// dateShift is a date and a number of days.
func dateShift(days plan.Type, position int) (Signature, error) {
	if days.IsInteger() && days.Kind != plan.KindInt64 {
		return Signature{Args: []plan.Type{plan.Date, plan.Int32}, Returns: plan.Date}, nil
	}
	return Signature{}, argumentError{position, `("INT" or "SMALLINT" or "TINYINT")`, days}
}

func sumOfIntervals(a, b plan.Type) (Signature, error) {
	t, ok := CommonType(a, b)
	if !ok {
		return Signature{}, mismatchError{a, b}
	}
	return Signature{Args: alike(t, 2), Returns: t}, nil
}

// shiftSignature is a point in time and an interval. A date stays one where the interval has whole days. A string is
// read as a timestamp, and the result is written again.
func shiftSignature(at, by plan.Type, position int) (Signature, error) {
	args := []plan.Type{at, by}
	switch {
	case at.Kind == plan.KindString && by.Kind != plan.KindYearMonthInterval:
		return Signature{Args: args, Returns: plan.String}, nil
	case at.Kind == plan.KindString:
		return Signature{}, mismatchError{at, by}
	case at.Kind == plan.KindDate && by.Kind == plan.KindDayTimeInterval && !isDays(by):
		return Signature{Args: []plan.Type{plan.Timestamp, by}, Returns: plan.Timestamp}, nil
	case isTime(at):
		return Signature{Args: args, Returns: at}, nil
	case by.Kind == plan.KindYearMonthInterval && !at.IsInterval():
		return Signature{}, mismatchError{at, by}
	}
	return Signature{}, argumentError{position, timestampLabel, at}
}

func resolveMinus(a, b plan.Type) (Signature, error) {
	switch {
	case a.Kind == plan.KindNull:
		return resolveMinus(nullBeside(b, false), b)
	case b.Kind == plan.KindNull:
		return resolveMinus(a, nullBeside(a, false))
	case a.IsInterval() && a.Kind == b.Kind:
		return sumOfIntervals(a, b)
	case a.IsInterval() && !isTime(b) && (!b.IsInterval() || b.Kind == plan.KindYearMonthInterval):
		return Signature{}, mismatchError{a, b}
	case b.IsInterval():
		return shiftSignature(a, b, 0)
	case a.Kind == plan.KindDate && b.IsNumeric():
		return dateShift(b, 1)
	case a.Kind == plan.KindTimestamp || a.Kind == plan.KindTimestampNTZ || b.Kind == plan.KindTimestamp || b.Kind == plan.KindTimestampNTZ:
		return timeDifference(a, b)
	case !canCoerce(a, plan.Date):
		return Signature{}, argumentError{0, sqlType(plan.Date), a}
	case !canCoerce(b, plan.Date):
		return Signature{}, argumentError{1, sqlType(plan.Date), b}
	}
	days := plan.Type{Kind: plan.KindDayTimeInterval, Precision: plan.FieldDay, Scale: plan.FieldDay}
	return Signature{Args: alike(plan.Date, 2), Returns: days}, nil
}

func timeDifference(a, b plan.Type) (Signature, error) {
	for i, t := range []plan.Type{a, b} {
		if !isTime(t) && t.Kind != plan.KindString {
			return Signature{}, argumentError{i, timestampLabel, t}
		}
	}
	t, _ := CommonType(a, b)
	return Signature{Args: alike(t, 2), Returns: plan.DayTimeInterval}, nil
}

// resolveScale is an interval by a number.
func resolveScale(op string, a, b plan.Type) (Signature, error) {
	swapped := !a.IsInterval() && op == "*"
	if swapped {
		a, b = b, a
	}
	if !a.IsInterval() {
		if a.Kind == plan.KindString && isTime(b) || b.Kind == plan.KindString && isTime(a) || a.Equal(b) {
			return Signature{}, wrongTypeError{arithmeticLabel, b}
		}
		return Signature{}, mismatchError{a, b}
	}
	switch {
	case isTime(b):
		return Signature{}, argumentError{1, `"NUMERIC"`, b}
	case a.Kind == plan.KindInterval || b.IsFloat() || b.Kind == plan.KindString || b.Kind == plan.KindNull:
		if !b.IsNumeric() && b.Kind != plan.KindString && b.Kind != plan.KindNull {
			return Signature{}, argumentError{1, `"NUMERIC"`, b}
		}
		b = plan.Float64
	case b.IsInteger():
		b = plan.Int64
	case b.Kind != plan.KindDecimal:
		return Signature{}, argumentError{1, `"NUMERIC"`, b}
	}
	returns := map[plan.Kind]plan.Type{plan.KindYearMonthInterval: plan.YearMonthInterval,
		plan.KindDayTimeInterval: plan.DayTimeInterval, plan.KindInterval: plan.Interval}[a.Kind]
	sig := Signature{Args: []plan.Type{a, b}, Returns: returns}
	if swapped {
		sig.Args[0], sig.Args[1] = b, a
	}
	return sig, nil
}

func resolveIntervalQuotient(a, b plan.Type) (Signature, error) {
	t, ok := CommonType(a, b)
	if !ok || !isAnsiInterval(t) {
		return Signature{}, wrongOperands(arithmeticLabel, a, b)
	}
	return Signature{Args: alike(t, 2), Returns: plan.Int64}, nil
}

// temporalKernel is the kernel of what temporalArithmetic types; it is nil for other operands. Every one may fail.
func temporalKernel(op string, b *binding) (k binaryKernel) {
	left, right := b.arg(0), b.arg(1)
	switch {
	case !isTemporal(left) && !isTemporal(right):
		return nil
	case op == "*" || op == "/":
		return scaleKernel(op, left, right)
	case op == "div":
		return quotientKernel(left)
	case left.IsInterval() && right.IsInterval():
		return intervalSumKernel(op, left)
	case left.IsInterval() || op == "+" && right.Kind == plan.KindDate && left.IsInteger():
		return swappedKernel(op, b)
	case right.IsInterval():
		return shiftKernel(b.session, op, left, right, b.t)
	case left.Kind == plan.KindDate && right.Kind == plan.KindDate:
		return func(try bool) kernel {
			return map2(func(x, y int32) int64 { return (int64(x) - int64(y)) * microsPerDay })
		}
	case isTime(left) && isTime(right):
		return differenceKernel(b.session, left)
	case op == "+":
		return tryKernel2(addDays)
	}
	return tryKernel2(subtractDays)
}

// binaryKernel makes the strict or the tolerant kernel of an operator.
type binaryKernel func(try bool) kernel

func tryKernel2[A, B, R any](f func(A, B) (R, bool, error)) binaryKernel {
	return func(try bool) kernel { return mapSome2(orNull2(f, try)) }
}

// swappedKernel computes interval + time as time + interval.
func swappedKernel(op string, b *binding) binaryKernel {
	other := temporalKernel(op, &binding{b.name, []node{b.args[1], b.args[0]}, b.t, b.session})
	return func(try bool) kernel { return swapped(other(try)) }
}

// readTimes casts a string beside an interval to the timestamp that it stands for.
func readTimes(b *binding, try bool) error {
	for i, a := range b.args {
		if b.t.Kind != plan.KindString || a.typ().Kind != plan.KindString {
			continue
		}
		at, err := castNode(b.session, a, plan.Timestamp, try)
		if err != nil {
			return err
		}
		b.args[i] = at
	}
	return nil
}
