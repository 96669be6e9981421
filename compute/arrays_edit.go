package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// arrayEditFunctions put elements into arrays.
func arrayEditFunctions() []Function {
	return []Function{
		{
			Name: "array_append", Usage: "array_append(array, a)", Summary: "The array with the value at its end.",
			Example: "array_append(array(1, 2), 3)", ExampleResult: "[1,2,3]", resolve: resolveEdit("array_append", 1, 2), build: buildAppend,
		},
		{
			Name: "array_prepend", Usage: "array_prepend(array, a)", Summary: "The array with the value in front.",
			Example: "array_prepend(array(1, 2), 0)", ExampleResult: "[0,1,2]", resolve: resolveEdit("array_prepend", 1, 2), build: buildAppend,
		},
		{
			Name: "array_insert", Usage: "array_insert(array, pos, a)",
			Summary: "The array with the value at a place, from 1 or, if negative, from the end; a gap is filled with NULLs.",
			Example: "array_insert(array(1, 2, 3), 5, 9)", ExampleResult: "[1,2,3,null,9]", resolve: resolveEdit("array_insert", 2, 3),
			build: buildInsert,
		},
	}
}

// resolveEdit is a function of an array first and, at a place, a value that becomes an element of it.
func resolveEdit(name string, at, arity int) resolver {
	member := resolveMemberOf(name)
	return func(args []plan.Type) (Signature, error) {
		if len(args) != arity {
			return Signature{}, arityError{itoa(arity), len(args)}
		}
		sig, err := member([]plan.Type{args[0], args[at]})
		if err != nil || arity == 2 {
			return sig, err
		}
		if !args[1].IsInteger() && args[1].Kind != plan.KindNull || args[1].Kind == plan.KindInt64 {
			return Signature{}, argumentError{1, sqlType(plan.Int32), args[1]}
		}
		sig.Args = []plan.Type{sig.Args[0], plan.Int32, sig.Args[1]}
		return sig, nil
	}
}

// resolveMemberOf is resolveMember for a value that becomes an element: it need not have an order, and may be NULL.
func resolveMemberOf(name string) resolver {
	return func(args []plan.Type) (Signature, error) {
		if !isArray(args[0]) {
			if args[0].Kind != plan.KindNull {
				return Signature{}, argumentError{0, `"ARRAY"`, args[0]}
			}
			return Signature{}, memberError(name, args)
		}
		t, ok := tightest(args[0].Element().Type, args[1])
		if !ok {
			return Signature{}, memberError(name, args)
		}
		return Signature{Args: []plan.Type{arrayOf(t), t}, Returns: arrayOf(t)}, nil
	}
}

// edited is an array column made of an array's elements and a value for each row.
func edited(c *context, list, item value, strictArgs []value, each func(p *picks, from, to, item, i int) error) (arrow.Array, error) {
	l := loadLists(list)
	all, err := vector.Concat(c.mem, []arrow.Array{l.Elements, item.arr})
	if err != nil {
		return nil, err
	}
	defer all.Release()
	p, valid := newPicks(c), bothOrNone(c, strictArgs)
	for i := range c.n {
		if valid.has(i) {
			from, to := l.span(i)
			if err := each(p, from, to, l.Elements.Len()+rowOf(item, i), i); err != nil {
				p.drop()
				valid.release()
				return nil, err
			}
		}
		p.end()
	}
	return p.list(c.t, valid, all), nil
}

// bothOrNone is both for arguments that may be a constant NULL.
func bothOrNone(c *context, args []value) validity {
	for _, a := range args {
		if a.isNull() {
			buf, _ := vector.AllocBits(c.mem, c.n)
			return validity{buf}
		}
	}
	return both(c.mem, c.n, args...)
}

func buildAppend(b *binding) (node, error) {
	front := b.name == "array_prepend"
	return &eagerNode{args: b.args, t: b.t, mayFail: true, run: func(c *context, args []value) (arrow.Array, error) {
		return edited(c, args[0], args[1], args[:1], func(p *picks, from, to, item, _ int) error {
			if front {
				p.add(item)
			}
			p.addRange(from, to)
			if !front {
				p.add(item)
			}
			return p.room(1)
		})
	}}, nil
}

func buildInsert(b *binding) (node, error) {
	last := 1 // -1 is the place behind the last element, and in Spark's old way the one before it
	if b.is(plan.NegativeIndexInArrayInsert) {
		last = 0
	}
	return &eagerNode{args: b.args, t: b.t, mayFail: true, run: func(c *context, args []value) (arrow.Array, error) {
		places := load[int32](c.scratch, args[1], 0)
		return edited(c, args[0], args[2], args[:2], func(p *picks, from, to, item, i int) error {
			return insertAt(p, from, to, item, int(places.at(i)), last)
		})
	}}, nil
}

// insertAt puts an item at a place: counted from the end, at to + place + last.
func insertAt(p *picks, from, to, item, place, last int) error {
	size := to - from
	switch {
	case place == 0:
		return indexOfZero()
	case place > 0:
		if err := p.room(int64(max(size, place)) + 1); err != nil {
			return err
		}
		cut := from + min(place-1, size)
		p.addRange(from, cut)
		for range place - 1 - size {
			p.add(-1)
		}
		p.add(item)
		p.addRange(cut, to)
	default:
		if err := p.room(int64(max(size, -place)) + 1); err != nil {
			return err
		}
		cut := to + place + last
		if cut >= from {
			p.addRange(from, cut)
			p.add(item)
			p.addRange(cut, to)
			return nil
		}
		p.add(item)
		for range from - cut {
			p.add(-1)
		}
		p.addRange(from, to)
	}
	return nil
}
