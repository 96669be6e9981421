package compute

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// schemaFunctions tell the schema of a sample of JSON or CSV, for from_json and from_csv to be given.
func schemaFunctions() []Function {
	return []Function{
		{
			Name: "schema_of_json", Usage: "schema_of_json(json[, options])",
			Summary: "The schema of a constant sample of JSON. Options: primitivesAsString, prefersDecimal.",
			Example: `schema_of_json('[{"col":0}]')`, ExampleResult: "ARRAY<STRUCT<col: BIGINT>>",
			resolve: schemaSignature, resolveExprs: resolveSchemaOf("schema_of_json"), build: buildSchemaOfJSON,
		},
		{
			Name: "schema_of_csv", Usage: "schema_of_csv(csv[, options])", Summary: "The schema of a constant sample row of CSV. Options: sep, timestampFormat ….",
			Example: "schema_of_csv('1,abc')", ExampleResult: "STRUCT<_c0: INT, _c1: STRING>",
			resolve: schemaSignature, resolveExprs: resolveSchemaOf("schema_of_csv"), build: buildSchemaOfCSV,
		},
	}
}

func schemaSignature(args []plan.Type) (Signature, error) {
	return neverNull(takesOptional(returns(plan.String), 1, of(plan.String), optionsParam()))(args)
}

// resolveSchemaOf asks for a sample that is a constant.
func resolveSchemaOf(name string) func(args []*plan.Expr) (Signature, error) {
	return func(args []*plan.Expr) (Signature, error) {
		mismatch := func(class, detail string) error {
			return userError("DATATYPE_MISMATCH."+class, "Cannot resolve \"%s\" due to data type mismatch: %s.", name, detail)
		}
		switch {
		case len(args) == 0:
		case args[0].Type.Kind == plan.KindNull || args[0].IsLiteral() && args[0].Value.Null:
			return Signature{}, mismatch("UNEXPECTED_NULL", "the sample must not be null")
		case args[0].Type.Kind != plan.KindString:
			return Signature{}, argumentError{0, sqlType(plan.String), args[0].Type}
		case !args[0].IsLiteral():
			return Signature{}, mismatch("NON_FOLDABLE_INPUT", "the sample should be a foldable \"STRING\" expression")
		}
		return schemaSignature(exprTypes(args))
	}
}

func buildSchemaOfJSON(b *binding) (node, error) {
	o, err := readOptions(b, 1, jsonOptions("primitivesAsString", "prefersDecimal")...)
	if err != nil {
		return nil, err
	}
	infer := &inference{text: o.is("primitivesasstring", false), decimals: o.is("prefersdecimal", false)}
	return partial(textSome1(func(dst []byte, s string) ([]byte, bool, error) {
		if !infer.doc.parse(s) {
			return dst, false, malformedRecord()
		}
		t, _ := infer.typeOf(0)
		return append(dst, schemaText(t)...), true, nil
	}))(&binding{name: b.name, args: b.args[:1], t: b.t, session: b.session})
}

func malformedRecord() error {
	return userError("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "Malformed records are detected in record parsing.")
}

// inference finds the type that a document's values have in common.
type inference struct {
	doc            jsonDoc
	text, decimals bool
}

// typeOf is the type of the value at a node, and the node behind it. The type of null is void.
func (f *inference) typeOf(n int) (plan.Type, int) {
	v := f.doc.nodes[n]
	switch v.kind {
	case jsonNull:
		return plan.Null, v.next
	case jsonArray:
		t := plan.Null
		for k := n + 1; k < v.next; {
			var e plan.Type
			e, k = f.typeOf(k)
			t = f.meet(t, e)
		}
		return plan.Array(t, true), v.next
	case jsonObject:
		var fields []plan.Field
		for k := n + 1; k < v.next; {
			name := f.doc.string(k)
			var t plan.Type
			t, k = f.typeOf(k + 1)
			fields = append(fields, plan.Field{Name: name, Type: t, Nullable: true})
		}
		slices.SortStableFunc(fields, func(a, b plan.Field) int { return strings.Compare(a.Name, b.Name) })
		return plan.Struct(fields...), v.next
	}
	return f.scalar(v.kind, f.doc.raw(n)), v.next
}

func (f *inference) scalar(kind byte, text string) plan.Type {
	switch {
	case kind == jsonString || f.text:
		return plan.String
	case kind == jsonTrue || kind == jsonFalse:
		return plan.Boolean
	case kind == jsonInteger:
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return plan.Int64
		}
		if v, ok := new(big.Int).SetString(text, 10); ok {
			if digits := len(v.Abs(v).String()); digits <= plan.MaxPrecision {
				return plan.Decimal(int32(digits), 0)
			}
		}
	case f.decimals:
		if digits, scale, ok := scanDecimal(text); ok && scale >= 0 {
			if n := max(len(strings.TrimLeft(digits, "-0")), scale); n <= plan.MaxPrecision {
				return plan.Decimal(int32(n), int32(scale))
			}
		}
	}
	return plan.Float64
}

