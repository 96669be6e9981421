package compute

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// constructFunctions make arrays, maps and structs of values.
func constructFunctions() []Function {
	return []Function{
		{
			Name: "array", Usage: "array(a, …)", Summary: "An array of the values, cast to their common type.",
			Example: "array(1, NULL, 3)", ExampleResult: "[1,null,3]", resolve: resolveArray, build: eager(makeArray),
		},
		{
			Name: "map", Usage: "map(key, value, …)", Summary: "A map. A key that is NULL or comes twice is an error.",
			Example: "map('a', 1, 'b', 2)", ExampleResult: `{"a":1,"b":2}`, resolve: resolveMap, build: eagerPartial(makeMap),
		},
		{
			Name: "struct", Usage: "struct(a, …)", Summary: "A struct of the values; fields without a name are col1, col2 ….",
			Example: "struct(1, 'a')", ExampleResult: `{"col1":1,"col2":"a"}`, resolve: resolveStruct, build: eager(makeStruct),
		},
		{
			Name: "named_struct", Usage: "named_struct(name, a, …)", Summary: "A struct of the values under the names before them.",
			Example: "named_struct('x', 1, 'y', 2)", ExampleResult: `{"x":1,"y":2}`,
			resolve: resolveNamedStruct, resolveExprs: resolveNamedStructCall, build: buildNamedStruct,
		},
		{
			Name: "map_from_arrays", Usage: "map_from_arrays(keys, values)", Summary: "A map of two arrays of one length.",
			Example: "map_from_arrays(array(1, 2), array('a', 'b'))", ExampleResult: `{1:"a",2:"b"}`,
			resolve: takes(mapFromArraysType, arrayParam(), arrayParam()), build: partial(mapFromArrays),
		},
		{
			Name: "map_from_entries", Usage: "map_from_entries(entries)",
			Summary: "A map of an array of structs of key and value; NULL if an entry is NULL.",
			Example: "map_from_entries(array(struct(1, 'a')))", ExampleResult: `{1:"a"}`,
			resolve: nullable(takes(mapFromEntriesType, entriesParam())), build: partial(mapFromEntries),
		},
	}
}

// eagerPartial is eager for a kernel that may fail.
func eagerPartial(k kernel) builder {
	return func(b *binding) (node, error) {
		return &eagerNode{args: b.args, t: b.t, run: k, mayFail: true}, nil
	}
}

func resolveArray(args []plan.Type) (Signature, error) {
	common, err := commonOf(args)
	if err != nil {
		return Signature{}, diffTypes("array", args)
	}
	return Signature{Args: alike(common, len(args)), Returns: arrayOf(common), NeverNull: true}, nil
}

// diffTypes is the error of arguments that should all be alike.
func diffTypes(name string, args []plan.Type) error {
	names := make([]string, len(args))
	for i, a := range args {
		names[i] = sqlType(a)
	}
	return userError("DATATYPE_MISMATCH.DATA_DIFF_TYPES", "Cannot resolve \"%s\" due to data type mismatch: Input to `%s` "+
		"should all be the same type, but it's (%s).", name, name, strings.Join(names, " or "))
}

func makeArray(c *context, args []value) (arrow.Array, error) {
	elements, err := interleave(c, args, 0, 1, len(args), c.t.Element().Type)
	if err != nil {
		return nil, err
	}
	buf, offsets := vector.Alloc[int32](c.mem, c.n+1)
	for i := range offsets {
		offsets[i] = int32(i * len(args))
	}
	return finishNested(c.t, c.n, validity{}, buf, plain(c.mem, elements)), nil
}

