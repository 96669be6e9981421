package logical

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

func (a *analyser) join(ref *sql.Join, with *named) (relation, error) {
	left, err := a.tableRef(ref.Left, with)
	if err != nil {
		return relation{}, err
	}
	if isLateral(ref.Right) {
		return a.joinLateral(ref, left, with)
	}
	right, err := a.tableRef(ref.Right, with)
	if err != nil {
		return relation{}, err
	}
	if ref.Type == "asof" || ref.Type == "asof_left" {
		return a.asofJoin(ref, left, right)
	}
	t, ok := joinTypes[ref.Type]
	if !ok {
		return relation{}, a.errorf(ref.Span, "UNSUPPORTED_FEATURE", "%s join is not supported", strings.ReplaceAll(ref.Type, "_", " "))
	}
	if err := a.lookedUp(ref, left.node, right.node); err != nil {
		return relation{}, err
	}
	using := ref.Using
	if ref.Natural {
		using = commonNames(left.scope, right.scope)
	}
	if len(using) > 0 {
		return a.joinUsing(ref, t, left, right, using)
	}
	on, err := a.joinCondition(ref, left, right, with)
	if err == nil {
		on, err = a.conditionSubqueries(ref, &left, &right, on)
	}
	if err != nil {
		return relation{}, err
	}
	if t == plan.JoinInner && on == nil {
		t = plan.JoinCross
	}
	if t == plan.JoinCross && on != nil {
		t = plan.JoinInner
	}
	return joinSides(ref, t, left, right, on), nil
}

// lookedUp checks the sides whose rows need not appear: in a subquery they must not depend on the query around it.
func (a *analyser) lookedUp(ref *sql.Join, left, right Node) error {
	switch ref.Type {
	case "right", "full":
		if err := a.notFromOuter(ref.Span, left); err != nil {
			return err
		}
	}
	switch ref.Type {
	case "left", "full", "left_semi", "left_anti":
		return a.notFromOuter(ref.Span, right)
	}
	return nil
}

// joinSides makes the join; a right join is a left join the other way round.
func joinSides(ref *sql.Join, t plan.JoinType, left, right relation, on *plan.Expr) relation {
	if ref.Type != "right" {
		return combine(t, left, right, on)
	}
	out := combine(t, right, left, on)
	cols := out.scope.cols
	n := len(right.scope.cols)
	out.scope.cols = append(append([]scopeColumn(nil), cols[n:]...), cols[:n]...)
	return out
}

func bothScopes(left, right relation) *scope {
	return &scope{cols: append(append([]scopeColumn(nil), left.scope.cols...), right.scope.cols...)}
}

func (a *analyser) joinCondition(ref *sql.Join, left, right relation, with *named) (*plan.Expr, error) {
	if ref.On == nil {
		return nil, nil
	}
	ctx := &exprContext{scope: bothScopes(left, right), clause: "a join condition", subs: &subqueries{with: with}}
	on, err := a.predicate(ref.On, ctx)
	if err != nil {
		return nil, err
	}
	if hasUDF(on) {
		return nil, a.errorf(ref.On.Pos(), "UNSUPPORTED_FEATURE", "a plugin function in a join condition is not supported").
			WithHint("compute it in a subquery and join on its column")
	}
	return on, nil
}

// conditionSubqueries joins what a join condition reads of subqueries into the side that they belong to. Where rows of a
// side that fail a conjunct take no part at all, the conjunct filters that side.
func (a *analyser) conditionSubqueries(ref *sql.Join, left, right *relation, on *plan.Expr) (*plan.Expr, error) {
	var rest *plan.Expr
	for _, p := range plan.Conjuncts(on) {
		if !a.hasSubquery(p) {
			rest = plan.And(rest, p)
			continue
		}
		sides, err := a.sidesOf(ref, p, left, right)
		if err != nil {
			return nil, err
		}
		if sub, _ := a.whole(p); sub != nil && filters(ref.Type, sides[sub.col.ID] == right) {
			side := sides[sub.col.ID]
			if side.node, err = a.filtered(side.node, p); err != nil {
				return nil, err
			}
			continue
		}
		for _, c := range columnsRead(p) {
			if side := sides[c.Column]; side != nil {
				if side.node, err = a.attach(side.node, c); err != nil {
					return nil, err
				}
			}
		}
		rest = plan.And(rest, p)
	}
	return rest, nil
}

