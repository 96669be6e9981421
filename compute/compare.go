package compute

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// relation is a comparison reduced to one of three loops: equal, less, or less-or-equal, with its operands perhaps
// swapped and its outcome perhaps negated. All types have a total order (NaN equals itself and is greatest), so that
// not-less is greater-or-equal.
type relation struct {
	loop   byte // '=', '<', 'l'
	swap   bool
	negate bool
}

func relationOf(name string) relation {
	switch name {
	case "=":
		return relation{loop: '='}
	case "<>":
		return relation{loop: '=', negate: true}
	case "<":
		return relation{loop: '<'}
	case "<=":
		return relation{loop: 'l'}
	case ">":
		return relation{loop: '<', swap: true}
	}
	return relation{loop: 'l', swap: true}
}

// withConstantLast swaps the operands of a comparison whose first one is a constant: c < x is not x <= c.
func (r relation) withConstantLast() relation {
	r.swap = !r.swap
	switch r.loop {
	case '<':
		r.loop, r.negate = 'l', !r.negate
	case 'l':
		r.loop, r.negate = '<', !r.negate
	}
	return r
}

func buildComparison(b *binding) (node, error) {
	return total(comparisonKernel(b.name, b.arg(0)))(b)
}

// comparisonKernel compares two columns of one type.
func comparisonKernel(name string, t plan.Type) kernel {
	r := relationOf(name)
	switch t.Kind {
	case plan.KindInt8:
		return compareWith(r, orderedLoop[int8])
	case plan.KindInt16:
		return compareWith(r, orderedLoop[int16])
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return compareWith(r, orderedLoop[int32])
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		return compareWith(r, orderedLoop[int64])
	case plan.KindFloat32:
		return compareWith(r, floatLoop[float32])
	case plan.KindFloat64:
		return compareWith(r, floatLoop[float64])
	case plan.KindDecimal:
		return compareWith(r, decimalLoop)
	case plan.KindBoolean:
		return compareWith(r, boolLoop)
	case plan.KindArray, plan.KindStruct, plan.KindMap, plan.KindInterval:
		return compareNested(r)
	}
	return compareWith(r, orderedLoop[string])
}

func compareWith[T any](r relation, loop func(out []bool, a, b vec[T], op byte)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b := load[T](c.scratch, args[0], 0), load[T](c.scratch, args[1], 1)
		r := r
		if r.swap {
			a, b = b, a
		}
		if a.mask == 0 && b.mask != 0 {
			a, b, r = b, a, r.withConstantLast()
		}
		out := grow(&c.scratch.out, c.n)
		loop(out, a, b, r.loop)
		buf := packBools(c.mem, out)
		if r.negate {
			flip(buf.Bytes())
		}
		return finish(arrow.FixedWidthTypes.Boolean, c.n, both(c.mem, c.n, args...), buf), nil
	}
}

// compareNested compares values of several parts one by one; NULLs inside are equal to each other, and come first.
func compareNested(r relation) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b := args[0], args[1]
		if r.swap {
			a, b = b, a
		}
		valid, out := both(c.mem, c.n, args...), grow(&c.scratch.out, c.n)
		stepA, stepB := stepOf(a), stepOf(b)
		for i := range out {
			out[i] = false
			if valid.has(i) {
				out[i] = r.holds(vector.CompareAt(a.arr, i*stepA, b.arr, i*stepB))
			}
		}
		buf := packBools(c.mem, out)
		if r.negate {
			flip(buf.Bytes())
		}
		return finish(arrow.FixedWidthTypes.Boolean, c.n, valid, buf), nil
	}
}

// stepOf is how far the row of an argument moves from row to row.
func stepOf(v value) int {
	if v.constant {
		return 0
	}
	return 1
}

// holds says what a three-way comparison means to the relation's loop.
func (r relation) holds(order int) bool {
	switch r.loop {
	case '=':
		return order == 0
	case '<':
		return order < 0
	}
	return order <= 0
}

func flip(bits []byte) {
	for i := range bits {
		bits[i] = ^bits[i]
	}
}

type ordered interface {
	int8 | int16 | int32 | int64 | string
}

