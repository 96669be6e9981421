package parquetio

import (
	"errors"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
)

// field is a column of a file that can be read, or a part of a nested one.
//
// Parquet stores leaves only, each value with two levels: how many of the optional and repeated parts on the way to it
// are there (definition), and which of the repeated parts goes on with it (repetition).
type field struct {
	name string
	typ  plan.Type // parts are nullable, whatever this file says: another file may say otherwise

	// def is the definition level from which on the field is not NULL, slot the one from which on there is a place for
	// it at all: below, a list around it is empty or NULL. Equal levels mean that it is never NULL.
	def, slot uint8
	// rep is how many lists are around the field; a list counts itself, so it is the level of a further element.
	rep uint8

	children []*field // array: the element; map: key and value; struct: its fields
	column   *column  // of a leaf
}

// first is the leaf that stands for the field where only levels matter.
func (f *field) first() *column {
	for f.column == nil {
		f = f.children[0]
	}
	return f.column
}

// eachLeaf visits the leaves in order.
func (f *field) eachLeaf(visit func(*column)) {
	if f.column != nil {
		visit(f.column)
	}
	for _, c := range f.children {
		c.eachLeaf(visit)
	}
}

// fits reports whether the field can be read as a type; see shape.
func (f *field) fits(t plan.Type) bool {
	if f.column != nil {
		return widens(f.typ, t)
	}
	if f.typ.Kind != t.Kind {
		return false
	}
	for i, want := range t.Children {
		part := f.children[min(i, len(f.children)-1)]
		if t.Kind == plan.KindStruct {
			part = lookup(f.children, want.Name)
		}
		if part != nil && !part.fits(want.Type) {
			return false
		}
	}
	return true
}

// flat reports a field that is a column of its own, of at most one value a row.
func (f *field) flat() bool { return f.column != nil && f.rep == 0 && f.def <= 1 }

// The limits of a schema: as many leaves as parquet-go can count, and more nesting than anyone has had use for.
const (
	maxColumns = 1<<16 - 2
	maxNesting = 64
)

// unsupportedError says which type a column has that cannot be read.
type unsupportedError string

func (e unsupportedError) Error() string { return string(e) }

// schemaReader makes fields of the elements of a schema, which come as a tree in preorder.
type schemaReader struct {
	elements []format.SchemaElement
	next     int
	leaves   int
	columns  []*column // of the top-level column being read
}

// readSchema sorts the top-level columns into those that can be read and the others, and counts the leaves.
func (f *file) readSchema(elements []format.SchemaElement) (leaves int, err error) {
	if len(elements) == 0 || elements[0].Type.Valid {
		return 0, errors.New("the schema has no root")
	}
	f.unsupported = map[string]string{}
	r := schemaReader{elements: elements, next: 1}
	for range max(elements[0].NumChildren.V, 0) {
		r.columns = nil
		t, err := r.tree(0)
		if err != nil {
			return 0, err
		}
		field, err := r.field(t, levels{})
		var reason unsupportedError
		switch {
		case errors.As(err, &reason):
			f.unsupported[t.e.Name] = string(reason)
			continue
		case err != nil:
			return 0, err
		}
		for _, c := range r.columns {
			c.index = len(f.columns)
			f.columns = append(f.columns, c)
		}
		f.fields = append(f.fields, field)
	}
	if r.next != len(elements) {
		return 0, fmt.Errorf("the schema has %d elements, its tree %d", len(elements), r.next)
	}
	if len(f.columns) > maxColumns {
		return 0, fmt.Errorf("more than %d columns", maxColumns)
	}
	return r.leaves, nil
}

// tree is a schema element with what is below it.
type tree struct {
	e        *format.SchemaElement
	leaf     int
	children []tree
}

func (t *tree) repeated() bool {
	return t.e.RepetitionType.Valid && t.e.RepetitionType.V == format.Repeated
}

func (t *tree) optional() bool {
	return t.e.RepetitionType.Valid && t.e.RepetitionType.V == format.Optional
}

// tree takes the next element and everything below it.
func (r *schemaReader) tree(depth int) (tree, error) {
	switch {
	case r.next >= len(r.elements):
		return tree{}, errors.New("the schema ends early")
	case depth > maxNesting:
		return tree{}, errors.New("the schema is nested too deeply")
	}
	t := tree{e: &r.elements[r.next], leaf: r.leaves}
	r.next++
	if t.e.Type.Valid {
		r.leaves++
		return t, nil
	}
	for range max(t.e.NumChildren.V, 0) {
		child, err := r.tree(depth + 1)
		if err != nil {
			return tree{}, err
		}
		t.children = append(t.children, child)
	}
	return t, nil
}

// levels are those that a part of the schema begins with.
type levels struct{ def, rep, slot uint8 }

// element is the levels inside a repeated part.
func (l levels) element() levels { return levels{def: l.def + 1, rep: l.rep + 1, slot: l.def + 1} }

