package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// orderJoins makes neighbouring inner joins, and the semi and anti joins among them, in the order that is expected to
// move the fewest rows.
func orderJoins(r *rewriter, n logical.Node) logical.Node {
	if j, ok := n.(*logical.Join); ok {
		if g, ok := collectRegion(j); ok {
			for i, in := range g.inputs {
				g.inputs[i] = orderJoins(r, in)
			}
			return r.ordered(g, n.Columns())
		}
	}
	return logical.MapInputs(n, func(in logical.Node) logical.Node { return orderJoins(r, in) })
}

// mostExhaustive is up to how many inputs all orders are looked at. There are 3ⁿ ways to join part with part.
const mostExhaustive = 10

// ordered makes the joins of a region. cols are the columns that it must have.
func (r *rewriter) ordered(region *region, cols []logical.Column) logical.Node {
	g := newGraph(region, logical.NewEstimator())
	s := &search{graph: g, sentWhole: r.sentWhole, best: map[set]way{}}
	for i := range g.inputs {
		s.best[only(i)] = way{}
	}
	all := only(len(g.inputs)) - 1
	if len(g.inputs) <= mostExhaustive {
		s.exhaustive(all)
	}
	if _, ok := s.best[all]; !ok {
		s.greedy()
	}
	out := filtered(s.build(all), g.late)
	if slices.EqualFunc(out.Columns(), cols, func(a, b logical.Column) bool { return a.ID == b.ID }) {
		return out
	}
	defs := logical.KeepAll(cols)
	for i, d := range defs {
		defs[i].Expr = g.resolve(d.Expr)
	}
	return &logical.Project{Input: out, Defs: defs}
}

// search looks for the cheapest way to join a region.
type search struct {
	*graph
	sentWhole func(build, probe float64) bool // of bytes
	best      map[set]way
}

// way is the last join of a set and what all of its joins cost. The left side is probed with, the right one built.
type way struct {
	left, right set
	cost        float64
}

// exhaustive finds the best way for every set of inputs, small sets first. Cross products are only made of what no
// condition connects with anything else: a small one is tempting, but guesses that are too low make it dear.
func (s *search) exhaustive(all set) {
	for cur := set(1); cur <= all; cur++ {
		if cur.len() < 2 || !s.possible(cur) {
			continue
		}
		for left := (cur - 1) & cur; left != 0; left = (left - 1) & cur {
			right := cur &^ left
			if s.joinable(left, right) || s.apart(left) && s.apart(right) {
				s.consider(left, right)
			}
		}
	}
}

// apart reports a set that no condition connects with leaves outside.
func (s *search) apart(of set) bool {
	return !slices.ContainsFunc(s.conds, func(c condition) bool { return c.leaves.meets(of) && !of.has(c.leaves) })
}

// possible reports whether a set has what its semi joins look at.
func (s *search) possible(cur set) bool {
	for i := s.leaves; i < len(s.inputs); i++ {
		if cur.has(only(i)) && !cur.has(s.need[i]) {
			return false
		}
	}
	return true
}

// joinable reports whether two sets may be joined by conditions: leaves that are connected, or a semi join with what
// it looks at.
func (s *search) joinable(left, right set) bool {
	if i := right.first(); i >= s.leaves {
		return right.len() == 1 && left.has(s.need[i])
	}
	return s.connected(left, right)
}

// consider compares joining two sets with the best way known for both together.
func (s *search) consider(left, right set) {
	l, okLeft := s.best[left]
	r, okRight := s.best[right]
	if !okLeft || !okRight || left.first() >= s.leaves {
		return
	}
	if i := right.first(); i >= s.leaves && (right.len() > 1 || !left.has(s.need[i])) {
		return
	}
	w := way{left: left, right: right, cost: l.cost + r.cost + s.cost(left, right)}
	if known, ok := s.best[left|right]; !ok || w.cost < known.cost {
		s.best[left|right] = w
	}
}

// The cost of a join counts rows: each that is put out or looked up is one, one that is put into the table two, and one
// that goes through a shuffle one more.
const buildCost = 2

func (s *search) cost(left, right set) float64 {
	out, probe, build := s.profile(left|right).Rows, s.profile(left).Rows, s.profile(right).Rows
	cost := out + probe + buildCost*build
	if !s.sentWhole(build*s.width(right), probe*s.width(left)) {
		cost += probe + build
	}
	return cost
}

func (s *search) width(of set) float64 {
	sum := 0.0
	for rest := of; rest != 0; rest &^= only(rest.first()) {
		sum += s.widths[rest.first()]
	}
	return sum
}

// greedy joins, again and again, the two sets whose join puts out the fewest rows.
func (s *search) greedy() {
	var sets []set
	for i := range s.inputs {
		sets = append(sets, only(i))
	}
	for len(sets) > 1 {
		a, b := s.cheapestPair(sets)
		both := sets[a] | sets[b]
		s.consider(sets[a], sets[b])
		s.consider(sets[b], sets[a])
		sets = append(slices.DeleteFunc(sets, func(x set) bool { return both.has(x) }), both)
	}
}

// cheapestPair prefers pairs with a condition.
func (s *search) cheapestPair(sets []set) (a, b int) {
	least := -1.0
	for _, cross := range []bool{false, true} {
		for i, x := range sets {
			for k, y := range sets {
				if i == k || x.first() >= s.leaves || !cross && !s.joinable(x, y) {
					continue
				}
				if f := y.first(); f >= s.leaves && !x.has(s.need[f]) {
					continue
				}
				if rows := s.profile(x | y).Rows; least < 0 || rows < least {
					a, b, least = i, k, rows
				}
			}
		}
		if least >= 0 {
			return a, b
		}
	}
	return 0, 1
}

// build makes the joins of a set.
func (s *search) build(of set) logical.Node {
	if of.len() == 1 {
		return s.inputs[of.first()]
	}
	w := s.best[of]
	left, right := s.build(w.left), s.build(w.right)
	if i := w.right.first(); i >= s.leaves {
		semi := *s.semis[i-s.leaves]
		semi.Left, semi.Right = left, right
		return &semi
	}
	n := &logical.Join{Type: plan.JoinInner, Left: left, Right: right, On: plan.And(s.between(w.left, w.right)...)}
	n.Type = joinType(n)
	return n
}
