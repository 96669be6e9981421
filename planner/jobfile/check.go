package jobfile

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// equalName compares names as SQL does.
func equalName(a, b string) bool { return strings.EqualFold(a, b) }

// check tests what spans several parts of the file.
func (r *reader) check(f *File) {
	if r.err != nil {
		return
	}
	var tables []Value
	for _, s := range f.Sources {
		tables = r.addName(tables, s.Name, "source")
	}
	for _, s := range f.Steps {
		tables = r.addName(tables, s.Name, "step")
	}
	var functions, params, outputs []Value
	for _, fn := range f.Functions {
		functions = r.addName(functions, fn.Name, "function")
	}
	for _, p := range f.Params {
		params = r.addName(params, p.Name, "parameter")
	}
	paths := map[string]bool{}
	for _, o := range f.Outputs {
		outputs = r.addName(outputs, o.Name, "output")
		r.checkFrom(tables, o)
		if o.Path.Text != "" && paths[o.Path.Text] {
			r.fail(o.Path.Span, "two outputs have the path %q", o.Path.Text)
		}
		paths[o.Path.Text] = true
	}
	for _, c := range f.Checks {
		r.checkChecked(outputs, c)
	}
	for _, s := range f.Sources {
		r.checkPath(f, s.Path)
		r.checkMaker(functions, s)
	}
	for _, o := range f.Outputs {
		r.checkPath(f, o.Path)
	}
	for _, fn := range f.Functions {
		for _, file := range fn.Files {
			r.checkPath(f, file.Path)
		}
	}
}

// checkMaker tests that a source's function is one of the job's.
func (r *reader) checkMaker(functions []Value, s Source) {
	if s.Function.Text == "" {
		return
	}
	var names []string
	for _, f := range functions {
		if equalName(f.Text, s.Function.Text) {
			return
		}
		names = append(names, f.Text)
	}
	e := r.fail(s.Function.Span, "the source %q: there is no function %q", s.Name.Text, s.Function.Text)
	if near := source.Nearest(s.Function.Text, names); near != "" {
		e.WithHint("did you mean %q?", near)
	} else {
		e.WithHint("bind one under functions:")
	}
}

// addName adds a name to those taken so far.
func (r *reader) addName(taken []Value, name Value, what string) []Value {
	for _, other := range taken {
		if equalName(other.Text, name.Text) {
			line := strings.Count(r.text.Body[:other.Span.Start], "\n") + 1
			r.fail(name.Span, "the name of the %s %q is taken", what, name.Text).WithHint("%q is on line %d", other.Text, line)
		}
	}
	return append(taken, name)
}

// checkFrom makes sure that an output's rows come from somewhere.
func (r *reader) checkFrom(tables []Value, o Output) {
	names := make([]string, len(tables))
	for i, t := range tables {
		if names[i] = t.Text; equalName(t.Text, o.From.Text) {
			return
		}
	}
	e := r.fail(o.From.Span, "there is no step or source %q", o.From.Text)
	switch near := source.Nearest(o.From.Text, names); {
	case near != "":
		e.WithHint("did you mean %q?", near)
	case o.From == o.Name:
		e.WithHint(`an output without "from" is written from the step or source that has its name`)
	}
}

// checkChecked makes sure that a check is about an output.
func (r *reader) checkChecked(outputs []Value, c Check) {
	names := make([]string, len(outputs))
	for i, o := range outputs {
		if names[i] = o.Text; o.Text == c.Output.Text {
			return
		}
	}
	e := r.fail(c.Output.Span, "there is no output %q to check", c.Output.Text)
	if near := source.Nearest(c.Output.Text, names); near != "" {
		e.WithHint("did you mean %q?", near)
	} else {
		e.WithHint("there are: %s", strings.Join(names, ", "))
	}
}

// checkPath makes sure that the parameters in a path exist.
func (r *reader) checkPath(f *File, path Value) {
	_, err := f.expand(path, func(name string) (string, string) {
		for _, p := range f.Params {
			if p.Name.Text == name {
				return "", ""
			}
		}
		return "", "there is no parameter " + quoted([]string{name})
	})
	if err != nil && r.err == nil {
		r.err = err
	}
}
