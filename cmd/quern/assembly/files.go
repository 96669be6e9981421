package assembly

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// isPath reports the option that says where files are.
func isPath(o sql.Property) bool { return strings.EqualFold(o.Key, "path") }

// filesOf is a CREATE TABLE as a table of files that are there already: one with a place.
func filesOf(st *sql.CreateTable) (sql.Files, bool) {
	f := sql.Files{Columns: st.Columns, Format: sql.Ident{Name: st.Format, Span: st.Span}, Options: st.Options}
	if st.Format == "" {
		f.Format.Name = "parquet"
	}
	if st.Location != nil {
		f.Options = append(slices.Clip(f.Options), *st.Location)
	}
	return f, slices.ContainsFunc(f.Options, isPath)
}

// createFiles makes a table of files. It is planned at once, so that a mistake shows where it was made.
func (e execution) createFiles(ctx context.Context, name objectName, files sql.Files, view bool) error {
	table, err := e.files(name, files)
	if err != nil {
		return err
	}
	check := e.query(source.Span{})
	check.Tables, check.Views = []api.Table{table}, nil
	check.SQL = "SELECT * FROM " + name.quoted() + " LIMIT 0"
	if _, err := e.opts.Plan(ctx, check); err != nil {
		return e.optionError(err, files.Options)
	}
	e.forget(name)
	e.base.Tables = append(slices.Clip(e.base.Tables), table)
	e.fileViews[name.key()] = view
	return nil
}

func (e execution) files(name objectName, files sql.Files) (api.Table, error) {
	table := api.Table{Name: name.name, Namespace: name.schema, Format: strings.ToLower(files.Format.Name)}
	formats := []string{"parquet", "csv", "json", "arrow"}
	if !slices.Contains(formats, table.Format) {
		err := e.text.Errorf(files.Format.Span, "DATA_SOURCE_NOT_FOUND", "no format %q", files.Format.Name)
		return table, err.WithHint("there are %s", strings.Join(formats, ", "))
	}
	for _, o := range files.Options {
		switch {
		case !isPath(o):
		case table.Path != "":
			return table, e.text.Errorf(o.Span, "UNSUPPORTED_FEATURE", "the path is there twice")
		case o.Value == "":
			return table, e.text.Errorf(o.Span, "UNSUPPORTED_FEATURE", "the path is empty")
		default:
			table.Path = o.Value
		}
	}
	if table.Path == "" {
		return table, e.errorf("UNSUPPORTED_FEATURE", "a view of files needs their path").WithHint("OPTIONS (path '…')")
	}
	if !strings.Contains(table.Path, "://") && !filepath.IsAbs(table.Path) {
		if e.opts.Dir == "" {
			return table, e.errorf("UNSUPPORTED_FEATURE", "relative paths have no beginning here")
		}
		table.Path = filepath.Join(e.opts.Dir, table.Path)
	}
	table.Options = optionMap(files.Options)
	if len(files.Columns) == 0 {
		return table, nil
	}
	var err error
	table.Schema, err = e.declared(files.Columns)
	return table, err
}

// optionMap is the options without the path.
func optionMap(options []sql.Property) map[string]string {
	var out map[string]string
	for _, o := range options {
		if isPath(o) {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[strings.ToLower(o.Key)] = o.Value
	}
	return out
}

// optionError shows the user's mistake in one of the options, or in the statement.
func (e execution) optionError(err error, options []sql.Property) error {
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureUser {
		return err
	}
	span := e.span
	var wrong *plan.OptionError
	if errors.As(err, &wrong) {
		for _, o := range options {
			if strings.EqualFold(o.Key, wrong.Option) {
				span = o.Span
			}
		}
	}
	class, message := "", f.Message
	if rest, ok := strings.CutPrefix(message, "["); ok {
		if c, after, found := strings.Cut(rest, "] "); found {
			class, message = c, after
		}
	}
	shown := e.text.Errorf(span, class, "%s", message)
	if wrong == nil {
		return shown
	}
	if near := source.Nearest(wrong.Option, wrong.Known); near != "" && !strings.EqualFold(near, wrong.Option) {
		return shown.WithHint("did you mean %q?", near)
	}
	return shown
}
