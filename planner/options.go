package planner

import (
	"errors"
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

func optionMap(options []jobfile.Option) map[string]string {
	if len(options) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, o := range options {
		out[o.Name.Text] = o.Value.Text
	}
	return out
}

// columnsOf reads the types of declared columns; nil if there are none.
func columnsOf(columns []jobfile.Column) (*plan.Schema, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	out := &plan.Schema{}
	for _, c := range columns {
		t, err := sql.ParseType(c.Type)
		if err != nil {
			return nil, err
		}
		s, err := logical.SchemaOf(c.Type, []sql.ColumnDef{{Name: sql.Ident{Name: c.Name.Text}, Type: t}})
		if err != nil {
			return nil, err
		}
		out.Fields = append(out.Fields, s.Fields...)
	}
	return out, nil
}

// optionError shows the option of a job file that an error is about; nil where it is about none of them.
func (l *jobLoader) optionError(options []jobfile.Option, err error) error {
	var e *plan.OptionError
	if !errors.As(err, &e) {
		return nil
	}
	i := slices.IndexFunc(options, func(o jobfile.Option) bool { return strings.EqualFold(o.Name.Text, e.Option) })
	if i < 0 {
		return nil
	}
	span := options[i].Value.Span
	known := slices.ContainsFunc(e.Known, func(name string) bool { return strings.EqualFold(name, e.Option) })
	if len(e.Known) > 0 && !known {
		span = options[i].Name.Span
	}
	shown := l.file.Errorf(span, "%s", e.Failure.Message)
	if near := source.Nearest(e.Option, e.Known); near != "" && !known {
		shown.WithHint("did you mean %q?", near)
	} else if !known && len(e.Known) > 0 {
		shown.WithHint("there are: %s", strings.Join(e.Known, ", "))
	}
	return shown
}