// field makes the field of an element, whose repetition type counts. A repeated one outside of a list is a list of its
// own, which is never NULL.
func (r *schemaReader) field(t tree, l levels) (*field, error) {
	switch {
	case t.repeated():
		element, err := r.body(t, l.element())
		if err != nil {
			return nil, err
		}
		return listOf(t.e.Name, element, l), nil
	case t.optional():
		return r.body(t, levels{def: l.def + 1, rep: l.rep, slot: l.slot})
	}
	return r.body(t, l)
}

func listOf(name string, element *field, l levels) *field {
	return &field{name: name, typ: plan.Array(element.typ, true), def: l.def, rep: l.rep + 1, slot: l.slot, children: []*field{element}}
}

// body makes the field of an element whose repetition type has been seen to.
func (r *schemaReader) body(t tree, l levels) (*field, error) {
	if t.e.Type.Valid {
		return r.leaf(t, l)
	}
	switch annotation(t.e) {
	case "list":
		if f, err := r.list(t, l); f != nil || err != nil {
			return f, err
		}
	case "map":
		if f, err := r.mapping(t, l); f != nil || err != nil {
			return f, err
		}
	}
	switch t.e.LogicalType.Value.(type) {
	case nil, *format.ListType, *format.MapType:
	default:
		return nil, unsupportedError(t.e.LogicalType.Value.String())
	}
	if len(t.children) == 0 {
		return nil, unsupportedError("struct without fields")
	}
	f := &field{name: t.e.Name, typ: plan.Struct(), def: l.def, rep: l.rep, slot: l.slot}
	for _, c := range t.children {
		child, err := r.field(c, l)
		if err != nil {
			return nil, err
		}
		f.children = append(f.children, child)
		f.typ.Children = append(f.typ.Children, plan.Field{Name: child.name, Type: child.typ, Nullable: true})
	}
	return f, nil
}

func (r *schemaReader) leaf(t tree, l levels) (*field, error) {
	c, reason := columnOf(t.e, t.leaf)
	if reason != "" {
		return nil, unsupportedError(reason)
	}
	c.def, c.rep, c.slot = l.def, l.rep, l.slot
	r.columns = append(r.columns, &c)
	return &field{name: t.e.Name, typ: c.typ, def: l.def, rep: l.rep, slot: l.slot, column: &c}, nil
}

// list reads a group that is annotated as a list: normally around a repeated group around the element, but old writers
// left out the middle.
func (r *schemaReader) list(t tree, l levels) (*field, error) {
	if len(t.children) != 1 || !t.children[0].repeated() {
		return nil, unsupportedError("list without one repeated field")
	}
	middle := t.children[0]
	var element *field
	var err error
	if isElement(middle, t.e.Name) {
		element, err = r.body(middle, l.element())
	} else {
		element, err = r.field(middle.children[0], l.element())
	}
	if err != nil {
		return nil, err
	}
	return listOf(t.e.Name, element, l), nil
}

// isElement tells a list's repeated field that is the element from one that is around it, by the rules for backward
// compatibility of the format.
func isElement(t tree, list string) bool {
	if t.e.Type.Valid || len(t.children) != 1 {
		return true
	}
	return t.e.Name == "array" || t.e.Name == list+"_tuple" || t.children[0].repeated()
}

// mapping reads a group that is annotated as a map; nil if it is the entry of one, which old writers annotated instead.
func (r *schemaReader) mapping(t tree, l levels) (*field, error) {
	if len(t.children) != 1 || !t.children[0].repeated() || t.children[0].e.Type.Valid {
		if t.repeated() {
			return nil, nil
		}
		return nil, unsupportedError("map without entries")
	}
	entries := t.children[0]
	if len(entries.children) != 2 {
		return nil, unsupportedError("map without a key and a value")
	}
	f := &field{name: t.e.Name, def: l.def, rep: l.rep + 1, slot: l.slot}
	for _, c := range entries.children {
		if c.repeated() {
			return nil, unsupportedError("map with a repeated key or value")
		}
		child, err := r.field(c, l.element())
		if err != nil {
			return nil, err
		}
		f.children = append(f.children, child)
	}
	f.typ = plan.Map(f.children[0].typ, f.children[1].typ, true)
	return f, nil
}

// annotation is "list", "map" or empty.
func annotation(e *format.SchemaElement) string {
	switch e.LogicalType.Value.(type) {
	case *format.ListType:
		return "list"
	case *format.MapType:
		return "map"
	}
	if e.ConvertedType.Valid {
		switch e.ConvertedType.V {
		case deprecated.List:
			return "list"
		case deprecated.Map, deprecated.MapKeyValue:
			return "map"
		}
	}
	return ""
}

// lookup finds a field by name, letter case ignored; an exact match wins. It is nil without one.
func lookup(fields []*field, name string) *field {
	var found *field
	for _, f := range fields {
		switch {
		case f.name == name:
			return f
		case found == nil && strings.EqualFold(f.name, name):
			found = f
		}
	}
	return found
}
