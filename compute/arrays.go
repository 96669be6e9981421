package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// arrayFunctions measure, search and rearrange arrays.
func arrayFunctions() []Function {
	i32 := of(plan.Int32)
	sizes := func(name, usage string, r resolver, aliases ...string) Function {
		return Function{
			Name: name, Aliases: aliases, Usage: usage, Summary: "The number of elements.", Example: name + "(array('a', NULL))",
			ExampleResult: "2", resolve: r, build: total(sizeOf),
		}
	}
	return []Function{
		sizes("size", "size(a)", takes(returns(plan.Int32), collectionParam()), "cardinality"),
		sizes("array_size", "array_size(array)", takes(returns(plan.Int32), arrayParam())),
		{
			Name: "array_contains", Usage: "array_contains(array, a)",
			Summary: "Whether the array has the value; NULL if only a NULL stands in the way.", Example: "array_contains(array(1, 2), 2)",
			ExampleResult: "true", resolve: nullable(resolveMember("array_contains", commonWithoutText, returns(plan.Boolean), true)),
			build: total(arrayContains),
		},
		{
			Name: "array_position", Usage: "array_position(array, a)", Summary: "The place of the first such element, from 1; 0 if there is none.",
			Example: "array_position(array(3, 1), 1)", ExampleResult: "2",
			resolve: resolveMember("array_position", tightest, returns(plan.Int64), false), build: total(arrayPosition),
		},
		{
			Name: "array_max", Usage: "array_max(array)", Summary: "The greatest element; NULLs do not count.",
			Example: "array_max(array(1, NULL, 3))", ExampleResult: "3",
			resolve: nullable(takes(elementType, orderedArray())), build: total(arrayExtreme(1)),
		},
		{
			Name: "array_min", Usage: "array_min(array)", Summary: "The least element; NULLs do not count.",
			Example: "array_min(array(1, NULL, 3))", ExampleResult: "1",
			resolve: nullable(takes(elementType, orderedArray())), build: total(arrayExtreme(-1)),
		},
		{
			Name: "array_compact", Usage: "array_compact(array)", Summary: "The elements that are not NULL.",
			Example: "array_compact(array(1, NULL, 3))", ExampleResult: "[1,3]", resolve: takes(sameAs(0), arrayParam()),
			build: total(pickLists(compactArray)),
		},
		{
			Name: "array_remove", Usage: "array_remove(array, a)", Summary: "The elements that do not equal a value.",
			Example: "array_remove(array(1, 2, 1), 1)", ExampleResult: "[2]",
			resolve: resolveMember("array_remove", tightest, sameAs(0), false), build: total(pickLists(removeFromArray)),
		},
		{
			Name: "slice", Usage: "slice(array, start, length)",
			Summary: "The elements from a place on: from 1 or, if negative, from the end.", Example: "slice(array(1, 2, 3, 4), -2, 2)",
			ExampleResult: "[3,4]", resolve: takes(sameAs(0), arrayParam(), i32, i32), build: partial(pickLists(sliceArray)),
		},
		{
			Name: "flatten", Usage: "flatten(arrays)", Summary: "The elements of the elements; NULL if an element is NULL.",
			Example: "flatten(array(array(1, 2), array(3)))", ExampleResult: "[1,2,3]",
			resolve: nullable(takes(elementType, arraysParam())), build: total(flatten),
		},
		{
			Name: "array_repeat", Usage: "array_repeat(a, n)", Summary: "An array of n times the value.",
			Example: "array_repeat('x', 2)", ExampleResult: `["x","x"]`, resolve: resolveArrayRepeat, build: buildArrayRepeat,
		},
		{
			Name: "array_join", Usage: "array_join(array, sep[, null])",
			Summary: "The elements as a string with a separator in between; NULLs are left out, or written as given.",
			Example: "array_join(array('a', NULL, 'b'), ',', '-')", ExampleResult: "a,-,b",
			resolve: takesOptional(returns(plan.String), 1, textArray(), text(), text()), build: total(arrayJoin),
		},
		{
			Name: "arrays_zip", Usage: "arrays_zip(array, …)",
			Summary: "An array of structs whose fields are the arrays' elements at each place.", Example: "arrays_zip(array(1, 2), array('a'))",
			ExampleResult: `[{"0":1,"1":"a"},{"0":2,"1":null}]`, resolve: resolveArraysZip, build: buildArraysZip,
		},
		{
			Name: "sort_array", Usage: "sort_array(array[, ascending])",
			Summary: "The elements in order, NULLs first; in descending order NULLs last.", Example: "sort_array(array(3, NULL, 1))",
			ExampleResult: "[null,1,3]", resolve: takesOptional(sameAs(0), 1, orderedArray(), strictly(plan.Boolean)), build: total(sortArray),
		},
	}
}

