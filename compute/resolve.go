package compute

import (
	"strconv"

	"github.com/quern-engine/quern/plan"
)

// param is what a function asks of an argument: how it is called in errors, and the type that an argument of a given
// type is cast to.
type param struct {
	label  string
	accept func(plan.Type) (plan.Type, bool)
}

// of is a parameter of exactly one type, cast to where that needs no asking.
func of(t plan.Type) param {
	return param{sqlType(t), func(a plan.Type) (plan.Type, bool) { return t, canCoerce(a, t) }}
}

// oneOf is a parameter of one of several types; an argument of another type is cast to the first that takes it.
func oneOf(label string, types ...plan.Type) param {
	return param{label, func(a plan.Type) (plan.Type, bool) {
		for _, t := range types {
			if a.Equal(t) {
				return t, true
			}
		}
		for _, t := range types {
			if canCoerce(a, t) {
				return t, true
			}
		}
		return plan.Type{}, false
	}}
}

// anything takes every type; a bare NULL stays one.
func anything() param {
	return param{"any", func(a plan.Type) (plan.Type, bool) { return a, true }}
}

// text is a string; numbers and dates are written out.
func text() param { return of(plan.String) }

// bytes is a string or binary.
func bytes() param { return oneOf(`"STRING" or "BINARY"`, plan.String, plan.Binary) }

// number takes every number; strings are read as double.
func number() param {
	return param{`"NUMERIC"`, func(a plan.Type) (plan.Type, bool) {
		if a.Kind == plan.KindString || a.Kind == plan.KindNull {
			return plan.Float64, true
		}
		return a, a.IsNumeric()
	}}
}

// smallNumber is Spark's narrow integer parameter: int or smaller, or a string; never a bigint.
func smallNumber() param {
	return param{`("INT" or "SMALLINT" or "TINYINT")`, func(a plan.Type) (plan.Type, bool) {
		ok := a.IsInteger() && a.Kind != plan.KindInt64 || a.Kind == plan.KindString || a.Kind == plan.KindNull
		return plan.Int32, ok
	}}
}

// result gives a call's type from the types its arguments are cast to.
type result func(args []plan.Type) plan.Type

func returns(t plan.Type) result { return func([]plan.Type) plan.Type { return t } }

// sameAs gives the type of an argument.
func sameAs(i int) result { return func(args []plan.Type) plan.Type { return args[i] } }

// takes is a function of a fixed list of parameters.
func takes(r result, params ...param) resolver { return takesOptional(r, 0, params...) }

// takesOptional is a function whose last parameters may be left out.
func takesOptional(r result, optional int, params ...param) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) < len(params)-optional || len(args) > len(params) {
			return Signature{}, arityError{arity(len(params)-optional, len(params)), len(args)}
		}
		cast := make([]plan.Type, len(args))
		for i, a := range args {
			t, ok := params[i].accept(a)
			if !ok {
				return Signature{}, argumentError{i, params[i].label, a}
			}
			cast[i] = t
		}
		return Signature{Args: cast, Returns: r(cast)}, nil
	}
}

// takesMany is a function of at least so many arguments of one parameter.
func takesMany(r result, least int, p param) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) < least {
			return Signature{}, arityError{"> " + strconv.Itoa(least-1), len(args)}
		}
		params := make([]param, len(args))
		for i := range params {
			params[i] = p
		}
		return takes(r, params...)(args)
	}
}

// takesAlike is a function of between least and most arguments (0: no limit) that are all cast to their common type.
func takesAlike(r result, least, most int) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) < least || most > 0 && len(args) > most {
			return Signature{}, arityError{arity(least, most), len(args)}
		}
		common, err := commonOf(args)
		if err != nil {
			return Signature{}, err
		}
		cast := alike(common, len(args))
		return Signature{Args: cast, Returns: r(cast)}, nil
	}
}

func arity(least, most int) string {
	switch {
	case most == 0:
		return "> " + strconv.Itoa(least-1)
	case least == most:
		return strconv.Itoa(least)
	}
	return "[" + strconv.Itoa(least) + ", " + strconv.Itoa(most) + "]"
}

func alike(t plan.Type, n int) []plan.Type {
	out := make([]plan.Type, n)
	for i := range out {
		out[i] = t
	}
	return out
}

// commonOf is the common type of several types. Strings come last: beside 1, 2.5 and '3' all three are doubles,
// whatever the order.
func commonOf(types []plan.Type) (plan.Type, error) {
	common := plan.Null
	for _, strings := range []bool{false, true} {
		for _, t := range types {
			if (t.Kind == plan.KindString) != strings {
				continue
			}
			c, ok := CommonType(common, t)
			if !ok {
				return plan.Type{}, diffTypesError{types}
			}
			common = c
		}
	}
	return common, nil
}

// unpromoted refuses strings beside other types, as greatest and least do.
func unpromoted(r resolver) resolver {
	return func(args []plan.Type) (Signature, error) {
		strings, others := false, false
		for _, t := range args {
			strings = strings || t.Kind == plan.KindString
			others = others || t.Kind != plan.KindString && t.Kind != plan.KindNull
		}
		if strings && others {
			return Signature{}, diffTypesError{args}
		}
		sig, err := r(args)
		if err == nil && !hasOrder(sig.Returns) {
			err = orderError{sig.Returns}
		}
		return sig, err
	}
}

// neverNull marks a function whose result is never NULL.
func neverNull(r resolver) resolver {
	return func(args []plan.Type) (Signature, error) {
		sig, err := r(args)
		sig.NeverNull = true
		return sig, err
	}
}

// nullable marks a function whose result may be NULL though no argument is.
func nullable(r resolver) resolver {
	return func(args []plan.Type) (Signature, error) {
		sig, err := r(args)
		sig.AlwaysNullable = true
		return sig, err
	}
}
