package compute

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// sortPicks orders the elements of each row's array, equal ones as they stood.
func sortPicks(c *context, args []value, each func(l lists, compare vector.Comparer) (order func(i int) func(a, b int32) int)) (arrow.Array, error) {
	l, p, valid := loadLists(args[0]), newPicks(c), both(c.mem, c.n, args...)
	order := each(l, vector.NewComparer(l.Elements, l.Elements))
	for i := range c.n {
		if valid.has(i) {
			start := len(p.idx)
			p.addRange(l.span(i))
			slices.SortStableFunc(p.idx[start:], order(i))
		}
		p.end()
	}
	return p.list(c.t, valid, l.Elements), nil
}

// sortArray has NULLs first, or last in descending order.
func sortArray(c *context, args []value) (arrow.Array, error) {
	ascending := vec[bool]{[]bool{true}, 0}
	if len(args) == 2 {
		ascending = load[bool](c.scratch, args[1], 0)
	}
	return sortPicks(c, args, func(_ lists, compare vector.Comparer) func(int) func(a, b int32) int {
		up := func(a, b int32) int { return compare(int(a), int(b)) }
		down := func(a, b int32) int { return compare(int(b), int(a)) }
		return func(i int) func(a, b int32) int {
			if ascending.at(i) {
				return up
			}
			return down
		}
	})
}

// sortNullsLast is array_sort without a comparator.
func sortNullsLast(c *context, args []value) (arrow.Array, error) {
	return sortPicks(c, args, func(l lists, compare vector.Comparer) func(int) func(a, b int32) int {
		null := vector.ValidityOf(l.Elements)
		order := func(a, b int32) int {
			switch x, y := null.IsNull(int(a)), null.IsNull(int(b)); {
			case x && y:
				return 0
			case x:
				return 1
			case y:
				return -1
			}
			return compare(int(a), int(b))
		}
		return func(int) func(a, b int32) int { return order }
	})
}

// resolveArraysZip names the fields by their places; the analyser knows better names where arguments have some.
func resolveArraysZip(args []plan.Type) (Signature, error) {
	cast, fields := make([]plan.Type, len(args)), make([]plan.Field, len(args))
	for i, a := range args {
		t, ok := arrayParam().accept(a)
		if !ok {
			return Signature{}, argumentError{i, `"ARRAY"`, a}
		}
		cast[i] = t
		fields[i] = columnField(fmt.Sprint(i), t.Element().Type)
	}
	return Signature{Args: cast, Returns: arrayOf(plan.Struct(fields...))}, nil
}

func buildArraysZip(b *binding) (node, error) {
	if len(b.args) == 0 {
		return newConst(b.t, plan.Literal{}), nil
	}
	return total(arraysZip)(b)
}

func arraysZip(c *context, args []value) (arrow.Array, error) {
	valid, cols := both(c.mem, c.n, args...), make([]lists, len(args))
	for k, a := range args {
		cols[k] = loadLists(a)
	}
	offsets, idx := make([]int32, c.n+1), make([][]int32, len(args))
	for i := range c.n {
		longest := 0
		if valid.has(i) {
			for _, l := range cols {
				from, to := l.span(i)
				longest = max(longest, to-from)
			}
		}
		for k, l := range cols {
			idx[k] = padElements(idx[k], l, i, longest)
		}
		offsets[i+1] = offsets[i] + int32(longest)
	}
	fields := make([]arrow.Array, len(args))
	for k, l := range cols {
		fields[k] = plain(c.mem, vector.Take(c.mem, l.Elements, idx[k]))
	}
	structs := finishNested(c.t.Element().Type, int(offsets[c.n]), validity{}, nil, fields...)
	return finishNested(c.t, c.n, valid, copyOffsets(c.mem, offsets), structs), nil
}

// padElements appends the places of a row's elements, and -1 up to a length.
func padElements(idx []int32, l lists, i, length int) []int32 {
	if length == 0 {
		return idx
	}
	from, to := l.span(i)
	for k := range length {
		at := from + k
		if at >= to {
			at = -1
		}
		idx = append(idx, int32(at))
	}
	return idx
}
