package assembly

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
	"github.com/quern-engine/quern/storage"
)

// Session runs the statements of a script one after the other and keeps what they define: views, tables and settings.
// It is not safe for concurrent use.
type Session struct {
	opts     SessionOptions
	base     api.Query // tables, views and settings that a statement starts with
	settings []setting
	inserts  int // how many statements have written rows, for the names of their folders
}

// SessionOptions say where a session runs its queries.
type SessionOptions struct {
	// Run runs a query to its end; a run that fails is an error.
	Run func(ctx context.Context, q *api.Query) (*api.RunStatus, error)
	// Plan plans a query without running it.
	Plan func(ctx context.Context, q *api.Query) (*plan.Job, error)
	// Explain shows how a query would run.
	Explain func(ctx context.Context, q *api.Query) (string, error)
	// Warehouse is the URL below which CREATE TABLE and INSERT write; "" refuses them.
	Warehouse string
	Tables    []api.Table
	Session   plan.Session
}

// Result is what a statement gives.
type Result struct {
	// Status is of a query's run, whose rows wait to be fetched; nil for other statements.
	Status *api.RunStatus
	// Ordered: the statement says in which order its rows come.
	Ordered bool
	// Schema and Rows are the result of a statement that runs nothing, such as SET.
	Schema plan.Schema
	Rows   [][]string
}

// NewSession starts a session.
func NewSession(opts SessionOptions) *Session {
	return &Session{opts: opts, base: api.Query{Tables: slices.Clone(opts.Tables), Session: opts.Session}}
}

// TimeZone is the session's time zone, in which timestamps are shown.
func (s *Session) TimeZone() (*time.Location, error) {
	return time.LoadLocation(s.base.Session.TimeZone)
}

// Execute runs one statement of a text.
func (s *Session) Execute(ctx context.Context, text *source.Text, span source.Span) (Result, error) {
	statement, err := sql.ParseStatement(text, span)
	if err != nil {
		return Result{}, err
	}
	e := execution{s, text, span}
	switch st := statement.(type) {
	case *sql.Query:
		status, err := s.opts.Run(ctx, e.query(span))
		return Result{Status: status, Ordered: isOrdered(st)}, err
	case *sql.Explain:
		return e.explain(ctx, st)
	case *sql.CreateView:
		return Result{}, e.createView(ctx, st)
	case *sql.CreateTable:
		return Result{}, e.createTable(ctx, st)
	case *sql.Insert:
		return Result{}, e.insert(ctx, st)
	case *sql.Drop:
		return Result{}, e.drop(st)
	case *sql.Set:
		return e.set(st)
	}
	return Result{}, text.Errorf(span, "UNSUPPORTED_FEATURE", "this statement is not supported")
}

// execution is one statement on its way.
type execution struct {
	*Session
	text *source.Text
	span source.Span
}

func (e execution) errorf(class, format string, args ...any) *source.Error {
	return e.text.Errorf(e.span, class, format, args...)
}

// query is the query at a place of the text, over all that the session knows. Blanks stand for what is before it on its
// line, so that positions in messages are the file's.
func (e execution) query(span source.Span) *api.Query {
	q := e.base
	q.File = e.text.File
	line, body := e.piece(span)
	q.Line, q.SQL = line, body
	return &q
}

func (e execution) piece(span source.Span) (line int, body string) {
	before := e.text.Body[:span.Start]
	lineStart := strings.LastIndexByte(before, '\n') + 1
	return e.text.Line + strings.Count(before, "\n"),
		strings.Repeat(" ", len([]rune(before[lineStart:]))) + e.text.Body[span.Start:span.End]
}

func (e execution) explain(ctx context.Context, st *sql.Explain) (Result, error) {
	text, err := e.describe(ctx, e.query(st.Query.Span), st.Mode == "analyze")
	return Result{
		Schema: plan.Schema{Fields: []plan.Field{{Name: "plan", Type: plan.String}}},
		Rows:   [][]string{{strings.TrimRight(text, "\n")}},
	}, err
}

