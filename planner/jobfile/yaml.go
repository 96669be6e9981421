package jobfile

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/quern-engine/quern/internal/source"
)

// reader turns YAML nodes into the parts of a job file. It keeps the first mistake and goes on; what it makes of the
// rest is never seen.
type reader struct {
	text  *source.Text
	lines []int // byte offset of each line
	err   *source.Error
}

// fail records a mistake, if it is the first.
func (r *reader) fail(span source.Span, format string, args ...any) *source.Error {
	err := r.text.Errorf(span, "", format, args...)
	if r.err == nil {
		r.err = err
	}
	return err
}

// load parses the YAML and refuses what job files do not need of it: several documents, tags, and anchors, whose
// copies of copies can make a small file huge.
func (r *reader) load() *yaml.Node {
	r.text.Body = strings.TrimPrefix(r.text.Body, "\uFEFF")
	if !r.checkText() {
		return nil
	}
	r.lines = []int{0}
	for i, c := range []byte(r.text.Body) {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	root, err := parseYAML(r.text.Body)
	switch {
	case errors.Is(err, io.EOF):
		r.fail(source.Span{}, "the job file is empty").WithHint("it needs at least name, steps and outputs")
	case errors.Is(err, errSecondDocument):
		r.fail(r.span(root), "the file has more than one YAML document").WithHint("write one job per file")
	case err != nil:
		r.failSyntax(err)
	default:
		r.refuse(root, 0)
	}
	return root
}

// checkText refuses a text that is too long, not UTF-8, or has line ends that only YAML sees.
func (r *reader) checkText() bool {
	body := r.text.Body
	if len(body) > MaxBytes {
		r.err = &source.Error{File: r.text.File, Message: fmt.Sprintf("the job file has %d bytes; at most %d are read", len(body), MaxBytes)}
		return false
	}
	for i, c := range body {
		size := max(1, utf8.RuneLen(c))
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(body[i:], "\uFFFD"):
			r.fail(source.Span{Start: i, End: i + 1}, "the text is not UTF-8 here (byte 0x%02X)", body[i])
			return false
		case c == '\r' && !strings.HasPrefix(body[i:], "\r\n"), c == '\u0085', c == '\u2028', c == '\u2029':
			r.fail(source.Span{Start: i, End: i + size}, "unexpected line separator %U", c).WithHint("end lines with a line feed")
			return false
		case unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t':
			r.fail(source.Span{Start: i, End: i + size}, "unexpected control character %U", c)
			return false
		}
	}
	return true
}

var errSecondDocument = errors.New("more than one document")

// parseYAML returns the root of the only document. It is a door for panics: the YAML parser is not ours, and job files
// reach coordinators over the network.
func parseYAML(body string) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	d := yaml.NewDecoder(strings.NewReader(body))
	var doc, second yaml.Node
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	if err := d.Decode(&second); err == nil && len(second.Content) > 0 {
		return second.Content[0], errSecondDocument
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, io.EOF
	}
	return doc.Content[0], nil
}

var yamlErrorPrefix = regexp.MustCompile(`^yaml: (line \d+: )?`)

// failSyntax shows where the YAML goes wrong. The parser's own line numbers are those of the surrounding block, or off
// by one, so the place is found by bisection: where the lines up to there are good YAML, and those with one more are not.
func (r *reader) failSyntax(err error) {
	good := sort.Search(len(r.lines), func(n int) bool {
		if n+1 == len(r.lines) {
			return true
		}
		_, err := parseYAML(r.text.Body[:r.lines[n+1]])
		return err != nil && !errors.Is(err, io.EOF)
	})
	start := r.lines[good]
	line, _, _ := strings.Cut(r.text.Body[start:], "\n")
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	e := r.fail(source.Span{Start: start + indent, End: start + max(len(strings.TrimRight(line, " \t\r")), indent)},
		"this is not valid YAML: %s", yamlErrorPrefix.ReplaceAllString(err.Error(), ""))
	if strings.ContainsRune(line[:indent], '\t') {
		e.WithHint("YAML is indented by blanks, not by tabs")
	}
}

