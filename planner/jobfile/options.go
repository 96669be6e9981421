package jobfile

import (
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/quern-engine/quern/internal/source"
)

// options reads the settings of a format. Their values are texts, whatever YAML takes them for; a list is its items
// with commas between.
func (r *reader) options(n *yaml.Node) []Option {
	var list []Option
	for _, p := range r.pairs(n, "options") {
		o := Option{Name: Value{Text: p.key.Value, Span: r.span(p.key)}}
		for _, other := range list {
			if equalName(other.Name.Text, o.Name.Text) {
				r.fail(o.Name.Span, "the option %q is there twice: letters' case does not count", o.Name.Text)
			}
		}
		o.Value = r.optionValue(p)
		list = append(list, o)
	}
	return list
}

// compressionOption refuses a second place for what an output has a field of its own for.
func (r *reader) compressionOption(o *Output) {
	for _, option := range o.Options {
		if equalName(option.Name.Text, "compression") || equalName(option.Name.Text, "parquet.compression") {
			r.fail(option.Name.Span, "compression is no option, but a field of the output").WithHint("write \"compression: %s\" beside options", option.Value.Text)
		}
	}
}

func (r *reader) optionValue(p pair) Value {
	what := "the option " + p.key.Value
	if p.value.Kind != yaml.SequenceNode {
		return Value{Text: r.scalar(p.value, what), Span: r.span(p.value)}
	}
	var items []string
	for _, item := range p.value.Content {
		items = append(items, r.scalar(item, what))
	}
	return Value{Text: strings.Join(items, ","), Span: r.span(p.value)}
}

// scalar is a single value as it is written; the text may be empty, if it is in quotes.
func (r *reader) scalar(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		e := r.fail(r.span(n), "%s must be a single value or a list, found %s", what, describe(n))
		if n.Kind == yaml.ScalarNode {
			e.WithHint("write '' for an empty text")
		}
	}
	return n.Value
}

// columns reads the declared columns of a source, name: type.
func (r *reader) columns(n *yaml.Node) []Column {
	var list []Column
	for _, p := range r.pairs(n, "columns") {
		c := Column{Name: Value{Text: p.key.Value, Span: r.span(p.key)}}
		if c.Name.Text == "" {
			r.fail(c.Name.Span, "a column has no name")
		}
		for _, other := range list {
			if equalName(other.Name.Text, c.Name.Text) {
				r.fail(c.Name.Span, "the column %q is there twice: letters' case does not count", c.Name.Text)
			}
		}
		v := r.str(p.value, "the type of the column "+c.Name.Text)
		text, ok := r.inline(p.value, v)
		if !ok {
			r.fail(v.Span, "the type of the column %s must stand on one line, without escapes", c.Name.Text)
		}
		c.Type = text
		list = append(list, c)
	}
	if len(list) == 0 {
		r.fail(r.span(n), "columns declares no column").WithHint("leave it out to take the columns from the files")
	}
	return list
}

// inline is a text on one line with its place in the file; false where its characters are not those of the file.
func (r *reader) inline(n *yaml.Node, v Value) (*source.Text, bool) {
	raw, plain := rawScalar(n)
	if r.err != nil || !plain || strings.Contains(raw, "\n") || !strings.HasPrefix(r.text.Body[v.Span.Start:], raw) {
		return &source.Text{}, r.err != nil
	}
	start := v.Span.Start + strings.Index(raw, n.Value)
	prefix := r.text.Body[r.lines[n.Line-1]:start]
	return &source.Text{File: r.text.File, Body: n.Value, Line: n.Line - 1, Column: utf8.RuneCountInString(prefix), Prefix: prefix}, true
}
