package jobfile

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
)

// TestGolden reads testdata/*.txt: job files, each between a line "==== title" and a line "----", and what comes of
// them: the parts read, or the error. A title may end in "-p name=value …", the parameters given.
func TestGolden(t *testing.T) {
	golden.Files(t, "testdata/*.txt", func(t *testing.T, text string) string {
		var out strings.Builder
		for _, block := range strings.Split(text, "==== ")[1:] {
			head, _, found := strings.Cut(block, "\n----\n")
			if !found {
				head = strings.TrimSuffix(head, "\n----")
			}
			title, body, _ := strings.Cut(head, "\n")
			_, flags, _ := strings.Cut(title, " -p ")
			given := map[string]string{}
			for _, f := range strings.Fields(flags) {
				name, value, _ := strings.Cut(f, "=")
				given[name] = value
			}
			fmt.Fprintf(&out, "==== %s\n----\n%s\n\n", head, strings.TrimRight(describeFile(body, given), "\n"))
		}
		return strings.TrimRight(out.String(), "\n") + "\n"
	})
}

// describeFile is what a test sees of a job: its parts, its parameters' values, and for each step an error at the last
// word of its SQL, to show that places in the SQL are places in the file.
func describeFile(body string, given map[string]string) string {
	f, err := Parse("job.yaml", body)
	if err != nil {
		return "error: " + err.Error()
	}
	params, err := f.Resolve(given)
	if err != nil {
		return "error: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "job %s\n", f.Name.Text)
	for i, p := range params.List() {
		value, _ := params.Literal(p.Name)
		fmt.Fprintf(&b, "param %s %s = %s, literal %s %q\n", p.Name, p.Type, p.Value, value, f.Params[i].Doc)
	}
	for _, s := range f.Sources {
		path, err := params.Expand(f, s.Path)
		if err != nil {
			return "error: " + err.Error()
		}
		fmt.Fprintf(&b, "source %s %q %s", s.Name.Text, path, cmp.Or(s.Format, "any"))
		b.WriteString(describeOptions(s.Options))
		for _, c := range s.Columns {
			fmt.Fprintf(&b, " %s:%q", c.Name.Text, c.Type.Body)
		}
		for _, p := range s.Partitions {
			fmt.Fprintf(&b, " %s:%s", p.Column.Text, p.Type)
		}
		b.WriteString("\n")
	}
	for _, fn := range f.Functions {
		fmt.Fprintf(&b, "function %s = %q %s %s", fn.Name.Text, fn.Plugin.Text, fn.Export.Text, fn.SHA256.Text)
		if t := fn.Treatment; t != (plan.Treatment{}) {
			fmt.Fprintf(&b, " on_error=%q memory=%d timeout=%d network=%t", t.OnError, t.Memory, t.Timeout, t.Network)
		}
		b.WriteString("\n")
	}
	for _, s := range f.Steps {
		if s.SQL == nil {
			fmt.Fprintf(&b, "step %s %s %s\n", s.Name.Text, s.Operator.Text, describeTree(f, s.Options))
			continue
		}
		end := len(strings.TrimRight(s.SQL.Body, " \n"))
		start := strings.LastIndexAny(s.SQL.Body[:end], " \n") + 1
		fmt.Fprintf(&b, "step %s %q\n%s\n", s.Name.Text, s.SQL.Body, s.SQL.Errorf(source.Span{Start: start, End: end}, "", "last word"))
	}
	for _, o := range f.Outputs {
		path, err := params.Expand(f, o.Path)
		if err != nil {
			return "error: " + err.Error()
		}
		fmt.Fprintf(&b, "output %s from %s %q %s %s %d", o.Name.Text, o.From.Text, path, o.Format, o.Compression, o.Shards)
		b.WriteString(describeOptions(o.Options))
		for _, c := range o.ShardBy {
			fmt.Fprintf(&b, " %s", c.Text)
		}
		b.WriteString(describeLayout(o))
		b.WriteString("\n")
	}
	for _, c := range f.Checks {
		fmt.Fprintf(&b, "check of %s: %q warn=%v %s %s\n", c.Output.Text, c.Name.Text, c.Warn, c.Kind.Text, describeTree(f, c.Options))
	}
	return b.String()
}

// describeTree shows a tree on one line: texts in quotes, and behind each the column where the file has it.
func describeTree(f *File, t *Tree) string {
	place := func(v Value) int { return v.Span.Start - strings.LastIndex(f.Text.Body[:v.Span.Start], "\n") }
	var parts []string
	switch t.Form {
	case List:
		for _, item := range t.Items {
			parts = append(parts, describeTree(f, item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case Mapping:
		for _, e := range t.Entries {
			parts = append(parts, fmt.Sprintf("%s@%d: %s", e.Key.Text, place(e.Key), describeTree(f, e.Value)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	sql := ""
	if t.SQL == nil && t.Form != Nothing {
		sql = " not SQL"
	}
	return fmt.Sprintf("%s@%d%s", t, place(t.Value), sql)
}

// describeLayout is how an output's rows lie in files.
func describeLayout(o Output) (out string) {
	for _, c := range o.PartitionBy {
		out += " by " + c.Text
	}
	if o.RowsPerFile > 0 {
		out += fmt.Sprintf(" %d rows a file", o.RowsPerFile)
	}
	for _, c := range o.SortBy {
		out += fmt.Sprintf(" sorted by %s desc=%t nullsLast=%t", c.Column.Text, c.Descending, c.NullsLast)
	}
	if o.Time.Text != "" {
		out += " time " + o.Time.Text
	}
	return out
}

func describeOptions(options []Option) string {
	out := ""
	for _, o := range options {
		out += fmt.Sprintf(" %s=%q", o.Name.Text, o.Value.Text)
	}
	return out
}