// meet is the type that two values of an array share; what has nothing in common is read as text.
func (f *inference) meet(a, b plan.Type) plan.Type {
	switch {
	case a.Kind == plan.KindNull:
		return b
	case b.Kind == plan.KindNull || a.Equal(b):
		return a
	case a.IsNumeric() && b.IsNumeric():
		return commonNumber(a, b)
	case a.Kind == plan.KindArray && b.Kind == plan.KindArray:
		return plan.Array(f.meet(a.Element().Type, b.Element().Type), true)
	case a.Kind == plan.KindStruct && b.Kind == plan.KindStruct:
		return f.meetFields(a, b)
	}
	return plan.String
}

func (f *inference) meetFields(a, b plan.Type) plan.Type {
	fields := slices.Clone(a.Children)
	for _, c := range b.Children {
		at := slices.IndexFunc(fields, func(x plan.Field) bool { return x.Name == c.Name })
		if at < 0 {
			fields = append(fields, c)
			continue
		}
		fields[at].Type = f.meet(fields[at].Type, c.Type)
	}
	slices.SortStableFunc(fields, func(a, b plan.Field) int { return strings.Compare(a.Name, b.Name) })
	return plan.Struct(fields...)
}

// schemaText is a type as a schema is written: STRUCT<a: BIGINT>.
func schemaText(t plan.Type) string {
	switch t.Kind {
	case plan.KindNull:
		return "STRING"
	case plan.KindArray:
		return "ARRAY<" + schemaText(t.Element().Type) + ">"
	case plan.KindStruct:
		parts := make([]string, len(t.Children))
		for i, c := range t.Children {
			parts[i] = schemaName(c.Name) + ": " + schemaText(c.Type)
		}
		return "STRUCT<" + strings.Join(parts, ", ") + ">"
	}
	return strings.ToUpper(t.String())
}

// schemaName puts names that are no plain words in quotes.
func schemaName(name string) string {
	plain := name != "" && (name[0] < '0' || name[0] > '9')
	for i := range len(name) {
		c := name[i]
		plain = plain && (c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z')
	}
	if plain {
		return name
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

func buildSchemaOfCSV(b *binding) (node, error) {
	o, err := readOptions(b, 1, csvOptions()...)
	if err != nil {
		return nil, err
	}
	codec, err := newTextCodec(b.session, o)
	if err != nil {
		return nil, err
	}
	r := &csvReader{codec: codec, corrupt: -1}
	if r.sep, err = separator(o); err != nil {
		return nil, err
	}
	return total(text1(func(dst []byte, s string) []byte {
		r.split(s)
		var fields []plan.Field
		for i, text := range r.fields {
			fields = append(fields, plan.Field{Name: "_c" + strconv.Itoa(i), Type: codec.guess(text), Nullable: true})
		}
		return append(dst, schemaText(plan.Struct(fields...))...)
	}))(&binding{name: b.name, args: b.args[:1], t: b.t, session: b.session})
}

// guess is the narrowest type that a field of CSV can be read as.
func (t *textCodec) guess(s string) plan.Type {
	if s == "" {
		return plan.Null
	}
	if _, err := strconv.ParseInt(s, 10, 32); err == nil {
		return plan.Int32
	}
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return plan.Int64
	}
	if digits, scale, ok := scanDecimal(s); ok && scale == 0 && !strings.ContainsAny(s, "eE.") && len(strings.TrimLeft(digits, "-0")) <= plan.MaxPrecision {
		return plan.Decimal(int32(max(1, len(strings.TrimLeft(digits, "-0")))), 0)
	}
	if _, ok := parseFloat(s, 64); ok {
		return plan.Float64
	}
	const day = len("2000-01-01")
	if _, ok := t.parseText(s, plan.Date); ok && len(s) == day {
		return plan.Date
	}
	if _, ok := t.parseText(s, plan.Timestamp); ok && len(s) > day {
		return plan.Timestamp
	}
	if low := strings.ToLower(s); low == "true" || low == "false" {
		return plan.Boolean
	}
	return plan.String
}
