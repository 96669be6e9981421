package logical

import (
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// caseExpr lowers CASE to "case"(when1, then1, …, else); an operand becomes comparisons with it.
func (a *analyser) caseExpr(e *sql.Case, ctx *exprContext) (*plan.Expr, error) {
	var operand *plan.Expr
	var err error
	if e.Operand != nil {
		if operand, err = a.expr(e.Operand, ctx); err != nil {
			return nil, err
		}
	}
	var args []*plan.Expr
	for _, w := range e.Whens {
		cond, err := a.when(w.Cond, operand, ctx)
		if err != nil {
			return nil, err
		}
		then, err := a.expr(w.Then, ctx)
		if err != nil {
			return nil, err
		}
		args = append(args, cond, then)
	}
	if e.Else != nil {
		x, err := a.expr(e.Else, ctx)
		if err != nil {
			return nil, err
		}
		args = append(args, x)
	}
	return a.call(e.Span, "case", args...)
}

func (a *analyser) when(cond sql.Expr, operand *plan.Expr, ctx *exprContext) (*plan.Expr, error) {
	if operand == nil {
		sub := *ctx
		sub.clause = "WHEN"
		return a.predicate(cond, &sub)
	}
	x, err := a.expr(cond, ctx)
	if err != nil {
		return nil, err
	}
	return a.call(cond.Pos(), "=", operand, x)
}

// between lowers x BETWEEN lo AND hi to x >= lo AND x <= hi.
func (a *analyser) between(e *sql.Between, ctx *exprContext) (*plan.Expr, error) {
	parts, err := a.exprs([]sql.Expr{e.X, e.Low, e.High}, ctx)
	if err != nil {
		return nil, err
	}
	low, err := a.call(e.Span, ">=", parts[0], parts[1])
	if err != nil {
		return nil, err
	}
	high, err := a.call(e.Span, "<=", parts[0], parts[2])
	if err != nil {
		return nil, err
	}
	both, err := a.call(e.Span, "and", low, high)
	return a.negate(e.Not, e.Span, both, err)
}

func (a *analyser) in(e *sql.In, ctx *exprContext) (*plan.Expr, error) {
	call := &sql.Call{Args: append([]sql.Expr{e.X}, e.List...), Span: e.Span}
	args, _, err := a.starArgs(call, ctx)
	if err != nil {
		return nil, err
	}
	out, err := a.call(e.Span, "in", args...)
	return a.negate(e.Not, e.Span, out, err)
}

// likeList lowers x LIKE ANY (a, b) to x LIKE a OR x LIKE b, and LIKE ALL to a chain of ANDs. NOT is inside of both.
func (a *analyser) likeList(e *sql.Quantified, ctx *exprContext) (*plan.Expr, error) {
	if len(e.List) == 0 {
		return nil, a.errorf(e.Span, "INVALID_SQL_SYNTAX.EMPTY_QUANTIFIED_PATTERN", "LIKE ANY and LIKE ALL need a pattern between ( and )")
	}
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	chain := "or"
	if e.All {
		chain = "and"
	}
	var out *plan.Expr
	for _, p := range e.List {
		pattern, err := a.expr(p, ctx)
		if err != nil {
			return nil, err
		}
		one, err := a.call(e.Span, e.Op, x, pattern)
		if one, err = a.negate(e.Not, e.Span, one, err); err != nil {
			return nil, err
		}
		if out == nil {
			out = one
		} else if out, err = a.call(e.Span, chain, out, one); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a *analyser) like(e *sql.Like, ctx *exprContext) (*plan.Expr, error) {
	parts := []sql.Expr{e.X, e.Pattern}
	if e.Escape != nil {
		parts = append(parts, e.Escape)
	}
	args, err := a.exprs(parts, ctx)
	if err != nil {
		return nil, err
	}
	out, err := a.call(e.Span, e.Op, args...)
	return a.negate(e.Not, e.Span, out, err)
}

// is lowers the IS family: IS TRUE is x <=> true, IS DISTINCT FROM is NOT x <=> y.
func (a *analyser) is(e *sql.Is, ctx *exprContext) (*plan.Expr, error) {
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	var out *plan.Expr
	not := e.Not
	switch e.What {
	case "null", "unknown":
		name := "isnull"
		if e.Not {
			name, not = "isnotnull", false
		}
		out, err = a.call(e.Span, name, x)
	case "true", "false":
		out, err = a.call(e.Span, "<=>", x, plan.BoolLiteral(e.What == "true"))
	case "distinct":
		var y *plan.Expr
		if y, err = a.expr(e.Other, ctx); err != nil {
			return nil, err
		}
		out, err = a.call(e.Span, "<=>", x, y)
		not = !not
	default:
		return nil, a.unsupported(e.Span, "IS "+e.What)
	}
	return a.negate(not, e.Span, out, err)
}

func (a *analyser) negate(not bool, span source.Span, e *plan.Expr, err error) (*plan.Expr, error) {
	if err != nil || !not {
		return e, err
	}
	return a.call(span, "not", e)
}
