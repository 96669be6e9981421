package logical

import (
	"errors"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// Analyse turns a query's tree into a typed plan. text is what the tree's spans point into, for messages.
func Analyse(text *source.Text, q *sql.Query, env *Environment) (Node, error) {
	a := &analyser{
		text: text, env: env, spans: map[*plan.Expr]source.Span{},
		made: map[sql.Expr]*plan.Expr{}, texts: map[*sql.Name]string{},
	}
	return a.query(q, nil)
}

// analyser is the state of one call of Analyse.
type analyser struct {
	text *source.Text
	env  *Environment
	// spans remembers where column references were written, for errors that are found after the expression was made.
	spans map[*plan.Expr]source.Span
	// made remembers what expressions of the tree became, and texts how names read that are more than a column's.
	made  map[sql.Expr]*plan.Expr
	texts map[*sql.Name]string
	depth int
	// outer is what a subquery can use of the query around it; nil outside of subqueries.
	outer *exprContext
	// pending are the subqueries of expressions, by the column that stands for their result, in order of pendingIDs.
	pending    map[int]*pending
	pendingIDs []int
	// unused are columns of the outer row that WITH queries of the innermost subquery use, for its name.
	unused []string
	// windowOf is the column of windows of time that a call of window stands for.
	windowOf map[*sql.Call]Column
}

// maxNesting bounds how deep queries nest in queries: far above what people write, far below what a stack holds.
const maxNesting = 200

func (a *analyser) errorf(span source.Span, class, format string, args ...any) *source.Error {
	return a.text.Errorf(span, class, format, args...)
}

func (a *analyser) unsupported(span source.Span, what string) *source.Error {
	return a.errorf(span, "UNSUPPORTED_FEATURE", "%s is not supported yet", what)
}

// query analyses WITH, body, ORDER BY and LIMIT.
func (a *analyser) query(q *sql.Query, with *named) (Node, error) {
	a.depth++
	defer func() { a.depth-- }()
	if a.depth > maxNesting {
		return nil, a.errorf(q.Span, "", "queries are nested more than %d deep", maxNesting)
	}
	with, err := a.with(q.With, with)
	if err != nil {
		return nil, err
	}
	node, err := a.body(q, with)
	if err != nil {
		return nil, err
	}
	return a.limit(node, q)
}

func (a *analyser) body(q *sql.Query, with *named) (Node, error) {
	if body, ok := q.Body.(*sql.Select); ok {
		return a.selectBlock(body, q.OrderBy, with)
	}
	node, err := a.setExpr(q.Body, with)
	if err != nil || len(q.OrderBy) == 0 {
		return node, err
	}
	b := &block{analyser: a, in: relation{node: node, scope: scopeOf("", node.Columns())}, subs: &subqueries{with: with}}
	for _, c := range node.Columns() {
		b.items = append(b.items, item{name: c.Name, expr: c.Ref()})
	}
	return b.finish(node, q.OrderBy, false)
}

// setExpr analyses a body that has no ORDER BY of its own.
func (a *analyser) setExpr(e sql.SetExpr, with *named) (Node, error) {
	switch body := e.(type) {
	case *sql.Select:
		return a.selectBlock(body, nil, with)
	case *sql.SetOperation:
		return a.setOperation(body, with)
	case *sql.ValuesClause:
		return a.values(body)
	case *sql.Query:
		return a.query(body, with)
	}
	return nil, a.errorf(source.Span{}, "UNSUPPORTED_FEATURE", "%T is not supported", e)
}

// with analyses the named queries in order; each sees those before it. Each is analysed even when nothing uses it.
func (a *analyser) with(ctes []sql.CTE, outer *named) (*named, error) {
	with := outer
	seen := map[string]bool{}
	for _, cte := range ctes {
		name := lower(cte.Name.Name)
		if seen[name] {
			return nil, a.errorf(cte.Name.Span, "DUPLICATED_CTE_NAMES", "%q is defined twice in WITH", cte.Name.Name)
		}
		seen[name] = true
		if cte.Recursive {
			return nil, a.errorf(cte.Name.Span, "UNSUPPORTED_FEATURE", "recursive queries run in scripts of quern sql only")
		}
		node, err := a.query(cte.Query, with)
		if err != nil {
			return nil, err
		}
		if a.outer != nil {
			for _, c := range freeColumns(node) {
				a.unused = append(a.unused, c.Name)
			}
		}
		if len(cte.Columns) > 0 {
			cols, err := a.rename(node.Columns(), cte.Columns, cte.Name.Span)
			if err != nil {
				return nil, err
			}
			node = a.renamed(node, cols)
		}
		with = &named{name: cte.Name.Name, node: node, outer: with}
	}
	return with, nil
}

// renamed is a projection that gives a node's columns other names.
func (a *analyser) renamed(in Node, names []Column) Node {
	defs := keepAll(in.Columns())
	for i := range defs {
		defs[i].Column = a.env.IDs.Column(defs[i].Field)
		defs[i].Name = names[i].Name
	}
	return &Project{Input: in, Defs: defs}
}

// limit applies LIMIT and OFFSET, which are constants.
func (a *analyser) limit(n Node, q *sql.Query) (Node, error) {
	if q.Limit == nil && q.Offset == nil {
		return n, nil
	}
	out := &Limit{Input: n, Count: -1}
	var err error
	if q.Limit != nil {
		if out.Count, err = a.rowCount(q.Limit, "LIMIT", n); err != nil {
			return nil, err
		}
	}
	if q.Offset != nil {
		if out.Offset, err = a.rowCount(q.Offset, "OFFSET", n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rowCount knows the columns of the rows that it limits, to say of them that they are not constant.
func (a *analyser) rowCount(e sql.Expr, clause string, in Node) (int64, error) {
	x, err := a.expr(e, &exprContext{scope: scopeOf("", in.Columns()), clause: clause})
	if err != nil {
		return 0, err
	}
	v, ok := a.constant(x)
	switch {
	case !ok:
		return 0, a.errorf(e.Pos(), "INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", "%s must be a constant", clause)
	case v.Type.IsInteger() && v.Value.Null:
		return 0, a.errorf(e.Pos(), "INVALID_LIMIT_LIKE_EXPRESSION.IS_NULL", "%s must not be NULL", clause)
	case !v.Type.IsInteger():
		return 0, a.errorf(e.Pos(), "INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", "%s must be a whole number, not %s", clause, v)
	case v.Value.Int < 0:
		return 0, a.errorf(e.Pos(), "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", "%s must not be negative: %d", clause, v.Value.Int)
	}
	return v.Value.Int, nil
}

// values analyses VALUES: a column per position, of the least common type of its values.
func (a *analyser) values(v *sql.ValuesClause) (Node, error) {
	out := &Values{}
	for _, row := range v.Rows {
		var exprs []*plan.Expr
		for _, e := range row {
			x, err := a.expr(e, &exprContext{scope: &scope{}, clause: "VALUES"})
			if err != nil {
				return nil, a.inValues(e, err)
			}
			exprs = append(exprs, x)
		}
		if len(out.Rows) > 0 && len(exprs) != len(out.Rows[0]) {
			return nil, a.errorf(v.Span, "INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH",
				"rows of VALUES differ in length: %d and %d", len(out.Rows[0]), len(exprs))
		}
		out.Rows = append(out.Rows, exprs)
	}
	if len(out.Rows) == 0 {
		return nil, a.errorf(v.Span, "INVALID_INLINE_TABLE", "VALUES without rows")
	}
	for i := range out.Rows[0] {
		if err := a.valuesColumn(v, out, i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inValues is the error for what VALUES cannot have.
func (a *analyser) inValues(e sql.Expr, err error) error {
	var at *source.Error
	if errors.As(err, &at) && at.Class == "UNSUPPORTED_EXPR_FOR_OPERATOR" {
		return a.errorf(e.Pos(), "INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE", "VALUES needs constants: %s", at.Message)
	}
	return err
}

func (a *analyser) valuesColumn(v *sql.ValuesClause, out *Values, i int) error {
	t, null := out.Rows[0][i].Type, false
	for r, row := range out.Rows {
		common, ok := compute.CommonType(t, row[i].Type)
		if !ok {
			return a.errorf(v.Rows[r][i].Pos(), "INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE",
				"%s here, but %s above: no common type", row[i].Type, t)
		}
		t = common
	}
	for r, row := range out.Rows {
		value, ok := a.constant(compute.Cast(row[i], t))
		if !ok {
			return a.errorf(v.Rows[r][i].Pos(), "INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE",
				"values must be constants that evaluate without an error")
		}
		row[i], null = value, null || value.Value.Null
	}
	out.Cols = append(out.Cols, a.env.IDs.Column(plan.Field{Name: columnNumber(i + 1), Type: t, Nullable: null}))
	return nil
}
