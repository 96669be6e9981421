package compute

import (
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func fromJSONFunction() Function {
	return Function{
		Name: "from_json", Usage: "from_json(json, schema[, options])",
		Summary: "A value of a schema ('a INT, b ARRAY<STRING>') read from JSON; what does not fit is NULL. Options: mode, timestampFormat, dateFormat ….",
		Example: `from_json('{"a":1,"b":["x"]}', 'a INT, b ARRAY<STRING>')`, ExampleResult: `{"a":1,"b":["x"]}`,
		resolve: schemaNotConstant, resolveExprs: resolveFromText("from_json"), build: buildFromJSON,
	}
}

// schemaNotConstant cannot tell the type without the constant.
func schemaNotConstant([]plan.Type) (Signature, error) { return Signature{}, schemaError("") }

func schemaError(text string) error {
	return userError("INVALID_SCHEMA.NON_STRING_LITERAL", "The input schema %q is not a valid schema string. The input expression "+
		"must be string literal and not null.", text)
}

// resolveFromText types a function of text, a schema and options.
func resolveFromText(name string) func(args []*plan.Expr) (Signature, error) {
	return func(args []*plan.Expr) (Signature, error) {
		if len(args) < 2 || len(args) > 3 {
			return Signature{}, arityError{"[2, 3]", len(args)}
		}
		text, ok := constantString(args[1])
		if !ok {
			return Signature{}, schemaError(plan.FormatLiteral(args[1].Type, args[1].Value))
		}
		t, err := ParseSchema(text)
		if err != nil {
			return Signature{}, err
		}
		if name == "from_json" && !t.IsNested() {
			return Signature{}, userError("DATATYPE_MISMATCH.INVALID_JSON_SCHEMA", "Cannot resolve \"from_json\" due to data type "+
				"mismatch: Input schema %s must be a struct, an array, a map or a variant.", sqlType(t))
		}
		if name == "from_csv" && t.Kind != plan.KindStruct {
			return Signature{}, userError("INVALID_SCHEMA.NON_STRUCT_TYPE", "The input schema %q is not a valid schema string. "+
				"The input expression should be evaluated to struct type, but got %s.", text, sqlType(t))
		}
		if name == "from_json" && t.Kind == plan.KindMap && t.MapKey().Type.Kind != plan.KindString {
			return Signature{}, userError("DATATYPE_MISMATCH.INVALID_JSON_MAP_KEY_TYPE", "Cannot resolve \"from_json\" due to data type "+
				"mismatch: Input schema %s can only contain \"STRING\" as a key type for a \"MAP\".", sqlType(t))
		}
		params := []param{uncast(plan.String), of(plan.String), optionsParam()}
		sig, err := checkOptions(takesOptional(returns(t), 1, params...), 2)(exprTypes(args))
		sig.AlwaysNullable = true
		return sig, err
	}
}

func buildFromJSON(b *binding) (node, error) {
	o, err := readOptions(b, 2, jsonOptions("mode", "columnNameOfCorruptRecord", "primitivesAsString")...)
	if err != nil {
		return nil, err
	}
	return buildReader(b, o, func(codec *textCodec, corrupt int) textReader { return &jsonReader{codec: codec, corrupt: corrupt} })
}

// textReader reads a value of a type from a text, and says whether all of it could be read.
type textReader interface {
	read(s string, t plan.Type) (plan.Literal, bool)
}

// buildReader is the node of a function that reads texts, with what from_json and from_csv have in common.
func buildReader(b *binding, o textOptions, reader func(codec *textCodec, corrupt int) textReader) (node, error) {
	codec, err := newTextCodec(b.session, o)
	if err != nil {
		return nil, err
	}
	mode, err := readMode(b.name, o)
	if err != nil {
		return nil, err
	}
	r := reader(codec, corruptField(b.t, o))
	return strict(mode == modeFail, func(c *context, args []value) (arrow.Array, error) {
		str := load[string](c.scratch, args[0], 0)
		return readRows(c, args, func(i int) (plan.Literal, bool) { return r.read(str.at(i), c.t) }, mode)
	})(&binding{name: b.name, args: b.args[:1], t: b.t, session: b.session})
}

func jsonOptions(more ...string) []string { return append(more, timeOptions...) }

// The modes of reading: keep what can be read, or fail.
const (
	modePermissive = iota
	modeFail
)

func readMode(name string, o textOptions) (int, error) {
	switch mode := strings.ToUpper(o["mode"]); mode {
	case "", "PERMISSIVE":
		return modePermissive, nil
	case "FAILFAST":
		return modeFail, nil
	default:
		return 0, userError("PARSE_MODE_UNSUPPORTED",
			"The function `%s` doesn't support the %s mode. Acceptable modes are PERMISSIVE and FAILFAST.", name, mode)
	}
}

// corruptField is the place of the field that takes text which cannot be read, or -1.
func corruptField(t plan.Type, o textOptions) int {
	name, ok := o["columnnameofcorruptrecord"]
	if !ok {
		name = "_corrupt_record"
	}
	for i, f := range t.Children {
		if t.Kind == plan.KindStruct && f.Name == name && f.Type.Kind == plan.KindString {
			return i
		}
	}
	return -1
}

// readRows builds a column of constants; a row that is malformed is an error in the mode that fails.
func readRows(c *context, args []value, read func(i int) (plan.Literal, bool), mode int) (arrow.Array, error) {
	valid := both(c.mem, c.n, args...)
	defer valid.release()
	out := vector.NewBuilder(c.mem, c.t)
	defer out.Release()
	for i := range c.n {
		if !valid.has(i) {
			out.AppendNull()
			continue
		}
		v, ok := read(i)
		if !ok && mode == modeFail {
			return nil, userError("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "Malformed records are detected in record parsing. "+
				"Parse Mode: FAILFAST. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'.")
		}
		out.AppendLiteral(v)
	}
	return out.Finish()
}

// jsonReader reads JSON as values of a type.
type jsonReader struct {
	codec   *textCodec
	doc     jsonDoc
	corrupt int
	exact   bool // strings get values of other types as they are written
}

var nullLiteral = plan.Literal{Null: true}

// read gives the value of a text, and whether all of it could be read.
func (r *jsonReader) read(s string, t plan.Type) (plan.Literal, bool) {
	if strings.Trim(s, " \t\r\n") == "" {
		return nullLiteral, true
	}
	v, ok := nullLiteral, false
	if r.doc.parse(s) {
		v, ok = r.root(t)
	}
	if t.Kind != plan.KindStruct {
		if !ok {
			v = nullLiteral
		}
		return v, ok
	}
	if v.Null {
		v = plan.Literal{Items: nulls(len(t.Children))}
	}
	if r.corrupt >= 0 && !ok {
		v.Items[r.corrupt] = plan.Literal{Bytes: []byte(s)}
	}
	return v, ok
}

func nulls(n int) []plan.Literal {
	items := make([]plan.Literal, n)
	for i := range items {
		items[i].Null = true
	}
	return items
}

// root reads the whole document: an object counts as an array of one struct.
func (r *jsonReader) root(t plan.Type) (plan.Literal, bool) {
	if isArray(t) && t.Element().Type.Kind == plan.KindStruct && r.doc.nodes[0].kind == jsonObject {
		v, ok := r.value(0, t.Element().Type)
		return plan.Literal{Items: []plan.Literal{v}}, ok
	}
	return r.value(0, t)
}

// value reads a node. A struct of which a part could not be read is that struct with a NULL there, and not ok.
func (r *jsonReader) value(n int, t plan.Type) (plan.Literal, bool) {
	node := r.doc.nodes[n]
	if node.kind == jsonNull {
		return nullLiteral, true
	}
	switch t.Kind {
	case plan.KindNull:
		return nullLiteral, true
	case plan.KindStruct:
		return r.object(n, t)
	case plan.KindArray:
		return r.array(n, t)
	case plan.KindMap:
		return r.entries(n, t)
	case plan.KindString:
		switch {
		case node.kind == jsonString:
		case r.exact:
			return plan.Literal{Bytes: []byte(r.doc.raw(n))}, true
		default:
			return plan.Literal{Bytes: r.doc.appendJSON(nil, n)}, true
		}
	case plan.KindBoolean:
		return plan.Literal{Int: int64(bit(node.kind == jsonTrue))}, node.kind == jsonTrue || node.kind == jsonFalse
	case plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64:
		return r.integer(n, t)
	case plan.KindFloat32, plan.KindFloat64:
		return r.float(n, t)
	case plan.KindDecimal:
		if node.kind == jsonInteger || node.kind == jsonFloat {
			return r.codec.parseText(r.doc.raw(n), t)
		}
	case plan.KindTimestamp:
		if node.kind == jsonInteger {
			v, err := strconv.ParseInt(r.doc.raw(n), 10, 64)
			return plan.Literal{Int: v * microsPerSecond}, err == nil && v < math.MaxInt64/microsPerSecond && v > math.MinInt64/microsPerSecond
		}
	}
	if node.kind != jsonString {
		return nullLiteral, false
	}
	return r.codec.parseText(r.doc.string(n), t)
}

func (r *jsonReader) integer(n int, t plan.Type) (plan.Literal, bool) {
	if r.doc.nodes[n].kind != jsonInteger {
		return nullLiteral, false
	}
	v, err := strconv.ParseInt(r.doc.raw(n), 10, 64)
	if err != nil {
		return nullLiteral, false
	}
	low, high := intRange(t.Kind)
	if t.Kind == plan.KindInt8 {
		high = math.MaxUint8 // Jackson takes an unsigned byte for a byte
	}
	if v < low || v > high {
		return nullLiteral, false
	}
	if t.Kind == plan.KindInt8 {
		v = int64(int8(v))
	}
	return plan.Literal{Int: v}, true
}

func (r *jsonReader) float(n int, t plan.Type) (plan.Literal, bool) {
	bits := 64
	if t.Kind == plan.KindFloat32 {
		bits = 32
	}
	text := r.doc.raw(n)
	switch r.doc.nodes[n].kind {
	case jsonInteger, jsonFloat:
	case jsonNaN:
		return plan.Literal{Bits: math.Float64bits(nonNumber(text))}, true
	case jsonString:
		switch text {
		case "NaN", "Infinity", "-Infinity", "+Infinity", "INF", "-INF", "+INF":
		default:
			return nullLiteral, false
		}
	default:
		return nullLiteral, false
	}
	v, err := strconv.ParseFloat(text, bits)
	if err != nil && !math.IsInf(v, 0) {
		return nullLiteral, false
	}
	return plan.Literal{Bits: math.Float64bits(v)}, true
}

// object reads fields by their names; of a name that comes twice the last one counts.
func (r *jsonReader) object(n int, t plan.Type) (plan.Literal, bool) {
	node := r.doc.nodes[n]
	if node.kind != jsonObject {
		return nullLiteral, false
	}
	items, all := nulls(len(t.Children)), true
	for at := n + 1; at < node.next; at = r.doc.nodes[at+1].next {
		name := r.doc.string(at)
		for k, f := range t.Children {
			if f.Name != name {
				continue
			}
			v, ok := r.value(at+1, f.Type)
			if !ok && f.Type.Kind != plan.KindStruct {
				v = nullLiteral
			}
			items[k], all = v, all && ok
			break
		}
	}
	return plan.Literal{Items: items}, all
}

func (r *jsonReader) array(n int, t plan.Type) (plan.Literal, bool) {
	node := r.doc.nodes[n]
	if node.kind != jsonArray {
		return nullLiteral, false
	}
	items, all := []plan.Literal{}, true
	for at := n + 1; at < node.next; at = r.doc.nodes[at].next {
		v, ok := r.value(at, t.Element().Type)
		items, all = append(items, v), all && ok
	}
	return plan.Literal{Items: items}, all
}

func (r *jsonReader) entries(n int, t plan.Type) (plan.Literal, bool) {
	node := r.doc.nodes[n]
	if node.kind != jsonObject || t.MapKey().Type.Kind != plan.KindString {
		return nullLiteral, false
	}
	items, all := []plan.Literal{}, true
	for at := n + 1; at < node.next; at = r.doc.nodes[at+1].next {
		key := plan.Literal{Bytes: []byte(strings.Clone(r.doc.string(at)))}
		v, ok := r.value(at+1, t.MapValue().Type)
		items, all = append(items, key, v), all && ok
	}
	return plan.Literal{Items: items}, all
}
