package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// graph is a region with what is needed to compare orders of joins.
type graph struct {
	*region
	sizes   *logical.Estimator
	bases   []logical.Profile // of inputs
	widths  []float64         // bytes of a row of each input
	need    []set             // of inputs
	classes []class           // from 1
	known   map[set]logical.Profile
}

// class is columns that are equal to each other, at most one of a leaf.
type class struct{ members []*plan.Expr }

func newGraph(r *region, sizes *logical.Estimator) *graph {
	g := &graph{region: r, sizes: sizes, known: map[set]logical.Profile{}, classes: []class{{}}}
	g.filterLeaves()
	for i, in := range r.inputs {
		p, size := sizes.Profile(in), sizes.Size(in)
		g.bases = append(g.bases, p)
		g.widths = append(g.widths, float64(size.Bytes)/max(float64(size.Rows), 1))
		g.need = append(g.need, r.needs(i))
	}
	g.classify()
	return g
}

// filterLeaves puts conditions on one leaf right above it.
func (g *graph) filterLeaves() {
	var rest []condition
	for _, c := range g.conds {
		if c.leaves.len() > 1 {
			rest = append(rest, c)
			continue
		}
		leaf := c.leaves.first()
		g.inputs[leaf] = filtered(g.inputs[leaf], []*plan.Expr{c.expr})
	}
	g.conds = rest
}

// classify finds the sets of columns that equalities make equal. Of each set one equality between two groups of leaves
// stands for all; sets with two columns of one leaf are left alone, since there all equalities must be tested.
func (g *graph) classify() {
	of := map[int]int{} // column id → class
	members := map[int][]*plan.Expr{0: nil}
	next := 1
	for _, c := range g.conds {
		l, r, ok := columnEquality(c.expr)
		if !ok {
			continue
		}
		into := of[l.Column]
		if into == 0 {
			into, next = next, next+1
			of[l.Column], members[into] = into, []*plan.Expr{l}
		}
		switch from := of[r.Column]; {
		case from == into:
		case from == 0:
			of[r.Column], members[into] = into, append(members[into], r)
		default:
			for _, m := range members[from] {
				of[m.Column] = into
			}
			members[into] = append(members[into], members[from]...)
			delete(members, from)
		}
	}
	number := map[int]int{}
	for i, c := range g.conds {
		l, _, ok := columnEquality(c.expr)
		if !ok || !g.oneOfEach(members[of[l.Column]]) {
			continue
		}
		k := of[l.Column]
		if number[k] == 0 {
			number[k] = len(g.classes)
			g.classes = append(g.classes, class{members[k]})
		}
		g.conds[i].class = number[k]
	}
}

// columnEquality recognises a = b of columns of one type.
func columnEquality(e *plan.Expr) (l, r *plan.Expr, ok bool) {
	if e.Op != plan.OpCall || e.Name != "=" {
		return nil, nil, false
	}
	l, r = e.Args[0], e.Args[1]
	return l, r, l.Op == plan.OpColumn && r.Op == plan.OpColumn && l.Type.Equal(r.Type)
}

func (g *graph) oneOfEach(columns []*plan.Expr) bool {
	var seen set
	for _, c := range columns {
		leaf := only(g.home[c.Column])
		if seen.meets(leaf) {
			return false
		}
		seen |= leaf
	}
	return true
}

// between lists the conditions that come to hold when two sets of leaves are joined.
func (g *graph) between(a, b set) []*plan.Expr {
	var out []*plan.Expr
	for k := 1; k < len(g.classes); k++ {
		if l, r := g.classes[k].member(g, a), g.classes[k].member(g, b); l != nil && r != nil {
			e := &plan.Expr{Op: plan.OpCall, Name: "=", Type: plan.Boolean, Nullable: l.Nullable || r.Nullable, Args: []*plan.Expr{l, r}}
			out = append(out, e)
		}
	}
	for _, c := range g.conds {
		if c.class == 0 && (a | b).has(c.leaves) && c.leaves.meets(a) && c.leaves.meets(b) {
			out = append(out, c.expr)
		}
	}
	return out
}

// member is the first column of a class in a set of leaves.
func (c class) member(g *graph, s set) *plan.Expr {
	i := slices.IndexFunc(c.members, func(m *plan.Expr) bool { return s.has(only(g.home[m.Column])) })
	if i < 0 {
		return nil
	}
	return c.members[i]
}

// connected reports whether joining two sets is more than a cross product.
func (g *graph) connected(a, b set) bool {
	for k := 1; k < len(g.classes); k++ {
		if g.classes[k].member(g, a) != nil && g.classes[k].member(g, b) != nil {
			return true
		}
	}
	return slices.ContainsFunc(g.conds, func(c condition) bool {
		return c.class == 0 && (a | b).has(c.leaves) && c.leaves.meets(a) && c.leaves.meets(b)
	})
}

// profile guesses what a set of inputs joined puts out. It does not depend on the order of joins: the guess is made as
// though they were joined in the order of canonical.
func (g *graph) profile(s set) logical.Profile {
	if p, ok := g.known[s]; ok {
		return p
	}
	p := logical.Profile{}
	if s.len() == 1 {
		p = g.bases[s.first()]
	} else {
		last := g.last(s)
		rest := s &^ only(last)
		p = g.sizes.Joined(g.joinOf(rest, only(last)), g.profile(rest), g.bases[last])
	}
	g.known[s] = p
	return p
}

// joinOf is a join of two sets with its conditions but without its inputs' insides.
func (g *graph) joinOf(left, right set) *logical.Join {
	if i := right.first(); right.len() == 1 && i >= g.leaves {
		s := *g.semis[i-g.leaves]
		s.Left, s.Right = g.columns(left), g.inputs[i]
		return &s
	}
	on := plan.And(g.between(left, right)...)
	n := &logical.Join{Type: plan.JoinInner, Left: g.columns(left), Right: g.columns(right), On: on}
	n.Type = joinType(n)
	return n
}

// columns is a stand-in for the join of a set: a node that has its columns.
func (g *graph) columns(s set) logical.Node {
	v := &logical.Values{}
	for i := range g.leaves {
		if s.has(only(i)) {
			v.Cols = append(v.Cols, g.inputs[i].Columns()...)
		}
	}
	return v
}

// last is the input that the canonical order joins last: semi joins after leaves, leaves in their order as far as they
// are connected with those before.
func (g *graph) last(s set) int {
	for i := len(g.inputs) - 1; i >= g.leaves; i-- {
		if s.has(only(i)) {
			return i
		}
	}
	done, last := only(s.first()), s.first()
	for done != s {
		last = -1
		for rest := s &^ done; rest != 0; rest &^= only(rest.first()) {
			if i := rest.first(); last < 0 || g.connected(done, only(i)) {
				last = i
				if g.connected(done, only(i)) {
					break
				}
			}
		}
		done |= only(last)
	}
	return last
}
