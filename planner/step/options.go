package step

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
)

// options reads the values of a mapping. It keeps the first mistake, which all parts of a step share, and goes on; what
// it makes of the rest is never seen.
type options struct {
	file   *jobfile.File
	params jobfile.Params
	what   string // "dedupe", "a table of as_of_join": the mapping in messages
	at     jobfile.Value
	fields []Field
	tree   *jobfile.Tree
	err    **source.Error
	doubts *[]*source.Error
}

func newOptions(f *jobfile.File, params jobfile.Params, at jobfile.Value, what string, fields []Field, tree *jobfile.Tree) *options {
	o := &options{file: f, params: params, what: what, at: at, fields: fields, tree: tree, err: new(*source.Error), doubts: new([]*source.Error)}
	o.check()
	return o
}

// part is a mapping within.
func (o *options) part(what string, fields []Field, tree *jobfile.Tree) *options {
	p := &options{file: o.file, params: o.params, what: what, at: tree.Value, fields: fields, tree: tree, err: o.err, doubts: o.doubts}
	p.check()
	return p
}

func (o *options) fail(at jobfile.Value, format string, args ...any) *source.Error {
	err := failAt(o.file, at, format, args...)
	if *o.err == nil {
		*o.err = err
	}
	return err
}

// doubt notes what is allowed, and perhaps not meant.
func (o *options) doubt(at jobfile.Value, format string, args ...any) *source.Error {
	err := failAt(o.file, at, "warning: "+format, args...)
	*o.doubts = append(*o.doubts, err)
	return err
}

// check refuses what is no mapping, unknown fields, and a missing required one.
func (o *options) check() {
	if o.tree.Form != jobfile.Mapping && o.tree.Form != jobfile.Nothing {
		o.fail(o.tree.Value, "%s must be a mapping (option: value), found %s", o.what, o.tree)
		return
	}
	var names []string
	for _, f := range o.fields {
		names = append(names, f.Name)
	}
	for _, e := range o.tree.Entries {
		if o.field(e.Key.Text) != nil {
			continue
		}
		hint(o.fail(e.Key, "%s has no option %q", o.what, e.Key.Text), e.Key.Text, names, "the options are "+strings.Join(names, ", "))
	}
	for _, f := range o.fields {
		if f.Required && !o.has(f.Name) {
			o.fail(o.at, "%s needs the option %q", o.what, f.Name).WithHint("%s: %s", f.Name, f.Doc)
		}
	}
}

func (o *options) field(name string) *Field {
	for i := range o.fields {
		if o.fields[i].Name == name {
			return &o.fields[i]
		}
	}
	return nil
}

// has reports an option that was given.
func (o *options) has(name string) bool {
	t := o.tree.Entry(name)
	return t != nil && t.Form != jobfile.Nothing
}

// get is the value of an option, nil if it was not given. Only declared options are read: the declaration is the
// documentation.
func (o *options) get(name string) *jobfile.Tree {
	if o.field(name) == nil {
		panic(fmt.Sprintf("%s does not declare the option %s", o.what, name))
	}
	if !o.has(name) {
		return nil
	}
	return o.tree.Entry(name)
}

// place is where an option stands, or where it is missing.
func (o *options) place(name string) jobfile.Value {
	if t := o.tree.Entry(name); t != nil {
		return t.Value
	}
	return o.at
}

// oneOf reads how a step is to be done: exactly one of several options.
func (o *options) oneOf(names ...string) string {
	given := ""
	for _, name := range names {
		if !o.has(name) {
			continue
		}
		if given != "" {
			o.fail(o.place(name), "%s has %s and %s: give one of them", o.what, given, name)
		}
		given = name
	}
	if given == "" {
		o.fail(o.at, "%s needs one of the options %s", o.what, strings.Join(names, ", "))
	}
	return given
}

// text is a word or name.
func (o *options) text(name string) jobfile.Value {
	t := o.get(name)
	if t == nil {
		return jobfile.Value{Span: o.at.Span}
	}
	return o.asText(t, name)
}

