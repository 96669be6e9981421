package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// reduceSides has a large side of a join look at the keys of a small one before its rows are shuffled, for the join or for
// an aggregation below it: those without a partner would only be moved, grouped and dropped. The small side is computed
// once, since equal stages are one.
func reduceSides(r *rewriter, n logical.Node) logical.Node {
	sizes := logical.NewEstimator()
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		j, ok := n.(*logical.Join)
		if !ok || j.NullAware {
			return n
		}
		keys := columnKeys(j)
		if len(keys) == 0 {
			return n
		}
		left, right := sizes.Profile(j.Left).Rows, sizes.Profile(j.Right).Rows
		c := *j
		switch {
		case left < right && j.Type != plan.JoinFull && !j.Broadcast:
			red := reduction{rewriter: r, sizes: sizes, source: sharedRows(j.Left, keys)}
			for _, k := range keys {
				red.keys = append(red.keys, k.Left)
			}
			c.Right = red.side(j.Right, rightIDs(keys), true)
		case left > right && (j.Type == plan.JoinInner || j.Type == plan.JoinLeftSemi):
			red := reduction{rewriter: r, sizes: sizes, source: j.Right}
			if !j.Broadcast {
				red.source = sharedRows(j.Right, swapped(keys))
			}
			for _, k := range keys {
				red.keys = append(red.keys, k.Right)
			}
			c.Left = red.side(j.Left, rightIDs(swapped(keys)), !j.Broadcast)
		}
		if c.Left == j.Left && c.Right == j.Right {
			return n
		}
		return &c
	})
}

// columnKeys is the equalities of a column with a column, NULL not being equal to NULL.
func columnKeys(j *logical.Join) []logical.JoinKey {
	keys, _ := j.Keys()
	return slices.DeleteFunc(keys, func(k logical.JoinKey) bool {
		return k.NullSafe || k.Left.Op != plan.OpColumn || k.Right.Op != plan.OpColumn
	})
}

func swapped(keys []logical.JoinKey) []logical.JoinKey {
	out := slices.Clone(keys)
	for i, k := range keys {
		out[i].Left, out[i].Right = k.Right, k.Left
	}
	return out
}

func rightIDs(keys []logical.JoinKey) (ids []int) {
	for _, k := range keys {
		ids = append(ids, k.Right.Column)
	}
	return ids
}

// sharedRows is a plan with the keys of a side that is about to be shuffled (the left of each key), which will be a stage
// anyway: what a scan gives, joins with what is sent whole included. Shuffled semi and anti joins above it are left out,
// which only makes for more keys. It is nil where there is no such plan.
func sharedRows(n logical.Node, keys []logical.JoinKey) logical.Node {
	for {
		j, ok := n.(*logical.Join)
		if !ok || j.Broadcast || j.Type != plan.JoinLeftSemi && j.Type != plan.JoinLeftAnti {
			break
		}
		n = j.Left
	}
	for in := n; ; {
		switch x := in.(type) {
		case *logical.Scan:
			return n
		case *logical.Filter:
			in = x.Input
		case *logical.Project:
			in = x.Input
		case *logical.Tally:
			in = x.Input
		case *logical.Join:
			if !x.Broadcast {
				return nil
			}
			in = x.Left
		default:
			return nil
		}
	}
}

// reduction is what is known about the small side.
type reduction struct {
	*rewriter
	sizes  *logical.Estimator
	source logical.Node
	keys   []*plan.Expr // columns of source
}

const (
	// mostReduced is the share of rows with a partner up to which it pays to look first.
	mostReduced = 0.25
	// leastReduced is from how many rows on.
	leastReduced = 1 << 14
	// reducedRatio is how many times the rows of the small side there have to be: every worker indexes that side whole.
	reducedRatio = 16
)

// side is the large side with the small side's keys looked up as far down as they can be. shuffled says that there is a
// shuffle above n by now; without one, what the join publishes at run time reaches the scan.
func (r *reduction) side(n logical.Node, ids []int, shuffled bool) logical.Node {
	if r.source == nil || !r.sentWhole(float64(logical.Estimate(r.source).Bytes), float64(logical.Estimate(n).Bytes)) {
		return n
	}
	return r.push(n, ids, shuffled)
}

func (r *reduction) push(n logical.Node, ids []int, shuffled bool) logical.Node {
	below := func(in logical.Node, ids []int, shuffled bool) logical.Node {
		out := r.push(in, ids, shuffled)
		return logical.MapInputs(n, func(x logical.Node) logical.Node {
			if x == in {
				return out
			}
			return x
		})
	}
	switch x := n.(type) {
	case *logical.Project:
		if inner := logical.Sources(x.Defs, ids); inner != nil {
			return below(x.Input, inner, shuffled)
		}
	case *logical.Aggregate:
		inner := logical.Sources(x.Keys, ids)
		if inner == nil {
			return n
		}
		return below(x.Input, inner, true)
	case *logical.Tally:
		if passable(x) {
			return below(x.Input, ids, shuffled)
		}
	case *logical.Filter:
		if _, scan := x.Input.(*logical.Scan); !scan {
			return below(x.Input, ids, shuffled)
		}
	case *logical.Join:
		if x.Type != plan.JoinFull && hasColumns(x.Left, ids) {
			return below(x.Left, ids, shuffled || !x.Broadcast)
		}
		if x.Type == plan.JoinInner && hasColumns(x.Right, ids) {
			return below(x.Right, ids, true)
		}
	}
	if !shuffled || !r.pays(n, ids) {
		return n
	}
	return r.semiJoin(n, ids)
}

func hasColumns(n logical.Node, ids []int) bool {
	has := side(n)
	return !slices.ContainsFunc(ids, func(id int) bool { return !has(id) })
}

func (r *reduction) pays(n logical.Node, ids []int) bool {
	large, small := r.sizes.Profile(n), r.sizes.Profile(r.source)
	if large.Rows < leastReduced || large.Rows < reducedRatio*small.Rows {
		return false
	}
	var keys []logical.JoinKey
	for i, id := range ids {
		keys = append(keys, logical.JoinKey{Left: columnOf(n, id), Right: r.keys[i]})
	}
	return logical.PartnerShare(keys, nil, large, small) <= mostReduced
}

func columnOf(n logical.Node, id int) *plan.Expr {
	for _, c := range n.Columns() {
		if c.ID == id {
			return c.Ref()
		}
	}
	return nil
}

// semiJoin keeps the rows of n that have a partner in a copy of the small side.
func (r *reduction) semiJoin(n logical.Node, ids []int) logical.Node {
	partners := logical.Refresh(r.source, r.ids)
	was, is := r.source.Columns(), partners.Columns()
	var on *plan.Expr
	for i, id := range ids {
		k := slices.IndexFunc(was, func(c logical.Column) bool { return c.ID == r.keys[i].Column })
		l, r := columnOf(n, id), is[k].Ref()
		on = plan.And(on, &plan.Expr{Op: plan.OpCall, Name: "=", Type: plan.Boolean, Nullable: l.Nullable || r.Nullable, Args: []*plan.Expr{l, r}})
	}
	return &logical.Join{Type: plan.JoinLeftSemi, Left: n, Right: partners, On: on, Broadcast: true}
}
