package logical

import (
	"errors"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// call makes a typed call of a scalar function or operator; arguments are cast as its signature asks.
func (a *analyser) call(span source.Span, name string, args ...*plan.Expr) (*plan.Expr, error) {
	e, err := compute.Call(name, args...)
	if err != nil {
		return nil, a.typeError(span, err)
	}
	return e, nil
}

// typeError gives a place to an error of the function table, whose text begins with its class in brackets.
func (a *analyser) typeError(span source.Span, err error) *source.Error {
	class, message := "DATATYPE_MISMATCH", err.Error()
	var f *plan.Failure
	if errors.As(err, &f) {
		message = f.Message
	}
	if rest, ok := strings.CutPrefix(message, "["); ok {
		if c, m, ok := strings.Cut(rest, "] "); ok {
			class, message = c, m
		}
	}
	return a.errorf(span, class, "%s", message)
}

// callExpr analyses a function call: plugin function, scalar or aggregate of the table.
func (a *analyser) callExpr(e *sql.Call, ctx *exprContext) (*plan.Expr, error) {
	if f, ok := a.env.function(e.Name.Name); ok {
		return a.udfCall(e, f, ctx)
	}
	f, ok := compute.Lookup(e.Name.Name)
	if !ok {
		return nil, a.unknownFunction(e)
	}
	if f.Kind == compute.Aggregate {
		return a.aggregateCall(e, f, ctx)
	}
	if e.Distinct || e.Filter != nil {
		return nil, a.errorf(e.Span, "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
			"%s is not an aggregate function: DISTINCT and FILTER do not apply", f.Name)
	}
	args, err := a.exprs(unitAsText(f.Name, e.Args), ctx)
	if err != nil {
		return nil, err
	}
	return a.call(e.Span, f.Name, args...)
}

// unitAsText makes a string of the bare word that names a unit in timestampadd(HOUR, …).
func unitAsText(function string, args []sql.Expr) []sql.Expr {
	if function != "timestampadd" && function != "timestampdiff" || len(args) == 0 {
		return args
	}
	unit, ok := args[0].(*sql.Name)
	if !ok || len(unit.Parts) != 1 {
		return args
	}
	text := &sql.Literal{Kind: "string", Text: unit.Parts[0].Name, Span: unit.Span}
	return append([]sql.Expr{text}, args[1:]...)
}

func (a *analyser) unknownFunction(e *sql.Call) error {
	err := a.errorf(e.Name.Span, "UNRESOLVED_ROUTINE", "no function %q", e.Name.Name)
	var names []string
	for _, f := range a.env.Functions {
		names = append(names, f.Name)
	}
	for _, f := range compute.Functions() {
		names = append(append(names, f.Name), f.Aliases...)
	}
	if near := source.Nearest(e.Name.Name, names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err
}

// udfCall types a call of a plugin function. Arguments are cast where that loses nothing; there is no overloading.
func (a *analyser) udfCall(e *sql.Call, f plan.Function, ctx *exprContext) (*plan.Expr, error) {
	if e.Distinct || e.Filter != nil {
		return nil, a.errorf(e.Span, "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
			"%s is not an aggregate function: DISTINCT and FILTER do not apply", f.Name)
	}
	args, err := a.exprs(e.Args, ctx)
	if err != nil {
		return nil, err
	}
	if len(args) != len(f.Args) {
		return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
			"plugin function %s takes %d arguments (%s), not %d", f.Name, len(f.Args), typeList(f.Args), len(args))
	}
	out := &plan.Expr{Op: plan.OpUDF, Name: f.Name, Type: f.Returns, Nullable: f.Nullable}
	for i, x := range args {
		if !coercible(x, f.Args[i]) {
			return nil, a.errorf(e.Args[i].Pos(), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
				"argument %d of plugin function %s must be %s, and this is %s", i+1, f.Name, f.Args[i], x.Type).
				WithHint("write CAST(… AS %s)", strings.ToUpper(f.Args[i].String()))
		}
		arg := compute.Cast(x, f.Args[i])
		out.Args = append(out.Args, arg)
		out.Nullable = out.Nullable || arg.Nullable
	}
	return out, nil
}

// coercible allows what loses nothing: NULL, the same type, and a type whose common type with the target is the
// target; integer constants go to any integer.
func coercible(e *plan.Expr, to plan.Type) bool {
	if e.Type.Equal(to) || e.Type.Kind == plan.KindNull || e.IsLiteral() && e.Type.IsInteger() && to.IsInteger() {
		return true
	}
	if e.Type.Kind == plan.KindString || to.Kind == plan.KindString {
		return false
	}
	common, ok := compute.CommonType(e.Type, to)
	return ok && common.Equal(to)
}

func typeList(types []plan.Type) string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = t.String()
	}
	return strings.Join(texts, ", ")
}

