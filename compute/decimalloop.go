package compute

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// exactLoop computes a whole batch without looking at NULLs. It reports false where 128 bits do not do for some row:
// what it has written is then worth nothing.
type exactLoop func(out []decimal128.Num, a, b vec[decimal128.Num]) bool

// looped runs a loop and, where that does not do, the function for each row.
func looped(loop exactLoop, one decimalOp) kernel {
	slow := mapSome2(one)
	if loop == nil {
		return slow
	}
	return func(c *context, args []value) (arrow.Array, error) {
		a, b := load[decimal128.Num](c.scratch, args[0], 0), load[decimal128.Num](c.scratch, args[1], 1)
		out := newOutput[decimal128.Num](c)
		if !loop(out.rows, a, b) {
			out.drop(validity{})
			return slow(c, args)
		}
		return out.array(both(c.mem, c.n, args...)), nil
	}
}

// productLoop is nil where products have to be rounded.
func productLoop(a, b, t plan.Type) exactLoop {
	switch {
	case t.Scale != a.Scale+b.Scale:
		return nil
	case productFits(a, b):
		return multiplyWide
	}
	return multiplyNarrow
}

func multiplyWide(out []decimal128.Num, a, b vec[decimal128.Num]) bool {
	for i := range out {
		out[i] = a.values[i&a.mask].Mul(b.values[i&b.mask])
	}
	return true
}

// multiplyNarrow is for types whose product can outgrow 38 digits. That of two numbers of 64 bits cannot.
func multiplyNarrow(out []decimal128.Num, a, b vec[decimal128.Num]) bool {
	wide := uint64(0)
	for i := range out {
		x, y := a.values[i&a.mask], b.values[i&b.mask]
		wide |= upperHalf(x) | upperHalf(y)
		hi, lo := mul64(int64(x.LowBits()), int64(y.LowBits()))
		out[i] = decimal128.New(hi, lo)
	}
	return wide == 0
}

// upperHalf is zero for what fits 64 bits.
func upperHalf(v decimal128.Num) uint64 { return uint64(v.HighBits() ^ int64(v.LowBits())>>63) }

// maxNarrowShift is how far the operands of a sum may be scaled up: numbers of 64 bits then still have sums of 38 digits.
const maxNarrowShift = 18

// sumLoop is nil where sums have to be rounded.
func sumLoop(op string, a, b, t plan.Type) exactLoop {
	scale := max(a.Scale, b.Scale)
	up, down := pow10(scale-a.Scale), pow10(scale-b.Scale)
	if op == "-" {
		down = down.Negate()
	}
	switch {
	case t.Scale != scale:
		return nil
	case sumFits(a, b):
		return addWide(up, down)
	case scale-a.Scale > maxNarrowShift || scale-b.Scale > maxNarrowShift:
		return nil
	}
	wide := addWide(up, down)
	return func(out []decimal128.Num, a, b vec[decimal128.Num]) bool {
		return wide(out, a, b) && allNarrow(a, len(out)) && allNarrow(b, len(out))
	}
}

func addWide(up, down decimal128.Num) exactLoop {
	one := decimal128.FromI64(1)
	return func(out []decimal128.Num, a, b vec[decimal128.Num]) bool {
		switch {
		case up == one && down == one:
			for i := range out {
				out[i] = a.values[i&a.mask].Add(b.values[i&b.mask])
			}
		case up == one && down == one.Negate():
			for i := range out {
				out[i] = a.values[i&a.mask].Sub(b.values[i&b.mask])
			}
		default:
			for i := range out {
				out[i] = a.values[i&a.mask].Mul(up).Add(b.values[i&b.mask].Mul(down))
			}
		}
		return true
	}
}

func allNarrow(v vec[decimal128.Num], n int) bool {
	wide := uint64(0)
	for i := range n {
		wide |= upperHalf(v.values[i&v.mask])
	}
	return wide == 0
}
