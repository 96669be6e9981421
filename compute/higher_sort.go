package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func resolveArraySort(args []plan.Type) (Signature, error) {
	if len(args) != 1 && len(args) != 2 {
		return Signature{}, arityError{"[1, 2]", len(args)}
	}
	if len(args) == 1 {
		return takes(sameAs(0), orderedArray())(args)
	}
	if !isArray(args[0]) {
		return Signature{}, argumentError{0, `"ARRAY"`, args[0]}
	}
	if args[1].Kind != plan.KindInt32 {
		return Signature{}, userError("DATATYPE_MISMATCH.UNEXPECTED_RETURN_TYPE", "Cannot resolve \"array_sort\" due to data type "+
			"mismatch: The `lambdafunction` requires return \"INT\" type, but the actual is %s type.", sqlType(args[1]))
	}
	return Signature{Args: args, Returns: args[0]}, nil
}

func buildArraySort(b *binding) (node, error) {
	if len(b.args) == 1 {
		return total(sortNullsLast)(b)
	}
	return &elementsNode{of: b.args[0], lambda: asLambda(b.args[1]), t: b.t, run: sortByLambda, mayFail: true}, nil
}

// sortByLambda merges ever longer runs of all rows' arrays in step: each round asks the lambda about one pair of every
// merge that is under way.
func sortByLambda(e *elements, l *lambdaNode) (arrow.Array, error) {
	s := &lambdaSort{e: e, lambda: l, from: make([]int32, e.over.n), to: make([]int32, e.over.n)}
	longest := int32(0)
	for i := range e.f.n {
		longest = max(longest, e.offsets[i+1]-e.offsets[i])
	}
	for i := range s.from {
		s.from[i] = int32(i)
	}
	for width := int32(1); width < longest; width *= 2 {
		if err := s.pass(width); err != nil {
			e.valid.release()
			return nil, err
		}
		s.from, s.to = s.to, s.from
	}
	sorted := plain(e.f.mem, vector.Take(e.f.mem, e.items, s.from))
	return finishNested(e.t, e.f.n, e.valid, copyOffsets(e.f.mem, e.offsets), sorted), nil
}

type lambdaSort struct {
	e        *elements
	lambda   *lambdaNode
	from, to []int32 // places of elements in order, before and after a pass
}

// merge is two runs of from that become one of to.
type merge struct {
	owner               int32 // row of the batch
	left, middle, right int32 // left is next of the first run, right of the second
	end, out            int32
}

// pass merges neighbouring runs of a width.
func (s *lambdaSort) pass(width int32) error {
	var open []merge
	for i := range s.e.f.n {
		start, end := s.e.offsets[i], s.e.offsets[i+1]
		for at := start; at < end; at += 2 * width {
			middle := min(at+width, end)
			m := merge{int32(i), at, middle, middle, min(at+2*width, end), at}
			if m = s.copyRest(m); m.out < m.end {
				open = append(open, m)
			}
		}
	}
	for len(open) > 0 {
		first, err := s.ask(open)
		if err != nil {
			return err
		}
		kept := open[:0]
		for k, m := range open {
			if first[k] {
				s.to[m.out] = s.from[m.left]
				m.left++
			} else {
				s.to[m.out] = s.from[m.right]
				m.right++
			}
			m.out++
			if m = s.copyRest(m); m.out < m.end {
				kept = append(kept, m)
			}
		}
		open = kept
	}
	return nil
}

// copyRest finishes a merge that has one run left.
func (s *lambdaSort) copyRest(m merge) merge {
	switch {
	case m.right == m.end:
		copy(s.to[m.out:m.end], s.from[m.left:m.middle])
		m.out = m.end
	case m.left == m.middle:
		copy(s.to[m.out:m.end], s.from[m.right:m.end])
		m.out = m.end
	}
	return m
}

// ask tells for each merge whether the first run's next element comes first.
func (s *lambdaSort) ask(open []merge) ([]bool, error) {
	mem := s.e.f.mem
	rows, left, right := make([]int32, len(open)), make([]int32, len(open)), make([]int32, len(open))
	for k, m := range open {
		rows[k], left[k], right[k] = m.owner, s.from[m.left], s.from[m.right]
	}
	g := s.e.f.narrow(rows)
	defer g.close()
	a, b := vector.Take(mem, s.e.items, left), vector.Take(mem, s.e.items, right)
	defer a.Release()
	defer b.Release()
	v, err := s.lambda.invoke(g, value{arr: a}, value{arr: b})
	if err != nil {
		return nil, err
	}
	defer v.release()
	order, null := load[int32](&scratch{}, v, 0), nullsOf(v)
	first := make([]bool, len(open))
	for k := range first {
		if null(k) {
			return nil, userError("COMPARATOR_RETURNS_NULL", "The comparator has returned a NULL for a comparison between %s and %s. "+
				"It should return a positive integer for \"greater than\", 0 for \"equal\" and a negative integer for \"less than\".",
				vector.Format(a, k), vector.Format(b, k))
		}
		first[k] = order.at(k) <= 0
	}
	return first, nil
}
