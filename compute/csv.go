package compute

import (
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// csvFunctions read and write rows of CSV.
func csvFunctions() []Function {
	return []Function{
		{
			Name: "from_csv", Usage: "from_csv(csv, schema[, options])",
			Summary: "A struct of a schema ('a INT, b STRING') read from a row of CSV; what does not fit is NULL. Options: sep, mode, timestampFormat ….",
			Example: "from_csv('1,abc', 'a INT, b STRING')", ExampleResult: `{"a":1,"b":"abc"}`,
			resolve: schemaNotConstant, resolveExprs: resolveFromText("from_csv"), build: buildFromCSV,
		},
		{
			Name: "to_csv", Usage: "to_csv(struct[, options])", Summary: "A struct as a row of CSV. Options: sep, timestampFormat, dateFormat ….",
			Example: "to_csv(named_struct('a', 1, 'b', 'x,y'))", ExampleResult: `1,"x,y"`, resolve: resolveToCSV, build: buildToCSV,
		},
	}
}

// separator is the option sep, one character.
func separator(o textOptions) (byte, error) {
	sep, ok := o["sep"]
	if !ok {
		sep, ok = o["delimiter"]
	}
	switch {
	case !ok:
		return ',', nil
	case sep == `\t`:
		return '\t', nil
	case len(sep) != 1:
		return 0, userError("UNSUPPORTED_FEATURE", "CSV: the separator %q is not one character of ASCII.", sep)
	}
	return sep[0], nil
}

func csvOptions(more ...string) []string {
	return append(append([]string{"sep", "delimiter"}, timeOptions...), more...)
}

func buildFromCSV(b *binding) (node, error) {
	o, err := readOptions(b, 2, csvOptions("mode", "columnNameOfCorruptRecord")...)
	if err != nil {
		return nil, err
	}
	for _, f := range b.t.Children {
		if f.Type.IsNested() || f.Type.Kind == plan.KindInterval {
			return nil, userError("UNSUPPORTED_DATATYPE", "Unsupported data type %s.", sqlType(f.Type))
		}
	}
	sep, err := separator(o)
	if err != nil {
		return nil, err
	}
	return buildReader(b, o, func(codec *textCodec, corrupt int) textReader {
		return &csvReader{codec: codec, sep: sep, corrupt: corrupt}
	})
}

// csvReader reads rows of CSV: values in quotes may hold separators, and quotes behind a backslash.
type csvReader struct {
	codec   *textCodec
	sep     byte
	corrupt int
	fields  []string
}

func (r *csvReader) read(s string, t plan.Type) (plan.Literal, bool) {
	r.split(s)
	items, all := nulls(len(t.Children)), true
	at := 0
	for k, f := range t.Children {
		if k == r.corrupt {
			continue
		}
		if at >= len(r.fields) {
			all = false
			break
		}
		text := r.fields[at]
		at++
		if text == "" {
			continue
		}
		v, ok := r.value(text, f.Type)
		if !ok {
			v, all = nullLiteral, false
		}
		items[k] = v
	}
	all = all && at == len(r.fields)
	if r.corrupt >= 0 && !all {
		items[r.corrupt] = plan.Literal{Bytes: []byte(s)}
	}
	return plan.Literal{Items: items}, all
}

func (r *csvReader) split(s string) {
	r.fields = r.fields[:0]
	for {
		field, rest, more := r.cut(s)
		r.fields = append(r.fields, field)
		if !more {
			return
		}
		s = rest
	}
}

// cut takes the first field. A closing quote that no separator follows makes the whole field plain text.
func (r *csvReader) cut(s string) (field, rest string, more bool) {
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
				i++
				b.WriteByte(s[i])
			case s[i] == '"' && i+1 == len(s):
				return b.String(), "", false
			case s[i] == '"' && s[i+1] == r.sep:
				return b.String(), s[i+2:], true
			case s[i] == '"':
				return r.plain(s)
			default:
				b.WriteByte(s[i])
			}
		}
	}
	return r.plain(s)
}

func (r *csvReader) plain(s string) (field, rest string, more bool) {
	at := strings.IndexByte(s, r.sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}

func (r *csvReader) value(s string, t plan.Type) (plan.Literal, bool) {
	switch t.Kind {
	case plan.KindNull:
		return nullLiteral, true
	case plan.KindBoolean:
		return plan.Literal{Int: int64(bit(strings.EqualFold(s, "true")))}, strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
	case plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64:
		v, err := strconv.ParseInt(s, 10, 64)
		low, high := intRange(t.Kind)
		return plan.Literal{Int: v}, err == nil && v >= low && v <= high
	case plan.KindFloat32, plan.KindFloat64:
		switch s {
		case "Inf":
			s = "Infinity"
		case "-Inf":
			s = "-Infinity"
		}
		bits := 64
		if t.Kind == plan.KindFloat32 {
			bits = 32
		}
		if word := strings.TrimLeft(s, "+-"); word != "NaN" && word != "Infinity" && strings.ContainsAny(s, "nN") {
			return nullLiteral, false // Java knows these two by their exact spelling, unlike a cast
		}
		v, ok := parseFloat(s, bits)
		return plan.Literal{Bits: math.Float64bits(v)}, ok
	case plan.KindBinary:
		return plan.Literal{Bytes: []byte(s)}, true
	}
	return r.codec.parseText(s, t)
}

func resolveToCSV(args []plan.Type) (Signature, error) {
	if len(args) > 0 && args[0].Kind != plan.KindStruct && args[0].Kind != plan.KindNull {
		return Signature{}, userError("DATATYPE_MISMATCH.UNSUPPORTED_INPUT_TYPE",
			"Cannot resolve \"to_csv\" due to data type mismatch: The input of `to_csv` can't be %s type data.", sqlType(args[0]))
	}
	row := param{`"STRUCT"`, func(a plan.Type) (plan.Type, bool) { return a, true }}
	return checkOptions(takesOptional(returns(plan.String), 1, row, optionsParam()), 1)(args)
}

func buildToCSV(b *binding) (node, error) {
	for _, f := range b.arg(0).Children {
		if f.Type.IsNested() {
			return nil, userError("UNSUPPORTED_FEATURE", "to_csv: a field of type %s is not supported; use to_json.", sqlType(f.Type))
		}
	}
	o, err := readOptions(b, 1, csvOptions()...)
	if err != nil {
		return nil, err
	}
	codec, err := newTextCodec(b.session, o)
	if err != nil {
		return nil, err
	}
	sep, err := separator(o)
	if err != nil {
		return nil, err
	}
	t := b.arg(0)
	return partial(func(c *context, args []value) (arrow.Array, error) {
		fields, buf := vector.FieldsOf(args[0].arr), []byte(nil)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) {
			for k, f := range fields {
				if k > 0 {
					dst = append(dst, sep)
				}
				at := rowOf(args[0], i)
				if vector.ValidityOf(f).IsNull(at) {
					continue
				}
				var err error
				if buf, _, err = codec.appendText(buf[:0], f, at, t.Children[k].Type); err != nil {
					return dst, false, err
				}
				dst = appendCSV(dst, strings.Trim(view(buf), " \t"), sep)
			}
			return dst, true, nil
		})
	})(&binding{name: b.name, args: b.args[:1], t: b.t, session: b.session})
}

// appendCSV puts a value in quotes where it needs them: if it is empty, or holds the separator, a quote or a line end.
func appendCSV(dst []byte, s string, sep byte) []byte {
	if s != "" && strings.IndexByte(s, sep) < 0 && !strings.ContainsAny(s, "\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `\"`)...)
	return append(dst, '"')
}
