package compute

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// FunctionKind tells scalar functions from aggregates, window functions and generators.
type FunctionKind uint8

// The kinds of function.
const (
	Scalar FunctionKind = iota
	Aggregate
	Window    // needs OVER; aggregates may have it
	Generator // gives any number of rows for each: Resolve returns a struct of its columns; see [CompileGenerator]
)

// Function is an entry of the function table: a function or an operator.
type Function struct {
	Name    string // canonical name, the one that plans use
	Aliases []string
	Kind    FunctionKind
	Usage   string // "substring(str, pos[, len])"
	Summary string
	// Example is an expression in SQL, ExampleResult the text of its value. Aggregates have none.
	Example       string
	ExampleResult string
	// Resolve types a call from the types of its arguments alone. Where a constant's value takes part in typing (the
	// digits of round, integer literals beside decimals) use [Function.ResolveCall].
	Resolve func(args []plan.Type) (Signature, error)

	// ParamFrom and ParamCount say which arguments of an aggregate or window function are constants, those at
	// ParamFrom … ParamFrom+ParamCount-1: they are folded and travel as plan.Agg.Params, all others as Args. See IsParam.
	ParamFrom, ParamCount int
	// WithinGroup says what WITHIN GROUP (ORDER BY …) means to an aggregate.
	WithinGroup WithinGroup

	resolve resolver // as Resolve, without the function's name in errors
	// resolveExprs types a call whose constants make its type: the names of a struct's fields, the rows of stack.
	resolveExprs func(args []*plan.Expr) (Signature, error)
	// lambda types the parameters of lambda arguments, which are those from lambdaFrom on; nil for functions that take none.
	lambda     lambdaTyper
	lambdaFrom int
	// narrow types a call with knowledge of constants; nil where types say it all.
	narrow func(args []*plan.Expr) []plan.Type
	// check judges the folded params of an aggregate or window function; nil where types say it all.
	check func(params []*plan.Expr) error
	// refine corrects the result type with knowledge of constants; nil where types say it all.
	refine func(sig Signature, args []*plan.Expr) Signature
	build  builder
	// evaluated: the result is of type void, but computing it may raise an error, and that is its point.
	evaluated bool
	generate  generatorKernel // of a generator, in place of build
}

// WithinGroup says what WITHIN GROUP (ORDER BY …) means to an aggregate.
type WithinGroup uint8

// The meanings of WITHIN GROUP. Where the sort key is an argument it comes first when the call is resolved:
// percentile_cont(0.5) WITHIN GROUP (ORDER BY x) resolves as percentile_cont(x, 0.5), and its plan.Agg has x as the only
// argument, 0.5 as the parameter, and OrderBy with the direction. Where it gives an order, the keys are further arguments
// of the plan.Agg, after those of the call.
const (
	NoWithinGroup       WithinGroup = iota // WITHIN GROUP does not go with the function
	WithinGroupArgument                    // one sort key, required: percentile_cont, percentile_disc
	WithinGroupMode                        // one sort key, instead of the argument: mode() WITHIN GROUP (ORDER BY x)
	WithinGroupOrder                       // any number of keys, which order the rows: listagg
)

// Signature is a resolved call.
type Signature struct {
	Args    []plan.Type // what each argument is to be cast to
	Returns plan.Type
	// NeverNull: the result is never NULL. AlwaysNullable: the result may be NULL though no argument is. Otherwise the
	// result is nullable when an argument is.
	NeverNull      bool
	AlwaysNullable bool
}

// resolver types a call; its errors are completed with the function's name by the table.
type resolver func(args []plan.Type) (Signature, error)

// chapter is a chapter of the function table, as the documentation has it.
type chapter struct {
	title     string
	functions []Function
}

