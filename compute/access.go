package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// accessFunctions take parts out of structs, arrays and maps.
func accessFunctions() []Function {
	return []Function{
		{
			Name: "getfield", Usage: "a.name", Summary: "A field of a struct; of an array of structs, the array of the field.",
			Example: "named_struct('x', 1, 'y', 2).y", ExampleResult: "2",
			resolve: resolveGetField, resolveExprs: resolveGetFieldCall, build: buildGetField,
		},
		{
			Name: "getitem", Usage: "a[i]", Summary: "The element at a place, from 0, of an array: an error if there is none. " +
				"The value of a key in a map: NULL if there is none.",
			Example: "array(1, 2, 3)[0]", ExampleResult: "1", resolve: nullable(resolveGetItem), build: buildElement(fromZero), evaluated: true,
		},
		{
			Name: "get", Usage: "get(array, i)", Summary: "The element at a place, from 0; NULL if there is none.",
			Example: "get(array(1, 2, 3), 3)", ExampleResult: "NULL",
			resolve: nullable(takes(elementType, collection(isArray, `"ARRAY"`), integralParam("INT"))), build: buildElement(lenientZero),
		},
		{
			Name: "element_at", Usage: "element_at(a, i)", Summary: "The element at a place, from 1 or, if negative, from the end: " +
				"an error if there is none. The value of a key in a map: NULL if there is none.",
			Example: "element_at(array(1, 2, 3), -1)", ExampleResult: "3", resolve: nullable(resolveElementAt),
			build: buildElement(fromOne), evaluated: true,
		},
		{
			Name: "try_element_at", Usage: "try_element_at(a, i)", Summary: "As element_at, with NULL in place of a missing element.",
			Example: "try_element_at(array(1, 2, 3), 4)", ExampleResult: "NULL", resolve: nullable(resolveElementAt),
			build: buildElement(lenientOne),
		},
		{
			Name: "elt", Usage: "elt(n, a, …)", Summary: "The n-th of the strings, from 1: an error if there is none.",
			Example: "elt(1, 'scala', 'java')", ExampleResult: "scala", resolve: nullable(resolveElt), build: buildElt,
		},
		{
			Name: "map_contains_key", Usage: "map_contains_key(map, key)", Summary: "Whether the map has the key.",
			Example: "map_contains_key(map(1, 'a', 2, 'b'), 2)", ExampleResult: "true", resolve: resolveMapKey("map_contains_key", commonWithoutText, plan.Boolean),
			build: total(mapContainsKey),
		},
	}
}

// integralParam takes whole numbers of any width.
func integralParam(label string) param {
	return param{`"` + label + `"`, func(a plan.Type) (plan.Type, bool) {
		if a.Kind == plan.KindNull {
			return plan.Int32, true
		}
		return a, a.IsInteger()
	}}
}

// elementType is the element of the array that comes first.
func elementType(args []plan.Type) plan.Type { return args[0].Element().Type }

// resolveGetField cannot tell the field without the constant.
func resolveGetField(args []plan.Type) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	return Signature{}, defect("getfield takes a struct and a constant")
}

func resolveGetFieldCall(args []*plan.Expr) (Signature, error) {
	types := exprTypes(args)
	if len(args) != 2 || !args[1].IsLiteral() {
		return resolveGetField(types)
	}
	of, list := types[0], isArray(types[0])
	if list {
		of = of.Element().Type
	}
	at := args[1].Value.Int
	if of.Kind != plan.KindStruct || at < 0 || at >= int64(len(of.Children)) {
		return Signature{}, userError("INVALID_EXTRACT_FIELD_TYPE", "Field name should be a non-null string literal.")
	}
	f := of.Children[at]
	if list {
		return Signature{Args: types, Returns: arrayOf(f.Type)}, nil
	}
	return Signature{Args: types, Returns: f.Type, AlwaysNullable: f.Nullable}, nil
}

func buildGetField(b *binding) (node, error) {
	lit, ok := b.constant(1)
	if !ok {
		return nil, defect("getfield of a field that is not constant")
	}
	list := isArray(b.arg(0))
	run := func(c *context, args []value) (arrow.Array, error) {
		arr := wholeColumn(c, args[0])
		defer arr.Release()
		if !list {
			return masked(c.mem, vector.FieldsOf(arr)[lit.Int], arr), nil
		}
		offsets, elements := vector.ListsOf(arr).Flatten(c.mem)
		defer elements.Release()
		field := masked(c.mem, vector.FieldsOf(elements)[lit.Int], elements)
		return finishNested(c.t, c.n, both(c.mem, c.n, value{arr: arr}), copyOffsets(c.mem, offsets), field), nil
	}
	return total(run)(b)
}

