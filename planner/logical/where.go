package logical

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// where filters a relation by a condition that may have subqueries. Conjuncts without any go first; EXISTS and IN as
// whole conjuncts are semi and anti joins; what is left reads the results of subqueries as columns.
func (a *analyser) where(in relation, cond sql.Expr, with *named) (relation, error) {
	p, err := a.predicate(cond, &exprContext{scope: in.scope, clause: "WHERE", subs: &subqueries{with: with}})
	if err != nil {
		return in, err
	}
	in.node, err = a.filtered(in.node, p)
	return in, err
}

// filtered keeps the rows for which a condition holds.
func (a *analyser) filtered(n Node, cond *plan.Expr) (Node, error) {
	var plain, rest []*plan.Expr
	for _, p := range plan.Conjuncts(cond) {
		if a.hasSubquery(p) {
			rest = append(rest, p)
		} else {
			plain = append(plain, p)
		}
	}
	if len(plain) > 0 {
		n = &Filter{Input: n, Predicate: plan.And(plain...)}
	}
	var last []*plan.Expr
	for _, p := range rest {
		sub, not := a.whole(p)
		if sub == nil || has(n, sub.col.ID) {
			last = append(last, p)
			continue
		}
		var err error
		if n, err = a.attach(n, sub.free()...); err != nil {
			return nil, err
		}
		if n, err = a.reduce(n, sub, not); err != nil {
			return nil, err
		}
	}
	for _, p := range last {
		var err error
		if n, err = a.attach(n, p); err != nil {
			return nil, err
		}
		n = &Filter{Input: n, Predicate: p}
	}
	return n, nil
}

// whole recognises a conjunct that is [NOT] EXISTS or [NOT] IN and nothing else.
func (a *analyser) whole(p *plan.Expr) (sub *pending, not bool) {
	for p.Op == plan.OpCall && p.Name == "not" {
		not, p = !not, p.Args[0]
	}
	if p.Op != plan.OpColumn {
		return nil, false
	}
	sub = a.pending[p.Column]
	if sub == nil || sub.kind == "scalar" {
		return nil, false
	}
	return sub, not != sub.not
}

// reduce keeps the rows for which a subquery has a row, or has none.
func (a *analyser) reduce(n Node, p *pending, not bool) (Node, error) {
	t := plan.JoinLeftSemi
	if not {
		t = plan.JoinLeftAnti
	}
	if p.kind == "exists" {
		in, cond, err := a.exists(n, p)
		if err != nil {
			return nil, err
		}
		if cond != nil {
			cond, err = a.negate(not, p.span, cond, nil)
			return &Filter{Input: n, Predicate: cond}, err
		}
		return &Join{Type: t, Left: n, Right: in.node, On: plan.And(in.preds...)}, nil
	}
	below, in, compared, value, err := a.inRows(n, p)
	if err != nil {
		return nil, err
	}
	if value != nil {
		value, err = a.negate(not, p.span, value, nil)
		return &Filter{Input: below, Predicate: value}, err
	}
	join := &Join{Type: t, Left: below, Right: in.node}
	join.compare(in.preds, compared)
	return join, nil
}
