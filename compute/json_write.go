package compute

import (
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func toJSONFunction() Function {
	return Function{
		Name: "to_json", Usage: "to_json(a[, options])",
		Summary: "A struct, array or map as JSON; fields that are NULL are left out. Options: timestampFormat, dateFormat, ignoreNullFields ….",
		Example: "to_json(named_struct('a', 1, 'b', array(2, NULL)))", ExampleResult: `{"a":1,"b":[2,null]}`,
		resolve: resolveToJSON, build: buildToJSON,
	}
}

func resolveToJSON(args []plan.Type) (Signature, error) {
	nested := param{"nested", func(a plan.Type) (plan.Type, bool) { return a, a.IsNested() || a.Kind == plan.KindNull }}
	if len(args) > 0 && !args[0].IsNested() && args[0].Kind != plan.KindNull {
		return Signature{}, userError("DATATYPE_MISMATCH.INVALID_JSON_SCHEMA", "Cannot resolve \"to_json\" due to data type mismatch: "+
			"Input schema %s must be a struct, an array, a map or a variant.", sqlType(args[0]))
	}
	return checkOptions(takesOptional(returns(plan.String), 1, nested, optionsParam()), 1)(args)
}

func buildToJSON(b *binding) (node, error) {
	o, err := readOptions(b, 1, append([]string{"ignoreNullFields", "sortKeys", "pretty"}, timeOptions...)...)
	if err != nil {
		return nil, err
	}
	codec, err := newTextCodec(b.session, o)
	if err != nil {
		return nil, err
	}
	w := &jsonFormat{codec: codec, keepNulls: !o.is("ignorenullfields", true), sorted: o.is("sortkeys", false)}
	pretty := o.is("pretty", false)
	t := b.arg(0)
	return partial(func(c *context, args []value) (arrow.Array, error) {
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) {
			start := len(dst)
			dst, err := w.append(dst, args[0].arr, rowOf(args[0], i), t)
			if err == nil && pretty {
				dst = prettyJSON(dst[:start], string(dst[start:]))
			}
			return dst, true, err
		})
	})(&binding{name: b.name, args: b.args[:1], t: b.t, session: b.session})
}

// jsonFormat writes values as JSON.
type jsonFormat struct {
	codec     *textCodec
	keepNulls bool
	sorted    bool // fields in the order of their names
	buf       []byte
}

func (w *jsonFormat) append(dst []byte, arr arrow.Array, i int, t plan.Type) ([]byte, error) {
	if vector.ValidityOf(arr).IsNull(i) {
		return append(dst, "null"...), nil
	}
	switch t.Kind {
	case plan.KindStruct:
		return w.object(dst, arr, i, t)
	case plan.KindArray:
		return w.array(dst, arr, i, t)
	case plan.KindMap:
		return w.entries(dst, arr, i, t)
	}
	start := len(dst)
	dst, quoted, err := w.codec.appendText(dst, arr, i, t)
	if err != nil || !quoted {
		return dst, err
	}
	w.buf = append(w.buf[:0], dst[start:]...)
	return appendJSONString(dst[:start], view(w.buf)), nil
}

func (w *jsonFormat) object(dst []byte, arr arrow.Array, i int, t plan.Type) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	fields := vector.FieldsOf(arr)
	for _, k := range w.order(t) {
		f := fields[k]
		if !w.keepNulls && vector.ValidityOf(f).IsNull(i) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendJSONString(dst, t.Children[k].Name), ':')
		var err error
		if dst, err = w.append(dst, f, i, t.Children[k].Type); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// order is the order in which a struct's fields are written.
func (w *jsonFormat) order(t plan.Type) []int {
	out := make([]int, len(t.Children))
	for i := range out {
		out[i] = i
	}
	if w.sorted {
		slices.SortStableFunc(out, func(a, b int) int { return strings.Compare(t.Children[a].Name, t.Children[b].Name) })
	}
	return out
}

// prettyJSON lays a document out on lines of its own, two blanks for each level.
func prettyJSON(dst []byte, text string) []byte {
	depth, quoted := 0, false
	var open []byte
	line := func() {
		dst = append(dst, '\n')
		for range depth {
			dst = append(dst, "  "...)
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted:
			if dst = append(dst, c); c == '\\' {
				i++
				dst = append(dst, text[i])
			}
			quoted = c != '"'
		case c == '"':
			dst, quoted = append(dst, c), true
		case (c == '{' || c == '[') && (text[i+1] == '}' || text[i+1] == ']'):
			dst = append(dst, c, ' ', text[i+1])
			i++
		case c == '{':
			open = append(open, c)
			depth++
			dst = append(dst, c)
			line()
		case c == '}':
			open = open[:len(open)-1]
			depth--
			line()
			dst = append(dst, c)
		case c == '[':
			dst, open = append(dst, "[ "...), append(open, c)
		case c == ']':
			dst, open = append(dst, " ]"...), open[:len(open)-1]
		case c == ',':
			if dst = append(dst, c); open[len(open)-1] == '[' {
				dst = append(dst, ' ')
				continue
			}
			line()
		case c == ':':
			dst = append(dst, " : "...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func (w *jsonFormat) array(dst []byte, arr arrow.Array, i int, t plan.Type) ([]byte, error) {
	l := vector.ListsOf(arr)
	dst = append(dst, '[')
	from, to := l.Range(i)
	for k := from; k < to; k++ {
		if k > from {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = w.append(dst, l.Elements, k, t.Element().Type); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// entries writes the keys as casts to string do, but those of dates and timestamps as the numbers that they are.
func (w *jsonFormat) entries(dst []byte, arr arrow.Array, i int, t plan.Type) ([]byte, error) {
	m := vector.MapsOf(arr)
	dst = append(dst, '{')
	from, to := m.Range(i)
	for k := from; k < to; k++ {
		if k > from {
			dst = append(dst, ',')
		}
		key := vector.Format(m.Keys, k)
		switch t.MapKey().Type.Kind {
		case plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ:
			key = strconv.FormatInt(vector.LiteralAt(m.Keys, k).Int, 10)
		}
		dst = append(appendJSONString(dst, key), ':')
		var err error
		if dst, err = w.append(dst, m.Values, k, t.MapValue().Type); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
