package compute

import (
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// jsonFunctions read values out of JSON text. Malformed text gives NULL.
func jsonFunctions() []Function {
	return []Function{
		{
			Name: "get_json_object", Usage: "get_json_object(json, path)",
			Summary: "What a path like $.a[0].b leads to: a string as it is, everything else as JSON; NULL if there is nothing.",
			Example: `get_json_object('{"a":{"b":[1,2]}}', '$.a.b[1]')`, ExampleResult: "2",
			resolve: nullable(takes(returns(plan.String), text(), text())), build: buildGetJSON,
		},
		{
			Name: "json_array_length", Usage: "json_array_length(json)", Summary: "The number of elements of a JSON array; NULL for anything else.",
			Example: "json_array_length('[1,2,[3]]')", ExampleResult: "3", resolve: nullable(takes(returns(plan.Int32), text())),
			build: total(jsonArrayLength),
		},
		{
			Name: "json_object_keys", Usage: "json_object_keys(json)", Summary: "The names of a JSON object's members; NULL for anything else.",
			Example: `json_object_keys('{"a":1,"b":{"c":2}}')`, ExampleResult: `["a","b"]`,
			resolve: nullable(takes(returns(arrayOf(plan.String)), text())), build: total(jsonObjectKeys),
		},
	}
}

func formatDouble(v float64) string { return vector.FormatFloat(v, 64) }

func jsonArrayLength(c *context, args []value) (arrow.Array, error) {
	str, doc := load[string](c.scratch, args[0], 0), &jsonDoc{}
	return fill(c, args, func(i int) (int32, bool, error) {
		if !doc.parse(str.at(i)) || doc.nodes[0].kind != jsonArray {
			return 0, false, nil
		}
		n := int32(0)
		for at := 1; at < len(doc.nodes); at = doc.nodes[at].next {
			n++
		}
		return n, true, nil
	})
}

func jsonObjectKeys(c *context, args []value) (arrow.Array, error) {
	str, doc := load[string](c.scratch, args[0], 0), &jsonDoc{}
	valid, offsets, keys := both(c.mem, c.n, args...), make([]int32, c.n+1), newStringList()
	for i := range c.n {
		if valid.has(i) {
			if doc.parse(str.at(i)) && doc.nodes[0].kind == jsonObject {
				for at := 1; at < len(doc.nodes); at = doc.nodes[at+1].next {
					keys.add(doc.string(at))
				}
			} else {
				valid.clear(c.mem, i, c.n)
			}
		}
		offsets[i+1] = int32(keys.len())
	}
	if err := keys.check(); err != nil {
		valid.release()
		return nil, err
	}
	return finishNested(c.t, c.n, valid, copyOffsets(c.mem, offsets), keys.array(c)), nil
}

// jsonStep is a step of a path: a name, an index, or [*].
type jsonStep struct {
	name  string
	index int // -1: [*]; of a name -2
	star  bool
}

// parseJSONPath reads $.name['name'][0][*]; false for anything else.
func parseJSONPath(s string) ([]jsonStep, bool) {
	s, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, false
	}
	var steps []jsonStep
	for s != "" {
		var step jsonStep
		if s[0] == '.' {
			end := strings.IndexAny(s[1:], ".[")
			if end < 0 {
				end = len(s) - 1
			}
			step, s = jsonStep{name: s[1 : 1+end], index: -2}, s[1+end:]
			if step.name == "" || step.name == "*" {
				return nil, false // Spark knows .* too, but finds nothing with it
			}
			steps = append(steps, step)
			continue
		}
		if step, s, ok = cutSubscript(s); !ok {
			return nil, false
		}
		steps = append(steps, step)
	}
	return steps, true
}

func cutSubscript(s string) (step jsonStep, rest string, ok bool) {
	if body, found := strings.CutPrefix(s, "['"); found {
		name, rest, found := strings.Cut(body, "']")
		return jsonStep{name: name, index: -2}, rest, found && name != "" && name != "*" && !strings.ContainsAny(name, "'")
	}
	if s[0] != '[' {
		return step, s, false
	}
	body, rest, found := strings.Cut(s[1:], "]")
	if body == "*" {
		return jsonStep{index: -1, star: true}, rest, found
	}
	n, err := strconv.ParseInt(body, 10, 32)
	return jsonStep{index: int(n)}, rest, found && err == nil && body[0] >= '0' && body[0] <= '9'
}

// jsonPathCache remembers the path it read last.
type jsonPathCache struct {
	ready bool
	path  string
	steps []jsonStep
	ok    bool
}

func (c *jsonPathCache) get(path string) ([]jsonStep, bool) {
	if !c.ready || path != c.path {
		c.path, c.ready = strings.Clone(path), true
		c.steps, c.ok = parseJSONPath(c.path)
	}
	return c.steps, c.ok
}

func buildGetJSON(b *binding) (node, error) {
	cache, doc := &jsonPathCache{}, &jsonDoc{}
	return total(textSome2(func(dst []byte, s, path string) ([]byte, bool, error) {
		steps, ok := cache.get(path)
		if !ok || !doc.parse(s) {
			return dst, false, nil
		}
		w := &jsonWriter{doc: doc, dst: dst}
		found := w.follow(0, steps, styleRaw)
		return w.dst, found, nil
	}))(b)
}

// The styles of what a path leads to: raw has strings without quotes, quoted is JSON, flat is JSON with arrays laid
// into the one around them.
const (
	styleRaw = iota
	styleQuoted
	styleFlat
)

// jsonWriter writes what a path leads to.
type jsonWriter struct {
	doc *jsonDoc
	dst []byte
	// comma says that the next value of the array being written needs a comma in front.
	comma bool
}

