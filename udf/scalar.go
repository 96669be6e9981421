package udf

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Function is a function that a plugin serves: make one with Scalar, Scalar2, Scalar3 or Vector.
type Function struct {
	describe *udfpb.Function
	// call computes a column. It stores the number of the row it is at in row, so that a panic can be placed.
	call func(ctx context.Context, args arrow.Record, row *int) (arrow.Array, error)
}

// Option adds to a function's description.
type Option func(*udfpb.Function)

// Doc is a sentence for people.
func Doc(text string) Option { return func(f *udfpb.Function) { f.Doc = text } }

// Nullable says that a Vector function may give NULL although no argument is NULL. Of other functions, the Go type of
// the result tells.
func Nullable() Option { return func(f *udfpb.Function) { f.Nullable = true } }

// Of makes a function that cannot fail fit Scalar.
func Of[A, R Value](f func(A) R) func(A) (R, error) {
	return func(a A) (R, error) { return f(a), nil }
}

// Of2 is Of for two arguments.
func Of2[A, B, R Value](f func(A, B) R) func(A, B) (R, error) {
	return func(a A, b B) (R, error) { return f(a, b), nil }
}

// Of3 is Of for three arguments.
func Of3[A, B, C, R Value](f func(A, B, C) R) func(A, B, C) (R, error) {
	return func(a A, b B, c C) (R, error) { return f(a, b, c), nil }
}

// Scalar is a function of one argument.
func Scalar[A, R Value](name string, f func(A) (R, error), opts ...Option) Function {
	ca, cr := codecOf[A](), codecOf[R]()
	return scalar(name, cr, opts, []Type{ca.typ}, func(ctx context.Context, args arrow.Record, row *int) (arrow.Array, error) {
		a, err := ca.read(args.Column(0))
		if err != nil {
			return nil, err
		}
		skip := strictNulls(args, ca.optional)
		return loop(ctx, cr, skip, len(a), row, func(i int) (R, error) { return f(a[i]) })
	})
}

// Scalar2 is a function of two arguments.
func Scalar2[A, B, R Value](name string, f func(A, B) (R, error), opts ...Option) Function {
	ca, cb, cr := codecOf[A](), codecOf[B](), codecOf[R]()
	return scalar(name, cr, opts, []Type{ca.typ, cb.typ}, func(ctx context.Context, args arrow.Record, row *int) (arrow.Array, error) {
		a, err := ca.read(args.Column(0))
		if err != nil {
			return nil, err
		}
		b, err := cb.read(args.Column(1))
		if err != nil {
			return nil, err
		}
		skip := strictNulls(args, ca.optional, cb.optional)
		return loop(ctx, cr, skip, len(a), row, func(i int) (R, error) { return f(a[i], b[i]) })
	})
}

// Scalar3 is a function of three arguments.
func Scalar3[A, B, C, R Value](name string, f func(A, B, C) (R, error), opts ...Option) Function {
	ca, cb, cc, cr := codecOf[A](), codecOf[B](), codecOf[C](), codecOf[R]()
	types := []Type{ca.typ, cb.typ, cc.typ}
	return scalar(name, cr, opts, types, func(ctx context.Context, args arrow.Record, row *int) (arrow.Array, error) {
		a, err := ca.read(args.Column(0))
		if err != nil {
			return nil, err
		}
		b, err := cb.read(args.Column(1))
		if err != nil {
			return nil, err
		}
		c, err := cc.read(args.Column(2))
		if err != nil {
			return nil, err
		}
		skip := strictNulls(args, ca.optional, cb.optional, cc.optional)
		return loop(ctx, cr, skip, len(a), row, func(i int) (R, error) { return f(a[i], b[i], c[i]) })
	})
}

// Vector is a function over whole columns: plain Arrow arrays of the argument types, all of one length, to an array
// of the result type and that length. NULLs are its own business.
func Vector(name string, args []Type, returns Type, f func(args []arrow.Array) (arrow.Array, error), opts ...Option) Function {
	fn := describe(name, args, returns, opts)
	return Function{describe: fn, call: func(_ context.Context, rec arrow.Record, row *int) (arrow.Array, error) {
		*row = -1
		return f(rec.Columns())
	}}
}

func describe(name string, args []Type, returns Type, opts []Option) *udfpb.Function {
	fn := &udfpb.Function{Name: name, Kind: udfpb.FunctionKind_FUNCTION_KIND_SCALAR, Returns: string(returns)}
	for _, a := range args {
		fn.Args = append(fn.Args, string(a))
	}
	for _, o := range opts {
		o(fn)
	}
	return fn
}

type callFunc = func(ctx context.Context, args arrow.Record, row *int) (arrow.Array, error)

func scalar[R any](name string, result codec[R], opts []Option, args []Type, call callFunc) Function {
	fn := describe(name, args, result.typ, opts)
	fn.Nullable = result.optional
	return Function{describe: fn, call: call}
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

// rowError is an error that a function returned for a row.
type rowError struct {
	row int
	err error
}

func (e *rowError) Error() string { return e.err.Error() }
func (e *rowError) Unwrap() error { return e.err }

// cancelEvery is how many rows pass between looks at the context: often enough for functions of milliseconds, seldom
// enough not to be felt by those of nanoseconds.
const cancelEvery = 256

func loop[R any](ctx context.Context, result codec[R], skip []bool, n int, row *int, f func(i int) (R, error)) (arrow.Array, error) {
	out := make([]R, n)
	for i := range out {
		if i%cancelEvery == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("row %d of %d: %w", i, n, ctx.Err())
		}
		if skip != nil && skip[i] {
			continue
		}
		*row = i
		v, err := f(i)
		if err != nil {
			return nil, &rowError{row: i, err: err}
		}
		out[i] = v
	}
	*row = -1
	return result.build(out, skip), nil
}