// indexing is how an element's place is counted, and what a missing one is.
type indexing struct {
	base    int  // 0 or 1
	lenient bool // NULL instead of an error
}

var (
	fromZero    = indexing{0, false}
	lenientZero = indexing{0, true}
	fromOne     = indexing{1, false}
	lenientOne  = indexing{1, true}
)

func resolveGetItem(args []plan.Type) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	switch t := args[0]; t.Kind {
	case plan.KindArray:
		return takes(elementType, arrayParam(), integralParam("INTEGRAL"))(args)
	case plan.KindMap:
		// Spark casts the key to the map's, as an argument.
		key := t.MapKey().Type
		if !canCoerce(args[1], key) {
			return Signature{}, argumentError{1, sqlType(key), args[1]}
		}
		return Signature{Args: []plan.Type{t, key}, Returns: t.MapValue().Type}, nil
	}
	return Signature{}, userError("INVALID_EXTRACT_BASE_FIELD_TYPE",
		"Can't extract a value. Need a complex type [STRUCT, ARRAY, MAP] but got %s.", sqlType(args[0]))
}

func resolveElementAt(args []plan.Type) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	switch args[0].Kind {
	case plan.KindArray:
		index := args[1]
		if index.Kind == plan.KindInt64 || !index.IsInteger() && index.Kind != plan.KindNull {
			return Signature{}, argumentError{1, sqlType(plan.Int32), index}
		}
		return Signature{Args: []plan.Type{args[0], plan.Int32}, Returns: elementType(args)}, nil
	case plan.KindMap:
		sig, err := resolveMapKey("element_at", tightest, plan.Null)(args)
		if err != nil {
			return Signature{}, err
		}
		sig.Returns = sig.Args[0].MapValue().Type
		return sig, nil
	}
	return Signature{}, argumentError{0, `("ARRAY" or "MAP")`, args[0]}
}

// resolveMapKey is a function of a map and a key, which meet in a common type.
func resolveMapKey(name string, meet func(a, b plan.Type) (plan.Type, bool), returns plan.Type) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) != 2 {
			return Signature{}, arityError{"2", len(args)}
		}
		if args[1].Kind == plan.KindNull {
			return Signature{}, nullTypeError(name)
		}
		if isMap(args[0]) {
			if key, ok := meet(args[0].MapKey().Type, args[1]); ok {
				m := mapOf(key, args[0].MapValue().Type)
				if sameShape(key, args[0].MapKey().Type) {
					m = args[0]
				}
				return Signature{Args: []plan.Type{m, key}, Returns: returns}, nil
			}
		}
		return Signature{}, userError("DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES", "Cannot resolve \"%s\" due to data type mismatch: "+
			"Input to `%s` should have been \"MAP\" followed by a value with same key type, but it's [%s, %s].",
			name, name, sqlType(args[0]), sqlType(args[1]))
	}
}

func nullTypeError(name string) error {
	return userError("DATATYPE_MISMATCH.NULL_TYPE", "Cannot resolve \"%s\" due to data type mismatch: Null typed values cannot "+
		"be used as arguments of `%s`.", name, name)
}

// buildElement makes the node that looks up an array's element or a map's value.
func buildElement(ix indexing) builder {
	return func(b *binding) (node, error) {
		if isMap(b.arg(0)) {
			return total(mapValue)(b)
		}
		at := ix
		at.lenient = ix.lenient || b.legacy
		kind := b.arg(1).Kind
		mayFail := !at.lenient || at.base == 1
		return strict(mayFail, func(c *context, args []value) (arrow.Array, error) { return elementAt(c, args, kind, at) })(b)
	}
}

func elementAt(c *context, args []value, kind plan.Kind, ix indexing) (arrow.Array, error) {
	arr, place, valid := loadLists(args[0]), loadInts(c, args[1], kind), both(c.mem, c.n, args...)
	defer valid.release()
	idx := make([]int32, c.n)
	for i := range idx {
		idx[i] = -1
		if !valid.has(i) {
			continue
		}
		from, to := arr.span(i)
		at, err := ix.find(place(i), int64(to-from))
		if err != nil {
			return nil, err
		}
		if at >= 0 {
			idx[i] = int32(from) + int32(at)
		}
	}
	return vector.Take(c.mem, arr.Elements, idx), nil
}

