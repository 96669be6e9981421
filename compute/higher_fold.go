package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// resolveAggregate asks that the lambda gives what it is given: the type of the start.
func resolveAggregate(args []plan.Type) (Signature, error) {
	if len(args) != 3 && len(args) != 4 {
		return Signature{}, arityError{"[3, 4]", len(args)}
	}
	switch {
	case !isArray(args[0]):
		return Signature{}, argumentError{0, `"ARRAY"`, args[0]}
	case !sameShape(args[1], args[2]):
		return Signature{}, argumentError{2, sqlType(args[1]), args[2]}
	}
	cast := append([]plan.Type(nil), args...)
	cast[2] = args[1]
	return Signature{Args: cast, Returns: args[len(args)-1], AlwaysNullable: true}, nil
}

func buildFold(b *binding) (node, error) {
	n := &foldNode{of: b.args[0], start: b.args[1], merge: asLambda(b.args[2]), t: b.t}
	if len(b.args) == 4 {
		n.finish = asLambda(b.args[3])
	} else {
		n.t = b.args[1].typ()
	}
	return n, nil
}

// foldNode folds the elements of arrays: step k merges the k-th elements of all rows that have one.
type foldNode struct {
	of, start     node
	merge, finish *lambdaNode
	t             plan.Type
}

func (n *foldNode) fails() bool {
	return n.of.fails() || n.start.fails() || n.merge.fails() || n.finish != nil && n.finish.fails()
}
func (n *foldNode) typ() plan.Type { return n.t }

func (n *foldNode) eval(f *frame) (value, error) {
	vals, err := evalAll(f, []node{n.of, n.start})
	if err != nil {
		return value{}, err
	}
	defer releaseValues(vals)
	if vals[0].isNull() {
		return value{vector.FromLiteral(f.mem, n.t, plan.Literal{Null: true}, 1), true}, nil
	}
	r := &folding{f: f, lists: loadLists(vals[0]), null: nullsOf(vals[0]), merge: n.merge, done: newParts(f)}
	defer r.done.release()
	if err := r.run(vals[1]); err != nil {
		return value{}, err
	}
	folded, err := r.done.join(n.start.typ())
	if err != nil || n.finish == nil {
		return folded, err
	}
	defer folded.release()
	return n.end(f, folded, r.null)
}

// end finishes the rows whose array is not NULL.
func (n *foldNode) end(f *frame, folded value, null func(int) bool) (value, error) {
	rows := make([]int32, 0, f.n)
	for i := range f.n {
		if !null(i) {
			rows = append(rows, int32(i))
		}
	}
	g := f.narrow(rows)
	defer g.close()
	acc := vector.Take(f.mem, folded.arr, rows)
	defer acc.Release()
	v, err := n.finish.invoke(g, value{arr: acc})
	if err != nil {
		return value{}, err
	}
	p := newParts(f)
	defer p.release()
	p.place(v, rows, true)
	return p.join(n.t)
}

// folding is the state of a fold: the accumulators of the rows that have elements left, and of those that are done.
type folding struct {
	f     *frame
	lists lists
	null  func(int) bool
	merge *lambdaNode
	rows  []int32 // that have not ended
	done  *parts
}

func (r *folding) run(start value) error {
	for i := range r.f.n {
		if !r.null(i) {
			r.rows = append(r.rows, int32(i))
		}
	}
	start.arr.Retain()
	acc := start.spread(r.f.mem, r.f.n)
	if len(r.rows) < r.f.n {
		all := acc
		acc = vector.Take(r.f.mem, all, r.rows)
		all.Release()
	}
	for k := 0; len(r.rows) > 0; k++ {
		var err error
		if acc, err = r.step(k, r.retire(k, acc)); err != nil {
			return err
		}
	}
	acc.Release()
	return nil
}

// retire takes over the accumulators and gives those of the rows that have a k-th element; the others are done.
func (r *folding) retire(k int, acc arrow.Array) arrow.Array {
	var left, ended, keep, drop []int32
	for j, i := range r.rows {
		if from, to := r.lists.span(int(i)); from+k < to {
			left, keep = append(left, i), append(keep, int32(j))
		} else {
			ended, drop = append(ended, i), append(drop, int32(j))
		}
	}
	if len(ended) == 0 {
		return acc
	}
	defer acc.Release()
	r.rows = left
	r.done.place(value{arr: vector.Take(r.f.mem, acc, drop)}, ended, true)
	return vector.Take(r.f.mem, acc, keep)
}

// step takes over the accumulators and merges the k-th elements into them.
func (r *folding) step(k int, acc arrow.Array) (arrow.Array, error) {
	defer acc.Release()
	if len(r.rows) == 0 {
		acc.Retain()
		return acc, nil
	}
	idx := make([]int32, len(r.rows))
	for j, i := range r.rows {
		from, _ := r.lists.span(int(i))
		idx[j] = int32(from + k)
	}
	items := vector.Take(r.f.mem, r.lists.Elements, idx)
	defer items.Release()
	g := r.f.narrow(r.rows)
	defer g.close()
	v, err := r.merge.invoke(g, value{arr: acc}, value{arr: items})
	if err != nil {
		return nil, err
	}
	return v.spread(r.f.mem, g.n), nil
}

var _ node = (*foldNode)(nil)