// refuse walks the tree for what no job file may contain.
func (r *reader) refuse(n *yaml.Node, depth int) {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "":
		r.fail(r.span(n), "anchors and aliases (&, *) are not allowed in a job file").WithHint("a text that begins with & or * needs quotes")
		return
	case n.Style&yaml.TaggedStyle != 0:
		r.fail(r.span(n), "tags (!) are not allowed in a job file").WithHint("a text that begins with ! needs quotes")
		return
	case depth > MaxDepth:
		r.fail(r.span(n), "the file nests more than %d levels deep", MaxDepth)
		return
	}
	for _, c := range n.Content {
		if r.err != nil {
			return
		}
		r.refuse(c, depth+1)
	}
}

// offset is the byte offset of a node's beginning.
func (r *reader) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(r.lines) {
		return len(r.text.Body)
	}
	at := r.lines[n.Line-1]
	for i := 1; i < n.Column && at < len(r.text.Body) && r.text.Body[at] != '\n'; i++ {
		_, size := utf8.DecodeRuneInString(r.text.Body[at:])
		at += size
	}
	return at
}

// span is a node's place: all of a scalar on one line, else what its first line has of it.
func (r *reader) span(n *yaml.Node) source.Span {
	start := r.offset(n)
	rest := r.text.Body[start:]
	if n.Kind == yaml.ScalarNode {
		if raw, ok := rawScalar(n); ok && strings.HasPrefix(rest, raw) {
			return source.Span{Start: start, End: start + max(len(raw), 1)}
		}
	}
	line, _, _ := strings.Cut(rest, "\n")
	return source.Span{Start: start, End: start + max(len(strings.TrimRight(line, " \t\r")), 1)}
}

// rawScalar is the text of a scalar as the file has it if it needed no escapes; false for blocks.
func rawScalar(n *yaml.Node) (string, bool) {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return `"` + n.Value + `"`, true
	case n.Style&yaml.SingleQuotedStyle != 0:
		return "'" + n.Value + "'", true
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return "", false
	}
	return n.Value, true
}

// pair is an entry of a mapping.
type pair struct{ key, value *yaml.Node }

// pairs are a mapping's entries in order; keys are texts and do not repeat. what names the mapping in messages. An
// empty value counts as an empty mapping.
func (r *reader) pairs(n *yaml.Node, what string) []pair {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(r.span(n), "%s must be a mapping (name: value), found %s", what, describe(n))
		return nil
	}
	var list []pair
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			r.fail(r.span(key), "a key of %s must be text, found %s", what, describe(key)).WithHint("quote it if it is meant as a name")
			return nil
		}
		if first, ok := seen[key.Value]; ok {
			r.fail(r.span(key), "%q is there twice", key.Value).WithHint("the first one is on line %d", first.Line)
			return nil
		}
		seen[key.Value] = key
		list = append(list, pair{key, n.Content[i+1]})
	}
	return list
}

// fields are the values of a mapping that has a fixed set of keys.
func (r *reader) fields(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	for _, p := range r.pairs(n, what) {
		found := false
		for _, k := range known {
			found = found || k == p.key.Value
		}
		if !found {
			hint := "the fields are " + strings.Join(known, ", ")
			if near := source.Nearest(p.key.Value, known); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			r.fail(r.span(p.key), "unknown field %q in %s", p.key.Value, what).WithHint("%s", hint)
			return values
		}
		values[p.key.Value] = p.value
	}
	return values
}

// items are the elements of a list.
func (r *reader) items(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.fail(r.span(n), "%s must be a list, found %s", what, describe(n))
		return nil
	}
	return n.Content
}

// str is a text that is not empty.
func (r *reader) str(n *yaml.Node, what string) Value {
	v := Value{Text: n.Value, Span: r.span(n)}
	switch {
	case n.Kind != yaml.ScalarNode, n.ShortTag() != "!!str" && n.ShortTag() != "!!null":
		e := r.fail(v.Span, "%s must be text, found %s", what, describe(n))
		if n.Kind == yaml.ScalarNode {
			e.WithHint("quote it if it is meant as text: '%s'", n.Value)
		}
	case n.ShortTag() == "!!null", n.Value == "":
		r.fail(v.Span, "%s is empty", what)
	}
	return v
}

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the boolean " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return fmt.Sprintf("%q", n.Value)
}
