package logical

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// aggregation collects the aggregate calls of a block; equal calls share a column.
type aggregation struct{ calls []AggCall }

func (g *aggregation) add(ids *IDs, name string, call AggCall) *plan.Expr {
	for _, c := range g.calls {
		if sameCall(c, call) {
			return c.Ref()
		}
	}
	call.Column.ID = ids.New()
	call.Name = name
	g.calls = append(g.calls, call)
	return call.Ref()
}

func sameCall(c, d AggCall) bool {
	return c.Func == d.Func && c.Distinct == d.Distinct && slices.EqualFunc(c.Args, d.Args, (*plan.Expr).Equal) &&
		slices.EqualFunc(c.Params, d.Params, (*plan.Expr).Equal) && slices.EqualFunc(c.OrderBy, d.OrderBy, sameKey) && sameFilter(c.Filter, d.Filter)
}

func sameFilter(a, b *plan.Expr) bool { return a == b || a != nil && b != nil && a.Equal(b) }

func sameKey(a, b OrderKey) bool {
	return a.Expr.Equal(b.Expr) && a.Descending == b.Descending && a.NullsLast == b.NullsLast
}

func (g *aggregation) has(id int) bool {
	return slices.ContainsFunc(g.calls, func(c AggCall) bool { return c.ID == id })
}

// aggregateExpr collects an aggregate call and stands for its result.
func (a *analyser) aggregateExpr(e *sql.Call, f *compute.Function, ctx *exprContext) (*plan.Expr, error) {
	if out, err := a.outerAggregate(e, f, ctx); out != nil || err != nil {
		return out, err
	}
	if err := a.aggregateAllowed(e, ctx); err != nil {
		return nil, err
	}
	inner := *ctx
	inner.inAggregate = true
	call, wrapped, err := a.aggregateCall(e, f, &inner)
	if err != nil {
		return nil, err
	}
	for _, x := range call.Args {
		if ctx.lambda != nil && readsVariable(x) {
			return nil, a.unsupported(e.Span, "an aggregate function of a lambda's parameter").WithHint("aggregate(array, start, (acc, x) -> …) folds an array")
		}
	}
	return wrapped(ctx.aggs.add(a.env.IDs, sql.ColumnName(e), call)), nil
}

// aggregateAllowed says where aggregate functions may stand.
func (a *analyser) aggregateAllowed(e *sql.Call, ctx *exprContext) error {
	switch {
	case ctx.inAggregate && ctx.clause == "FILTER":
		return a.errorf(e.Span, "INVALID_AGGREGATE_FILTER.CONTAINS_AGGREGATE", "FILTER cannot use an aggregate function")
	case ctx.inAggregate:
		return a.errorf(e.Span, "NESTED_AGGREGATE_FUNCTION", "an aggregate function cannot be inside another").
			WithHint("aggregate in a subquery first")
	case ctx.aggs != nil:
		return nil
	case ctx.clause == "WHERE":
		return a.errorf(e.Span, "INVALID_WHERE_CONDITION", "aggregate functions are not allowed in WHERE").
			WithHint("conditions on groups go into HAVING")
	case ctx.clause == "GROUP BY":
		return a.errorf(e.Span, "GROUP_BY_AGGREGATE", "aggregate functions are not allowed in GROUP BY")
	}
	return a.errorf(e.Span, "UNSUPPORTED_EXPR_FOR_OPERATOR", "aggregate functions are not allowed in %s", ctx.clause)
}

// asIs is the result of a call that is what the call gives.
func asIs(e *plan.Expr) *plan.Expr { return e }

// aggregateCall types a call of an aggregate or window function, but for its column. wrapped makes the value of the
// call of the column's.
func (a *analyser) aggregateCall(e *sql.Call, f *compute.Function, ctx *exprContext) (call AggCall, wrapped func(*plan.Expr) *plan.Expr, err error) {
	call = AggCall{Func: f.Name, Distinct: e.Distinct && !slices.Contains(duplicatesIgnored, f.Name)}
	args, err := a.aggregateArgs(e, f, ctx)
	if err == nil {
		args, err = a.withinGroup(e, f, args, &call, ctx)
	}
	if err != nil {
		return call, nil, err
	}
	sig, err := f.ResolveCall(args)
	if err != nil {
		return call, nil, a.typeError(e.Span, err)
	}
	for i, x := range args {
		arg := compute.Cast(x, sig.Args[i])
		if !f.IsParam(i) {
			call.Args = append(call.Args, arg)
			continue
		}
		v, err := a.parameter(e, arg)
		if err != nil {
			return call, nil, err
		}
		call.Params = append(call.Params, v)
	}
	if err := f.CheckParams(call.Params); err != nil {
		return call, nil, a.typeError(e.Span, err)
	}
	// Over no rows most aggregates are NULL, whatever their arguments.
	call.Type, call.Nullable = sig.Returns, nullableResult(sig, call.Args)
	if f.Kind == compute.Aggregate {
		call.Nullable = !sig.NeverNull
	}
	wrapped, err = a.filter(e, f, &call, ctx)
	if call.Func == "count" && !call.Distinct {
		call.Args = countArgs(call.Args)
	}
	return call, wrapped, err
}

