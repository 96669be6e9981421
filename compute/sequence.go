package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func sequenceFunction() Function {
	return Function{
		Name: "sequence", Usage: "sequence(start, stop[, step])",
		Summary: "The values from start to stop, both included, at steps of 1 (or -1) unless given; days for dates and timestamps.",
		Example: "sequence(5, 1, -2)", ExampleResult: "[5,3,1]", resolve: resolveSequence, build: buildSequence,
	}
}

func resolveSequence(args []plan.Type) (Signature, error) {
	if len(args) != 2 && len(args) != 3 {
		return Signature{}, arityError{"[2, 3]", len(args)}
	}
	t, ok := commonWithoutText(args[0], args[1])
	if ok && t.Kind == plan.KindNull {
		t = plan.Int32
	}
	cast := []plan.Type{t, t}
	if len(args) == 3 {
		cast = append(cast, args[2])
	}
	switch {
	case ok && t.IsInteger():
		if len(args) == 3 {
			t, ok = commonWithoutText(t, args[2])
			ok = ok && t.IsInteger()
			cast = alike(t, 3)
		}
	case ok && isTime(t):
		if len(args) == 3 && args[2].Kind == plan.KindNull {
			cast[2] = plan.Interval
		}
		ok = len(args) == 2 || cast[2].IsInterval()
	default:
		ok = false
	}
	if !ok {
		return Signature{}, userError("DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES", "Cannot resolve \"sequence\" due to data type "+
			"mismatch: `sequence` uses the wrong parameter type: start and stop must be of one type, whole numbers with a step of "+
			"that type, or dates or timestamps with an interval.")
	}
	return Signature{Args: cast, Returns: arrayOf(t)}, nil
}

// sequenceStep tells how far a sequence goes at each step.
type sequenceStep struct{ months, days, micros int64 }

// sign is the direction of the step; months count with their least number of days.
func (s sequenceStep) sign() int64 {
	switch total := (s.months*28+s.days)*microsPerDay + s.micros; {
	case total > 0:
		return 1
	case total < 0:
		return -1
	}
	return 0
}

func buildSequence(b *binding) (node, error) {
	t := b.t.Element().Type
	var each func(c *context, args []value) func(dst []int64, i int) ([]int64, error)
	switch {
	case t.IsInteger():
		each = func(c *context, args []value) func([]int64, int) ([]int64, error) { return countUp(c, args, t.Kind) }
	default:
		move := mover(b.session, t)
		each = func(c *context, args []value) func([]int64, int) ([]int64, error) {
			return walk(c, args, t, b.args, move)
		}
	}
	return partial(func(c *context, args []value) (arrow.Array, error) {
		valid, next := both(c.mem, c.n, args...), each(c, args)
		offsets, all := make([]int32, c.n+1), []int64(nil)
		for i := range c.n {
			if valid.has(i) {
				var err error
				if all, err = next(all, i); err != nil {
					valid.release()
					return nil, err
				}
			}
			offsets[i+1] = int32(len(all))
		}
		return finishNested(c.t, c.n, valid, copyOffsets(c.mem, offsets), fromInts(c, t, all)), nil
	})(b)
}

// fromInts makes a column of a type that is stored as a whole number.
func fromInts(c *context, t plan.Type, all []int64) arrow.Array {
	at := *c
	at.n, at.t = len(all), t
	switch t.Kind {
	case plan.KindInt8:
		return narrowInts[int8](&at, all)
	case plan.KindInt16:
		return narrowInts[int16](&at, all)
	case plan.KindInt32, plan.KindDate:
		return narrowInts[int32](&at, all)
	}
	return narrowInts[int64](&at, all)
}

func narrowInts[T int8 | int16 | int32 | int64](c *context, all []int64) arrow.Array {
	buf, out := vector.Alloc[T](c.mem, len(all))
	for i, v := range all {
		out[i] = T(v)
	}
	return finish(c.t.Arrow(), len(all), validity{}, buf)
}

func illegalBoundaries(start, stop, step int64) error {
	return plan.Failf(plan.FailureUser, "requirement failed: Illegal sequence boundaries: %d to %d by %d", start, stop, step)
}

// countUp is sequences of whole numbers.
func countUp(c *context, args []value, kind plan.Kind) func(dst []int64, i int) ([]int64, error) {
	start, stop := loadInts(c, args[0], kind), loadInts(c, args[1], kind)
	step := func(i int) int64 {
		if start(i) <= stop(i) {
			return 1
		}
		return -1
	}
	if len(args) == 3 {
		step = loadInts(c, args[2], kind)
	}
	return func(dst []int64, i int) ([]int64, error) { return appendSteps(dst, start(i), stop(i), step(i)) }
}