// aggregateCall collects an aggregate call and stands for its result.
func (a *analyser) aggregateCall(e *sql.Call, f *compute.Function, ctx *exprContext) (*plan.Expr, error) {
	switch {
	case ctx.inAggregate:
		return nil, a.errorf(e.Span, "NESTED_AGGREGATE_FUNCTION", "an aggregate function cannot be inside another").
			WithHint("aggregate in a subquery first")
	case ctx.aggs == nil && ctx.clause == "WHERE":
		return nil, a.errorf(e.Span, "INVALID_WHERE_CONDITION", "aggregate functions are not allowed in WHERE").
			WithHint("conditions on groups go into HAVING")
	case ctx.aggs == nil:
		class := map[string]string{"GROUP BY": "GROUP_BY_AGGREGATE"}[ctx.clause]
		return nil, a.errorf(e.Span, class, "aggregate functions are not allowed in %s", ctx.clause)
	}
	args, err := a.aggregateArgs(e, f, ctx)
	if err != nil {
		return nil, err
	}
	call := AggCall{Func: f.Name, Distinct: e.Distinct && f.Name != "min" && f.Name != "max"}
	sig, err := f.ResolveCall(args)
	if err != nil {
		return nil, a.typeError(e.Span, err)
	}
	nullable := sig.AlwaysNullable
	for i, x := range args {
		arg := compute.Cast(x, sig.Args[i])
		nullable = nullable || arg.Nullable
		call.Args = append(call.Args, arg)
	}
	if call.Func == "count" && !call.Distinct {
		call.Args = countArgs(call.Args)
	}
	// Over no rows every aggregate but count is NULL, whatever its argument.
	call.Type, call.Nullable = sig.Returns, !sig.NeverNull
	return ctx.aggs.add(a.env.IDs, sql.ColumnName(e), call), nil
}

// aggregateArgs analyses the arguments; FILTER (WHERE p) makes them NULL where p is not true, which every aggregate
// skips.
func (a *analyser) aggregateArgs(e *sql.Call, f *compute.Function, ctx *exprContext) ([]*plan.Expr, error) {
	inner := *ctx
	inner.inAggregate, inner.clause = true, "an aggregate"
	var args []*plan.Expr
	if f.Name != "count" || e.Distinct || len(e.Args) != 1 || !isStar(e.Args[0]) {
		var err error
		if args, err = a.countedExprs(e, f, &inner); err != nil {
			return nil, err
		}
		if len(args) == 0 {
			return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "%s needs an argument", f.Name)
		}
	} else if len(e.Args[0].(*sql.Star).Qualifier) > 0 {
		return nil, a.errorf(e.Span, "INVALID_USAGE_OF_STAR_OR_REGEX", "count(t.*) could mean two things").
			WithHint("count(*) counts rows; list the columns to count rows where none of them is NULL")
	}
	if e.Filter == nil {
		return args, nil
	}
	inner.clause = "FILTER"
	keep, err := a.predicate(e.Filter, &inner)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		args = []*plan.Expr{plan.Int64Literal(1)}
	}
	for i, x := range args {
		if args[i], err = a.call(e.Span, "case", keep, x); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// countedExprs analyses an aggregate's arguments. For count, a star stands for its columns: count(DISTINCT *).
func (a *analyser) countedExprs(e *sql.Call, f *compute.Function, ctx *exprContext) ([]*plan.Expr, error) {
	var args []*plan.Expr
	for _, x := range e.Args {
		star, ok := x.(*sql.Star)
		if !ok {
			arg, err := a.expr(x, ctx)
			if err != nil {
				return nil, err
			}
			args = append(args, arg)
			continue
		}
		if f.Name != "count" {
			return nil, a.errorf(e.Span, "INVALID_USAGE_OF_STAR_OR_REGEX", "only count takes *")
		}
		cols, err := a.starColumns(star, ctx.scope)
		if err != nil {
			return nil, err
		}
		for _, c := range cols {
			args = append(args, c.Ref())
		}
	}
	return args, nil
}

func isStar(e sql.Expr) bool {
	_, ok := e.(*sql.Star)
	return ok
}

// countArgs leaves out arguments that are never NULL: count(1) is count(*).
func countArgs(args []*plan.Expr) []*plan.Expr {
	var out []*plan.Expr
	for _, x := range args {
		if x.Nullable {
			out = append(out, x)
		}
	}
	return out
}

// HasUDF reports a plugin call in an expression.
func HasUDF(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpUDF
		return !found
	})
	return found
}

func hasUDF(e *plan.Expr) bool { return HasUDF(e) }

// constant evaluates an expression that reads no column. ok is false when it reads one, or raises an error.
func constant(e *plan.Expr) (*plan.Expr, bool) {
	open := false
	e.Walk(func(x *plan.Expr) bool {
		open = open || x.Op == plan.OpColumn || x.Op == plan.OpUDF
		return !open
	})
	if open {
		return nil, false
	}
	v, err := compute.Fold(e)
	return v, err == nil && v.IsLiteral()
}
