package plan

import (
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// Field is a named, typed column.
type Field struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Nullable bool   `json:"nullable"`
}

func (f Field) arrow() arrow.Field {
	return arrow.Field{Name: f.Name, Type: f.Type.Arrow(), Nullable: f.Nullable}
}

// Schema is the ordered columns of a table, a batch or an operator's output. Names need not be unique inside a plan:
// expressions refer to columns by ordinal.
type Schema struct {
	Fields []Field `json:"fields"`
}

// Arrow is the schema with each type in its plain (not dictionary-encoded) layout.
func (s Schema) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, len(s.Fields))
	for i, f := range s.Fields {
		fields[i] = f.arrow()
	}
	return arrow.NewSchema(fields, nil)
}

// Names lists the column names in order.
func (s Schema) Names() []string {
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return names
}

// Index is the ordinal of the column with that name (letter case ignored, as in Spark), or -1.
func (s Schema) Index(name string) int {
	for i, f := range s.Fields {
		if strings.EqualFold(f.Name, name) {
			return i
		}
	}
	return -1
}

// String is the schema in DDL form: "origin string, flights bigint".
func (s Schema) String() string {
	var b strings.Builder
	for i, f := range s.Fields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name + " " + f.Type.String())
		if !f.Nullable {
			b.WriteString(" not null")
		}
	}
	return b.String()
}

// Equal reports whether names, types and nullability agree, in order.
func (s Schema) Equal(o Schema) bool {
	if len(s.Fields) != len(o.Fields) {
		return false
	}
	for i, f := range s.Fields {
		g := o.Fields[i]
		if f.Name != g.Name || f.Nullable != g.Nullable || !f.Type.Equal(g.Type) {
			return false
		}
	}
	return true
}
