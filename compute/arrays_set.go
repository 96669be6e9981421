package compute

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// arraySetFunctions take arrays for sets: NULL equals NULL there, and NaN equals NaN.
func arraySetFunctions() []Function {
	set := func(name, summary, example, res string, build builder) Function {
		return Function{
			Name: name, Usage: name + "(a, b)", Summary: summary, Example: example, ExampleResult: res,
			resolve: resolveArrayPair(name, func(t plan.Type) plan.Type { return t }), build: build,
		}
	}
	return []Function{
		{
			Name: "array_distinct", Usage: "array_distinct(array)", Summary: "The elements without repetitions, in order of first appearance.",
			Example: "array_distinct(array(1, 2, 1, NULL, NULL))", ExampleResult: "[1,2,null]",
			resolve: takes(sameAs(0), orderedArray()), build: total(pickLists(distinctArray)),
		},
		set("array_union", "The elements of both arrays without repetitions.", "array_union(array(1, 2, 2), array(2, 3))", "[1,2,3]",
			total(arrayUnion)),
		set("array_intersect", "The elements of the first array that the second has too, without repetitions.",
			"array_intersect(array(1, 2, 2), array(2, 3))", "[2]", total(arrayDifference(true))),
		set("array_except", "The elements of the first array that the second does not have, without repetitions.",
			"array_except(array(1, 1, 2), array(2, 3))", "[1]", total(arrayDifference(false))),
		{
			Name: "arrays_overlap", Usage: "arrays_overlap(a, b)",
			Summary: "Whether the arrays share an element; NULL if only a NULL stands in the way.", Example: "arrays_overlap(array(1, 2), array(2))",
			ExampleResult: "true", resolve: nullable(resolveArrayPair("arrays_overlap", func(plan.Type) plan.Type { return plan.Boolean })),
			build: total(arraysOverlap),
		},
	}
}

// resolveArrayPair is a function of two arrays with a common type.
func resolveArrayPair(name string, r func(plan.Type) plan.Type) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) != 2 {
			return Signature{}, arityError{"2", len(args)}
		}
		var sides [2]plan.Type
		for i, a := range args {
			t, ok := arrayParam().accept(a)
			if !ok {
				return Signature{}, userError("DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES", "Cannot resolve \"%s\" due to data type mismatch: "+
					"Input to function `%s` should have been two \"ARRAY\" with same element type, but it's [%s, %s].",
					name, name, sqlType(args[0]), sqlType(args[1]))
			}
			sides[i] = t
		}
		t, ok := tightest(sides[0].Element().Type, sides[1].Element().Type)
		switch {
		case !ok:
			return Signature{}, userError("DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES", "Cannot resolve \"%s\" due to data type mismatch: "+
				"Input to function `%s` should have been two \"ARRAY\" with same element type, but it's [%s, %s].",
				name, name, sqlType(args[0]), sqlType(args[1]))
		case !hasOrder(t):
			return Signature{}, argumentError{0, orderedLabel, t}
		}
		list := arrayOf(t)
		return Signature{Args: alike(list, 2), Returns: r(list)}, nil
	}
}

func distinctArray(_ *context, args []value, p *picks) func(int) error {
	l := loadLists(args[0])
	d := newDistinct(l.Elements)
	return func(i int) error {
		from, to := l.span(i)
		for k, first := range d.firsts(from, to) {
			if first {
				p.add(from + k)
			}
		}
		return nil
	}
}

// arrayUnion joins the arrays first.
func arrayUnion(c *context, args []value) (arrow.Array, error) {
	joined, err := concatArrays(c, args)
	if err != nil {
		return nil, err
	}
	defer joined.Release()
	return pickLists(distinctArray)(c, []value{{arr: joined}})
}

// concatArrays is the elements of several arrays one after the other.
func concatArrays(c *context, args []value) (arrow.Array, error) {
	cols, sources, base := make([]lists, len(args)), make([]arrow.Array, len(args)), make([]int, len(args)+1)
	for k, a := range args {
		cols[k] = loadLists(a)
		sources[k] = cols[k].Elements
		base[k+1] = base[k] + sources[k].Len()
	}
	all, err := vector.Concat(c.mem, sources)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	p, valid := newPicks(c), both(c.mem, c.n, args...)
	for i := range c.n {
		if valid.has(i) {
			for k, l := range cols {
				from, to := l.span(i)
				if err := p.room(int64(to - from)); err != nil {
					p.drop()
					valid.release()
					return nil, err
				}
				p.addRange(base[k]+from, base[k]+to)
			}
		}
		p.end()
	}
	return p.list(c.t, valid, all), nil
}

// membership finds elements of one column in runs of another.
type membership struct {
	compare vector.Comparer // element of a, element of b
	among   vector.Comparer // elements of b
	order   []int32
	from    int
	to      int
}

func newMembership(a, b arrow.Array) *membership {
	return &membership{compare: vector.NewComparer(a, b), among: vector.NewComparer(b, b)}
}

// enter readies the search among the run of b; many says that it is worth sorting.
func (m *membership) enter(from, to int, many bool) {
	m.from, m.to, m.order = from, to, m.order[:0]
	if !many || to-from <= fewValues {
		return
	}
	for k := from; k < to; k++ {
		m.order = append(m.order, int32(k))
	}
	slices.SortFunc(m.order, func(x, y int32) int { return m.among(int(x), int(y)) })
}

func (m *membership) has(at int) bool {
	if len(m.order) > 0 {
		_, found := slices.BinarySearchFunc(m.order, at, func(k int32, at int) int { return -m.compare(at, int(k)) })
		return found
	}
	for k := m.from; k < m.to; k++ {
		if m.compare(at, k) == 0 {
			return true
		}
	}
	return false
}

// arrayDifference keeps the elements of the first array that the second has (keep true), or has not.
func arrayDifference(keep bool) kernel {
	return pickLists(func(_ *context, args []value, p *picks) func(int) error {
		a, b := loadLists(args[0]), loadLists(args[1])
		d, m := newDistinct(a.Elements), newMembership(a.Elements, b.Elements)
		return func(i int) error {
			from, to := a.span(i)
			other, end := b.span(i)
			m.enter(other, end, to-from > 1)
			for k, first := range d.firsts(from, to) {
				if first && m.has(from+k) == keep {
					p.add(from + k)
				}
			}
			return nil
		}
	})
}

func arraysOverlap(c *context, args []value) (arrow.Array, error) {
	a, b := loadLists(args[0]), loadLists(args[1])
	m := newMembership(a.Elements, b.Elements)
	nullA, nullB := vector.ValidityOf(a.Elements), vector.ValidityOf(b.Elements)
	return fill(c, args, func(i int) (found, known bool, err error) {
		from, to := a.span(i)
		other, end := b.span(i)
		m.enter(other, end, to-from > 1)
		known = true
		for k := from; k < to; k++ {
			if nullA.IsNull(k) {
				known = known && other == end
			} else if m.has(k) {
				return true, true, nil
			}
		}
		for k := other; k < end && known && from < to; k++ {
			known = !nullB.IsNull(k)
		}
		return false, known, nil
	})
}