// chapters lists the whole table.
func chapters() []chapter {
	return []chapter{
		{"Aggregates", aggregateFunctions()}, {"Window functions", windowFunctions()}, {"Operators", operatorFunctions()},
		{"Logic", logicFunctions()}, {"Conditions", conditionalFunctions()}, {"Checks", checkFunctions()},
		{"Casts", castFunctions()}, {"Numbers", append(mathFunctions(), quantileFunctions()...)}, {"Bits", bitFunctions()}, {"Formats and bases", numberFormatFunctions()},
		{"Strings: measuring and cutting", stringFunctions()}, {"Strings: making", append(textFunctions(), formatStringFunction())},
		{"Strings: comparing and disguising", append(stringExtraFunctions(), likenessFunctions()...)}, {"Strings: coding", codingFunctions()},
		{"Regular expressions", append(regexpFunctions(), sentencesFunction())}, {"URLs", urlFunctions()}, {"Bitmaps", bitmapFunctions()},
		{"Patterns", patternFunctions()}, {"Digests", digestFunctions()}, {"Ciphers", cipherFunctions()}, {"Hashes", append(hashFunctions(), stableHashFunctions()...)},
		{"Dates", dateFunctions()}, {"Timestamps", timestampFunctions()}, {"Clocks and zones", clockFunctions()}, {"Places", placeFunctions()},
		{"Intervals", append(intervalFunctions(), extractFunctions()...)},
		{"Arrays, maps and structs: making", constructFunctions()}, {"Arrays, maps and structs: reading", accessFunctions()},
		{"Arrays", append(arrayFunctions(), sequenceFunction())}, {"Arrays as sets", arraySetFunctions()},
		{"Arrays: editing", arrayEditFunctions()}, {"Maps", mapFunctions()}, {"Higher-order functions", higherOrderFunctions()},
		{"JSON", append(append(jsonFunctions(), toJSONFunction(), fromJSONFunction()), schemaFunctions()[:1]...)}, {"CSV", append(csvFunctions(), schemaFunctions()[1:]...)}, {"Generators", generatorFunctions()},
	}
}

// functions is the table, byName its index by lower-case name and alias. Both are built once and never change.
var (
	functions = assemble(chapters())
	byName    = index(functions)
)

// Lookup finds a function by name or alias, letter case ignored.
func Lookup(name string) (*Function, bool) {
	f, ok := byName[strings.ToLower(name)]
	return f, ok
}

// Functions lists the table in order of families. The caller must not change the entries.
func Functions() []*Function { return append([]*Function(nil), functions...) }

func assemble(groups []chapter) []*Function {
	var out []*Function
	for _, g := range groups {
		for i := range g.functions {
			f := g.functions[i]
			f.Resolve = func(args []plan.Type) (Signature, error) {
				sig, err := f.resolve(args)
				if err != nil {
					return Signature{}, callError(f.Name, err)
				}
				return sig, nil
			}
			out = append(out, &f)
		}
	}
	return out
}

func index(list []*Function) map[string]*Function {
	m := make(map[string]*Function, 2*len(list))
	for _, f := range list {
		m[f.Name] = f
		for _, a := range f.Aliases {
			m[a] = f
		}
	}
	return m
}

// ResolveCall types a call as Resolve does, and takes constants into account as Spark does: an integer literal beside
// a decimal counts with its own digits, and the digits of round shape a decimal result.
func (f *Function) ResolveCall(args []*plan.Expr) (Signature, error) {
	if f.resolveExprs != nil {
		sig, err := f.resolveExprs(foldedArgs(args))
		if err != nil {
			return Signature{}, callError(f.Name, err)
		}
		return sig, nil
	}
	types := exprTypes(args)
	if f.narrow != nil {
		types = f.narrow(args)
	}
	sig, err := f.Resolve(types)
	if err == nil && f.refine != nil {
		sig = f.refine(sig, args)
	}
	return sig, err
}

// foldedArgs computes the arguments that are constant.
func foldedArgs(args []*plan.Expr) []*plan.Expr {
	out := append([]*plan.Expr(nil), args...)
	for i, a := range args {
		if a.Op == plan.OpCall && isConstant(a) {
			if folded, err := Fold(a, plan.Session{}); err == nil {
				out[i] = folded
			}
		}
	}
	return out
}

func exprTypes(args []*plan.Expr) []plan.Type {
	types := make([]plan.Type, len(args))
	for i, a := range args {
		types[i] = a.Type
	}
	return types
}