func resolveMap(args []plan.Type) (Signature, error) {
	if len(args)%2 != 0 {
		return Signature{}, arityError{"2n (n > 0)", len(args)}
	}
	var sides [2][]plan.Type
	for i, a := range args {
		sides[i%2] = append(sides[i%2], a)
	}
	key, err := commonOf(sides[0])
	if err != nil {
		return Signature{}, diffSides("CREATE_MAP_KEY_DIFF_TYPES", "keys", sides[0])
	}
	val, err := commonOf(sides[1])
	if err != nil {
		return Signature{}, diffSides("CREATE_MAP_VALUE_DIFF_TYPES", "values", sides[1])
	}
	if err := checkMapKey("map", key); err != nil {
		return Signature{}, err
	}
	cast := make([]plan.Type, len(args))
	for i := range cast {
		cast[i] = [2]plan.Type{key, val}[i%2]
	}
	return Signature{Args: cast, Returns: mapOf(key, val), NeverNull: true}, nil
}

func diffSides(class, side string, types []plan.Type) error {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = sqlType(t)
	}
	return userError("DATATYPE_MISMATCH."+class, "Cannot resolve \"map\" due to data type mismatch: The given %s of function "+
		"`map` should all be the same type, but they are [%s].", side, strings.Join(names, ", "))
}

// checkMapKey refuses keys that are or hold maps.
func checkMapKey(name string, key plan.Type) error {
	if t, ok := findMap(key); ok {
		return userError("DATATYPE_MISMATCH.INVALID_MAP_KEY_TYPE",
			"Cannot resolve \"%s\" due to data type mismatch: The key of map cannot be/contain %s.", name, sqlType(t))
	}
	return nil
}

func findMap(t plan.Type) (plan.Type, bool) {
	if isMap(t) {
		return t, true
	}
	for _, c := range t.Children {
		if m, ok := findMap(c.Type); ok {
			return m, true
		}
	}
	return plan.Type{}, false
}

func makeMap(c *context, args []value) (arrow.Array, error) {
	pairs := len(args) / 2
	keys, err := interleave(c, args, 0, 2, pairs, c.t.MapKey().Type)
	if err != nil {
		return nil, err
	}
	values, err := interleave(c, args, 1, 2, pairs, c.t.MapValue().Type)
	if err != nil {
		keys.Release()
		return nil, err
	}
	offsets := make([]int32, c.n+1)
	for i := range offsets {
		offsets[i] = int32(i * pairs)
	}
	return finishMap(c, validity{}, offsets, plain(c.mem, keys), plain(c.mem, values))
}

// finishMap builds a map column once its keys are found to be sound. It takes over the validity and the columns.
func finishMap(c *context, valid validity, offsets []int32, keys, values arrow.Array) (arrow.Array, error) {
	keys = positiveZeros(c.mem, keys)
	if err := checkKeys(offsets, keys); err != nil {
		valid.release()
		releaseArrays([]arrow.Array{keys, values})
		return nil, err
	}
	return finishNested(c.t, c.n, valid, copyOffsets(c.mem, offsets), keys, values), nil
}

// checkKeys refuses keys that are NULL or come twice in one map.
func checkKeys(offsets []int32, keys arrow.Array) error {
	if keys.NullN() > 0 || keys.Len() > 0 && keys.DataType().ID() == arrow.NULL {
		return userError("NULL_MAP_KEY", "Cannot use null as map key.")
	}
	d := newDistinct(keys)
	for i := range len(offsets) - 1 {
		if at := d.repeated(int(offsets[i]), int(offsets[i+1])); at >= 0 {
			return userError("DUPLICATED_MAP_KEY", "Duplicate map key %s was found, please check the input data.",
				vector.Format(keys, at))
		}
	}
	return nil
}

func resolveStruct(args []plan.Type) (Signature, error) {
	fields := make([]plan.Field, len(args))
	for i, a := range args {
		fields[i] = columnField(fmt.Sprint("col", i+1), a)
	}
	return Signature{Args: args, Returns: plan.Struct(fields...), NeverNull: true}, nil
}

func makeStruct(c *context, args []value) (arrow.Array, error) {
	fields := make([]arrow.Array, len(args))
	for i, a := range args {
		fields[i] = part(c, a)
	}
	return finishNested(c.t, c.n, validity{}, nil, fields...), nil
}

