package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// factorDisjunctions takes out of an OR what all of its sides demand: (a AND b) OR (a AND c) is a AND (b OR c). What
// comes out may be the key of a join or go down to a scan.
func factorDisjunctions(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		switch n.(type) {
		case *logical.Filter, *logical.Join:
			return logical.MapExprs(n, factor)
		}
		return n
	})
}

// factor looks at the conjuncts of a condition. Only what cannot fail may be evaluated before what stood in front of it.
func factor(e *plan.Expr) *plan.Expr {
	conjuncts := plan.Conjuncts(e)
	changed := false
	for i, p := range conjuncts {
		if f := factorOr(p); f != p {
			conjuncts[i], changed = f, true
		}
	}
	if !changed {
		return e
	}
	return plan.And(conjuncts...)
}

func factorOr(p *plan.Expr) *plan.Expr {
	sides := disjuncts(p)
	if len(sides) < 2 {
		return p
	}
	var common []*plan.Expr
	for _, c := range plan.Conjuncts(sides[0]) {
		inAll := !slices.ContainsFunc(sides[1:], func(s *plan.Expr) bool { return !slices.ContainsFunc(plan.Conjuncts(s), c.Equal) })
		if inAll && isCalm(c) && !slices.ContainsFunc(common, c.Equal) {
			common = append(common, c)
		}
	}
	if len(common) == 0 {
		return p
	}
	var rest *plan.Expr
	for i, s := range sides {
		left := slices.DeleteFunc(plan.Conjuncts(s), func(c *plan.Expr) bool { return slices.ContainsFunc(common, c.Equal) })
		if len(left) == 0 {
			return plan.And(common...) // this side asks for nothing else
		}
		if side := plan.And(left...); i == 0 {
			rest = side
		} else {
			rest = or(rest, side)
		}
	}
	return plan.And(append(common, rest)...)
}

func disjuncts(e *plan.Expr) []*plan.Expr {
	if e.Op == plan.OpCall && e.Name == "or" {
		return append(disjuncts(e.Args[0]), disjuncts(e.Args[1])...)
	}
	return []*plan.Expr{e}
}

func or(l, r *plan.Expr) *plan.Expr {
	return &plan.Expr{Op: plan.OpCall, Name: "or", Type: plan.Boolean, Nullable: l.Nullable || r.Nullable, Args: []*plan.Expr{l, r}}
}

// oneSided lists what disjunctions over both sides of a join demand of one side alone: from
// (n1 = 'A' AND n2 = 'B') OR (n1 = 'B' AND n2 = 'A') it follows that n1 = 'A' OR n1 = 'B'. The disjunctions themselves
// are still needed. What is known of the side already is left out.
func oneSided(preds []*plan.Expr, in logical.Node) []*plan.Expr {
	isSide := side(in)
	var out []*plan.Expr
	for _, p := range preds {
		if implied := demandOf(p, isSide); implied != nil && !holds(in, implied) {
			out = append(out, implied)
		}
	}
	return out
}

func demandOf(p *plan.Expr, isSide func(int) bool) *plan.Expr {
	sides := disjuncts(p)
	if len(sides) < 2 || logical.ReadsOnly(p, isSide) {
		return nil
	}
	var out *plan.Expr
	for _, s := range sides {
		var here []*plan.Expr
		for _, c := range plan.Conjuncts(s) {
			if isCalm(c) && logical.ReadsOnly(c, isSide) {
				here = append(here, c)
			}
		}
		switch demand := plan.And(here...); {
		case demand == nil:
			return nil
		case out == nil:
			out = demand
		case !out.Equal(demand):
			out = or(out, demand)
		}
	}
	return out
}

// holds reports whether a node already filters by a condition, as far as filters right above scans and joins tell.
func holds(n logical.Node, p *plan.Expr) bool {
	found := false
	logical.Walk(n, func(n logical.Node) {
		if f, ok := n.(*logical.Filter); ok {
			found = found || slices.ContainsFunc(plan.Conjuncts(f.Predicate), p.Equal)
		}
	})
	return found
}
