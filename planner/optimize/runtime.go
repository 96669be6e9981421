package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// runtimeFilters marks the joins whose right side is expected to leave out a good part of the left rows: scans on the
// left can then leave them out unread.
func runtimeFilters(r *rewriter, n logical.Node) logical.Node {
	sizes := logical.NewEstimator()
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		j, ok := n.(*logical.Join)
		if !ok || j.Type != plan.JoinInner && j.Type != plan.JoinLeftSemi {
			return n
		}
		keys, _ := j.Keys()
		left, right := sizes.Profile(j.Left), sizes.Profile(j.Right)
		if len(keys) == 0 || logical.PartnerShare(keys, nil, left, right) > mostPartners || left.Rows < right.Rows {
			return n
		}
		c := *j
		c.Filtering = true
		return &c
	})
}

// mostPartners is the share of left rows with a partner up to which looking for them early pays.
const mostPartners = 0.5