func (w *jsonWriter) separate() {
	if w.comma {
		w.dst = append(w.dst, ',')
	}
	w.comma = true
}

// follow writes what the steps lead to from a node, and reports whether that was anything.
func (w *jsonWriter) follow(n int, steps []jsonStep, style int) bool {
	node := w.doc.nodes[n]
	if len(steps) == 0 {
		return w.arrive(n, style)
	}
	step := steps[0]
	switch {
	case step.index == -2:
		return node.kind == jsonObject && w.member(n, steps, style)
	case node.kind != jsonArray:
		return false
	case step.star:
		return w.every(n, steps[1:], style)
	}
	at := n + 1
	for k := 0; at < node.next; k++ {
		if k == step.index {
			if len(steps) > 1 && steps[1].star {
				style = styleQuoted
			}
			return w.follow(at, steps[1:], style)
		}
		at = w.doc.nodes[at].next
	}
	return false
}

func (w *jsonWriter) arrive(n, style int) bool {
	node := w.doc.nodes[n]
	switch {
	case node.kind == jsonString && style == styleRaw:
		w.dst = append(w.dst, w.doc.string(n)...)
		return true
	case node.kind == jsonNull && style == styleRaw && n == 0:
		w.dst = append(w.dst, "null"...)
		return true
	case node.kind == jsonArray && style == styleFlat:
		any := false
		for at := n + 1; at < node.next; at = w.doc.nodes[at].next {
			any = w.arrive(at, style) || any
		}
		return any
	}
	w.separate()
	w.dst = w.doc.appendJSON(w.dst, n)
	return true
}

// member follows the first member of the name that leads anywhere. A null does not.
func (w *jsonWriter) member(n int, steps []jsonStep, style int) bool {
	for at := n + 1; at < w.doc.nodes[n].next; at = w.doc.nodes[at+1].next {
		if w.doc.string(at) == steps[0].name && w.doc.nodes[at+1].kind != jsonNull && w.follow(at+1, steps[1:], style) {
			return true
		}
	}
	return false
}

// every follows all elements of an array.
func (w *jsonWriter) every(n int, rest []jsonStep, style int) bool {
	double := len(rest) > 0 && rest[0].star
	next := styleQuoted
	if double || style == styleFlat {
		next = styleFlat
	}
	if double {
		rest = rest[1:]
	}
	start, outer := len(w.dst), w.comma
	w.separate()
	open := len(w.dst)
	w.dst, w.comma = append(w.dst, '['), false
	found := 0
	for at := n + 1; at < w.doc.nodes[n].next; at = w.doc.nodes[at].next {
		if w.follow(at, rest, next) {
			found++
		}
	}
	w.dst, w.comma = append(w.dst, ']'), true
	keep := double || style == styleQuoted
	switch {
	case keep:
	case found == 0: // nothing was found, nothing is written
		w.dst, w.comma = w.dst[:start], outer
	case found == 1: // what is alone stands without brackets
		body := w.dst[open+1 : len(w.dst)-1]
		w.dst = w.dst[:open+copy(w.dst[open:], body)]
	}
	return found > 0
}

func resolveJSONTuple(args []plan.Type) (Signature, error) {
	if len(args) < 2 {
		return Signature{}, arityError{"> 1", len(args)}
	}
	fields := make([]plan.Field, len(args)-1)
	for i, a := range args {
		if a.Kind != plan.KindString && a.Kind != plan.KindNull {
			return Signature{}, userError("DATATYPE_MISMATCH.NON_STRING_TYPE",
				"Cannot resolve \"json_tuple\" due to data type mismatch: all arguments of the function `json_tuple` must be strings.")
		}
		if i > 0 {
			fields[i-1] = columnField("c"+strconv.Itoa(i-1), plan.String)
		}
	}
	return Signature{Args: alike(plan.String, len(args)), Returns: plan.Struct(fields...)}, nil
}

// generateJSONTuple gives one row for each.
func generateJSONTuple(c *context, args []value, _ plan.Type) ([]int32, []arrow.Array, error) {
	str, null, doc := load[string](&scratch{}, args[0], 0), nullsOf(args[0]), &jsonDoc{}
	keys, lists := make([]vec[string], len(args)-1), make([]*stringList, len(args)-1)
	absent := make([]func(int) bool, len(keys))
	for k, a := range args[1:] {
		keys[k], lists[k], absent[k] = load[string](&scratch{}, a, 0), newStringList(), nullsOf(a)
	}
	for i := range c.n {
		ok := !null(i) && doc.parse(str.at(i)) && doc.nodes[0].kind == jsonObject
		for k, l := range lists {
			if !ok || absent[k](i) || !l.addMember(doc, keys[k].at(i)) {
				l.addNull()
			}
		}
	}
	cols := make([]arrow.Array, 0, len(lists))
	for _, l := range lists {
		if err := l.check(); err != nil {
			releaseArrays(cols)
			return nil, nil, err
		}
		cols = append(cols, l.array(c))
	}
	return repeatedRows(c.n, 1), cols, nil
}

// addMember adds the value of a name of the document's object: the last one's, if it comes twice.
func (s *stringList) addMember(doc *jsonDoc, name string) bool {
	found := -1
	for at := 1; at < len(doc.nodes); at = doc.nodes[at+1].next {
		if doc.string(at) == name {
			found = at + 1
		}
	}
	switch {
	case found < 0 || doc.nodes[found].kind == jsonNull:
		return false
	case doc.nodes[found].kind == jsonString:
		s.add(doc.string(found))
	default:
		s.add(view(doc.appendJSON(nil, found)))
	}
	return true
}
