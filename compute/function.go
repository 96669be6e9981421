package compute

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// FunctionKind tells scalar functions from aggregates.
type FunctionKind uint8

// The kinds of function.
const (
	Scalar FunctionKind = iota
	Aggregate
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

	resolve resolver // as Resolve, without the function's name in errors
	// narrow types a call with knowledge of constants; nil where types say it all.
	narrow func(args []*plan.Expr) []plan.Type
	// refine corrects the result type with knowledge of constants; nil where types say it all.
	refine func(sig Signature, args []*plan.Expr) Signature
	build  builder
}

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

// functions is the table, byName its index by lower-case name and alias. Both are built once and never change.
var (
	functions = assemble(
		operatorFunctions(), logicFunctions(), conditionalFunctions(), castFunctions(), mathFunctions(),
		stringFunctions(), textFunctions(), patternFunctions(), digestFunctions(), dateFunctions(),
		timestampFunctions(), aggregateFunctions(),
	)
	byName = index(functions)
)

// Lookup finds a function by name or alias, letter case ignored.
func Lookup(name string) (*Function, bool) {
	f, ok := byName[strings.ToLower(name)]
	return f, ok
}

// Functions lists the table in order of families. The caller must not change the entries.
func Functions() []*Function { return append([]*Function(nil), functions...) }

func assemble(groups ...[]Function) []*Function {
	var out []*Function
	for _, g := range groups {
		for i := range g {
			f := g[i]
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
		c := Cast(a, sig.Args[i])
		nullable = nullable || c.Nullable
		e.Args = append(e.Args, c)
	}
	e.Nullable = nullable && !sig.NeverNull
	return e, nil
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

func callError(name string, err error) error {
	switch e := err.(type) {
	case arityError:
		return userError("WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
			"The `%s` requires %s parameters but the actual number is %d.", name, e.want, e.got)
	case argumentError:
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
