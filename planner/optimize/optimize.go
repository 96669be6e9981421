// Package optimize rewrites logical plans. Its rules stand in two ordered tables: those that need no statistics run
// first and leave the files that matter, those that need them run after the catalog has looked into these files. Each
// rule can be skipped by name, and the plan is verified after each.
package optimize

import (
	"fmt"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// Rule is a named rewrite of a whole plan.
type Rule struct {
	Name string
	// Reason says why the rule stands where it stands.
	Reason string
	apply  func(*rewriter, logical.Node) logical.Node
}

// Options choose among rules and set their limits; the zero value is good.
type Options struct {
	Skip []string // names of rules not to apply
	// BroadcastBytes is how large a join's build side may be to be sent whole to every worker whatever the other side: 0
	// means 10 MiB, Spark's value. Beside a much larger side it may be five times that.
	BroadcastBytes int64
	Session        plan.Session // in which constants are computed
}

const (
	defaultBroadcastBytes = 10 << 20
	// A build side beside a larger one may have up to muchLarger times as many bytes, up to a share of the other's: copies for
	// that many workers cost no more than a shuffle of both sides. The bound keeps its index within a task's memory.
	muchLarger     = 5
	workersCounted = 8
)

// sentWhole reports that a side of a join is better sent whole to every worker than shuffled together with the other.
func (r *rewriter) sentWhole(small, other float64) bool {
	limit := float64(r.broadcastBytes)
	return small <= max(limit, min(muchLarger*limit, other/workersCounted))
}

// Structure lists the rules that need no statistics, in order.
func Structure() []Rule {
	return []Rule{
		{"fold-constants", "first: every later rule looks for literals", foldConstants},
		{"simplify-joins", "before push-filters: a semi join lets more conditions through than a mark join", simplifyJoins},
		{"outer-to-inner", "before push-filters, which an outer join stops", outerToInner},
		{"factor-disjunctions", "before push-filters: what comes out can go down", factorDisjunctions},
		{"push-filters", "after fold-constants, so that no constant condition is carried down", pushFilters},
		{"pushed-outer-to-inner", "after push-filters, which brings filters down to outer joins", outerToInner},
		{"push-into-inner", "after pushed-outer-to-inner: inner joins let more conditions through", pushFilters},
		{"infer-filters", "after push-filters, which brings conditions and keys together", inferFilters},
		{"fold-pushed", "after push-filters, which puts definitions in place of columns", foldConstants},
		{"unwrap-casts", "after fold-pushed; gives pruning bare columns to look at", unwrapCasts},
		{"prune-partitions", "after unwrap-casts: looks at the filters that have reached scans", prunePartitions},
		{"simplify-filtered", "after push-filters: conditions say more of what is unique and not NULL", simplifyJoins},
		{"sink-tallies", "before merge-projects: a tally keeps projections apart", sinkTallies},
		{"merge-projects", "after push-filters, which frees projections to meet", mergeProjects},
		{"prune-columns", "last: nothing after it stops needing a column", pruneColumns},
	}
}

// Partitions lists the rules that apply again when folders that were left turned out to have other folders, or files, in them.
func Partitions() []Rule {
	return []Rule{{"prune-partitions", "the values of more partition columns are known now", prunePartitions}}
}

// Statistics lists the rules that need row counts and bounds, in order.
func Statistics() []Rule {
	return []Rule{
		{"prune-row-groups", "first: sizes depend on what is left to read", pruneRowGroups},
		{"simplify-known", "after prune-row-groups: files may say that a column has no NULL", simplifyJoins},
		{"answer-from-statistics", "after prune-row-groups, which may leave a whole table to count", answerFromStatistics},
		{"semi-to-inner", "before order-joins, which then may build either side", semiToInner},
		{"order-joins", "before the rules that look at sizes of whole joins", orderJoins},
		{"separate-distinct", "after order-joins, which need not know of it; before prune-reordered, since its parts read fewer columns", separateDistinct},
		{"prune-reordered", "after order-joins, which carries columns further than they are needed", pruneColumns},
		{"split-distinct", "before choose-joins, whose estimates see the smaller input", splitDistinct},
		{"expand-distinct", "after split-distinct, which does simple cases better", expandDistinct},
		{"limit-into-sort", "anywhere here: nothing above moves limits", limitIntoSort},
		{"choose-joins", "after all that changes sizes: goes by those of final inputs", chooseJoins},
		{"reduce-sides", "after choose-joins, which says what is shuffled; before runtime-filters, which then reach scans", reduceSides},
		{"order-conjuncts", "after all that moves conditions", orderConjuncts},
		{"share-expressions", "after merge-projects, which would undo it", shareExpressions},
		{"runtime-filters", "after choose-joins, which says which side is built", runtimeFilters},
	}
}

// Result is a rewritten plan and the names of the rules that changed it.
type Result struct {
	Plan  logical.Node
	Fired []string
}

// rewriter is what rules may use besides the plan.
type rewriter struct {
	ids            *logical.IDs
	broadcastBytes int64
	session        plan.Session
}

// Run applies rules in order.
func Run(rules []Rule, n logical.Node, ids *logical.IDs, opts Options) (Result, error) {
	r := &rewriter{ids: ids, broadcastBytes: opts.BroadcastBytes, session: opts.Session}
	if r.broadcastBytes == 0 {
		r.broadcastBytes = defaultBroadcastBytes
	}
	skip := map[string]bool{}
	for _, name := range opts.Skip {
		skip[name] = true
	}
	out := Result{Plan: n}
	if err := logical.Verify(n); err != nil {
		return out, fmt.Errorf("verify plan before rules: %w", err)
	}
	for _, rule := range rules {
		if skip[rule.Name] {
			continue
		}
		next := rule.apply(r, out.Plan)
		if next == out.Plan {
			continue
		}
		if err := logical.Verify(next); err != nil {
			return out, fmt.Errorf("verify plan after rule %s: %w", rule.Name, err)
		}
		if logical.Format(next) != logical.Format(out.Plan) {
			out.Fired = append(out.Fired, rule.Name)
		}
		out.Plan = next
	}
	return out, nil
}