// duplicatesIgnored are aggregates that DISTINCT does nothing to.
var duplicatesIgnored = []string{"min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "collect_set", "approx_count_distinct"}

func nullableResult(sig compute.Signature, args []*plan.Expr) bool {
	nullable := sig.AlwaysNullable
	for _, x := range args {
		nullable = nullable || x.Nullable
	}
	return nullable && !sig.NeverNull
}

// parameter is the value of an argument that must be constant.
func (a *analyser) parameter(e *sql.Call, arg *plan.Expr) (*plan.Expr, error) {
	if readsAny(arg) || readsVariable(arg) {
		class := "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT"
		if strings.EqualFold(e.Name.Name, "mode") {
			class = "NON_FOLDABLE_ARGUMENT"
		}
		return nil, a.errorf(e.Span, class, "an argument of %s must be a constant, and this is %s", lower(e.Name.Name), arg)
	}
	v, err := compute.Fold(arg, a.env.Session)
	if err != nil {
		return nil, a.typeError(e.Span, err)
	}
	return v, nil
}

// aggregateArgs analyses the arguments. A star stands for its columns; count(*) has no argument.
func (a *analyser) aggregateArgs(e *sql.Call, f *compute.Function, ctx *exprContext) ([]*plan.Expr, error) {
	if f.Name == "count" && len(e.Args) == 1 && isStar(e.Args[0]) {
		star := e.Args[0].(*sql.Star)
		if len(star.Qualifier) == 0 && !e.Distinct && len(star.Except) == 0 {
			return nil, nil
		}
		if len(star.Qualifier) > 0 && len(ctx.scope.of(star.Qualifier)) > 0 && !a.env.Session.Is(plan.StarOfTableInCount) {
			return nil, a.errorf(e.Span, "INVALID_USAGE_OF_STAR_WITH_TABLE_IDENTIFIER_IN_COUNT", "count(%s.*) could mean two things", nameText(star.Qualifier)).
				WithHint("count(*) counts rows; list the columns to count rows where none of them is NULL")
		}
	}
	args, _, err := a.starArgs(e, ctx)
	if err != nil {
		return nil, err
	}
	if f.Name == "count" && len(args) == 0 && a.env.Session.Is(plan.ParameterlessCount) {
		return []*plan.Expr{plan.NullLiteral(plan.Int32)}, nil // which counts nothing
	}
	if f.Name == "count" && len(args) == 0 {
		return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITH_SUGGESTION", "count needs an argument").WithHint("count(*) counts rows")
	}
	return a.ignoreNulls(e, f, args)
}

// ignoreNulls turns IGNORE NULLS behind first, last and any_value into their second argument. Other aggregates that
// take the words skip NULLs anyway.
func (a *analyser) ignoreNulls(e *sql.Call, f *compute.Function, args []*plan.Expr) ([]*plan.Expr, error) {
	if e.IgnoreNulls == nil {
		return args, nil
	}
	switch f.Name {
	case "first", "last", "any_value":
		if *e.IgnoreNulls && len(args) == 1 {
			args = append(args, plan.BoolLiteral(true))
		}
		return args, nil
	case "collect_list", "collect_set", "lag", "lead", "nth_value":
		return args, nil
	}
	return nil, a.unsupportedSyntax(e, f.Name, ignoreText(e))
}

// withinGroup analyses WITHIN GROUP (ORDER BY …), whose keys are an argument of the function or the order of its rows.
func (a *analyser) withinGroup(e *sql.Call, f *compute.Function, args []*plan.Expr, call *AggCall, ctx *exprContext) ([]*plan.Expr, error) {
	class := "INVALID_WITHIN_GROUP_EXPRESSION."
	switch keyed := f.WithinGroup != compute.WithinGroupOrder; {
	case len(e.WithinGroup) == 0 && f.WithinGroup == compute.WithinGroupArgument:
		return nil, a.errorf(e.Span, class+"WITHIN_GROUP_MISSING", "%s needs WITHIN GROUP (ORDER BY …)", f.Name)
	case len(e.WithinGroup) == 0:
		return args, nil
	case f.WithinGroup == compute.NoWithinGroup:
		return nil, a.unsupportedSyntax(e, f.Name, "WITHIN GROUP (ORDER BY ...)")
	case keyed && e.Distinct:
		return nil, a.errorf(e.Span, class+"DISTINCT_UNSUPPORTED", "%s takes no DISTINCT with WITHIN GROUP", f.Name)
	case keyed && len(e.WithinGroup) != 1:
		return nil, a.errorf(e.Span, class+"WRONG_NUM_ORDERINGS", "%s takes one sort key in WITHIN GROUP, not %d", f.Name, len(e.WithinGroup))
	case f.WithinGroup == compute.WithinGroupMode && len(args) > 0:
		return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "%s takes no argument beside WITHIN GROUP", f.Name)
	}
	keys, err := a.orderKeys(e.WithinGroup, ctx)
	if err != nil {
		return nil, err
	}
	call.OrderBy = keys
	if f.WithinGroup != compute.WithinGroupOrder {
		return append([]*plan.Expr{keys[0].Expr}, args...), nil
	}
	if e.Distinct && (len(keys) != 1 || len(args) == 0 || !keys[0].Expr.Equal(args[0])) {
		return nil, a.errorf(e.Span, class+"MISMATCH_WITH_DISTINCT_INPUT", "with DISTINCT, %s can only be ordered by its argument", f.Name)
	}
	return args, nil
}

