package jobfile

import (
	"gopkg.in/yaml.v3"

	"github.com/quern-engine/quern/internal/source"
)

// Form is what a [Tree] is.
type Form uint8

// The forms. Numbers, booleans and texts are told apart as YAML does.
const (
	Nothing Form = iota
	Text
	Number
	Boolean
	List
	Mapping
)

// Tree is a value of any form in the options of an operator.
type Tree struct {
	Value // the place, and the text of what is neither list nor mapping
	Form  Form
	// SQL is the text with its place in the file, to be read as an expression; nil where its characters are not those
	// of the file, as in folded or escaped texts.
	SQL     *source.Text
	Items   []*Tree // of a list
	Entries []Entry // of a mapping, in the file's order
	shown   string
}

// Entry is a named value of a mapping.
type Entry struct {
	Key   Value
	Value *Tree
}

// String describes the value in a message: "a list", "the number 3".
func (t *Tree) String() string { return t.shown }

// Entry finds an entry of a mapping; nil if there is none.
func (t *Tree) Entry(key string) *Tree {
	for _, e := range t.Entries {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

func (r *reader) tree(n *yaml.Node) *Tree {
	t := &Tree{Value: Value{Text: n.Value, Span: r.span(n)}, shown: describe(n)}
	switch n.Kind {
	case yaml.SequenceNode:
		t.Form = List
		for _, item := range n.Content {
			t.Items = append(t.Items, r.tree(item))
		}
		return t
	case yaml.MappingNode:
		t.Form = Mapping
		for _, p := range r.pairs(n, "the options") {
			t.Entries = append(t.Entries, Entry{Value{Text: p.key.Value, Span: r.span(p.key)}, r.tree(p.value)})
		}
		return t
	}
	switch n.ShortTag() {
	case "!!null":
		return t
	case "!!int", "!!float":
		t.Form = Number
	case "!!bool":
		t.Form = Boolean
	default:
		t.Form = Text // a date, too: whoever reads it knows what it should be
	}
	if text, ok := r.inline(n, t.Value); ok {
		t.SQL = text
	} else if n.Style&yaml.LiteralStyle != 0 {
		t.SQL = &source.Text{File: r.text.File, Body: n.Value, Line: n.Line, Column: r.indent(n)}
	}
	return t
}