// Call builds a typed call of a scalar function: arguments are cast as the function asks, and the result is nullable
// as the signature says. Casts have their own doors, [Cast] and [TryCast].
func Call(name string, args ...*plan.Expr) (*plan.Expr, error) {
	f, ok := Lookup(name)
	if !ok || f.Kind != Scalar {
		return nil, userError("UNRESOLVED_ROUTINE", "Cannot resolve routine `%s`.", name)
	}
	sig, err := f.ResolveCall(args)
	if err != nil {
		return nil, err
	}
	e := plan.CallExpr(f.Name, sig.Returns)
	nullable := sig.AlwaysNullable
	for i, a := range args {
		c := castArgument(a, sig.Args[i])
		if a.Type.Kind == plan.KindString && strings.HasPrefix(f.Name, "try_") && sig.Args[i].IsNumeric() {
			c = TryCast(a, sig.Args[i]) // what a try function reads from text may be wrong too
		}
		nullable = nullable || c.Nullable
		e.Args = append(e.Args, c)
	}
	e.Nullable = nullable && !sig.NeverNull
	return e, nil
}

// castArgument casts an argument; of a lambda, the body.
func castArgument(a *plan.Expr, t plan.Type) *plan.Expr {
	if a.Op != plan.OpLambda || a.Type.Equal(t) {
		return Cast(a, t)
	}
	l := *a
	l.Type = t
	l.Args = append([]*plan.Expr{Cast(a.Args[0], t)}, a.Args[1:]...)
	return &l
}

// arityError and argumentError are what resolvers say; callError adds the function's name.
type arityError struct {
	want string
	got  int
}

func (e arityError) Error() string { return fmt.Sprintf("needs %s arguments, got %d", e.want, e.got) }

type argumentError struct {
	position int
	want     string
	got      plan.Type
}

func (e argumentError) Error() string {
	return fmt.Sprintf("argument %d needs %s, got %s", e.position+1, e.want, e.got)
}

type mismatchError struct{ left, right plan.Type }

func (e mismatchError) Error() string {
	return fmt.Sprintf("types %s and %s do not go together", e.left, e.right)
}

// diffTypesError is arguments that have no common type.
type diffTypesError struct{ got []plan.Type }

func (e diffTypesError) Error() string { return fmt.Sprintf("types %v do not go together", e.got) }

// orderError is operands without an order.
type orderError struct{ got plan.Type }

func (e orderError) Error() string { return fmt.Sprintf("does not support ordering on type %s", e.got) }

// wrongTypeError is operands of one type that the operator does not know.
type wrongTypeError struct {
	want string
	got  plan.Type
}

func (e wrongTypeError) Error() string { return fmt.Sprintf("needs %s, got %s", e.want, e.got) }

func callError(name string, err error) error {
	switch e := err.(type) {
	case diffTypesError:
		types := make([]string, len(e.got))
		for i, t := range e.got {
			types[i] = sqlType(t)
		}
		return userError("DATATYPE_MISMATCH.DATA_DIFF_TYPES",
			"Cannot resolve \"%s\" due to data type mismatch: Input to `%s` should all be the same type, but it's [%s].",
			name, name, strings.Join(types, ", "))
	case orderError:
		return userError("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
			"Cannot resolve \"%s\" due to data type mismatch: The `%s` does not support ordering on type %s.", name, name, sqlType(e.got))
	case wrongTypeError:
		return userError("DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE",
			"Cannot resolve \"%s\" due to data type mismatch: the binary operator requires the input type %s, not %s.",
			name, e.want, sqlType(e.got))
	case *plan.Failure:
		return e
	case arityError:
		return userError("WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
			"The `%s` requires %s parameters but the actual number is %d.", name, e.want, e.got)
	case argumentError:
		if e.want == orderedLabel || e.want == orderedArrayLabel && isArray(e.got) && !hasOrder(e.got) {
			return userError("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "Cannot resolve \"%s\" due to data type "+
				"mismatch: The `%s` does not support ordering on type %s.", name, name, sqlType(e.got))
		}
		return userError("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
			"Cannot resolve \"%s\" due to data type mismatch: The %s parameter requires the %s type, however it has the type %s.",
			name, ordinal(e.position), e.want, sqlType(e.got))
	case mismatchError:
		return userError("DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
			"Cannot resolve \"%s\" due to data type mismatch: the operands have incompatible types (%s and %s).",
			name, sqlType(e.left), sqlType(e.right))
	}
	return fmt.Errorf("resolve %s: %w", name, err)
}

func ordinal(i int) string {
	names := []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh"}
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%dth", i+1)
}