func (o *options) asText(t *jobfile.Tree, what string) jobfile.Value {
	if t.Form != jobfile.Text || t.Text == "" {
		err := o.fail(t.Value, "%s of %s must be text, found %s", what, o.what, t)
		if t.Form == jobfile.Number || t.Form == jobfile.Boolean {
			err.WithHint("quote it if it is meant as text: '%s'", t.Text)
		}
	}
	return t.Value
}

// seed is a text or number that may have parameters in it.
func (o *options) seed(name, other string) string {
	t := o.get(name)
	if t == nil {
		return other
	}
	v := t.Value
	if t.Form != jobfile.Number {
		v = o.asText(t, name)
	}
	text, err := o.params.Text(o.file, v)
	if e := (*source.Error)(nil); errors.As(err, &e) && *o.err == nil {
		*o.err = e
	}
	return text
}

// choice reads one of a few words; the first is the default.
func (o *options) choice(name string, words ...string) string {
	t := o.get(name)
	if t == nil {
		return words[0]
	}
	for _, w := range words {
		if t.Text == w {
			return w
		}
	}
	hint(o.fail(t.Value, "%s of %s must be %s, found %s", name, o.what, strings.Join(words, " or "), t), t.Text, words, "")
	return words[0]
}

// flag reads true or false.
func (o *options) flag(name string) bool {
	t := o.get(name)
	if t != nil && t.Form != jobfile.Boolean {
		o.fail(t.Value, "%s of %s must be true or false, found %s", name, o.what, t)
	}
	return t != nil && t.Text == "true"
}

// list are the elements of a list; a single value counts as a list of it.
func (o *options) list(name string) []*jobfile.Tree {
	t := o.get(name)
	switch {
	case t == nil:
		return nil
	case t.Form != jobfile.List:
		return []*jobfile.Tree{t}
	case len(t.Items) == 0:
		o.fail(t.Value, "%s of %s is empty", name, o.what)
	}
	return t.Items
}

// names reads a list of names, or one; none comes twice.
func (o *options) names(name string) []jobfile.Value {
	var out []jobfile.Value
	for _, t := range o.list(name) {
		v := o.asText(t, name)
		for _, other := range out {
			if strings.EqualFold(other.Text, v.Text) {
				o.fail(v, "%s of %s has %q twice", name, o.what, v.Text)
			}
		}
		out = append(out, v)
	}
	return out
}

// pair is a key of two relations.
type pair struct{ left, right jobfile.Value }

// pairs reads keys: a list of columns that both sides have, or a mapping of the left side's to the right side's.
func (o *options) pairs(name string) []pair {
	var out []pair
	if t := o.get(name); t != nil && t.Form == jobfile.Mapping {
		for _, e := range t.Entries {
			out = append(out, pair{e.Key, o.asText(e.Value, name)})
		}
		return out
	}
	for _, v := range o.names(name) {
		out = append(out, pair{v, v})
	}
	return out
}

// same are pairs of keys that have one name.
func same(names []jobfile.Value) []pair {
	var out []pair
	for _, v := range names {
		out = append(out, pair{v, v})
	}
	return out
}

// named reads a mapping of names to values; the values are texts, or mappings for which fields gives the options. short is
// the option that a text alone stands for.
func (o *options) named(name, what, short string) (names []jobfile.Value, parts []*options) {
	t := o.get(name)
	if t == nil {
		return nil, nil
	}
	switch {
	case t.Form != jobfile.Mapping:
		o.fail(t.Value, "%s of %s must be a mapping of names, found %s", name, o.what, t)
	case len(t.Entries) == 0:
		o.fail(t.Value, "%s of %s is empty", name, o.what)
	}
	for _, e := range t.Entries {
		body := e.Value
		if body.Form != jobfile.Mapping && short != "" {
			body = &jobfile.Tree{Value: body.Value, Form: jobfile.Mapping, Entries: []jobfile.Entry{{Key: jobfile.Value{Text: short, Span: body.Span}, Value: body}}}
		}
		part := o.part(what+" "+e.Key.Text, o.field(name).Fields, body)
		names, parts = append(names, e.Key), append(parts, part)
	}
	return names, parts
}

