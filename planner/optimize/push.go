package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// pushFilters carries conjuncts towards the scans, joins filters that meet, and moves join conditions that look at one
// side only to that side. A conjunct that can raise an error keeps its place among those before it: x <> 0 AND y / x > 1
// must not divide by zero because the first half stayed behind.
func pushFilters(r *rewriter, n logical.Node) logical.Node {
	return push(n, nil)
}

// push places preds, conjuncts over n's output, as far down as they can go.
func push(n logical.Node, preds []*plan.Expr) logical.Node {
	switch n := n.(type) {
	case *logical.Filter:
		return push(n.Input, append(plan.Conjuncts(n.Predicate), preds...))
	case *logical.Project:
		return pushProject(n, preds)
	case *logical.Aggregate:
		return pushAggregate(n, preds)
	case *logical.Join:
		return pushJoin(n, preds)
	case *logical.Sort:
		if n.Limit < 0 {
			return logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, preds) })
		}
	case *logical.Union:
		return pushUnion(n, preds)
	case *logical.Expand:
		return pushExpand(n, preds)
	case *logical.Generate:
		return pushGenerate(n, preds)
	case *logical.Window:
		return pushWindow(n, preds)
	case *logical.Tally:
		if !n.Fixed {
			return logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, preds) })
		}
	case *logical.AsofJoin:
		return pushAsof(n, preds)
	case *logical.EventWindows:
		return pushEventWindows(n, preds)
	}
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, nil) }), preds)
}

// filtered puts conjuncts above a node, those with plugin calls above the others: a plugin should see few rows.
func filtered(n logical.Node, preds []*plan.Expr) logical.Node {
	plain, withUDF := split(preds, func(p *plan.Expr) bool { return !logical.HasUDF(p) })
	for _, level := range [][]*plan.Expr{plain, withUDF} {
		if len(level) > 0 {
			n = &logical.Filter{Input: n, Predicate: plan.And(level...)}
		}
	}
	return n
}

// split divides conjuncts into those that may move and those that stay. Behind one that stays, none that can fail moves.
func split(preds []*plan.Expr, movable func(*plan.Expr) bool) (moving, staying []*plan.Expr) {
	for _, p := range preds {
		if movable(p) && (len(staying) == 0 || !canFail(p)) {
			moving = append(moving, p)
		} else {
			staying = append(staying, p)
		}
	}
	return moving, staying
}

// pushProject rewrites conjuncts in terms of what the projection computes. Plugin calls are not computed twice.
func pushProject(n *logical.Project, preds []*plan.Expr) logical.Node {
	defs := definitions(n.Defs)
	moving, staying := split(preds, func(p *plan.Expr) bool { return !logical.HasUDF(logical.Substitute(p, defs)) })
	for i, p := range moving {
		moving[i] = logical.Substitute(p, defs)
	}
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, moving) }), staying)
}

// pushAggregate lets conjuncts on grouping keys through: they take or leave whole groups.
func pushAggregate(n *logical.Aggregate, preds []*plan.Expr) logical.Node {
	keys := definitions(n.Keys)
	moving, staying := split(preds, func(p *plan.Expr) bool {
		return len(keys) > 0 && logical.ReadsOnly(p, func(c int) bool { return keys[c] != nil }) && !logical.HasUDF(logical.Substitute(p, keys))
	})
	for i, p := range moving {
		moving[i] = logical.Substitute(p, keys)
	}
	return filtered(logical.MapInputs(n, func(in logical.Node) logical.Node { return push(in, moving) }), staying)
}

func definitions(defs []logical.Definition) map[int]*plan.Expr {
	m := map[int]*plan.Expr{}
	for _, d := range defs {
		m[d.ID] = d.Expr
	}
	return m
}
