package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// orderConjuncts has filters test first what is cheap and leaves out many rows. What can fail stays behind all others,
// in its order: no row may reach it that would not have before.
func orderConjuncts(r *rewriter, n logical.Node) logical.Node {
	sizes := logical.NewEstimator()
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		f, ok := n.(*logical.Filter)
		if !ok {
			return n
		}
		conjuncts := plan.Conjuncts(f.Predicate)
		if len(conjuncts) < 2 || slices.ContainsFunc(conjuncts, logical.HasUDF) {
			return n
		}
		in := sizes.Profile(f.Input)
		rank := map[*plan.Expr]float64{}
		for _, c := range conjuncts {
			rank[c] = (in.Share(c) - 1) / cost(c)
			if canFail(c) {
				rank[c] = 1
			}
		}
		sorted := slices.Clone(conjuncts)
		slices.SortStableFunc(sorted, func(a, b *plan.Expr) int {
			switch {
			case rank[a] < rank[b]:
				return -1
			case rank[a] > rank[b]:
				return 1
			}
			return 0
		})
		if slices.Equal(sorted, conjuncts) {
			return n
		}
		return &logical.Filter{Input: f.Input, Predicate: plan.And(sorted...)}
	})
}

// cost guesses what evaluating an expression takes, in comparisons of numbers.
func cost(e *plan.Expr) float64 {
	sum := 0.0
	e.Walk(func(x *plan.Expr) bool {
		if x.Op == plan.OpCall {
			sum += callCost(x)
		}
		return true
	})
	return max(sum, 0.5)
}

func callCost(e *plan.Expr) float64 {
	text := len(e.Args) > 0 && e.Args[0].Type.Kind == plan.KindString
	switch e.Name {
	case "and", "or", "not", "isnull", "isnotnull":
		return 0.25
	case "=", "<=>", "<>", "<", "<=", ">", ">=":
		if text {
			return 2
		}
		return 1
	case "in":
		if text {
			return 3
		}
		return 2
	case "like", "startswith", "endswith", "contains":
		return 8
	case "rlike", "regexp_like", "regexp_extract", "regexp_replace":
		return 50
	}
	if e.Type.IsNested() {
		return 20
	}
	return 3
}