func (e execution) describe(ctx context.Context, q *api.Query, analyze bool) (string, error) {
	if !analyze {
		return e.opts.Explain(ctx, q)
	}
	job, err := e.opts.Plan(ctx, q)
	if err != nil {
		return "", err
	}
	status, err := e.opts.Run(ctx, q)
	if err != nil {
		return "", err
	}
	return Analyzed(job, status), nil
}

// lastName is the name itself of catalog.schema.name; only the catalog and schema that exist may stand before it.
func (e execution) lastName(parts []sql.Ident) (string, error) {
	for _, p := range parts[:len(parts)-1] {
		if !slices.Contains([]string{"spark_catalog", "default", "global_temp"}, strings.ToLower(p.Name)) {
			return "", e.text.Errorf(p.Span, "SCHEMA_NOT_FOUND", "no schema %q: a script has one, named default", p.Name)
		}
	}
	return parts[len(parts)-1].Name, nil
}

func (e execution) createView(ctx context.Context, st *sql.CreateView) error {
	name, err := e.lastName(st.Name)
	if err != nil {
		return err
	}
	if e.exists(name) {
		switch {
		case st.IfNotExists:
			return nil
		case !st.Replace:
			return e.errorf("TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "%q exists already", name).WithHint("CREATE OR REPLACE TEMPORARY VIEW replaces it")
		}
	}
	v := api.View{Name: name, File: e.text.File}
	v.Line, v.SQL = e.piece(st.Query.Span)
	for _, c := range st.Columns {
		v.Columns = append(v.Columns, c.Name)
	}
	// The view is planned at once, so that a mistake in it shows where it was made.
	check := e.query(st.Query.Span)
	check.Views = append(slices.Clip(check.Views), v)
	check.SQL = "SELECT * FROM `" + strings.ReplaceAll(name, "`", "``") + "`"
	if _, err := e.opts.Plan(ctx, check); err != nil {
		return err
	}
	e.forget(name)
	e.base.Views = append(slices.Clip(e.base.Views), v)
	return nil
}

func (e execution) exists(name string) bool { return e.view(name) >= 0 || e.table(name) >= 0 }

func (e execution) view(name string) int {
	return slices.IndexFunc(e.base.Views, func(v api.View) bool { return strings.EqualFold(v.Name, name) })
}

func (e execution) table(name string) int {
	return slices.IndexFunc(e.base.Tables, func(t api.Table) bool { return strings.EqualFold(t.Name, name) })
}

func (s *Session) forget(name string) {
	s.base.Views = slices.DeleteFunc(slices.Clone(s.base.Views), func(v api.View) bool { return strings.EqualFold(v.Name, name) })
	s.base.Tables = slices.DeleteFunc(slices.Clone(s.base.Tables), func(t api.Table) bool { return strings.EqualFold(t.Name, name) })
}

func (e execution) createTable(ctx context.Context, st *sql.CreateTable) error {
	name, err := e.lastName(st.Name)
	if err != nil {
		return err
	}
	switch {
	case e.opts.Warehouse == "":
		return e.errorf("UNSUPPORTED_FEATURE", "there is no place for tables here").WithHint("CREATE TEMPORARY VIEW needs none")
	case st.Format != "" && st.Format != "parquet":
		return e.errorf("UNSUPPORTED_FEATURE", "tables of a script are Parquet files, not %s", st.Format)
	case e.exists(name) && st.IfNotExists:
		return nil
	case e.exists(name) && !st.Replace:
		return e.errorf("TABLE_OR_VIEW_ALREADY_EXISTS", "%q exists already", name)
	}
	columns, err := e.columns(st)
	if err != nil {
		return err
	}
	e.inserts++
	table := api.Table{Name: name, Format: "parquet", Schema: columns}
	folder := storage.Join(e.opts.Warehouse, fmt.Sprintf("%s-%d", strings.ToLower(name), e.inserts))
	table.Path = folder + "/*/*/*.parquet" // insert, run, shard
	if st.Query != nil {
		if table.Schema, err = e.write(ctx, st.Query.Span, folder, columns, nil); err != nil {
			return err
		}
	}
	e.forget(name)
	e.base.Tables = append(slices.Clip(e.base.Tables), table)
	return nil
}

// columns is the declaration of the columns as written, checked.
func (e execution) columns(st *sql.CreateTable) (string, error) {
	if len(st.Columns) == 0 {
		return "", nil
	}
	for _, c := range st.Columns {
		if c.Default != nil {
			return "", e.errorf("UNSUPPORTED_FEATURE", "DEFAULT of column %q is not supported", c.Name.Name)
		}
	}
	schema, err := logical.SchemaOf(e.text, st.Columns)
	return declaration(schema), err
}

// write runs a query into a new folder of a table, and gives the columns that it wrote.
func (e execution) write(ctx context.Context, span source.Span, folder, columns string, names []string) (string, error) {
	e.inserts++
	q := e.query(span)
	q.Into = &api.Into{URL: storage.Join(folder, fmt.Sprintf("%06d", e.inserts)), Schema: columns, Columns: names}
	job, err := e.opts.Plan(ctx, q)
	if err != nil {
		return "", err
	}
	_, err = e.opts.Run(ctx, q)
	return declaration(job.Outputs[0].Schema), err
}

func (e execution) insert(ctx context.Context, st *sql.Insert) error {
	name, err := e.lastName(st.Table)
	if err != nil {
		return err
	}
	i := e.table(name)
	if i < 0 {
		return e.errorf("TABLE_OR_VIEW_NOT_FOUND", "no table %q", name)
	}
	table := e.base.Tables[i]
	folder, ours := strings.CutSuffix(table.Path, "/*/*/*.parquet")
	if !ours || !strings.HasPrefix(folder, e.opts.Warehouse) {
		return e.errorf("UNSUPPORTED_FEATURE", "%q was not made by CREATE TABLE: a script writes to its own tables only", name).
			WithHint("a job's outputs are written by quern run")
	}
	var names []string
	for _, c := range st.Columns {
		names = append(names, c.Name)
	}
	if st.Overwrite {
		e.inserts++
		folder = storage.Join(e.opts.Warehouse, fmt.Sprintf("%s-%d", strings.ToLower(name), e.inserts))
		table.Path = folder + "/*/*/*.parquet"
	}
	if _, err := e.write(ctx, st.Query.Span, folder, table.Schema, names); err != nil {
		return err
	}
	e.base.Tables = slices.Clone(e.base.Tables)
	e.base.Tables[i] = table
	return nil
}

func (e execution) drop(st *sql.Drop) error {
	name, err := e.lastName(st.Name)
	if err != nil {
		return err
	}
	there := e.table(name) >= 0
	if st.Kind == "view" {
		there = e.view(name) >= 0
	}
	switch {
	case there:
		e.forget(name)
	case !st.IfExists && st.Kind == "view" && e.table(name) >= 0, !st.IfExists && st.Kind == "table" && e.view(name) >= 0:
		return e.errorf("WRONG_COMMAND_FOR_OBJECT_TYPE", "%q is not a %s", name, st.Kind)
	case !st.IfExists:
		return e.errorf("TABLE_OR_VIEW_NOT_FOUND", "no %s %q", st.Kind, name)
	}
	return nil
}

// declaration is columns as DDL.
func declaration(schema plan.Schema) string {
	parts := make([]string, len(schema.Fields))
	for i, f := range schema.Fields {
		parts[i] = "`" + strings.ReplaceAll(f.Name, "`", "``") + "` " + f.Type.String()
		if !f.Nullable {
			parts[i] += " NOT NULL"
		}
	}
	return strings.Join(parts, ", ")
}

// isOrdered reports whether a query says in which order its rows come: an ORDER BY that nothing above it undoes.
func isOrdered(q *sql.Query) bool {
	if len(q.OrderBy) > 0 {
		return true
	}
	switch body := q.Body.(type) {
	case *sql.Query:
		return isOrdered(body)
	case *sql.Select:
		if body.Distinct || body.GroupAll || len(body.GroupBy) > 0 || len(body.LateralViews) > 0 || len(body.From) != 1 {
			return false
		}
		sub, ok := body.From[0].(*sql.Subquery)
		return ok && isOrdered(sub.Query)
	}
	return false
}