// parts reads a list of mappings, or one.
func (o *options) parts(name, what string) []*options {
	var out []*options
	for _, t := range o.list(name) {
		out = append(out, o.part(what, o.field(name).Fields, t))
	}
	return out
}

// whole reads a whole number within bounds.
func (o *options) whole(name string, least, most, other int64) int64 {
	t := o.get(name)
	if t == nil {
		return other
	}
	v, err := strconv.ParseInt(t.Text, 10, 64)
	if t.Form != jobfile.Number || err != nil || v < least || v > most {
		o.fail(t.Value, "%s of %s must be a whole number from %d to %d, found %s", name, o.what, least, most, t)
	}
	return v
}

// real reads a number within bounds, which belong to it.
func (o *options) real(name string, least, most, other float64) float64 {
	t := o.get(name)
	if t == nil {
		return other
	}
	return o.asReal(t, name, least, most)
}

func (o *options) asReal(t *jobfile.Tree, what string, least, most float64) float64 {
	v, err := strconv.ParseFloat(t.Text, 64)
	if t.Form != jobfile.Number || err != nil || math.IsNaN(v) || v < least || v > most {
		limit := fmt.Sprintf("from %v to %v", least, most)
		if math.IsInf(most, 1) {
			limit = fmt.Sprintf("of at least %v", least)
		}
		o.fail(t.Value, "%s of %s must be a number %s, found %s", what, o.what, limit, t)
	}
	return v
}

// duration reads a length of time, in microseconds.
func (o *options) duration(name string, other int64) int64 {
	if t := o.get(name); t != nil {
		return o.asDuration(t, name)
	}
	return other
}

func (o *options) asDuration(t *jobfile.Tree, what string) int64 {
	micros, ok := plan.ParseDuration(t.Text)
	if !ok {
		o.fail(t.Value, "%s of %s must be a duration, found %s", what, o.what, t).
			WithHint("a number and a unit, or several: 7d, 36h, 1h30m, 10s, 250ms; the units are w, d, h, m, s, ms, us")
	}
	return micros
}

// positive is a duration that is not zero.
func (o *options) positive(name string) int64 {
	micros := o.duration(name, 0)
	if micros == 0 && o.has(name) {
		o.fail(o.place(name), "%s of %s must be longer than nothing", name, o.what)
	}
	return micros
}

// expr is an option that is an expression in SQL; nil if it was not given.
func (o *options) expr(name string) *jobfile.Tree {
	t := o.get(name)
	if t == nil {
		return nil
	}
	return o.asExpr(t, name)
}

func (o *options) asExpr(t *jobfile.Tree, what string) *jobfile.Tree {
	if t.Form == jobfile.List || t.Form == jobfile.Mapping {
		o.fail(t.Value, "%s of %s must be an expression in SQL, found %s", what, o.what, t)
	} else if t.SQL == nil {
		o.fail(t.Value, "%s of %s: an expression over several lines, or with escapes, must be a literal block", what, o.what).
			WithHint("write \"%s: |\" and the expression indented below it", what)
	}
	return t
}

// order is a column to sort by.
type order struct {
	column     jobfile.Value
	descending bool
	nullsLast  bool
}

var orderPattern = regexp.MustCompile(`^(?i)(.*?)(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?$`)

// orders reads a list of "column [asc|desc] [nulls first|last]". NULL is smaller than all else unless told otherwise.
func (o *options) orders(name string) []order {
	var out []order
	for _, t := range o.list(name) {
		v := o.asText(t, name)
		m := orderPattern.FindStringSubmatch(strings.TrimSpace(v.Text))
		by := order{column: jobfile.Value{Text: m[1], Span: v.Span}, descending: strings.EqualFold(m[2], "desc")}
		by.nullsLast = by.descending
		if m[3] != "" {
			by.nullsLast = strings.EqualFold(m[3], "last")
		}
		out = append(out, by)
	}
	return out
}