// collectionParam takes arrays and maps.
func collectionParam() param {
	return param{`("ARRAY" or "MAP")`, func(a plan.Type) (plan.Type, bool) {
		if a.Kind == plan.KindNull {
			return arrayOf(plan.Null), true
		}
		return a, isArray(a) || isMap(a)
	}}
}

// orderedArray takes arrays whose elements have an order.
func orderedArray() param {
	return param{orderedArrayLabel, func(a plan.Type) (plan.Type, bool) {
		t, ok := arrayParam().accept(a)
		return t, ok && hasOrder(t)
	}}
}

// orderedArrayLabel marks the parameter that takes an array: its elements' lack of an order is another error than its not
// being one.
const orderedArrayLabel = `"ARRAY"`

// strictly takes one type, without casts.
func strictly(t plan.Type) param {
	return param{sqlType(t), func(a plan.Type) (plan.Type, bool) { return t, a.Equal(t) || a.Kind == plan.KindNull }}
}

// arraysParam takes arrays of arrays.
func arraysParam() param {
	return param{`"ARRAY" of "ARRAY"`, func(a plan.Type) (plan.Type, bool) { return a, isArray(a) && isArray(a.Element().Type) }}
}

// textArray takes arrays of what can be written as strings.
func textArray() param {
	return param{`"ARRAY<STRING>"`, func(a plan.Type) (plan.Type, bool) {
		t, ok := arrayParam().accept(a)
		return arrayOf(plan.String), ok && canCoerce(t.Element().Type, plan.String)
	}}
}

// resolveMember is a function of an array and a value, which meet in a common type.
func resolveMember(name string, meet func(a, b plan.Type) (plan.Type, bool), r result, refuseNull bool) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) != 2 {
			return Signature{}, arityError{"2", len(args)}
		}
		if refuseNull && (args[0].Kind == plan.KindNull || args[1].Kind == plan.KindNull) {
			return Signature{}, nullTypeError(name)
		}
		if !isArray(args[0]) {
			if args[0].Kind != plan.KindNull {
				return Signature{}, argumentError{0, `"ARRAY"`, args[0]}
			}
			return Signature{}, memberError(name, args)
		}
		t, ok := meet(args[0].Element().Type, args[1])
		switch {
		case !ok:
			return Signature{}, memberError(name, args)
		case !hasOrder(t):
			return Signature{}, argumentError{1, orderedLabel, t}
		}
		list := args[0]
		if !sameShape(list.Element().Type, t) {
			list = arrayOf(t)
		}
		cast := []plan.Type{list, t}
		return Signature{Args: cast, Returns: r(cast)}, nil
	}
}

func memberError(name string, args []plan.Type) error {
	return userError("DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES", "Cannot resolve \"%s\" due to data type mismatch: Input to `%s` "+
		"should have been \"ARRAY\" followed by a value with same element type, but it's [%s, %s].",
		name, name, sqlType(args[0]), sqlType(args[1]))
}

func sizeOf(c *context, args []value) (arrow.Array, error) {
	l, out := loadLists(args[0]), newOutput[int32](c)
	for i := range out.rows {
		from, to := l.span(i)
		out.rows[i] = int32(to - from)
	}
	return out.array(both(c.mem, c.n, args...)), nil
}

func arrayContains(c *context, args []value) (arrow.Array, error) {
	l := loadLists(args[0])
	compare, null := vector.NewComparer(l.Elements, args[1].arr), vector.ValidityOf(l.Elements)
	return fill(c, args, func(i int) (found, known bool, err error) {
		known = true
		at := rowOf(args[1], i)
		for from, to := l.span(i); from < to; from++ {
			if null.IsNull(from) {
				known = false
			} else if compare(from, at) == 0 {
				return true, true, nil
			}
		}
		return false, known, nil
	})
}

func arrayPosition(c *context, args []value) (arrow.Array, error) {
	l := loadLists(args[0])
	compare := vector.NewComparer(l.Elements, args[1].arr)
	return fill(c, args, func(i int) (int64, bool, error) {
		at := rowOf(args[1], i)
		from, to := l.span(i)
		for k := from; k < to; k++ {
			if compare(k, at) == 0 {
				return int64(k-from) + 1, true, nil
			}
		}
		return 0, true, nil
	})
}

