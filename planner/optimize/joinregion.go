package optimize

import (
	"math/bits"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// region is neighbouring inner joins, and the semi and anti joins among them, taken apart: what they join, and by which
// conditions. Its joins may be made in any order.
type region struct {
	// inputs are the joined plans, then the right sides of semi and anti joins.
	inputs []logical.Node
	leaves int             // how many of the inputs are joined
	semis  []*logical.Join // one for each input after the leaves
	conds  []condition
	late   []*plan.Expr // conditions that may fail: they see no more rows than as written
	// renamed says which column of a leaf the columns of projections in between stand for.
	renamed map[int]*plan.Expr
	home    map[int]int // column id → leaf
}

// set is a set of a region's inputs.
type set uint64

func only(i int) set           { return 1 << i }
func (s set) has(o set) bool   { return s&o == o }
func (s set) meets(o set) bool { return s&o != 0 }
func (s set) first() int       { return bits.TrailingZeros64(uint64(s)) }
func (s set) len() int         { return bits.OnesCount64(uint64(s)) }

// condition is a conjunct and the leaves that it looks at.
type condition struct {
	expr   *plan.Expr
	leaves set
	class  int // of an equality of two columns: the set of columns that are equal by it; 0 for others
}

// collectRegion takes the joins at the top of a plan apart; ok is false where there is nothing to reorder.
func collectRegion(n *logical.Join) (r *region, ok bool) {
	r = &region{renamed: map[int]*plan.Expr{}, home: map[int]int{}}
	var exprs []*plan.Expr
	r.collect(n, &exprs)
	r.leaves = len(r.inputs)
	for i, in := range r.inputs {
		for _, c := range in.Columns() {
			r.home[c.ID] = i
		}
	}
	for i, s := range r.semis {
		r.semis[i] = logical.MapExprs(s, r.resolve).(*logical.Join)
		r.inputs = append(r.inputs, s.Right)
	}
	for _, e := range exprs {
		e = r.resolve(e)
		if on := r.leavesOf(e); on != 0 && (isCalm(e) || on.len() > 1 && isEquality(e)) {
			r.conds = append(r.conds, condition{expr: e, leaves: on})
		} else {
			r.late = append(r.late, e)
		}
	}
	return r, len(r.inputs) > 2 && len(r.inputs) < 64
}

func isEquality(e *plan.Expr) bool {
	return e.Op == plan.OpCall && (e.Name == "=" || e.Name == "<=>") && !logical.HasUDF(e)
}

func (r *region) collect(n logical.Node, conds *[]*plan.Expr) {
	switch n := n.(type) {
	case *logical.Join:
		switch {
		case n.Type == plan.JoinInner || n.Type == plan.JoinCross:
			r.collect(n.Left, conds)
			r.collect(n.Right, conds)
			*conds = append(*conds, plan.Conjuncts(n.On)...)
			return
		case isFreeSemi(n):
			r.collect(n.Left, conds)
			r.semis = append(r.semis, n)
			return
		}
	case *logical.Filter:
		if joins(n.Input) {
			r.collect(n.Input, conds)
			*conds = append(*conds, plan.Conjuncts(n.Predicate)...)
			return
		}
	case *logical.Tally:
		if passable(n) && joins(n.Input) {
			r.collect(n.Input, conds)
			return
		}
	case *logical.Project:
		if joins(n.Input) && renames(n) {
			r.collect(n.Input, conds)
			for _, d := range n.Defs {
				if d.ID != d.Expr.Column {
					r.renamed[d.ID] = r.resolve(d.Expr)
				}
			}
			return
		}
	}
	r.inputs = append(r.inputs, n)
}

// isFreeSemi reports a semi or anti join that can be made before or after inner joins.
func isFreeSemi(n *logical.Join) bool {
	if n.Type != plan.JoinLeftSemi && n.Type != plan.JoinLeftAnti {
		return false
	}
	_, rest := n.Keys()
	return rest == nil || isCalm(rest)
}

// joins reports whether a region goes on below.
func joins(n logical.Node) bool {
	switch n := n.(type) {
	case *logical.Join:
		return n.Type == plan.JoinInner || n.Type == plan.JoinCross || isFreeSemi(n)
	case *logical.Filter:
		return joins(n.Input)
	case *logical.Tally:
		return passable(n) && joins(n.Input)
	case *logical.Project:
		return renames(n) && joins(n.Input)
	}
	return false
}

// renames reports a projection that computes nothing.
func renames(n *logical.Project) bool {
	for _, d := range n.Defs {
		if d.Expr.Op != plan.OpColumn {
			return false
		}
	}
	return true
}

// resolve writes an expression in terms of the leaves' columns.
func (r *region) resolve(e *plan.Expr) *plan.Expr { return logical.Substitute(e, r.renamed) }

// leavesOf is the leaves whose columns an expression reads; those of a semi join's right side do not count.
func (r *region) leavesOf(e *plan.Expr) set {
	cols := map[int]bool{}
	e.Columns(cols)
	var s set
	for c := range cols {
		if leaf, ok := r.home[c]; ok {
			s |= only(leaf)
		}
	}
	return s
}

// needs is the leaves that must be there before an input can be joined: those that a semi join looks at.
func (r *region) needs(input int) set {
	if input < r.leaves {
		return 0
	}
	s := r.semis[input-r.leaves]
	need := r.leavesOf(plan.And(append(plan.Conjuncts(s.On), plan.BoolLiteral(true))...))
	for _, c := range s.Compared {
		need |= r.leavesOf(c)
	}
	if need == 0 {
		need = only(0)
	}
	return need
}
