package compute

import (
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// resolveNullIf keeps the operands' types: the comparison casts on its own, the result is the first operand as it is.
func resolveNullIf(args []plan.Type) (Signature, error) {
	if _, err := comparable2(args); err != nil {
		return Signature{}, err
	}
	return Signature{Args: args, Returns: args[0]}, nil
}

func buildNullIf(b *binding) (node, error) {
	slots := []*slotNode{{t: b.arg(0)}, {t: b.arg(1)}}
	sig, err := comparable2([]plan.Type{b.arg(0), b.arg(1)})
	if err != nil {
		return nil, err
	}
	left, err := castNode(b.session, slots[0], sig.Args[0], false)
	if err != nil {
		return nil, err
	}
	right, err := castNode(b.session, slots[1], sig.Args[1], false)
	if err != nil {
		return nil, err
	}
	equal, err := buildComparison(&binding{"=", []node{left, right}, plan.Boolean, b.session})
	return &nullIfNode{b.args[0], b.args[1], slots, equal}, err
}

// slotNode hands out a value that its parent has evaluated already, for the frame it was evaluated in and for frames
// cut from that one.
type slotNode struct {
	v value
	f *frame
	t plan.Type
}

func (s *slotNode) set(f *frame, v value) { s.f, s.v = f, v }
func (s *slotNode) reset()                { s.f, s.v = nil, value{} }

func (s *slotNode) eval(f *frame) (value, error) {
	if f == s.f || s.v.constant {
		s.v.arr.Retain()
		return s.v, nil
	}
	if f.parent == nil {
		return value{}, defect("a shared operand is asked for outside of its expression")
	}
	outer, err := s.eval(f.parent)
	if err != nil {
		return value{}, err
	}
	defer outer.release()
	return value{arr: vector.Take(f.mem, outer.arr, f.sel)}, nil
}

func (s *slotNode) fails() bool    { return false }
func (s *slotNode) typ() plan.Type { return s.t }

type nullIfNode struct {
	first, second node
	slots         []*slotNode
	equal         node
}

func (n *nullIfNode) fails() bool    { return n.first.fails() || n.second.fails() || n.equal.fails() }
func (n *nullIfNode) typ() plan.Type { return n.first.typ() }

func (n *nullIfNode) eval(f *frame) (value, error) {
	vals, err := evalAll(f, []node{n.first, n.second})
	if err != nil {
		return value{}, err
	}
	defer releaseValues(vals)
	for i, s := range n.slots {
		s.set(f, vals[i])
		defer s.reset()
	}
	t, err := evalTruth(n.equal, f, nil)
	if err != nil {
		return value{}, err
	}
	index := make([]int32, f.n)
	for i := range index {
		switch {
		case t.isTrue(i):
			index[i] = -1
		case !vals[0].constant:
			index[i] = int32(i)
		}
	}
	return value{arr: vector.Take(f.mem, vals[0].arr, index)}, nil
}

var (
	_ node = (*slotNode)(nil)
	_ node = (*nullIfNode)(nil)
)

// nanvlNode is its first value, and where that is NaN its second, which no other row needs.
type nanvlNode struct{ first, second node }

func buildNanvl(b *binding) (node, error) { return &nanvlNode{b.args[0], b.args[1]}, nil }

func (n *nanvlNode) fails() bool    { return n.first.fails() || n.second.fails() }
func (n *nanvlNode) typ() plan.Type { return n.first.typ() }

func (n *nanvlNode) eval(f *frame) (value, error) {
	v, err := n.first.eval(f)
	if err != nil {
		return value{}, err
	}
	values, null := load[float64](&scratch{}, v, 0), nullsOf(v)
	var is, isNot []int32
	for i := range f.n {
		if x := values.at(i); x != x && !null(i) {
			is = append(is, int32(i))
		} else {
			isNot = append(isNot, int32(i))
		}
	}
	if len(is) == 0 {
		return v, nil
	}
	p := newParts(f)
	defer p.release()
	p.place(v, isNot, false)
	if err := p.add(n.second, is); err != nil {
		return value{}, err
	}
	return p.join(n.typ())
}

var _ node = (*nanvlNode)(nil)
