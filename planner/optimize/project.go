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
				return substituted(n, below)
			}
		case *logical.Aggregate:
			if below, ok := n.Input.(*logical.Project); ok && mergeable(n, below) {
				return substituted(n, below)
			}
		}
		return n
	})
}

func substituted(n logical.Node, below *logical.Project) logical.Node {
	defs := definitions(below.Defs)
	n = logical.MapExprs(n, func(e *plan.Expr) *plan.Expr { return simplify(logical.Substitute(e, defs)) })
	return logical.MapInputs(n, func(logical.Node) logical.Node { return below.Input })
}

// mergeable reports whether each definition below that is more than a column or constant is used at most once above.
func mergeable(above logical.Node, below *logical.Project) bool {
	uses := map[int]int{}
	logical.MapExprs(above, func(e *plan.Expr) *plan.Expr {
		e.Walk(func(x *plan.Expr) bool {
			if x.Op == plan.OpColumn {
				uses[x.Column]++
			}
			return true
		})
		return e
	})
	for _, d := range below.Defs {
		if uses[d.ID] > 1 && d.Expr.Op != plan.OpColumn && d.Expr.Op != plan.OpLiteral {
			return false
		}
	}
	return true
}