// appendSteps appends start, start+step … up to stop.
func appendSteps(dst []int64, start, stop, step int64) ([]int64, error) {
	if start != stop && (step == 0 || (step > 0) != (start < stop)) {
		return dst, illegalBoundaries(start, stop, step)
	}
	if start == stop {
		return append(dst, start), nil
	}
	// As unsigned numbers neither the distance nor the step overflows.
	distance, stride := uint64(stop)-uint64(start), uint64(step)
	if step < 0 {
		distance, stride = -distance, -stride
	}
	n := distance/stride + 1
	if n == 0 || n > maxElements {
		return dst, userError("COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", "Can't create array with %d elements which exceeding the array size limit %d.", n, maxElements)
	}
	if n > uint64(maxElements-len(dst)) {
		return dst, errTooManyElements()
	}
	for k := range n {
		dst = append(dst, start+int64(k)*step)
	}
	return dst, nil
}

// mover moves a day or an instant, as its type has it, by a step.
func mover(s session, t plan.Type) func(v int64, step sequenceStep) (int64, error) {
	if t.Kind == plan.KindDate {
		return func(v int64, step sequenceStep) (int64, error) {
			day, _, err := asDate(addMonths(v, step.months) + step.days)
			return int64(day), err
		}
	}
	zone := s.zone
	if t.Kind == plan.KindTimestampNTZ {
		zone = fixedZone("UTC", 0)
	}
	return func(v int64, step sequenceStep) (int64, error) {
		out, _, err := zone.shift(v, step.months, step.days, step.micros)
		return out, err
	}
}

// walk is sequences of dates and timestamps.
func walk(c *context, args []value, t plan.Type, nodes []node, move func(int64, sequenceStep) (int64, error)) func(dst []int64, i int) ([]int64, error) {
	kind := plan.KindInt64
	if t.Kind == plan.KindDate {
		kind = plan.KindInt32
	}
	start, stop := loadInts(c, args[0], kind), loadInts(c, args[1], kind)
	step := func(i int) (sequenceStep, error) {
		if start(i) <= stop(i) {
			return sequenceStep{days: 1}, nil
		}
		return sequenceStep{days: -1}, nil
	}
	if len(args) == 3 {
		step = loadSteps(c, args[2], nodes[2].typ(), t)
	}
	return func(dst []int64, i int) ([]int64, error) {
		s, err := step(i)
		if err != nil {
			return dst, err
		}
		return appendWalk(dst, start(i), stop(i), s, move)
	}
}

func loadSteps(c *context, v value, by, of plan.Type) func(i int) (sequenceStep, error) {
	switch by.Kind {
	case plan.KindYearMonthInterval:
		a := load[int32](c.scratch, v, 0)
		return func(i int) (sequenceStep, error) { return sequenceStep{months: int64(a.at(i))}, nil }
	case plan.KindDayTimeInterval:
		a := load[int64](c.scratch, v, 0)
		return func(i int) (sequenceStep, error) {
			s := sequenceStep{days: a.at(i) / microsPerDay, micros: a.at(i) % microsPerDay}
			return s, checkDayStep(s, of)
		}
	}
	a := load[interval](c.scratch, v, 0)
	return func(i int) (sequenceStep, error) {
		x := a.at(i)
		s := sequenceStep{int64(x.Months), int64(x.Days), x.Nanoseconds / 1000}
		return s, checkDayStep(s, of)
	}
}

// checkDayStep refuses steps of less than a day between dates.
func checkDayStep(s sequenceStep, of plan.Type) error {
	if of.Kind == plan.KindDate && s.micros != 0 {
		return plan.Failf(plan.FailureUser,
			"sequence step must be an interval day to second of day granularity if start and end values are dates")
	}
	return nil
}

// appendWalk counts every step from the start, so that the last day of a month comes back after a short month.
func appendWalk(dst []int64, start, stop int64, step sequenceStep, move func(int64, sequenceStep) (int64, error)) ([]int64, error) {
	sign := step.sign()
	if start != stop && (sign == 0 || (sign > 0) != (start < stop)) {
		return dst, plan.Failf(plan.FailureUser, "requirement failed: Illegal sequence boundaries: %d to %d by %d months, %d days and %d microseconds",
			start, stop, step.months, step.days, step.micros)
	}
	if start == stop {
		return append(dst, start), nil
	}
	for k, v := int64(1), start; (stop-v)*sign >= 0; k++ {
		if len(dst) >= maxElements {
			return dst, errTooManyElements()
		}
		dst = append(dst, v)
		var err error
		if v, err = move(start, sequenceStep{k * step.months, k * step.days, k * step.micros}); err != nil {
			return dst, err
		}
	}
	return dst, nil
}
