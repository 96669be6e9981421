package compute

import (
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

type integer interface {
	int8 | int16 | int32 | int64
}

// tryName is the tolerant twin of an operator, for error messages.
func tryName(op string) string {
	return map[string]string{"+": "try_add", "-": "try_subtract", "*": "try_multiply", "/": "try_divide", "div": "try_divide"}[op]
}

// buildArithmetic builds a binary operator; with try set, NULL takes the place of errors.
func buildArithmetic(op string, try bool) builder {
	return func(b *binding) (node, error) {
		if err := readTimes(b, try); err != nil {
			return nil, err
		}
		quiet := try
		if b.legacy && !isTemporal(b.arg(0)) && !isTemporal(b.arg(1)) {
			if k := wrappingKernel(op, b.arg(0)); k != nil && !try {
				return total(k)(b)
			}
			quiet = true
		}
		k, mayFail := arithmeticKernel(op, b, quiet)
		return strict(mayFail && !quiet, k)(b)
	}
}

// wrappingKernel is what sums, differences and products of integers are outside of ANSI mode; else nil.
func wrappingKernel(op string, t plan.Type) kernel {
	switch t.Kind {
	case plan.KindInt8:
		return wrapping[int8](op)
	case plan.KindInt16:
		return wrapping[int16](op)
	case plan.KindInt32:
		return wrapping[int32](op)
	case plan.KindInt64:
		return wrapping[int64](op)
	}
	return nil
}

func wrapping[T integer](op string) kernel {
	switch op {
	case "+":
		return map2(func(a, b T) T { return a + b })
	case "-":
		return map2(func(a, b T) T { return a - b })
	case "*":
		return map2(func(a, b T) T { return a * b })
	}
	return nil
}

func arithmeticKernel(op string, b *binding, try bool) (k kernel, mayFail bool) {
	if make := temporalKernel(op, b); make != nil {
		return make(try), true
	}
	switch b.arg(0).Kind {
	case plan.KindInt8:
		return intKernel[int8](op, b.t, try), true
	case plan.KindInt16:
		return intKernel[int16](op, b.t, try), true
	case plan.KindInt32:
		return intKernel[int32](op, b.t, try), true
	case plan.KindInt64:
		return intKernel[int64](op, b.t, try), true
	case plan.KindFloat32:
		return floatKernel[float32](op, try)
	case plan.KindFloat64:
		return floatKernel[float64](op, try)
	}
	return decimalKernel(op, b.arg(0), b.arg(1), b.t, try), decimalFails(op, b.arg(0), b.arg(1))
}

// orNull2 turns a function's errors into NULLs, if asked to.
func orNull2[A, B, R any](f func(A, B) (R, bool, error), try bool) func(A, B) (R, bool, error) {
	if !try {
		return f
	}
	return func(a A, b B) (R, bool, error) {
		v, ok, err := f(a, b)
		return v, ok && err == nil, nil
	}
}

func intKernel[T integer](op string, t plan.Type, try bool) kernel {
	switch op {
	case "+":
		return checked(addLoop[T], intOp(op, t, addOne[T], try))
	case "-":
		return checked(subtractLoop[T], intOp(op, t, subtractOne[T], try))
	case "*":
		return checked(multiplyLoop[T], intOp(op, t, multiplyOne[T], try))
	case "div":
		return mapSome2(orNull2(divideInts[T], try))
	case "%":
		return mapSome2(orNull2(remainderInts[T], try))
	}
	return mapSome2(orNull2(positiveRemainder[T], try))
}

// checked runs a loop that ignores NULLs and overflow; if the loop saw an overflow it starts over, row by row, since
// that row may be NULL, or the error wants its values.
func checked[T integer](loop func(out []T, a, b vec[T]) bool, one func(a, b T) (T, bool, error)) kernel {
	slow := mapSome2(one)
	return func(c *context, args []value) (arrow.Array, error) {
		a, b, out := load[T](c.scratch, args[0], 0), load[T](c.scratch, args[1], 1), newOutput[T](c)
		if loop(out.rows, a, b) {
			out.drop(validity{})
			return slow(c, args)
		}
		return out.array(both(c.mem, c.n, args...)), nil
	}
}

// intOp makes an error, or NULL, of an overflow.
func intOp[T integer](op string, t plan.Type, f func(a, b T) (T, bool), try bool) func(a, b T) (T, bool, error) {
	return func(a, b T) (T, bool, error) {
		v, ok := f(a, b)
		switch {
		case ok || try:
			return v, ok, nil
		case t.Kind == plan.KindInt8 || t.Kind == plan.KindInt16:
			return 0, false, binaryOverflow(t, int64(a), op, int64(b), tryName(op))
		}
		return 0, false, arithmeticOverflow(t, tryName(op))
	}
}

func addOne[T integer](a, b T) (T, bool) {
	s := a + b
	return s, (a^s)&(b^s) >= 0
}

func subtractOne[T integer](a, b T) (T, bool) {
	d := a - b
	return d, (a^b)&(a^d) >= 0
}

func multiplyOne[T integer](a, b T) (T, bool) {
	hi, lo := mul64(int64(a), int64(b))
	p := T(lo)
	return p, int64(p) == int64(lo) && hi == int64(lo)>>63
}

// mul64 is the signed 128-bit product.
func mul64(a, b int64) (hi int64, lo uint64) {
	h, l := bits.Mul64(uint64(a), uint64(b))
	return int64(h) - (a>>63)&b - (b>>63)&a, l
}

func addLoop[T integer](out []T, a, b vec[T]) bool {
	var over T
	if a.mask == -1 && b.mask == -1 {
		left, right := a.values[:len(out)], b.values[:len(out)]
		for i := range out {
			x, y := left[i], right[i]
			s := x + y
			over |= (x ^ s) & (y ^ s)
			out[i] = s
		}
		return over < 0
	}
	for i := range out {
		x, y := a.at(i), b.at(i)
		s := x + y
		over |= (x ^ s) & (y ^ s)
		out[i] = s
	}
	return over < 0
}

func subtractLoop[T integer](out []T, a, b vec[T]) bool {
	var over T
	if a.mask == -1 && b.mask == -1 {
		left, right := a.values[:len(out)], b.values[:len(out)]
		for i := range out {
			x, y := left[i], right[i]
			d := x - y
			over |= (x ^ y) & (x ^ d)
			out[i] = d
		}
		return over < 0
	}
	for i := range out {
		x, y := a.at(i), b.at(i)
		d := x - y
		over |= (x ^ y) & (x ^ d)
		out[i] = d
	}
	return over < 0
}

func multiplyLoop[T integer](out []T, a, b vec[T]) bool {
	over := false
	for i := range out {
		p, ok := multiplyOne(a.at(i), b.at(i))
		over = over || !ok
		out[i] = p
	}
	return over
}

func divideInts[T integer](a, b T) (T, bool, error) {
	if b == 0 {
		return 0, false, divideByZero()
	}
	if b == -1 && a != 0 && a == -a {
		return 0, false, userError("ARITHMETIC_OVERFLOW",
			"Overflow in integral divide. Use 'try_divide' to tolerate overflow and return NULL instead.")
	}
	return a / b, true, nil
}

func remainderInts[T integer](a, b T) (T, bool, error) {
	if b == 0 {
		return 0, false, remainderByZero()
	}
	return a % b, true, nil
}

func positiveRemainder[T integer](a, b T) (T, bool, error) {
	if b == 0 {
		return 0, false, remainderByZero()
	}
	r := a % b
	if r < 0 {
		r = T((int64(r) + int64(b)) % int64(b))
	}
	return r, true, nil
}

func floatKernel[T float](op string, try bool) (k kernel, mayFail bool) {
	switch op {
	case "+":
		return map2(func(a, b T) T { return a + b }), false
	case "-":
		return map2(func(a, b T) T { return a - b }), false
	case "*":
		return map2(func(a, b T) T { return a * b }), false
	}
	f := floatDivision[T](op)
	return mapSome2(orNull2(f, try)), true
}

func floatDivision[T float](op string) func(a, b T) (T, bool, error) {
	switch op {
	case "/":
		return func(a, b T) (T, bool, error) {
			if b == 0 {
				return 0, false, divideByZero()
			}
			return a / b, true, nil
		}
	case "%":
		return func(a, b T) (T, bool, error) {
			if b == 0 {
				return 0, false, remainderByZero()
			}
			return T(math.Mod(float64(a), float64(b))), true, nil
		}
	}
	return func(a, b T) (T, bool, error) {
		if b == 0 {
			return 0, false, remainderByZero()
		}
		r := math.Mod(float64(a), float64(b))
		if r < 0 {
			r = math.Mod(r+float64(b), float64(b))
		}
		return T(r), true, nil
	}
}

func buildNegative(b *binding) (node, error) {
	switch b.t.Kind {
	case plan.KindInt8:
		return partial(mapSome1(negateInt[int8](b.t, b.legacy)))(b)
	case plan.KindInt16:
		return partial(mapSome1(negateInt[int16](b.t, b.legacy)))(b)
	case plan.KindInt32:
		return partial(mapSome1(negateInt[int32](b.t, b.legacy)))(b)
	case plan.KindInt64:
		return partial(mapSome1(negateInt[int64](b.t, b.legacy)))(b)
	case plan.KindFloat32:
		return total(map1(func(v float32) float32 { return -v }))(b)
	case plan.KindFloat64:
		return total(map1(func(v float64) float64 { return -v }))(b)
	case plan.KindYearMonthInterval:
		return partial(mapSome1(negateSpan[int32]))(b)
	case plan.KindDayTimeInterval:
		return partial(mapSome1(negateSpan[int64]))(b)
	case plan.KindInterval:
		return partial(mapSome1(negateInterval))(b)
	}
	return total(map1(negateDecimal))(b)
}

func negateInt[T integer](t plan.Type, wrap bool) func(T) (T, bool, error) {
	return func(v T) (T, bool, error) {
		if !wrap && v != 0 && v == -v {
			return 0, false, arithmeticOverflow(t, "")
		}
		return -v, true, nil
	}
}

func negateSpan[T int32 | int64](v T) (T, bool, error) {
	if v != 0 && v == -v {
		return 0, false, intervalOverflow("")
	}
	return -v, true, nil
}

func negateInterval(v interval) (interval, bool, error) {
	if v.Months == math.MinInt32 || v.Days == math.MinInt32 || v.Nanoseconds == math.MinInt64 {
		return v, false, intervalOverflow("")
	}
	return interval{Months: -v.Months, Days: -v.Days, Nanoseconds: -v.Nanoseconds}, true, nil
}
