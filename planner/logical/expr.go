package logical

import (
	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// exprContext says what an expression may use.
type exprContext struct {
	scope  *scope
	clause string // for messages
	// aggs collects aggregate calls; nil where there can be none.
	aggs *aggregation
	// aliases are select items that names may stand for, after or before the columns of scope.
	aliases    []item
	aliasFirst bool
	// keys are the grouping expressions of a HAVING: a column among them comes before an alias of the same name.
	keys []Definition
	// grouped are the grouping expressions, which can be named as their columns would be where nothing else is meant.
	grouped []Definition
	// windows collects window function calls; nil where there can be none.
	windows *windowing
	// subs lets expressions have subqueries; nil where there can be none.
	subs *subqueries
	// inAggregate is set inside an aggregate's arguments, inWindow inside a window function call.
	inAggregate, inWindow bool
	// generated are the columns of generators in the SELECT list.
	generated map[int]bool
	// sets says that the block has grouping sets, so that grouping() has a meaning.
	sets bool
	// routine is the call of a function defined in SQL whose body is analysed; nil elsewhere.
	routine *routineCall
	// lambda is the parameters of the lambdas around.
	lambda *lambdaScope
}

// predicate analyses a condition, which must be boolean.
func (a *analyser) predicate(e sql.Expr, ctx *exprContext) (*plan.Expr, error) {
	p, err := a.expr(e, ctx)
	if err != nil {
		return nil, err
	}
	if p.Type.Kind == plan.KindBoolean {
		return p, nil
	}
	class := "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN"
	switch ctx.clause {
	case "WHEN":
		class = "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE"
	case "a join condition":
		class = "JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE"
	}
	return nil, a.errorf(e.Pos(), class, "%s needs a condition; this is %s", ctx.clause, p.Type)
}

// expr analyses an expression.
func (a *analyser) expr(e sql.Expr, ctx *exprContext) (*plan.Expr, error) {
	out, err := a.form(e, ctx)
	if err == nil {
		a.made[e] = out
	}
	return out, err
}

func (a *analyser) form(e sql.Expr, ctx *exprContext) (*plan.Expr, error) {
	switch e := e.(type) {
	case *sql.Name:
		return a.name(e, ctx)
	case *sql.Literal:
		return a.literal(e)
	case *sql.Param:
		return a.param(e)
	case *sql.Unary:
		return a.unary(e, ctx)
	case *sql.Binary:
		return a.binary(e, ctx)
	case *sql.Call:
		return a.callExpr(e, ctx)
	case *sql.Case:
		return a.caseExpr(e, ctx)
	case *sql.Cast:
		return a.castExpr(e, ctx)
	case *sql.Between:
		return a.between(e, ctx)
	case *sql.In:
		if e.Query != nil {
			return a.inSubquery(e, ctx)
		}
		return a.in(e, ctx)
	case *sql.Exists:
		return a.existsExpr(e, ctx)
	case *sql.ScalarSubquery:
		return a.scalarSubquery(e, ctx)
	case *sql.Like:
		return a.like(e, ctx)
	case *sql.Is:
		return a.is(e, ctx)
	case *sql.Extract:
		return a.extract(e, ctx)
	case *sql.Interval:
		return a.interval(e)
	case *sql.Index:
		return a.index(e, ctx)
	case *sql.Field:
		return a.fieldExpr(e, ctx)
	case *sql.InputColumn:
		return a.inputColumn(e, ctx)
	case *sql.Row:
		return a.row(e, ctx)
	case *sql.Quantified:
		if e.Query != nil {
			return a.quantified(e, ctx)
		}
		return a.likeList(e, ctx)
	}
	return nil, a.refuse(e)
}

func (a *analyser) inputColumn(e *sql.InputColumn, ctx *exprContext) (*plan.Expr, error) {
	cols := ctx.scope.visible()
	if e.Number < 1 || e.Number > len(cols) {
		return nil, a.errorf(e.Span, "GROUP_BY_POS_OUT_OF_RANGE", "GROUP BY position %d is not a column of the input (1 to %d)", e.Number, len(cols))
	}
	ref := cols[e.Number-1].Ref()
	a.spans[ref] = e.Span
	return ref, nil
}

// refuse is the error for a form that has no meaning here.
func (a *analyser) refuse(e sql.Expr) error {
	switch e.(type) {
	case *sql.Star:
		return a.errorf(e.Pos(), "INVALID_USAGE_OF_STAR_OR_REGEX", "* can only be selected or counted")
	case *sql.Lambda:
		return a.errorf(e.Pos(), "INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", "a lambda can only be an argument of a higher-order function")
	}
	return a.errorf(e.Pos(), "UNSUPPORTED_FEATURE", "%T is not supported", e)
}

func (a *analyser) exprs(list []sql.Expr, ctx *exprContext) ([]*plan.Expr, error) {
	out := make([]*plan.Expr, len(list))
	for i, e := range list {
		x, err := a.expr(e, ctx)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

func (a *analyser) param(p *sql.Param) (*plan.Expr, error) {
	if v, ok := a.env.param(p.Name); ok {
		return v, nil
	}
	err := a.errorf(p.Span, "UNBOUND_SQL_PARAMETER", "no parameter %q", p.Name)
	var names []string
	for _, q := range a.env.Params {
		names = append(names, q.Name)
	}
	if len(names) == 0 {
		return nil, err.WithHint("parameters are declared under params of the job file")
	}
	return nil, err.WithHint("there are: %s", abbreviate(names, 12))
}

func (a *analyser) unary(e *sql.Unary, ctx *exprContext) (*plan.Expr, error) {
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case "+":
		if x.Type.IsNumeric() {
			return x, nil
		}
		return a.call(e.Span, "positive", x)
	case "-":
		return a.call(e.Span, "negative", x)
	}
	return a.call(e.Span, e.Op, x)
}

func (a *analyser) binary(e *sql.Binary, ctx *exprContext) (*plan.Expr, error) {
	if e.Op == "and" || e.Op == "or" {
		return a.chain(e, ctx)
	}
	l, err := a.expr(e.L, ctx)
	if err != nil {
		return nil, err
	}
	r, err := a.expr(e.R, ctx)
	if err != nil {
		return nil, err
	}
	name := e.Op
	if name == "||" {
		name = "concat"
	}
	return a.call(e.Span, name, l, r)
}

// chain analyses a AND b AND c … without recursing on the left, which may be thousands long.
func (a *analyser) chain(e *sql.Binary, ctx *exprContext) (*plan.Expr, error) {
	var links []*sql.Binary
	var first sql.Expr = e
	for {
		b, ok := first.(*sql.Binary)
		if !ok || b.Op != e.Op {
			break
		}
		links, first = append(links, b), b.L
	}
	out, err := a.expr(first, ctx)
	for i := len(links) - 1; i >= 0 && err == nil; i-- {
		var r *plan.Expr
		if r, err = a.expr(links[i].R, ctx); err == nil {
			out, err = a.call(links[i].Span, e.Op, out, r)
		}
	}
	return out, err
}

func (a *analyser) castExpr(e *sql.Cast, ctx *exprContext) (*plan.Expr, error) {
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.typeName(e.Type)
	if err != nil {
		return nil, err
	}
	if !compute.CanCast(x.Type, t) {
		return nil, a.cannotCast(e.Span, x.Type, t, e.Try)
	}
	if e.Try {
		return compute.TryCast(x, t), nil
	}
	return compute.Cast(x, t), nil
}

// cannotCast is the error for a cast that does not exist, with Spark's class: it tells casts that a function does, and
// those that exist in its old mode, from all others.
func (a *analyser) cannotCast(span source.Span, from, to plan.Type, try bool) error {
	err := a.errorf(span, "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "cannot cast %s to %s", from, to)
	switch {
	case from.IsNumeric() && to.Kind == plan.KindDate:
		err.Class = "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION"
		return err.WithHint("date_from_unix_date(days) makes a date of a number of days")
	case from.Kind == plan.KindDate && to.IsNumeric():
		err.Class = "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION"
		return err.WithHint("unix_date(d) counts the days since 1970-01-01")
	case try: // which knows no other mode
	case from.IsInteger() && to.Kind == plan.KindBinary, from.Kind == plan.KindBoolean && to.Kind == plan.KindTimestamp,
		isMoment(from) && from.Kind != plan.KindTimestampNTZ && to.Kind == plan.KindBoolean:
		err.Class = "DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION"
	}
	return err
}
