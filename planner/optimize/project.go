package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// mergeProjects joins a projection with the one below it, and lets an aggregate compute what the projection below it
// does, unless something costly would be computed twice.
func mergeProjects(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		switch n := n.(type) {
		case *logical.Project:
			if below, ok := n.Input.(*logical.Project); ok && mergeable(n, below) {
				return r.substituted(n, below)
			}
		case *logical.Aggregate:
			if below, ok := n.Input.(*logical.Project); ok && mergeable(n, below) {
				return r.substituted(n, below)
			}
		}
		return n
	})
}

func (r *rewriter) substituted(n logical.Node, below *logical.Project) logical.Node {
	defs := definitions(below.Defs)
	n = logical.MapExprs(n, func(e *plan.Expr) *plan.Expr { return r.simplify(logical.Substitute(e, defs)) })
	return logical.MapInputs(n, func(logical.Node) logical.Node { return below.Input })
}

// mergeable reports whether each definition below that is more than a column or constant is used at most once above,
// and not in a lambda, which may run many times a row.
func mergeable(above logical.Node, below *logical.Project) bool {
	uses := map[int]int{}
	logical.MapExprs(above, func(e *plan.Expr) *plan.Expr {
		countUses(e, uses, 1)
		return e
	})
	for _, d := range below.Defs {
		if uses[d.ID] > 1 && !isTrivial(d.Expr) {
			return false
		}
	}
	return true
}

// countUses adds weight for each time that the expression reads a column; lambda bodies weigh twice.
func countUses(e *plan.Expr, uses map[int]int, weight int) {
	switch e.Op {
	case plan.OpColumn:
		uses[e.Column] += weight
	case plan.OpLambda:
		weight = 2
	}
	for _, a := range e.Args {
		countUses(a, uses, weight)
	}
}

// isTrivial reports an expression that costs nothing to repeat.
func isTrivial(e *plan.Expr) bool { return e.Op == plan.OpColumn || e.Op == plan.OpLiteral }
