package compute

import (
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// mapFunctions take maps apart and put them together.
func mapFunctions() []Function {
	return []Function{
		{
			Name: "map_keys", Usage: "map_keys(map)", Summary: "The keys as an array.", Example: "map_keys(map('a', 1, 'b', 2))",
			ExampleResult: `["a","b"]`, resolve: takes(func(a []plan.Type) plan.Type { return arrayOf(a[0].MapKey().Type) }, mapParam()),
			build: total(mapSide(0)),
		},
		{
			Name: "map_values", Usage: "map_values(map)", Summary: "The values as an array.", Example: "map_values(map('a', 1, 'b', 2))",
			ExampleResult: "[1,2]", resolve: takes(func(a []plan.Type) plan.Type { return arrayOf(a[0].MapValue().Type) }, mapParam()),
			build: total(mapSide(1)),
		},
		{
			Name: "map_entries", Usage: "map_entries(map)", Summary: "The entries as an array of structs.", Example: "map_entries(map('a', 1))",
			ExampleResult: `[{"key":"a","value":1}]`, resolve: takes(entriesType, mapParam()), build: total(mapEntries),
		},
		{
			Name: "map_concat", Usage: "map_concat(map, …)", Summary: "The entries of all maps. A key that comes twice is an error.",
			Example: "map_concat(map(1, 'a'), map(2, 'b'))", ExampleResult: `{1:"a",2:"b"}`, resolve: resolveMapConcat, build: buildMapConcat,
		},
		{
			Name: "str_to_map", Usage: "str_to_map(str[, entries[, pair]])",
			Summary: "A map of text like 'a:1,b:2', split by regular expressions between entries and between key and value.",
			Example: "str_to_map('a:1,b:2')", ExampleResult: `{"a":"1","b":"2"}`,
			resolve: takesOptional(returns(mapOf(plan.String, plan.String)), 2, text(), text(), text()), build: buildStrToMap,
		},
	}
}

// mapSide is the keys (0) or values (1) of maps as arrays.
func mapSide(side int) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		arr := wholeColumn(c, args[0])
		defer arr.Release()
		offsets, entries := vector.ListsOf(arr).Flatten(c.mem)
		defer entries.Release()
		items := vector.FieldsOf(entries)[side]
		items.Retain()
		return finishNested(c.t, c.n, both(c.mem, c.n, value{arr: arr}), copyOffsets(c.mem, offsets), items), nil
	}
}

func entriesType(args []plan.Type) plan.Type {
	m := args[0]
	return arrayOf(plan.Struct(plan.Field{Name: "key", Type: m.MapKey().Type}, columnField("value", m.MapValue().Type)))
}

func mapEntries(c *context, args []value) (arrow.Array, error) {
	arr := wholeColumn(c, args[0])
	defer arr.Release()
	offsets, entries := vector.ListsOf(arr).Flatten(c.mem)
	defer entries.Release()
	elements := vector.Relabel(entries, c.t.Element().Type.Arrow())
	return finishNested(c.t, c.n, both(c.mem, c.n, value{arr: arr}), copyOffsets(c.mem, offsets), elements), nil
}

func resolveMapConcat(args []plan.Type) (Signature, error) {
	if len(args) == 0 {
		return Signature{Returns: mapOf(plan.String, plan.String), NeverNull: true}, nil
	}
	common := plan.Null
	for i, a := range args {
		if !isMap(a) && a.Kind != plan.KindNull {
			return Signature{}, userError("DATATYPE_MISMATCH.MAP_CONCAT_DIFF_TYPES", "Cannot resolve \"map_concat\" due to data type "+
				"mismatch: The `map_concat` should all be of type map, but argument %d is %s.", i+1, sqlType(a))
		}
		t, ok := common, true
		if i == 0 || common.Kind == plan.KindNull {
			t = a
		} else if a.Kind != plan.KindNull {
			t, ok = commonInside(common, a)
		}
		if !ok {
			return Signature{}, diffTypes("map_concat", args)
		}
		common = t
	}
	if common.Kind == plan.KindNull {
		common = mapOf(plan.Null, plan.Null)
	}
	common = mapOf(common.MapKey().Type, common.MapValue().Type)
	return Signature{Args: alike(common, len(args)), Returns: common}, nil
}

