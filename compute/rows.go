package compute

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

// rowArgs is the arguments of a call of many, laid open by type. It is for functions whose work dwarfs a type switch
// of their arguments, or that have too many for the generic helpers.
type rowArgs struct {
	ints     []vec[int32]
	longs    []vec[int64]
	doubles  []vec[float64]
	decimals []vec[decimal128.Num]
	texts    []vec[string]
}

// tuple is one row of the arguments: each accessor takes the argument's position, which must be of its type.
type tuple struct {
	args *rowArgs
	i    int
}

func (r tuple) int(arg int) int32              { return r.args.ints[arg].at(r.i) }
func (r tuple) long(arg int) int64             { return r.args.longs[arg].at(r.i) }
func (r tuple) double(arg int) float64         { return r.args.doubles[arg].at(r.i) }
func (r tuple) decimal(arg int) decimal128.Num { return r.args.decimals[arg].at(r.i) }
func (r tuple) text(arg int) string            { return r.args.texts[arg].at(r.i) }

// has reports whether the call has so many arguments.
func (r tuple) has(arg int) bool { return arg < len(r.args.texts) }

// textOr is a text that may be missing from the call.
func (r tuple) textOr(arg int, missing string) string {
	if !r.has(arg) {
		return missing
	}
	return r.text(arg)
}

func loadRow(c *context, args []value) (*rowArgs, error) {
	n := len(args)
	r := &rowArgs{make([]vec[int32], n), make([]vec[int64], n), make([]vec[float64], n), make([]vec[decimal128.Num], n),
		make([]vec[string], n)}
	for i, a := range args {
		t, err := plan.TypeOf(a.arr.DataType())
		if err != nil {
			return nil, err
		}
		switch t.Kind {
		case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
			r.ints[i] = load[int32](c.scratch, a, i)
		case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
			r.longs[i] = load[int64](c.scratch, a, i)
		case plan.KindFloat64:
			r.doubles[i] = load[float64](c.scratch, a, i)
		case plan.KindDecimal:
			r.decimals[i] = load[decimal128.Num](c.scratch, a, i)
		case plan.KindString, plan.KindBinary:
			r.texts[i] = load[string](c.scratch, a, i)
		}
	}
	return r, nil
}

// mapRow is the helper of the mapSome family for any number of arguments.
func mapRow[R any](f func(tuple) (R, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		loaded, err := loadRow(c, args)
		if err != nil {
			return nil, err
		}
		return fill(c, args, func(i int) (R, bool, error) { return f(tuple{loaded, i}) })
	}
}

// textRow is mapRow for strings: f appends the row's value.
func textRow(f func(dst []byte, r tuple) ([]byte, bool, error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		loaded, err := loadRow(c, args)
		if err != nil {
			return nil, err
		}
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) { return f(dst, tuple{loaded, i}) })
	}
}