// find is the place, from 0, of an element of so many; -1 for none.
func (ix indexing) find(at, size int64) (int64, error) {
	given := at
	if ix.base == 1 {
		switch {
		case at == 0:
			return 0, indexOfZero()
		case at < 0:
			at += size
		default:
			at--
		}
		if given < -size { // at wrapped or not, it is not there
			at = -1
		}
	}
	if at >= 0 && at < size {
		return at, nil
	}
	switch {
	case ix.lenient:
		return -1, nil
	case ix.base == 1:
		return 0, userError("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", "The index %d is out of bounds. The array has %d elements. Use "+
			"`try_element_at` to tolerate accessing element at invalid index and return NULL instead.", given, size)
	}
	return 0, invalidArrayIndex(given, size)
}

func invalidArrayIndex(at, size int64) error {
	return userError("INVALID_ARRAY_INDEX", "The index %d is out of bounds. The array has %d elements. Use the SQL function "+
		"`get()` to tolerate accessing element at invalid index and return NULL instead.", at, size)
}

func indexOfZero() error {
	return userError("INVALID_INDEX_OF_ZERO",
		"The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).")
}

// loadInts shows a column of whole numbers of any width as bigints.
func loadInts(c *context, v value, kind plan.Kind) func(i int) int64 {
	switch kind {
	case plan.KindInt8:
		a := load[int8](c.scratch, v, 0)
		return func(i int) int64 { return int64(a.at(i)) }
	case plan.KindInt16:
		a := load[int16](c.scratch, v, 0)
		return func(i int) int64 { return int64(a.at(i)) }
	case plan.KindInt32:
		a := load[int32](c.scratch, v, 0)
		return func(i int) int64 { return int64(a.at(i)) }
	}
	return load[int64](c.scratch, v, 0).at
}

// findKeys looks keys up: for each row the place of the entry, or -1.
func findKeys(c *context, args []value) ([]int32, vector.Maps) {
	m, entries := vector.MapsOf(args[0].arr), loadLists(args[0])
	valid := both(c.mem, c.n, args...)
	defer valid.release()
	compare := vector.NewComparer(m.Keys, args[1].arr)
	idx := make([]int32, c.n)
	for i := range idx {
		idx[i] = -1
		if !valid.has(i) {
			continue
		}
		key := rowOf(args[1], i)
		for from, to := entries.span(i); from < to; from++ {
			if compare(from, key) == 0 {
				idx[i] = int32(from)
				break
			}
		}
	}
	return idx, m
}

func mapValue(c *context, args []value) (arrow.Array, error) {
	idx, m := findKeys(c, args)
	return vector.Take(c.mem, m.Values, idx), nil
}

func mapContainsKey(c *context, args []value) (arrow.Array, error) {
	idx, _ := findKeys(c, args)
	out := newOutput[bool](c)
	for i, at := range idx {
		out.rows[i] = at >= 0
	}
	return out.array(both(c.mem, c.n, args...)), nil
}

func resolveElt(args []plan.Type) (Signature, error) {
	if len(args) < 2 {
		return Signature{}, arityError{"> 1", len(args)}
	}
	t := plan.Binary
	for i, a := range args[1:] {
		if !canCoerce(a, plan.String) {
			return Signature{}, argumentError{i + 1, sqlType(plan.String), a}
		}
		if a.Kind != plan.KindBinary {
			t = plan.String
		}
	}
	if !canCoerce(args[0], plan.Int32) {
		return Signature{}, argumentError{0, sqlType(plan.Int32), args[0]}
	}
	cast := alike(t, len(args))
	cast[0] = plan.Int32
	return Signature{Args: cast, Returns: t}, nil
}

// buildElt picks one of several strings; those not picked may be NULL.
func buildElt(b *binding) (node, error) {
	legacy := b.legacy
	return &eagerNode{args: b.args, t: b.t, mayFail: !legacy, run: func(c *context, args []value) (arrow.Array, error) {
		at, null := load[int32](c.scratch, args[0], 0), nullsOf(args[0])
		p := newParts(&frame{mem: c.mem, n: c.n})
		defer p.release()
		rows := make([][]int32, len(args))
		for i := range c.n {
			if null(i) {
				continue
			}
			n := at.at(i)
			if n < 1 || int(n) >= len(args) {
				if legacy {
					continue
				}
				return nil, invalidArrayIndex(int64(n), int64(len(args)-1))
			}
			rows[n] = append(rows[n], int32(i))
		}
		for k, v := range args[1:] {
			v.arr.Retain()
			p.place(v, rows[k+1], false)
		}
		v, err := p.join(c.t)
		return v.arr, err
	}}, nil
}