// resolveNamedStruct cannot tell the names without the constants.
func resolveNamedStruct(args []plan.Type) (Signature, error) {
	if len(args)%2 != 0 {
		return Signature{}, arityError{"2n (n > 0)", len(args)}
	}
	return Signature{}, namesNotConstant()
}

func namesNotConstant() error {
	return userError("DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING", "Cannot resolve \"named_struct\" due to "+
		"data type mismatch: Only foldable `STRING` expressions are allowed to appear at odd position.")
}

func resolveNamedStructCall(args []*plan.Expr) (Signature, error) {
	types := exprTypes(args)
	if len(args)%2 != 0 {
		return resolveNamedStruct(types)
	}
	fields := make([]plan.Field, 0, len(args)/2)
	for i := 0; i < len(args); i += 2 {
		name, ok := constantString(args[i])
		if !ok {
			return Signature{}, namesNotConstant()
		}
		fields = append(fields, columnField(name, types[i+1]))
	}
	return Signature{Args: types, Returns: plan.Struct(fields...), NeverNull: true}, nil
}

// constantString is the value of a constant string.
func constantString(e *plan.Expr) (string, bool) {
	return string(e.Value.Bytes), e.IsLiteral() && !e.Value.Null && e.Type.Kind == plan.KindString
}

func buildNamedStruct(b *binding) (node, error) {
	values := make([]node, 0, len(b.args)/2)
	for i := 1; i < len(b.args); i += 2 {
		values = append(values, b.args[i])
	}
	return &eagerNode{args: values, t: b.t, run: makeStruct}, nil
}

func mapFromArraysType(args []plan.Type) plan.Type {
	return mapOf(args[0].Element().Type, args[1].Element().Type)
}

func mapFromArrays(c *context, args []value) (arrow.Array, error) {
	keys, values, valid := loadLists(args[0]), loadLists(args[1]), both(c.mem, c.n, args...)
	offsets := make([]int32, c.n+1)
	var idx [2][]int32
	for i := range c.n {
		if valid.has(i) {
			from, to := keys.span(i)
			other, end := values.span(i)
			if to-from != end-other {
				valid.release()
				return nil, plan.Failf(plan.FailureUser, "The key array and value array of MapData must have the same length.")
			}
			for ; from < to; from, other = from+1, other+1 {
				idx[0], idx[1] = append(idx[0], int32(from)), append(idx[1], int32(other))
			}
		}
		offsets[i+1] = int32(len(idx[0]))
	}
	return finishMap(c, valid, offsets, plain(c.mem, vector.Take(c.mem, keys.Elements, idx[0])),
		plain(c.mem, vector.Take(c.mem, values.Elements, idx[1])))
}

// entriesParam takes arrays of pairs.
func entriesParam() param {
	return param{`"ARRAY" of pair "STRUCT"`, func(a plan.Type) (plan.Type, bool) {
		return a, isArray(a) && a.Element().Type.Kind == plan.KindStruct && len(a.Element().Type.Children) == 2
	}}
}

func mapFromEntriesType(args []plan.Type) plan.Type {
	pair := args[0].Element().Type.Children
	return mapOf(pair[0].Type, pair[1].Type)
}

func mapFromEntries(c *context, args []value) (arrow.Array, error) {
	entries, valid := loadLists(args[0]), both(c.mem, c.n, args...)
	null := vector.ValidityOf(entries.Elements)
	offsets, idx := make([]int32, c.n+1), []int32(nil)
	for i := range c.n {
		if valid.has(i) {
			from, to := entries.span(i)
			for at := from; at < to; at++ {
				if null.IsNull(at) {
					idx = idx[:offsets[i]]
					valid.clear(c.mem, i, c.n)
					break
				}
				idx = append(idx, int32(at))
			}
		}
		offsets[i+1] = int32(len(idx))
	}
	pair := vector.FieldsOf(entries.Elements)
	return finishMap(c, valid, offsets, plain(c.mem, vector.Take(c.mem, pair[0], idx)), plain(c.mem, vector.Take(c.mem, pair[1], idx)))
}