func orderedLoop[T ordered](out []bool, a, b vec[T], op byte) {
	if len(out) == 0 {
		return
	}
	if a.mask == -1 && b.mask == 0 {
		orderedConstant(out, a.values[:len(out)], b.values[0], op)
		return
	}
	switch op {
	case '=':
		for i := range out {
			out[i] = a.at(i) == b.at(i)
		}
	case '<':
		for i := range out {
			out[i] = a.at(i) < b.at(i)
		}
	default:
		for i := range out {
			out[i] = a.at(i) <= b.at(i)
		}
	}
}

func orderedConstant[T ordered](out []bool, a []T, c T, op byte) {
	out = out[:len(a)]
	switch op {
	case '=':
		for i, x := range a {
			out[i] = x == c
		}
	case '<':
		for i, x := range a {
			out[i] = x < c
		}
	default:
		for i, x := range a {
			out[i] = x <= c
		}
	}
}

type float interface{ float32 | float64 }

// lessFloat and equalFloat order NaN after everything else and take -0.0 for 0.0.
func lessFloat[T float](a, b T) bool  { return a < b || (b != b && a == a) }
func equalFloat[T float](a, b T) bool { return a == b || (a != a && b != b) }

func floatLoop[T float](out []bool, a, b vec[T], op byte) {
	switch op {
	case '=':
		for i := range out {
			out[i] = equalFloat(a.at(i), b.at(i))
		}
	case '<':
		for i := range out {
			out[i] = lessFloat(a.at(i), b.at(i))
		}
	default:
		for i := range out {
			out[i] = !lessFloat(b.at(i), a.at(i))
		}
	}
}

func decimalLoop(out []bool, a, b vec[decimal128.Num], op byte) {
	switch op {
	case '=':
		for i := range out {
			out[i] = a.at(i) == b.at(i)
		}
	case '<':
		for i := range out {
			out[i] = a.at(i).Less(b.at(i))
		}
	default:
		for i := range out {
			out[i] = !b.at(i).Less(a.at(i))
		}
	}
}

func boolLoop(out []bool, a, b vec[bool], op byte) {
	switch op {
	case '=':
		for i := range out {
			out[i] = a.at(i) == b.at(i)
		}
	case '<':
		for i := range out {
			out[i] = !a.at(i) && b.at(i)
		}
	default:
		for i := range out {
			out[i] = !a.at(i) || b.at(i)
		}
	}
}

// buildNullSafeEqual compares values where both sides have one, and NULLs elsewhere.
func buildNullSafeEqual(b *binding) (node, error) {
	equal := comparisonKernel("=", b.arg(0))
	return eager(func(c *context, args []value) (arrow.Array, error) {
		if args[0].isNull() || args[1].isNull() {
			return nullSafeConstant(c, args)
		}
		arr, err := equal(c, args)
		if err != nil || arr.NullN() == 0 {
			return arr, err
		}
		defer arr.Release()
		out, left, right := grow(&c.scratch.out, c.n), nullsOf(args[0]), nullsOf(args[1])
		bits, valid := vector.Bools(arr), vector.ValidityOf(arr)
		for i := range out {
			if valid.IsNull(i) {
				out[i] = left(i) && right(i)
			} else {
				out[i] = bits.At(i)
			}
		}
		return finish(arrow.FixedWidthTypes.Boolean, c.n, validity{}, packBools(c.mem, out)), nil
	})(b)
}

func nullSafeConstant(c *context, args []value) (arrow.Array, error) {
	out, left, right := grow(&c.scratch.out, c.n), nullsOf(args[0]), nullsOf(args[1])
	for i := range out {
		out[i] = left(i) && right(i)
	}
	return finish(arrow.FixedWidthTypes.Boolean, c.n, validity{}, packBools(c.mem, out)), nil
}

// nullsOf tells which rows of an argument are NULL.
func nullsOf(v value) func(i int) bool {
	valid := vector.ValidityOf(v.arr)
	if v.constant {
		null := valid.IsNull(0)
		return func(int) bool { return null }
	}
	return valid.IsNull
}