// orderKeys analyses sort keys that are expressions over a scope.
func (a *analyser) orderKeys(order []sql.OrderItem, ctx *exprContext) ([]OrderKey, error) {
	var keys []OrderKey
	for _, o := range order {
		x, err := a.expr(o.Expr, ctx)
		if err != nil {
			return nil, err
		}
		if err := a.orderable(o.Expr, x); err != nil {
			return nil, err
		}
		keys = append(keys, OrderKey{Expr: x, Descending: o.Descending, NullsLast: !o.NullsFirst})
	}
	return keys, nil
}

// orderable refuses sort keys of types without an order.
func (a *analyser) orderable(at sql.Expr, x *plan.Expr) error {
	if x.Type.HasOrder() {
		return nil
	}
	return a.errorf(at.Pos(), "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "values of type %s have no order", x.Type)
}

// filter applies FILTER (WHERE p). Most aggregates skip NULLs, so their arguments become NULL where p is not true. first
// and its like see NULLs: they get the value in a struct, which only rows that do not pass have NULL, and skip those.
func (a *analyser) filter(e *sql.Call, f *compute.Function, call *AggCall, ctx *exprContext) (func(*plan.Expr) *plan.Expr, error) {
	if e.Filter == nil {
		return asIs, nil
	}
	inner := *ctx
	inner.inAggregate, inner.clause = true, "FILTER"
	keep, err := a.expr(e.Filter, &inner)
	if err != nil {
		return nil, err
	}
	if keep.Type.Kind != plan.KindBoolean {
		return nil, a.errorf(e.Filter.Pos(), "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", "FILTER needs a condition; this is %s", keep.Type)
	}
	wrapped := asIs
	seesNulls := slices.Contains([]string{"first", "last", "any_value"}, f.Name) && !(len(call.Params) > 0 && call.Params[0].IsTrue())
	switch {
	case len(call.Args) == 0:
		call.Args = []*plan.Expr{plan.Int64Literal(1)}
	case seesNulls:
		boxed, err := a.structOf(e.Span, []string{"value"}, call.Args[:1])
		if err != nil {
			return nil, err
		}
		call.Args, call.Params = []*plan.Expr{boxed}, []*plan.Expr{plan.BoolLiteral(true)}
		call.Type, call.Nullable = boxed.Type, true
		wrapped = func(e *plan.Expr) *plan.Expr { return getField(e, 0) }
	}
	for i, x := range call.Args {
		if i > 0 && f.Name == "percentile" {
			break // the frequency
		}
		if call.Args[i], err = a.call(e.Span, "case", keep, x); err != nil {
			return nil, err
		}
	}
	return wrapped, nil
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
