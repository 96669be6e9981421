package optimize

import "github.com/quern-engine/quern/planner/logical"

// sinkTallies brings tallies that count rows and nothing else below projections, which can then be merged with those above.
func sinkTallies(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		if t, ok := n.(*logical.Tally); ok && passable(t) {
			return sink(t)
		}
		return n
	})
}

func sink(t *logical.Tally) logical.Node {
	project, ok := t.Input.(*logical.Project)
	if !ok {
		return t
	}
	return logical.MapInputs(project, func(in logical.Node) logical.Node {
		return sink(&logical.Tally{Input: in, Step: t.Step, Number: t.Number})
	})
}

// passable reports a tally that a rule may look through, or leave out where it would be in the way of a better plan: then the rows
// of a step are never there by themselves, and are not counted.
func passable(t *logical.Tally) bool { return t.Bare() && !t.Fixed }
