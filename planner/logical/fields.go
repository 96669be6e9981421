package logical

import (
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// path follows the names after a column: fields of structs, of arrays of structs, keys of maps.
func (a *analyser) path(x *plan.Expr, fields []sql.Ident, span source.Span) (*plan.Expr, error) {
	for _, f := range fields {
		var err error
		if x, err = a.field(x, f.Name, span); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// field is x.name.
func (a *analyser) field(x *plan.Expr, name string, span source.Span) (*plan.Expr, error) {
	switch x.Type.Kind {
	case plan.KindStruct:
		i, err := a.fieldOrdinal(x.Type, name, span)
		if err != nil {
			return nil, err
		}
		return getField(x, i), nil
	case plan.KindArray:
		if e := x.Type.Element(); e.Type.Kind == plan.KindStruct {
			return a.fieldOfElements(x, name, span)
		}
	case plan.KindMap:
		return a.call(span, "getitem", x, plan.StringLiteral(name))
	}
	return nil, a.errorf(span, "INVALID_EXTRACT_BASE_FIELD_TYPE",
		"cannot take %q out of %s: that takes a struct, an array or a map, and this is %s", name, x, x.Type)
}

// fieldOrdinal finds a struct's field by name, letter case ignored.
func (a *analyser) fieldOrdinal(t plan.Type, name string, span source.Span) (int, error) {
	found := -1
	var names []string
	for i, f := range t.Children {
		names = append(names, f.Name)
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		if found >= 0 {
			return 0, a.errorf(span, "AMBIGUOUS_REFERENCE_TO_FIELDS", "several fields of the struct are named %q", name)
		}
		found = i
	}
	if found < 0 {
		err := a.errorf(span, "FIELD_NOT_FOUND", "no field %q in %s", name, t)
		if near := source.Nearest(name, names); near != "" {
			return 0, err.WithHint("did you mean %q?", near)
		}
		return 0, err.WithHint("there are: %s", abbreviate(names, 12))
	}
	return found, nil
}

// getField reads a field of a struct by ordinal.
func getField(x *plan.Expr, i int) *plan.Expr {
	f := x.Type.Children[i]
	return &plan.Expr{
		Op: plan.OpCall, Name: "getfield", Type: f.Type, Nullable: x.Nullable || f.Nullable,
		Args: []*plan.Expr{x, intLiteral(int64(i))},
	}
}

// fieldOfElements is the array of a field of each element.
func (a *analyser) fieldOfElements(x *plan.Expr, name string, span source.Span) (*plan.Expr, error) {
	e := x.Type.Element()
	i, err := a.fieldOrdinal(e.Type, name, span)
	if err != nil {
		return nil, err
	}
	v := &plan.Expr{Op: plan.OpVariable, Column: a.env.IDs.New(), Name: e.Name, Type: e.Type, Nullable: true}
	return a.call(span, "transform", x, lambdaOf(getField(v, i), v))
}

func lambdaOf(body *plan.Expr, params ...*plan.Expr) *plan.Expr {
	return &plan.Expr{
		Op: plan.OpLambda, Type: body.Type, Nullable: body.Nullable, Args: append([]*plan.Expr{body}, params...),
	}
}

// index is x[i]: an element of an array, a value of a map, or, with a constant name, a field of a struct.
func (a *analyser) index(e *sql.Index, ctx *exprContext) (*plan.Expr, error) {
	parts, err := a.exprs([]sql.Expr{e.X, e.I}, ctx)
	if err != nil {
		return nil, err
	}
	x, i := parts[0], parts[1]
	name, isName := a.constantString(i)
	switch x.Type.Kind {
	case plan.KindStruct:
		if !isName {
			return nil, a.errorf(e.I.Pos(), "INVALID_EXTRACT_FIELD_TYPE", "a field's name is a constant string, and this is %s", i)
		}
		return a.field(x, name, e.Span)
	case plan.KindArray:
		if isName && x.Type.Element().Type.Kind == plan.KindStruct {
			return a.field(x, name, e.Span)
		}
	case plan.KindMap:
	default:
		return nil, a.errorf(e.Span, "INVALID_EXTRACT_BASE_FIELD_TYPE",
			"cannot take an item out of %s: that takes a struct, an array or a map, and this is %s", x, x.Type)
	}
	return a.call(e.Span, "getitem", x, i)
}

// constantString is the value of a constant that is a string and not NULL.
func (a *analyser) constantString(e *plan.Expr) (string, bool) {
	if e.Type.Kind != plan.KindString {
		return "", false
	}
	v, ok := a.constant(e)
	if !ok || v.Value.Null {
		return "", false
	}
	return string(v.Value.Bytes), true
}

func (a *analyser) fieldExpr(e *sql.Field, ctx *exprContext) (*plan.Expr, error) {
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	return a.field(x, e.Name.Name, e.Span)
}

// structCall is struct(…): fields are named by AS, by the columns they are, or by their places.
func (a *analyser) structCall(e *sql.Call, ctx *exprContext) (*plan.Expr, error) {
	args, names, err := a.starArgs(e, ctx)
	if err != nil {
		return nil, err
	}
	return a.structOf(e.Span, names, args)
}

// row is (a, b): a struct.
func (a *analyser) row(e *sql.Row, ctx *exprContext) (*plan.Expr, error) {
	args, err := a.exprs(e.Items, ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(args))
	for i, x := range e.Items {
		names[i] = fieldName(x)
	}
	return a.structOf(e.Span, names, args)
}

// fieldName is the name that an expression gives a field of a struct by itself: the one of a column or field, "" else.
func fieldName(e sql.Expr) string {
	switch e := e.(type) {
	case *sql.Name:
		return e.Parts[len(e.Parts)-1].Name
	case *sql.Field:
		return e.Name.Name
	}
	return ""
}

// structOf is a struct of values; fields without a name are called by their places.
func (a *analyser) structOf(span source.Span, names []string, values []*plan.Expr) (*plan.Expr, error) {
	args := make([]*plan.Expr, 0, 2*len(values))
	for i, v := range values {
		name := names[i]
		if name == "" {
			name = columnNumber(i + 1)
		}
		args = append(args, plan.StringLiteral(name), v)
	}
	return a.call(span, "named_struct", args...)
}

// structColumns are the fields of a struct as expressions, for s.*.
func structColumns(x *plan.Expr) []item {
	out := make([]item, len(x.Type.Children))
	for i, f := range x.Type.Children {
		out[i] = item{name: f.Name, expr: getField(x, i)}
	}
	return out
}

// lambdaScope is the parameters of a lambda; the list leads outwards.
type lambdaScope struct {
	params []*plan.Expr // variables
	outer  *lambdaScope
}

func (s *lambdaScope) find(name string) (*plan.Expr, bool) {
	for ; s != nil; s = s.outer {
		for _, p := range s.params {
			if strings.EqualFold(p.Name, name) {
				return p, true
			}
		}
	}
	return nil, false
}

// higherOrderArgs analyses the arguments of a function that takes lambdas, from left to right: what a lambda's
// parameters are follows from the arguments before it.
func (a *analyser) higherOrderArgs(e *sql.Call, f *compute.Function, ctx *exprContext) ([]*plan.Expr, error) {
	args := make([]*plan.Expr, len(e.Args))
	for i, x := range e.Args {
		var err error
		if l, ok := x.(*sql.Lambda); ok {
			args[i], err = a.lambda(l, f, args, i, ctx)
		} else {
			args[i], err = a.expr(x, ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (a *analyser) lambda(l *sql.Lambda, f *compute.Function, args []*plan.Expr, i int, ctx *exprContext) (*plan.Expr, error) {
	seen := map[string]bool{}
	for _, p := range l.Params {
		if seen[lower(p.Name)] {
			return nil, a.errorf(p.Span, "INVALID_LAMBDA_FUNCTION_CALL.DUPLICATE_ARG_NAMES", "two parameters of the lambda are named %q", p.Name)
		}
		seen[lower(p.Name)] = true
	}
	fields, err := f.LambdaParams(args, i, len(l.Params))
	if err != nil {
		return nil, a.typeError(l.Span, err)
	}
	if len(fields) != len(l.Params) {
		return nil, a.errorf(l.Span, "INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
			"%s gives this lambda %d arguments, and it has %d parameters", f.Name, len(fields), len(l.Params))
	}
	inner := *ctx
	inner.lambda = &lambdaScope{outer: ctx.lambda}
	for k, p := range l.Params {
		inner.lambda.params = append(inner.lambda.params, &plan.Expr{
			Op: plan.OpVariable, Column: a.env.IDs.New(), Name: p.Name, Type: fields[k].Type, Nullable: fields[k].Nullable,
		})
	}
	body, err := a.expr(l.Body, &inner)
	if err != nil {
		return nil, err
	}
	return lambdaOf(body, inner.lambda.params...), nil
}

// readsVariable reports a parameter of a lambda outside of that lambda.
func readsVariable(e *plan.Expr) bool { return freeVariable(e, nil) }

func freeVariable(e *plan.Expr, bound []int) bool {
	switch e.Op {
	case plan.OpVariable:
		for _, b := range bound {
			if b == e.Column {
				return false
			}
		}
		return true
	case plan.OpLambda:
		for _, p := range e.Args[1:] {
			bound = append(bound[:len(bound):len(bound)], p.Column)
		}
	}
	for _, x := range e.Args {
		if freeVariable(x, bound) {
			return true
		}
	}
	return false
}
