package logical

import (
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// pluginCall analyses a call of a plugin function in an expression.
func (a *analyser) pluginCall(e *sql.Call, f plan.Function, ctx *exprContext) (*plan.Expr, error) {
	switch {
	case f.Is(plan.FunctionScalar):
		return a.udfCall(e, f, ctx)
	case f.Is(plan.FunctionAggregate):
		return a.pluginAggregate(e, f, ctx)
	}
	hint := "FROM %s(TABLE(…))"
	if f.Is(plan.FunctionSource) {
		hint = "FROM %s()"
	}
	return nil, a.errorf(e.Span, "NOT_A_SCALAR_FUNCTION", "plugin function %s gives a table, not a value", f.Name).WithHint(hint, f.Name)
}

// udfCall types a call of a scalar plugin function.
func (a *analyser) udfCall(e *sql.Call, f plan.Function, ctx *exprContext) (*plan.Expr, error) {
	if err := a.plainCall(e, f.Name); err != nil {
		return nil, err
	}
	args, err := a.pluginArgs(e, f, ctx)
	if err != nil {
		return nil, err
	}
	out := &plan.Expr{Op: plan.OpUDF, Name: f.Name, Type: f.Returns, Nullable: f.Nullable || f.OnError == plan.NullOnError, Args: args}
	for _, arg := range args {
		out.Nullable = out.Nullable || arg.Nullable
	}
	return out, nil
}

// pluginArgs types the arguments of a plugin function. They are cast where that loses nothing; there is no overloading.
func (a *analyser) pluginArgs(e *sql.Call, f plan.Function, ctx *exprContext) ([]*plan.Expr, error) {
	if hasNames(e) {
		return nil, a.errorf(e.Span, "NAMED_PARAMETERS_NOT_SUPPORTED", "plugin function %s takes its arguments by place", f.Name)
	}
	if ctx.lambda != nil {
		return nil, a.unsupported(e.Span, "a plugin function inside a lambda")
	}
	args, err := a.exprs(e.Args, ctx)
	if err != nil {
		return nil, err
	}
	if len(args) != len(f.Args) {
		return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
			"plugin function %s takes %d arguments (%s), not %d", f.Name, len(f.Args), typeList(f.Args), len(args))
	}
	var out []*plan.Expr
	for i, x := range args {
		if !coercible(x, f.Args[i]) {
			return nil, a.errorf(e.Args[i].Pos(), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
				"argument %d of plugin function %s must be %s, and this is %s", i+1, f.Name, f.Args[i], x.Type).
				WithHint("write CAST(… AS %s)", strings.ToUpper(f.Args[i].String()))
		}
		out = append(out, compute.Cast(x, f.Args[i]))
	}
	return out, nil
}

// pluginAggregate collects a call of an aggregate plugin function and stands for its result.
func (a *analyser) pluginAggregate(e *sql.Call, f plan.Function, ctx *exprContext) (*plan.Expr, error) {
	switch {
	case e.Over != nil:
		return nil, a.unsupported(e.Span, "a plugin function with OVER").WithHint("aggregate in a subquery with GROUP BY, and join it")
	case len(e.WithinGroup) > 0:
		return nil, a.unsupportedSyntax(e, f.Name, "WITHIN GROUP (ORDER BY ...)")
	case e.IgnoreNulls != nil:
		return nil, a.unsupportedSyntax(e, f.Name, ignoreText(e))
	}
	if err := a.aggregateAllowed(e, ctx); err != nil {
		return nil, err
	}
	inner := *ctx
	inner.inAggregate = true
	call := AggCall{Func: f.Name, Distinct: e.Distinct, State: f.State}
	call.Type, call.Nullable = f.Returns, f.Nullable
	var err error
	if call.Args, err = a.pluginArgs(e, f, &inner); err != nil {
		return nil, err
	}
	if e.Filter != nil {
		inner.clause = "FILTER"
		if call.Filter, err = a.expr(e.Filter, &inner); err != nil {
			return nil, err
		}
		if call.Filter.Type.Kind != plan.KindBoolean {
			return nil, a.errorf(e.Filter.Pos(), "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", "FILTER needs a condition; this is %s", call.Filter.Type)
		}
	}
	return ctx.aggs.add(a.env.IDs, sql.ColumnName(e), call), nil
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
