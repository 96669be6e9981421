package logical

import (
	"slices"

	"github.com/quern-engine/quern/plan"
)

// JoinKey is an equality between the two sides of a join.
type JoinKey struct {
	Left, Right *plan.Expr
	NullSafe    bool // joined by <=>
}

// IsEquiKey reports an equality of an expression over one side with one over the other.
func IsEquiKey(p *plan.Expr, isLeft, isRight func(int) bool) bool {
	_, ok := equiKey(p, isLeft, isRight)
	return ok
}

func equiKey(p *plan.Expr, isLeft, isRight func(int) bool) (JoinKey, bool) {
	if p.Op != plan.OpCall || p.Name != "=" && p.Name != "<=>" {
		return JoinKey{}, false
	}
	l, r := p.Args[0], p.Args[1]
	switch {
	case HasUDF(p), !l.Type.Equal(r.Type):
		return JoinKey{}, false
	case ReadsOnly(l, isLeft) && ReadsOnly(r, isRight):
		return JoinKey{l, r, p.Name == "<=>"}, true
	case ReadsOnly(r, isLeft) && ReadsOnly(l, isRight):
		return JoinKey{r, l, p.Name == "<=>"}, true
	}
	return JoinKey{}, false
}

// ReadsOnly reports whether an expression reads columns, all of them accepted by ok.
func ReadsOnly(e *plan.Expr, ok func(int) bool) bool {
	cols := map[int]bool{}
	e.Columns(cols)
	for c := range cols {
		if !ok(c) {
			return false
		}
	}
	return len(cols) > 0
}

// Keys divides the join's condition into equalities of the sides and the rest.
func (n *Join) Keys() (keys []JoinKey, rest *plan.Expr) {
	isLeft, isRight := n.side(n.Left), n.side(n.Right)
	for _, p := range plan.Conjuncts(n.On) {
		if k, ok := equiKey(p, isLeft, isRight); ok {
			keys = append(keys, k)
		} else {
			rest = plan.And(rest, p)
		}
	}
	return keys, rest
}

func (n *Join) side(in Node) func(int) bool {
	cols := map[int]bool{}
	for _, c := range in.Columns() {
		cols[c.ID] = true
	}
	return func(c int) bool { return cols[c] }
}

// Compare divides the conjuncts of the join's condition into those that a null-aware join compares by and the others,
// which say what is compared with what. A conjunct can be both.
func (n *Join) Compare() (compared, others []*plan.Expr) {
	others = plan.Conjuncts(n.On)
	if !n.NullAware {
		return nil, others
	}
	for _, c := range n.Compared {
		if i := slices.IndexFunc(others, c.Equal); i >= 0 {
			others = slices.Delete(others, i, i+1)
		}
	}
	return slices.Clone(n.Compared), others
}

// Sources is the columns that definitions take some of their columns from as they are; nil unless all are.
func Sources(defs []Definition, ids []int) []int {
	var out []int
	for _, id := range ids {
		i := slices.IndexFunc(defs, func(d Definition) bool { return d.ID == id })
		if i < 0 || defs[i].Expr.Op != plan.OpColumn {
			return nil
		}
		out = append(out, defs[i].Expr.Column)
	}
	return out
}
