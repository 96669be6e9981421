package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/quern-engine/quern/internal/source"
)

// reader turns YAML nodes into a File. It keeps the first mistake and goes on; what it makes of the rest is never seen.
type reader struct {
	file   *File
	schema Schema
	err    error
}

func (r *reader) fail(span source.Span, format string, args ...any) *source.Error {
	e := r.file.text.Errorf(span, "", format, args...)
	if r.err == nil {
		r.err = e
	}
	return e
}

func (r *reader) read() {
	root := r.parse()
	if root == nil {
		return
	}
	fields := r.mapping(root, "the file", []string{"current-context", "contexts", "defaults", "coordinator", "worker"})
	for _, e := range fields {
		switch e.name {
		case "current-context":
			r.file.Current = r.scalar(e.value, e.name)
		case "contexts":
			for _, c := range r.mapping(e.value, "contexts", nil) {
				r.file.Contexts = append(r.file.Contexts, Context{Name: c.name, Section: r.section(c.value, "context "+c.name, r.schema.Context)})
			}
		case "defaults":
			r.file.Defaults = r.section(e.value, e.name, r.schema.Defaults)
		case "coordinator":
			r.file.Coordinator = r.section(e.value, e.name, r.schema.Coordinator)
		case "worker":
			r.file.Worker = r.section(e.value, e.name, r.schema.Worker)
		}
	}
	if c := r.file.Current; c.Text != "" && r.err == nil {
		if _, ok := r.file.Context(c.Text); !ok {
			e := r.fail(c.span, "there is no context %q", c.Text)
			if near := source.Nearest(c.Text, r.file.Names()); near != "" {
				e.WithHint("did you mean %q?", near)
			}
		}
	}
}

// parse gives the root of the only document; nil for an empty one.
func (r *reader) parse() (root ast.Node) {
	defer func() { // the parser is not ours
		if p := recover(); p != nil {
			r.err, root = fmt.Errorf("read %s: the YAML parser gave up: %v", r.file.Path, p), nil
		}
	}()
	body := r.file.text.Body
	if !utf8.ValidString(body) {
		r.fail(source.Span{}, "the file is not UTF-8")
		return nil
	}
	doc, err := parser.ParseBytes([]byte(body), 0)
	var syntax yaml.Error
	switch {
	case errors.As(err, &syntax):
		r.fail(r.span(syntax.GetToken()), "this is not valid YAML: %s", syntax.GetMessage())
		return nil
	case err != nil:
		r.err = fmt.Errorf("read %s: %w", r.file.Path, err)
		return nil
	}
	var roots []ast.Node
	for _, d := range doc.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			roots = append(roots, d.Body)
		}
	}
	switch {
	case len(roots) == 0:
		return nil
	case len(roots) > 1:
		r.fail(r.span(roots[1].GetToken()), "the file has more than one YAML document")
		return nil
	}
	return roots[0]
}

// span is a token's place. The parser's lines and columns are right, its offsets are not always.
func (r *reader) span(t *token.Token) source.Span {
	if t == nil || t.Position == nil {
		return source.Span{}
	}
	body, at := r.file.text.Body, 0
	for line := 1; line < t.Position.Line; line++ {
		next := strings.IndexByte(body[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	for i := 1; i < t.Position.Column && at < len(body) && body[at] != '\n'; i++ {
		_, size := utf8.DecodeRuneInString(body[at:])
		at += size
	}
	return source.Span{Start: at, End: at + r.width(body[at:], t)}
}

// width is how many bytes of a token stand on its first line, quotes included.
func (r *reader) width(rest string, t *token.Token) int {
	line, _, _ := strings.Cut(rest, "\n")
	text := strings.TrimSpace(t.Origin)
	if text != "" && strings.HasPrefix(line, text) {
		return len(text)
	}
	return min(len(line), 1)
}

type entry struct {
	name  string
	key   source.Span
	value ast.Node
}

// mapping are the entries of a mapping in order. known are the keys it may have; nil is all. Nothing counts as an empty one.
func (r *reader) mapping(n ast.Node, what string, known []string) []entry {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.fail(r.span(n.GetToken()), "%s must be a mapping (name: value)", what)
	}
	var list []entry
	for _, p := range pairs {
		e := entry{key: r.span(p.Key.GetToken()), value: p.Value}
		switch k := p.Key.(type) {
		case *ast.StringNode:
			e.name = k.Value
		default:
			e.name = k.GetToken().Value
		}
		if slices.ContainsFunc(list, func(o entry) bool { return o.name == e.name }) {
			r.fail(e.key, "%q is there twice", e.name)
		}
		if known != nil && !slices.Contains(known, e.name) {
			r.unknown(e, what, known)
		}
		list = append(list, e)
	}
	return list
}

func (r *reader) unknown(e entry, what string, known []string) {
	mistake := r.fail(e.key, "unknown setting %q in %s", e.name, what)
	near := source.Nearest(e.name, known)
	switch {
	case e.name == "token" && slices.Contains(known, "token-file"):
		mistake.WithHint("secrets do not belong here: write the token into a file of its own, and name that with token-file")
	case near != "":
		mistake.WithHint("did you mean %q?", near)
	case len(known) > 0:
		mistake.WithHint("there are %s", strings.Join(known, ", "))
	}
}

// section reads settings, with relative paths made absolute.
func (r *reader) section(n ast.Node, what string, known []string) Section {
	s := Section{}
	for _, e := range r.mapping(n, what, known) {
		v := r.value(e.value, e.name)
		if slices.Contains(r.schema.Paths, e.name) && v.Text != "" && !filepath.IsAbs(v.Text) && !strings.Contains(v.Text, "://") {
			v.Text = filepath.Join(filepath.Dir(r.file.Path), v.Text)
		}
		s[e.name] = v
	}
	return s
}

// value is a scalar or a list of them.
func (r *reader) value(n ast.Node, name string) Value {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return r.scalar(n, name)
	}
	all := Value{span: r.span(n.GetToken())}
	var texts []string
	for i, item := range list.Values {
		v := r.scalar(item, name)
		if strings.Contains(v.Text, ",") {
			r.fail(v.span, "a value of a list has no commas")
		}
		if i == 0 {
			all.span = v.span
		}
		texts = append(texts, v.Text)
	}
	all.Text = strings.Join(texts, ",")
	return all
}

// scalar is a value as it is written: flags read their text themselves.
func (r *reader) scalar(n ast.Node, name string) Value {
	t := n.GetToken()
	v := Value{Text: t.Value, span: r.span(t)}
	switch n := n.(type) {
	case *ast.StringNode:
		v.Text = n.Value
	case *ast.LiteralNode:
		v.Text = strings.TrimSpace(n.Value.Value)
	case *ast.NullNode:
		r.fail(v.span, "%s is empty", name).WithHint("leave it out, or give it a value")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
	default:
		r.fail(v.span, "%s must be a value or a list of values", name)
	}
	if v.Text == "" {
		r.fail(v.span, "%s is empty", name).WithHint("leave it out, or give it a value")
	}
	return v
}