// filters reports whether a conjunct of ON about one side alone can filter that side.
func filters(joinType string, right bool) bool {
	switch joinType {
	case "inner", "cross":
		return true
	case "left", "left_semi", "left_anti":
		return right
	case "right":
		return !right
	}
	return false
}

// sidesOf says for each subquery in a conjunct which side it belongs to: the one that it reads, or the one that is
// looked up when it reads none.
func (a *analyser) sidesOf(ref *sql.Join, p *plan.Expr, left, right *relation) (map[int]*relation, error) {
	out := map[int]*relation{}
	for _, c := range columnsRead(p) {
		sub := a.pending[c.Column]
		if sub == nil {
			continue
		}
		readsLeft, readsRight := false, false
		for _, f := range sub.free() {
			readsLeft = readsLeft || has(left.node, f.Column)
			readsRight = readsRight || has(right.node, f.Column)
		}
		if readsLeft && readsRight {
			return nil, a.errorf(sub.span, "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_EXPRESSION_IN_JOIN_CONDITION",
				"a subquery in a join condition cannot use columns of both sides").WithHint("put the condition into WHERE")
		}
		out[c.Column] = right
		if readsLeft || !readsRight && ref.Type == "right" {
			out[c.Column] = left
		}
	}
	return out, nil
}

// isLateral reports a reference that sees what stands before it in FROM.
func isLateral(ref sql.TableRef) bool {
	switch ref := ref.(type) {
	case *sql.Subquery:
		return ref.Lateral
	case *sql.TableFunction:
		return ref.Lateral
	case *sql.Aliased:
		return isLateral(ref.Ref)
	case *sql.Sample:
		return isLateral(ref.Ref)
	}
	return false
}

// spanOf is where a lateral reference stands.
func spanOf(ref sql.TableRef) source.Span {
	switch ref := ref.(type) {
	case *sql.Subquery:
		return ref.Span
	case *sql.TableFunction:
		return ref.Span
	case *sql.Aliased:
		return ref.Span
	case *sql.Sample:
		return ref.Span
	}
	return source.Span{}
}

// lateralJoin says how a lateral reference joins.
type lateralJoin struct {
	left bool // rows without a partner stay
	on   sql.Expr
	span source.Span
}

func (a *analyser) joinLateral(ref *sql.Join, left relation, with *named) (relation, error) {
	how := lateralJoin{on: ref.On, span: ref.Span}
	switch {
	case ref.Natural:
		return relation{}, a.errorf(ref.Span, "INCOMPATIBLE_JOIN_TYPES", "NATURAL and LATERAL do not go together")
	case len(ref.Using) > 0:
		return relation{}, a.errorf(ref.Span, "UNSUPPORTED_FEATURE.LATERAL_JOIN_USING", "USING and LATERAL do not go together").
			WithHint("write the condition with ON")
	case ref.Type == "left":
		how.left = true
	case ref.Type != "inner" && ref.Type != "cross":
		return relation{}, a.errorf(ref.Span, "INVALID_LATERAL_JOIN_TYPE", "a %s join cannot have LATERAL: inner and left joins can",
			strings.ReplaceAll(ref.Type, "_", " "))
	}
	return a.lateral(left, ref.Right, with, how)
}

// lateral joins to each row of left the rows that a reference has for it.
func (a *analyser) lateral(left relation, ref sql.TableRef, with *named, how lateralJoin) (relation, error) {
	saved := a.outer
	a.outer = &exprContext{scope: left.scope, clause: "LATERAL"}
	right, err := a.tableRef(ref, with)
	a.outer = saved
	if err != nil {
		return relation{}, err
	}
	if err := a.checkCorrelation(right.node, how.span); err != nil {
		return relation{}, err
	}
	rows := rowsOf{outer: how.left, span: how.span}
	out := relation{scope: bothScopes(left, right)}
	if how.on != nil {
		if rows.on, err = a.predicate(how.on, &exprContext{scope: out.scope, clause: "a join condition"}); err != nil {
			return relation{}, err
		}
		if rows.on.IsTrue() {
			rows.on = nil
		}
	}
	if out.node, err = a.applyRows(left.node, right.node, rows); err != nil {
		return relation{}, err
	}
	out.scope.update(out.node.Columns())
	return out, nil
}
