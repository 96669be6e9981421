package udf

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Scalar is a function of one argument that cannot fail.
func Scalar[A, R Value](name string, f func(A) R, opts ...Option) Function {
	return ScalarE(name, func(a A) (R, error) { return f(a), nil }, opts...)
}

// Scalar2 is a function of two arguments that cannot fail.
func Scalar2[A, B, R Value](name string, f func(A, B) R, opts ...Option) Function {
	return Scalar2E(name, func(a A, b B) (R, error) { return f(a, b), nil }, opts...)
}

// Scalar3 is a function of three arguments that cannot fail.
func Scalar3[A, B, C, R Value](name string, f func(A, B, C) R, opts ...Option) Function {
	return Scalar3E(name, func(a A, b B, c C) (R, error) { return f(a, b, c), nil }, opts...)
}

// ScalarE is a function of one argument that may return an error, which is that of the row.
func ScalarE[A, R Value](name string, f func(A) (R, error), opts ...Option) Function {
	return OpenScalar(name, ready(f), opts...)
}

// Scalar2E is ScalarE for two arguments.
func Scalar2E[A, B, R Value](name string, f func(A, B) (R, error), opts ...Option) Function {
	return OpenScalar2(name, ready(f), opts...)
}

// Scalar3E is ScalarE for three arguments.
func Scalar3E[A, B, C, R Value](name string, f func(A, B, C) (R, error), opts ...Option) Function {
	return OpenScalar3(name, ready(f), opts...)
}

// ready opens a function that there is nothing to open of.
func ready[F any](f F) func(*Context) (F, error) {
	return func(*Context) (F, error) { return f, nil }
}

