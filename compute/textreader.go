package compute

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// TextReader reads values of CSV and JSON as from_csv and from_json do, for files of such rows. It is not safe for
// concurrent use.
type TextReader struct {
	csv  csvReader
	json jsonReader
}

// NewTextReader takes the options that say how dates and times are written, by lower-case name; it does not look at
// others.
func NewTextReader(options map[string]string, s plan.Session) (*TextReader, error) {
	in, err := newSession(s)
	if err != nil {
		return nil, err
	}
	codec, err := newTextCodec(in, textOptions(options))
	if err != nil {
		return nil, err
	}
	return &TextReader{csv: csvReader{codec: codec, corrupt: -1}, json: jsonReader{codec: codec, corrupt: -1, exact: true}}, nil
}

// CSVValue reads a field of CSV; false if it is no value of the type. A string's constant may share the text's memory.
func (r *TextReader) CSVValue(text string, t plan.Type) (plan.Literal, bool) {
	return r.csv.value(text, t)
}

// JSONRows reads a document as rows of a struct type: one, or those of an array. What cannot be read is NULL, and ok is
// false then; without a single row, as of an array with an element that is no object, there is nothing but the text to
// show.
func (r *TextReader) JSONRows(text string, row plan.Type) (rows []plan.Literal, ok bool) {
	if !r.json.doc.parse(text) {
		return nil, false
	}
	d := &r.json.doc
	if d.nodes[0].kind == jsonArray {
		for at := 1; at < d.nodes[0].next; at = d.nodes[at].next {
			if d.nodes[at].kind != jsonObject {
				return nil, false
			}
		}
	}
	v, ok := r.json.root(plan.Array(row, true))
	return v.Items, ok && !v.Null
}

// JSONType infers the type of a document, of an array that of its elements; false if it is malformed, or neither an
// object nor an array of such. Fields are sorted by name. A value that is NULL has the type void.
func (r *TextReader) JSONType(text string) (plan.Type, bool) {
	d := &r.json.doc
	if !d.parse(text) {
		return plan.Type{}, false
	}
	t := d.typeOf(0)
	if t.Kind == plan.KindArray {
		t = t.Element().Type
	}
	return t, t.Kind == plan.KindStruct
}

// typeOf is the narrowest type for a node, as Spark infers it.
func (d *jsonDoc) typeOf(n int) plan.Type {
	node := d.nodes[n]
	switch node.kind {
	case jsonNull:
		return plan.Null
	case jsonTrue, jsonFalse:
		return plan.Boolean
	case jsonInteger:
		return integerType(d.raw(n))
	case jsonFloat, jsonNaN:
		return plan.Float64
	case jsonArray:
		element := plan.Null
		for at := n + 1; at < node.next; at = d.nodes[at].next {
			element = MergeInferred(element, d.typeOf(at))
		}
		return plan.Array(element, true)
	case jsonObject:
		var fields []plan.Field
		for at := n + 1; at < node.next; at = d.nodes[at+1].next {
			fields = addField(fields, plan.Field{Name: strings.Clone(d.string(at)), Type: d.typeOf(at + 1), Nullable: true})
		}
		slices.SortFunc(fields, func(a, b plan.Field) int { return strings.Compare(a.Name, b.Name) })
		return plan.Struct(fields...)
	}
	return plan.String
}

// addField adds a field, or widens the one of that name.
func addField(fields []plan.Field, f plan.Field) []plan.Field {
	for i := range fields {
		if fields[i].Name == f.Name {
			fields[i].Type = MergeInferred(fields[i].Type, f.Type)
			return fields
		}
	}
	return append(fields, f)
}

// integerType is bigint, or the decimal that holds more digits, or double.
func integerType(digits string) plan.Type {
	digits = strings.TrimPrefix(digits, "-")
	switch n := int32(len(digits)); {
	case n < 19 || n == 19 && digits <= "9223372036854775807":
		return plan.Int64
	case n <= plan.MaxPrecision:
		return plan.Decimal(n, 0)
	}
	return plan.Float64
}

// MergeInferred is the type for values that were inferred to have two types: string where nothing narrower holds both.
func MergeInferred(a, b plan.Type) plan.Type {
	switch {
	case a.Equal(b) || b.Kind == plan.KindNull:
		return a
	case a.Kind == plan.KindNull:
		return b
	case a.IsNumeric() && b.IsNumeric():
		return mergeNumbers(a, b)
	case a.Kind == plan.KindArray && b.Kind == plan.KindArray:
		return plan.Array(MergeInferred(a.Element().Type, b.Element().Type), true)
	case a.Kind == plan.KindStruct && b.Kind == plan.KindStruct:
		fields := slices.Clone(a.Children)
		for _, f := range b.Children {
			fields = addField(fields, f)
		}
		slices.SortFunc(fields, func(a, b plan.Field) int { return strings.Compare(a.Name, b.Name) })
		return plan.Struct(fields...)
	case datelike(a) && datelike(b):
		return plan.Timestamp
	}
	return plan.String
}

func datelike(t plan.Type) bool { return t.Kind == plan.KindDate || t.Kind == plan.KindTimestamp }

func mergeNumbers(a, b plan.Type) plan.Type {
	switch {
	case a.IsFloat() || b.IsFloat():
		return plan.Float64
	case a.IsInteger() && b.IsInteger():
		if a.Kind > b.Kind {
			return a
		}
		return b
	}
	digits := func(t plan.Type) int32 {
		switch t.Kind {
		case plan.KindDecimal:
			return t.Precision
		case plan.KindInt64:
			return 20
		}
		return 10
	}
	return plan.Decimal(max(digits(a), digits(b)), 0)
}
