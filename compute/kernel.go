package compute

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// The helpers below turn a Go function of values into a strict kernel. In the names, map is for results of fixed
// width (boolean included), text for strings and binary; the digit is the number of arguments; "Some" results may be
// NULL or errors: the function is then called for rows without NULLs only.

// output is a result column of fixed width under construction.
type output[R any] struct {
	rows []R
	buf  *memory.Buffer // nil for booleans
	c    *context
}

func newOutput[R any](c *context) output[R] {
	var zero R
	var buf *memory.Buffer
	var rows []R
	switch any(zero).(type) {
	case bool:
		return output[R]{any(grow(&c.scratch.out, c.n)).([]R), nil, c}
	case int8:
		buf, rows = alloc[R, int8](c)
	case int16:
		buf, rows = alloc[R, int16](c)
	case int32:
		buf, rows = alloc[R, int32](c)
	case int64:
		buf, rows = alloc[R, int64](c)
	case float32:
		buf, rows = alloc[R, float32](c)
	case float64:
		buf, rows = alloc[R, float64](c)
	case decimal128.Num:
		buf, rows = alloc[R, decimal128.Num](c)
	case interval:
		buf, rows = alloc[R, interval](c)
	}
	return output[R]{rows, buf, c}
}

func alloc[R any, T primitive](c *context) (*memory.Buffer, []R) {
	buf, rows := vector.Alloc[T](c.mem, c.n)
	return buf, any(rows).([]R)
}

// array finishes the column and takes over the validity.
func (o output[R]) array(valid validity) arrow.Array {
	buf := o.buf
	if buf == nil {
		buf = packBools(o.c.mem, any(o.rows).([]bool))
	}
	return finish(o.c.t.Arrow(), o.c.n, valid, buf)
}

func (o output[R]) drop(valid validity) {
	valid.release()
	if o.buf != nil {
		o.buf.Release()
	}
}

func map1[A, R any](f func(A) R) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, out := load[A](c.scratch, args[0], 0), newOutput[R](c)
		for i := range out.rows {
			out.rows[i] = f(a.at(i))
		}
		return out.array(both(c.mem, c.n, args...)), nil
	}
}

func map2[A, B, R any](f func(A, B) R) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b, out := load[A](c.scratch, args[0], 0), load[B](c.scratch, args[1], 1), newOutput[R](c)
		for i := range out.rows {
			out.rows[i] = f(a.at(i), b.at(i))
		}
		return out.array(both(c.mem, c.n, args...)), nil
	}
}

// fill calls f for the rows that are not NULL, and sets the others to zero values.
func fill[R any](c *context, args []value, f func(i int) (R, bool, error)) (arrow.Array, error) {
	out, valid := newOutput[R](c), both(c.mem, c.n, args...)
	var zero R
	for i := range out.rows {
		out.rows[i] = zero
		if !valid.has(i) {
			continue
		}
		v, ok, err := f(i)
		if err != nil {
			out.drop(valid)
			return nil, err
		}
		if !ok {
			valid.clear(c.mem, i, c.n)
			continue
		}
		out.rows[i] = v
	}
	return out.array(valid), nil
}

func mapSome1[A, R any](f func(A) (R, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a := load[A](c.scratch, args[0], 0)
		return fill(c, args, func(i int) (R, bool, error) { return f(a.at(i)) })
	}
}

func mapSome2[A, B, R any](f func(A, B) (R, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b := load[A](c.scratch, args[0], 0), load[B](c.scratch, args[1], 1)
		return fill(c, args, func(i int) (R, bool, error) { return f(a.at(i), b.at(i)) })
	}
}

func mapSome3[A, B, D, R any](f func(A, B, D) (R, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b, d := load[A](c.scratch, args[0], 0), load[B](c.scratch, args[1], 1), load[D](c.scratch, args[2], 2)
		return fill(c, args, func(i int) (R, bool, error) { return f(a.at(i), b.at(i), d.at(i)) })
	}
}

// errTooMuchText is what a batch whose strings outgrow the layout ends with.
func errTooMuchText() error {
	return plan.Failf(plan.FailureOutOfMemory,
		"an expression's text exceeds 2 GiB within one batch: shorten the strings or the repetition")
}

// fillText is fill for strings: f appends row i's value.
func fillText(c *context, args []value, f func(dst []byte, i int) ([]byte, bool, error)) (arrow.Array, error) {
	offBuf, offsets := vector.Alloc[int32](c.mem, c.n+1)
	valid := both(c.mem, c.n, args...)
	data := c.scratch.data[:0]
	offsets[0] = 0
	for i := range c.n {
		if valid.has(i) {
			next, ok, err := f(data, i)
			if err == nil && len(next) > math.MaxInt32 {
				err = errTooMuchText()
			}
			if err != nil {
				offBuf.Release()
				valid.release()
				return nil, err
			}
			if ok {
				data = next
			} else {
				valid.clear(c.mem, i, c.n)
			}
		}
		offsets[i+1] = int32(len(data))
	}
	c.scratch.data = data
	valBuf, values := vector.Alloc[uint8](c.mem, len(data))
	copy(values, data)
	return finish(c.t.Arrow(), c.n, valid, offBuf, valBuf), nil
}

func text1[A any](f func(dst []byte, a A) []byte) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a := load[A](c.scratch, args[0], 0)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) { return f(dst, a.at(i)), true, nil })
	}
}

func text2[A, B any](f func(dst []byte, a A, b B) []byte) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b := load[A](c.scratch, args[0], 0), load[B](c.scratch, args[1], 1)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) {
			return f(dst, a.at(i), b.at(i)), true, nil
		})
	}
}

func text3[A, B, D any](f func(dst []byte, a A, b B, d D) []byte) kernel {
	return textSome3(func(dst []byte, a A, b B, d D) ([]byte, bool, error) { return f(dst, a, b, d), true, nil })
}

func text4[A, B, D, E any](f func(dst []byte, a A, b B, d D, e E) []byte) kernel {
	return textSome4(func(dst []byte, a A, b B, d D, e E) ([]byte, bool, error) { return f(dst, a, b, d, e), true, nil })
}

func textSome1[A any](f func(dst []byte, a A) ([]byte, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a := load[A](c.scratch, args[0], 0)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) { return f(dst, a.at(i)) })
	}
}

func textSome2[A, B any](f func(dst []byte, a A, b B) ([]byte, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b := load[A](c.scratch, args[0], 0), load[B](c.scratch, args[1], 1)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) { return f(dst, a.at(i), b.at(i)) })
	}
}

func textSome3[A, B, D any](f func(dst []byte, a A, b B, d D) ([]byte, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b, d := load[A](c.scratch, args[0], 0), load[B](c.scratch, args[1], 1), load[D](c.scratch, args[2], 2)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) {
			return f(dst, a.at(i), b.at(i), d.at(i))
		})
	}
}

func textSome4[A, B, D, E any](f func(dst []byte, a A, b B, d D, e E) ([]byte, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		a, b, d, e := load[A](c.scratch, args[0], 0), load[B](c.scratch, args[1], 1), load[D](c.scratch, args[2], 2), load[E](c.scratch, args[3], 3)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) {
			return f(dst, a.at(i), b.at(i), d.at(i), e.at(i))
		})
	}
}