func buildMapConcat(b *binding) (node, error) {
	if len(b.args) == 0 {
		return newConst(b.t, plan.Literal{}), nil
	}
	return partial(func(c *context, args []value) (arrow.Array, error) {
		cols, base := make([]vector.Maps, len(args)), make([]int, len(args)+1)
		keys, values := make([]arrow.Array, len(args)), make([]arrow.Array, len(args))
		for k, a := range args {
			cols[k] = vector.MapsOf(a.arr)
			keys[k], values[k] = cols[k].Keys, cols[k].Values
			base[k+1] = base[k] + keys[k].Len()
		}
		valid, offsets, idx := both(c.mem, c.n, args...), make([]int32, c.n+1), []int32(nil)
		for i := range c.n {
			if valid.has(i) {
				for k, m := range cols {
					for from, to := m.Range(rowOf(args[k], i)); from < to; from++ {
						idx = append(idx, int32(base[k]+from))
					}
				}
			}
			offsets[i+1] = int32(len(idx))
		}
		joinedKeys, err := takeConcat(c, keys, idx)
		if err != nil {
			valid.release()
			return nil, err
		}
		joinedValues, err := takeConcat(c, values, idx)
		if err != nil {
			joinedKeys.Release()
			valid.release()
			return nil, err
		}
		return finishMap(c, valid, offsets, joinedKeys, joinedValues)
	})(b)
}

// takeConcat is rows of several columns laid end to end, in plain layout.
func takeConcat(c *context, arrs []arrow.Array, idx []int32) (arrow.Array, error) {
	all, err := vector.Concat(c.mem, arrs)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	return plain(c.mem, vector.Take(c.mem, all, idx)), nil
}

// buildStrToMap splits at the first match between key and value; text without one is a key without a value.
func buildStrToMap(b *binding) (node, error) {
	cuts := [2]*regexpCache{{}, {}}
	return partial(func(c *context, args []value) (arrow.Array, error) {
		str := load[string](c.scratch, args[0], 0)
		delims := [2]vec[string]{{[]string{","}, 0}, {[]string{":"}, 0}}
		for k, a := range args[1:] {
			delims[k] = load[string](c.scratch, a, k+1)
		}
		valid, offsets := both(c.mem, c.n, args...), make([]int32, c.n+1)
		keys, values := newStringList(), newStringList()
		for i := range c.n {
			if valid.has(i) {
				if err := appendPairs(keys, values, str.at(i), cuts, delims[0].at(i), delims[1].at(i)); err != nil {
					valid.release()
					return nil, err
				}
			}
			offsets[i+1] = int32(keys.len())
		}
		return finishMap(c, valid, offsets, keys.array(c), values.array(c))
	})(b)
}

func appendPairs(keys, values *stringList, s string, cuts [2]*regexpCache, entryDelim, pairDelim string) error {
	entryRE, err := cuts[0].get("str_to_map", entryDelim)
	if err != nil {
		return err
	}
	pairRE, err := cuts[1].get("str_to_map", pairDelim)
	if err != nil {
		return err
	}
	var key, val string
	splitRegexp(s, entryRE, -1, func(entry string) {
		key, val = entry, ""
		at := pairRE.FindStringIndex(entry)
		if at == nil {
			keys.add(key)
			values.addNull()
			return
		}
		key, val = entry[:at[0]], entry[at[1]:]
		keys.add(key)
		values.add(val)
	})
	return keys.check()
}

// stringList is a column of strings under construction on the Go heap.
type stringList struct {
	data    []byte
	offsets []int32
	nulls   []int32
	full    bool
}

func newStringList() *stringList { return &stringList{offsets: []int32{0}} }

func (s *stringList) len() int { return len(s.offsets) - 1 }

func (s *stringList) add(v string) {
	if len(s.data)+len(v) > maxElements {
		s.full, v = true, ""
	}
	s.data = append(s.data, v...)
	s.offsets = append(s.offsets, int32(len(s.data)))
}

func (s *stringList) addNull() {
	s.nulls = append(s.nulls, int32(s.len()))
	s.add("")
}

// check fails when more was added than a column holds.
func (s *stringList) check() error {
	if s.full {
		return errTooMuchText()
	}
	return nil
}

func (s *stringList) array(c *context) arrow.Array {
	var valid validity
	for _, i := range s.nulls {
		valid.clear(c.mem, int(i), s.len())
	}
	buf, data := vector.Alloc[uint8](c.mem, len(s.data))
	copy(data, s.data)
	return finish(arrow.BinaryTypes.String, s.len(), valid, copyOffsets(c.mem, s.offsets), buf)
}

func itoa(n int) string { return strconv.Itoa(n) }