// arrayExtreme is the greatest element (sign 1) or the least (-1).
func arrayExtreme(sign int) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		l := loadLists(args[0])
		compare, null := vector.NewComparer(l.Elements, l.Elements), vector.ValidityOf(l.Elements)
		idx := make([]int32, c.n)
		for i := range idx {
			best := -1
			for k, to := l.span(i); k < to; k++ {
				if !null.IsNull(k) && (best < 0 || compare(k, best)*sign > 0) {
					best = k
				}
			}
			idx[i] = int32(best)
		}
		return vector.Take(c.mem, l.Elements, idx), nil
	}
}

func compactArray(_ *context, args []value, p *picks) func(int) error {
	l := loadLists(args[0])
	null := vector.ValidityOf(l.Elements)
	return func(i int) error {
		for k, to := l.span(i); k < to; k++ {
			if !null.IsNull(k) {
				p.add(k)
			}
		}
		return nil
	}
}

func removeFromArray(_ *context, args []value, p *picks) func(int) error {
	l := loadLists(args[0])
	compare := vector.NewComparer(l.Elements, args[1].arr)
	return func(i int) error {
		at := rowOf(args[1], i)
		for k, to := l.span(i); k < to; k++ {
			if compare(k, at) != 0 {
				p.add(k)
			}
		}
		return nil
	}
}

func sliceArray(c *context, args []value, p *picks) func(int) error {
	l := loadLists(args[0])
	start, length := load[int32](c.scratch, args[1], 1), load[int32](c.scratch, args[2], 2)
	return func(i int) error {
		from, to := l.span(i)
		at, n := int64(start.at(i)), int64(length.at(i))
		switch {
		case at == 0:
			return userError("INVALID_PARAMETER_VALUE.START", "The value of parameter(s) `start` in `slice` is invalid: "+
				"Expects a positive or a negative value for `start`, but got 0.")
		case n < 0:
			return userError("INVALID_PARAMETER_VALUE.LENGTH", "The value of parameter(s) `length` in `slice` is invalid: "+
				"Expects `length` greater than or equal to 0, but got %d.", n)
		case at > 0:
			at--
		default:
			at += int64(to - from)
		}
		if at >= 0 && at < int64(to-from) {
			first := from + int(at)
			p.addRange(first, min(to, first+int(n)))
		}
		return nil
	}
}

func flatten(c *context, args []value) (arrow.Array, error) {
	outer := loadLists(args[0])
	inner, null := vector.ListsOf(outer.Elements), vector.ValidityOf(outer.Elements)
	p, valid := newPicks(c), both(c.mem, c.n, args...)
	for i := range c.n {
		start := p.start()
		for k, to := outer.span(i); k < to; k++ {
			if null.IsNull(k) {
				p.idx = p.idx[:start]
				if valid.has(i) {
					valid.clear(c.mem, i, c.n)
				}
				break
			}
			p.addRange(inner.Range(k))
		}
		p.end()
	}
	return p.list(c.t, valid, inner.Elements), nil
}

func resolveArrayRepeat(args []plan.Type) (Signature, error) {
	sig, err := takes(returns(plan.Null), anything(), of(plan.Int32))(args)
	if err == nil {
		sig.Returns = arrayOf(args[0])
	}
	return sig, err
}

// buildArrayRepeat repeats NULLs too; only the number must not be NULL.
func buildArrayRepeat(b *binding) (node, error) {
	return &eagerNode{args: b.args, t: b.t, mayFail: true, run: func(c *context, args []value) (arrow.Array, error) {
		counts, null, p := load[int32](c.scratch, args[1], 0), nullsOf(args[1]), newPicks(c)
		var valid validity
		for i := range c.n {
			if null(i) {
				valid.clear(c.mem, i, c.n)
			} else {
				if err := p.room(int64(counts.at(i))); err != nil {
					p.drop()
					valid.release()
					return nil, err
				}
				for range counts.at(i) {
					p.add(rowOf(args[0], i))
				}
			}
			p.end()
		}
		return p.list(c.t, valid, args[0].arr), nil
	}}, nil
}

func arrayJoin(c *context, args []value) (arrow.Array, error) {
	l := loadLists(args[0])
	elements, null := load[string](&scratch{}, value{arr: l.Elements}, 0), vector.ValidityOf(l.Elements)
	sep := load[string](c.scratch, args[1], 0)
	var instead vec[string]
	if len(args) == 3 {
		instead = load[string](c.scratch, args[2], 1)
	}
	return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) {
		first := true
		for k, to := l.span(i); k < to; k++ {
			item := elements.at(k)
			if null.IsNull(k) {
				if len(args) < 3 {
					continue
				}
				item = instead.at(i)
			}
			if !first {
				dst = append(dst, sep.at(i)...)
			}
			dst, first = append(dst, item...), false
		}
		return dst, true, nil
	})
}
