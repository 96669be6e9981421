package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/planner/sql"
)

// parameterNames are the functions whose arguments can be given by name, with the names in order; the first of each is
// required.
var parameterNames = map[string][]string{
	"mask":             {"str", "upperChar", "lowerChar", "digitChar", "otherChar"},
	"explode":          {"collection"},
	"explode_outer":    {"collection"},
	"posexplode":       {"collection"},
	"posexplode_outer": {"collection"},
	"inline":           {"input"},
	"inline_outer":     {"input"},
}

// parameterDefaults are the values of parameters that are left out before others that are given.
var parameterDefaults = map[string][]*sql.Literal{
	"mask": {nil, {Kind: "string", Text: "X"}, {Kind: "string", Text: "x"}, {Kind: "string", Text: "n"}, {Kind: "null", Text: "null"}},
}

func hasNames(e *sql.Call) bool {
	return slices.ContainsFunc(e.Names, func(n *sql.Ident) bool { return n != nil })
}

// namedArguments is a call with its arguments in the order of the function's parameters.
func (a *analyser) namedArguments(e *sql.Call, f *compute.Function) (*sql.Call, error) {
	names, ok := parameterNames[f.Name]
	if !ok {
		return nil, a.errorf(e.Span, "NAMED_PARAMETERS_NOT_SUPPORTED", "%s takes its arguments by place, not by name", f.Name)
	}
	out := *e
	out.Names, out.Args = nil, make([]sql.Expr, len(names))
	last := 0
	for i, x := range e.Args {
		place := i
		switch n := e.Names[i]; {
		case n != nil:
			if place = slices.IndexFunc(names, func(p string) bool { return strings.EqualFold(p, n.Name) }); place < 0 {
				return nil, a.errorf(n.Span, "UNRECOGNIZED_PARAMETER_NAME", "%s has no parameter %q", f.Name, n.Name).
					WithHint("there are: %s", strings.Join(names, ", "))
			}
		case i > 0 && e.Names[i-1] != nil:
			return nil, a.errorf(x.Pos(), "UNEXPECTED_POSITIONAL_ARGUMENT", "an argument without a name follows the argument %q", e.Names[i-1].Name)
		case i >= len(names):
			return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "%s takes at most %d arguments, not %d", f.Name, len(names), len(e.Args))
		}
		if out.Args[place] != nil {
			class := "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE"
			if e.Names[place] == nil {
				class = "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.BOTH_POSITIONAL_AND_NAMED"
			}
			return nil, a.errorf(x.Pos(), class, "the parameter %q of %s is given twice", names[place], f.Name)
		}
		out.Args[place], last = x, max(last, place)
	}
	out.Args = out.Args[:last+1]
	for i, x := range out.Args {
		if x != nil {
			continue
		}
		if d := parameterDefaults[f.Name]; i > 0 && d[i] != nil {
			out.Args[i] = d[i]
			continue
		}
		return nil, a.errorf(e.Span, "REQUIRED_PARAMETER_NOT_FOUND", "%s needs its parameter %q", f.Name, names[i])
	}
	return &out, nil
}
