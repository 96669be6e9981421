package logical

import (
	"reflect"
	"slices"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// subqueries lets the expressions of a block have subqueries: with is what names of tables mean in them.
type subqueries struct {
	with   *named
	unused []string // as in analyser, of the subquery that was analysed last
}

// pending is a subquery of an expression that is to be joined in below whatever evaluates the expression. The
// expression reads its result as the column col.
type pending struct {
	kind string // "exists", "in", "scalar"
	node Node
	col  Column
	// compared are the comparisons of IN, each an equality of an expression over the outer row and one over node.
	compared []*plan.Expr
	not      bool // NOT IN
	span     source.Span
	unused   []string
	place    *subqueries // the block that has the expression; above its Aggregate is another place than below
	// shape is node with columns numbered by their place, and numbers what became of each, to find equal subqueries.
	shape   Node
	numbers map[int]int
}

// free lists the columns of the outer row that the subquery takes part of.
func (p *pending) free() []*plan.Expr {
	own := map[int]bool{}
	for _, c := range p.node.Columns() {
		own[c.ID] = true
	}
	out := freeColumns(p.node)
	seen := map[int]bool{}
	for _, e := range out {
		seen[e.Column] = true
	}
	for _, e := range columnsRead(p.compared...) {
		if !own[e.Column] && !seen[e.Column] {
			out = append(out, e)
		}
	}
	return out
}

// inner analyses a query whose names may also mean columns of the query around it.
func (a *analyser) inner(q *sql.Query, ctx *exprContext) (Node, error) {
	saved := a.outer
	a.outer = ctx
	defer func() { a.outer = saved }()
	with := ctx.subs.with
	if ctx.routine != nil { // its body does not see the names of the query that calls it
		with = nil
	}
	unused := a.unused
	a.unused = nil
	n, err := a.query(q, with)
	a.unused, ctx.subs.unused = unused, a.unused
	if err == nil {
		err = a.checkCorrelation(n, q.Span)
	}
	return n, err
}

// allowed refuses a subquery where nothing could be joined in.
func (a *analyser) allowed(span source.Span, ctx *exprContext, scalar bool) error {
	if ctx.lambda != nil {
		return a.errorf(span, "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.HIGHER_ORDER_FUNCTION", "a subquery cannot stand in a lambda").
			WithHint("compute it outside of the lambda, and use its name")
	}
	if ctx.subs != nil && (scalar || ctx.clause != "ORDER BY") {
		return nil
	}
	class := "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_IN_EXISTS_SUBQUERY"
	switch {
	case ctx.clause == "VALUES":
		class = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.SCALAR_SUBQUERY_IN_VALUES"
	case ctx.clause == "LIMIT" || ctx.clause == "OFFSET":
		class = "INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE"
	case scalar:
		class = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY"
	}
	return a.errorf(span, class, "a subquery cannot stand in %s", ctx.clause)
}

func (a *analyser) existsExpr(e *sql.Exists, ctx *exprContext) (*plan.Expr, error) {
	if err := a.allowed(e.Span, ctx, false); err != nil {
		return nil, err
	}
	n, err := a.inner(e.Query, ctx)
	if err != nil {
		return nil, err
	}
	col := a.env.IDs.Column(plan.Field{Name: "exists", Type: plan.Boolean})
	return a.later(&pending{kind: "exists", node: n, col: col, place: ctx.subs, span: e.Span}), nil
}

func (a *analyser) scalarSubquery(e *sql.ScalarSubquery, ctx *exprContext) (*plan.Expr, error) {
	if err := a.allowed(e.Span, ctx, true); err != nil {
		return nil, err
	}
	n, err := a.inner(e.Query, ctx)
	if err != nil {
		return nil, err
	}
	cols := n.Columns()
	if len(cols) != 1 {
		return nil, a.errorf(e.Span, "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN",
			"a subquery as a value must have one column; this has %d", len(cols))
	}
	p := &pending{kind: "scalar", node: n, col: nullable(cols[0]), place: ctx.subs, span: e.Span, unused: ctx.subs.unused}
	if ctx.clause == "ORDER BY" && len(p.free()) > 0 {
		return nil, a.errorf(e.Span, "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY",
			"ORDER BY cannot have a subquery that uses columns of the query around it").WithHint("select it, and order by its alias")
	}
	return a.later(p), nil
}

// inSubquery is x [NOT] IN (SELECT …), for one value or a row of values.
func (a *analyser) inSubquery(e *sql.In, ctx *exprContext) (*plan.Expr, error) {
	out, err := a.inQuery(e.Span, e.X, e.Query, ctx)
	return a.negate(e.Not, e.Span, out, err)
}

func (a *analyser) inQuery(span source.Span, x sql.Expr, q *sql.Query, ctx *exprContext) (*plan.Expr, error) {
	if err := a.allowed(span, ctx, false); err != nil {
		return nil, err
	}
	items := []sql.Expr{x}
	if row, ok := x.(*sql.Row); ok {
		items = row.Items
	}
	left, err := a.exprs(items, ctx)
	if err != nil {
		return nil, err
	}
	n, err := a.inner(q, ctx)
	if err != nil {
		return nil, err
	}
	cols := n.Columns()
	if len(cols) != len(left) {
		return nil, a.errorf(span, "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH",
			"%d values stand left of IN, and the subquery has %d columns", len(left), len(cols))
	}
	if len(left) == 1 && left[0].Type.Kind == plan.KindNull && a.env.Session.Is(plan.NullInEmptyList) {
		return plan.NullLiteral(plan.Boolean), nil
	}
	p := &pending{kind: "in", node: n, place: ctx.subs, span: span}
	isNull := false
	for i, l := range left {
		eq, err := a.comparedIn(span, l, cols[i].Ref())
		if err != nil {
			return nil, err
		}
		isNull = isNull || eq.Nullable
		p.compared = append(p.compared, eq)
	}
	p.col = a.env.IDs.Column(plan.Field{Name: "in", Type: plan.Boolean, Nullable: isNull})
	return a.later(p), nil
}

func (a *analyser) comparedIn(span source.Span, l, r *plan.Expr) (*plan.Expr, error) {
	if _, ok := compute.CommonType(l.Type, r.Type); !ok {
		return nil, a.errorf(span, "DATATYPE_MISMATCH.IN_SUBQUERY_DATA_TYPE_MISMATCH",
			"the left side of IN is %s, the subquery's column %s", l.Type, r.Type)
	}
	return a.call(span, "=", l, r)
}

// notIn turns the result of IN into that of NOT IN, and back, also inside of AND and OR; nil where there is none. They
// are subqueries of their own because Spark does not give NULL where it cannot say: neither IN nor NOT IN holds then.
func (a *analyser) notIn(e *plan.Expr) *plan.Expr {
	if !a.hasSubquery(e) {
		return nil
	}
	if e.Op == plan.OpCall && (e.Name == "and" || e.Name == "or") {
		out := *e
		out.Name = map[string]string{"and": "or", "or": "and"}[e.Name]
		out.Args = make([]*plan.Expr, len(e.Args))
		for i, x := range e.Args {
			n, err := a.call(source.Span{}, "not", x)
			if err != nil {
				return nil
			}
			out.Args[i] = n
		}
		return &out
	}
	if e.Op != plan.OpColumn || a.pending[e.Column].kind != "in" {
		return nil
	}
	p := *a.pending[e.Column]
	p.not = !p.not
	p.col = a.env.IDs.Column(p.col.Field)
	var renamed map[int]int
	p.node, renamed = refreshed(p.node, a.env.IDs)
	p.compared = mapAll(p.compared, func(e *plan.Expr) *plan.Expr { return renumber(e, renamed) })
	return a.later(&p)
}

// quantified is x op ANY|ALL (SELECT …); = ANY and <> ALL are IN and NOT IN.
func (a *analyser) quantified(e *sql.Quantified, ctx *exprContext) (*plan.Expr, error) {
	switch {
	case e.Op == "=" && !e.All:
		return a.inQuery(e.Span, e.X, e.Query, ctx)
	case e.Op == "<>" && e.All:
		out, err := a.inQuery(e.Span, e.X, e.Query, ctx)
		return a.negate(true, e.Span, out, err)
	}
	return nil, a.unsupported(e.Span, "comparing with ANY or ALL of a subquery by "+e.Op).
		WithHint("compare with its min or max")
}

// later remembers a subquery, and gives what the expression reads for it. Equal subqueries of one place are one.
func (a *analyser) later(p *pending) *plan.Expr {
	p.shape, p.numbers = canonical(p.node)
	for _, id := range a.pendingIDs {
		if q := a.pending[id]; p.same(q) {
			return q.col.Ref()
		}
	}
	if a.pending == nil {
		a.pending = map[int]*pending{}
	}
	a.pending[p.col.ID] = p
	a.pendingIDs = append(a.pendingIDs, p.col.ID)
	return p.col.Ref()
}

// same compares subqueries but for the ids of their own columns.
func (p *pending) same(q *pending) bool {
	return p.place == q.place && p.kind == q.kind && p.not == q.not && reflect.DeepEqual(p.shape, q.shape) &&
		slices.EqualFunc(p.compared, q.compared, func(x, y *plan.Expr) bool {
			return renumber(x, p.numbers).Equal(renumber(y, q.numbers))
		})
}

// canonical numbers a plan's columns by their place in it, below zero, where no real ids are.
func canonical(n Node) (Node, map[int]int) { return refreshed(n, &IDs{last: -1 << 40}) }