// OpenScalar is a function of one argument that is made by open, once in a process: open reads options and files, and
// loads what the function needs.
func OpenScalar[A, R Value](name string, open func(*Context) (func(A) (R, error), error), opts ...Option) Function {
	ca, cr := codecOf[A](), codecOf[R]()
	return scalar(name, cr, opts, []Type{ca.typ}, open, func(f func(A) (R, error)) scalarFunc {
		return func(call *batchCall) (arrow.Array, error) {
			a, err := ca.read(call.args.Column(0))
			if err != nil {
				return nil, err
			}
			return loop(call, cr, strictNulls(call.args, ca.optional), func(out []R, at *int) (err error) {
				for a := a[:len(out)]; *at < len(out); *at++ {
					if out[*at], err = f(a[*at]); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
}

// OpenScalar2 is OpenScalar for two arguments.
func OpenScalar2[A, B, R Value](name string, open func(*Context) (func(A, B) (R, error), error), opts ...Option) Function {
	ca, cb, cr := codecOf[A](), codecOf[B](), codecOf[R]()
	return scalar(name, cr, opts, []Type{ca.typ, cb.typ}, open, func(f func(A, B) (R, error)) scalarFunc {
		return func(call *batchCall) (arrow.Array, error) {
			a, err := ca.read(call.args.Column(0))
			if err != nil {
				return nil, err
			}
			b, err := cb.read(call.args.Column(1))
			if err != nil {
				return nil, err
			}
			return loop(call, cr, strictNulls(call.args, ca.optional, cb.optional), func(out []R, at *int) (err error) {
				for a, b := a[:len(out)], b[:len(out)]; *at < len(out); *at++ {
					if out[*at], err = f(a[*at], b[*at]); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
}

// OpenScalar3 is OpenScalar for three arguments.
func OpenScalar3[A, B, C, R Value](name string, open func(*Context) (func(A, B, C) (R, error), error), opts ...Option) Function {
	ca, cb, cc, cr := codecOf[A](), codecOf[B](), codecOf[C](), codecOf[R]()
	types := []Type{ca.typ, cb.typ, cc.typ}
	return scalar(name, cr, opts, types, open, func(f func(A, B, C) (R, error)) scalarFunc {
		return func(call *batchCall) (arrow.Array, error) {
			a, err := ca.read(call.args.Column(0))
			if err != nil {
				return nil, err
			}
			b, err := cb.read(call.args.Column(1))
			if err != nil {
				return nil, err
			}
			c, err := cc.read(call.args.Column(2))
			if err != nil {
				return nil, err
			}
			return loop(call, cr, strictNulls(call.args, ca.optional, cb.optional, cc.optional), func(out []R, at *int) (err error) {
				for a, b, c := a[:len(out)], b[:len(out)], c[:len(out)]; *at < len(out); *at++ {
					if out[*at], err = f(a[*at], b[*at], c[*at]); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
}

// Vector is a function over whole columns: plain Arrow arrays of the argument types, all of one length, to an array
// of the result type and that length. NULLs are its own business.
func Vector(name string, args []Type, returns Type, f func(args []arrow.Array) (arrow.Array, error), opts ...Option) Function {
	return OpenVector(name, args, returns, ready(f), opts...)
}

// OpenVector is a function over whole columns that is made by open, once in a process.
func OpenVector(name string, args []Type, returns Type,
	open func(*Context) (func(args []arrow.Array) (arrow.Array, error), error), opts ...Option) Function {
	fn := newFunction(name, udfpb.FunctionKind_FUNCTION_KIND_SCALAR, opts)
	fn.describe.Args, fn.describe.Returns = typeNames(args), string(returns)
	fn.open = func(ctx *Context) (*instance, error) {
		f, err := open(ctx)
		return &instance{ctx: ctx, scalar: func(call *batchCall) (arrow.Array, error) { return f(call.args.Columns()) }}, err
	}
	return fn
}

// scalarFunc computes a column.
type scalarFunc func(call *batchCall) (arrow.Array, error)

// batchCall is a call with one batch.
type batchCall struct {
	ctx      context.Context
	args     arrow.Record
	every    bool   // go on behind a row that fails
	room     []byte // for the column, in memory that the host reads; nil for none
	failures []*udfpb.Failure
}

func scalar[F, R any](name string, result codec[R], opts []Option, args []Type, open func(*Context) (F, error), call func(F) scalarFunc) Function {
	fn := newFunction(name, udfpb.FunctionKind_FUNCTION_KIND_SCALAR, opts)
	fn.describe.Args, fn.describe.Returns = typeNames(args), string(result.typ)
	fn.describe.Nullable = result.optional
	fn.open = func(ctx *Context) (*instance, error) {
		f, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return &instance{ctx: ctx, scalar: call(f)}, nil
	}
	return fn
}

// strictNulls marks the rows in which an argument is NULL that must not be; nil when there are none.
func strictNulls(args arrow.Record, optional ...bool) []bool {
	var skip []bool
	for c, col := range args.Columns() {
		if optional[c] || col.NullN() == 0 {
			continue
		}
		if skip == nil {
			skip = make([]bool, col.Len())
		}
		for i := range skip {
			skip[i] = skip[i] || col.IsNull(i)
		}
	}
	return skip
}

// cancelEvery is how many rows pass between looks at the context: often enough for functions of milliseconds, seldom
// enough not to be felt by those of nanoseconds.
const cancelEvery = 256

// span computes rows from *at to the end of out, and leaves *at at the row that fails.
type span[R any] func(out []R, at *int) error

// loop computes a column row by row.
func loop[R any](call *batchCall, result codec[R], skip []bool, f span[R]) (arrow.Array, error) {
	out := result.values(call.room, int(call.args.NumRows()))
	for next := 0; ; next++ {
		failure, err := rows(call, out, &next, skip, f)
		if err != nil {
			return nil, err
		}
		if failure == nil {
			return result.build(call.room, out, skip), nil
		}
		call.failures = append(call.failures, failure)
		if !call.every {
			return nil, nil
		}
		if skip == nil {
			skip = make([]bool, len(out))
		}
		skip[next], out[next] = true, *new(R)
	}
}

// rows computes rows from *next on, until one fails, which is then *next. A panic is answered rather than left to end the process
// because the answer can name the row.
func rows[R any](call *batchCall, out []R, next *int, skip []bool, f span[R]) (failure *udfpb.Failure, err error) {
	defer func() {
		if p := recover(); p != nil {
			failure = panicFailure(p, *next)
		}
	}()
	for look := 0; *next < len(out); {
		if *next >= look {
			if call.ctx.Err() != nil {
				return nil, fmt.Errorf("row %d of %d: %w", *next, len(out), call.ctx.Err())
			}
			look = *next + cancelEvery
		}
		if skip != nil && skip[*next] {
			out[*next] = *new(R) // there may be anything
			*next++
			continue
		}
		to := min(look, len(out))
		if skip != nil {
			to = untilSkip(skip, *next, to)
		}
		if err := f(out[:to], next); err != nil {
			return &udfpb.Failure{Message: err.Error(), Row: int64(*next)}, nil
		}
	}
	return nil, nil
}

// untilSkip is the first row from one on, before another, that is to be skipped, or that other.
func untilSkip(skip []bool, from, to int) int {
	for from < to && !skip[from] {
		from++
	}
	return from
}
