package logical

import (
	"errors"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// outerName looks a name up in the query around a subquery: the one right around it, as in Spark, and no further out.
func (a *analyser) outerName(n *sql.Name) (*plan.Expr, bool, error) {
	e, err := a.inOuter(func(ctx *exprContext) (*plan.Expr, error) { return a.name(n, ctx) })
	var unknown *source.Error
	if errors.As(err, &unknown) && strings.HasPrefix(unknown.Class, "UNRESOLVED_COLUMN") {
		return nil, false, nil
	}
	if err == nil && e != nil && e.Op == plan.OpColumn {
		a.texts[n] = "outer(" + a.outer.scope.qualified(e) + ")"
	}
	return e, e != nil, err
}

// qualified is a column's name with its table's.
func (s *scope) qualified(e *plan.Expr) string {
	for _, c := range s.cols {
		if c.ID == e.Column {
			return strings.Join(c.fullName(), ".")
		}
	}
	return e.Name
}

// inOuter analyses something as part of the query around; nil when there is none.
func (a *analyser) inOuter(f func(ctx *exprContext) (*plan.Expr, error)) (*plan.Expr, error) {
	ctx := a.outer
	if ctx == nil {
		return nil, nil
	}
	a.outer = nil
	defer func() { a.outer = ctx }()
	return f(ctx)
}

// outerAggregate lets a subquery in HAVING use aggregates of the query around it: EXISTS (… WHERE x = max(t.a)).
func (a *analyser) outerAggregate(e *sql.Call, f *compute.Function, ctx *exprContext) (*plan.Expr, error) {
	if ctx.aggs != nil || ctx.inAggregate || ctx.clause != "WHERE" {
		return nil, nil
	}
	out, err := a.inOuter(func(ctx *exprContext) (*plan.Expr, error) {
		if ctx.aggs == nil {
			return nil, nil
		}
		return a.aggregateExpr(e, f, ctx)
	})
	if err != nil {
		return nil, nil // the error that the subquery itself gives says more
	}
	return out, nil
}

// checkCorrelation refuses outer columns where Spark does: what groups or sorts must not read them.
func (a *analyser) checkCorrelation(n Node, span source.Span) error {
	free := map[int]bool{}
	for _, c := range freeColumns(n) {
		free[c.Column] = true
	}
	if len(free) == 0 {
		return nil
	}
	var err error
	Walk(n, func(n Node) {
		switch n := n.(type) {
		case *Aggregate, *Window, *Expand:
			for _, c := range columnsRead(exprsOf(n)...) {
				if free[c.Column] && err == nil {
					err = a.correlatedUse(span, c)
				}
			}
		case *Sort:
			for _, k := range n.Keys {
				if c := freeKey(n.Input, k.Column.ID, free); c != nil && err == nil {
					err = a.correlatedUse(span, c)
				}
			}
		}
	})
	return err
}

// freeKey is an outer column that a sort key is made of.
func freeKey(in Node, key int, free map[int]bool) *plan.Expr {
	p, ok := in.(*Project)
	if !ok {
		return nil
	}
	for _, d := range p.Defs {
		if d.ID != key {
			continue
		}
		for _, c := range columnsRead(d.Expr) {
			if free[c.Column] {
				return c
			}
		}
	}
	return nil
}

func (a *analyser) correlatedUse(span source.Span, c *plan.Expr) error {
	if s, ok := a.spans[c]; ok {
		span = s
	}
	return a.errorf(span, "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.CORRELATED_REFERENCE",
		"%q of the query around cannot be used here: in a subquery that stands in WHERE and HAVING only", c.Name).
		WithHint("LATERAL, or a column computed outside, says the same")
}

// notFromOuter refuses outer columns in a side of a join whose rows need not appear.
func (a *analyser) notFromOuter(span source.Span, n Node) error {
	if a.outer == nil {
		return nil
	}
	if free := freeColumns(n); len(free) > 0 {
		return a.errorf(span, "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.ACCESSING_OUTER_QUERY_COLUMN_IS_NOT_ALLOWED",
			"%q of the query around cannot be used in this side of the join", free[0].Name)
	}
	return nil
}
