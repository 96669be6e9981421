package assembly

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
	"github.com/quern-engine/quern/shuffle"
)

// Session runs the statements of a script one after the other and keeps what they define: views, tables and settings.
// It is not safe for concurrent use.
type Session struct {
	opts     SessionOptions
	base     api.Query // tables, views and settings that a statement starts with
	settings []setting
	schemas  []string // besides default
	// defaults are the columns of tables that have default values, by the table's key.
	defaults map[string][]api.Default
	// variableDefaults are the default values of variables as SQL, by name in lower case.
	variableDefaults map[string]string
	inserts          int // how many statements have written rows, for the names of their folders
	// fileViews are the tables that are views of files, writers the options of those that INSERT writes, by their keys.
	fileViews map[string]bool
	writers   map[string][]sql.Property
}

// SessionOptions say where a session runs its queries.
type SessionOptions struct {
	// Run runs a query to its end; a run that fails is an error.
	Run func(ctx context.Context, q *api.Query) (*api.RunStatus, error)
	// Plan plans a query without running it.
	Plan func(ctx context.Context, q *api.Query) (*plan.Job, error)
	// Explain shows how a query would run.
	Explain func(ctx context.Context, q *api.Query) (string, error)
	// Profile is what a query did that ran.
	Profile func(ctx context.Context, run string) (*api.Profile, error)
	// Rows streams the result of a query that ran.
	Rows func(status *api.RunStatus) *shuffle.Stream
	// Warehouse is the URL below which CREATE TABLE and INSERT write; "" refuses them.
	Warehouse string
	Dir       string // absolute folder where the paths of files start; "" takes none
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
	// golden is how golden files write a row where that is not its values between tabs.
	golden func(row []string) string
}

// NewSession starts a session.
func NewSession(opts SessionOptions) *Session {
	return &Session{
		opts: opts, base: api.Query{Dir: opts.Dir, Tables: slices.Clone(opts.Tables), Session: opts.Session},
		defaults: map[string][]api.Default{}, variableDefaults: map[string]string{}, fileViews: map[string]bool{}, writers: map[string][]sql.Property{},
	}
}

// TimeZone is the session's time zone, in which timestamps are shown.
func (s *Session) TimeZone() (*time.Location, error) {
	return time.LoadLocation(s.base.Session.TimeZone)
}

// Execute runs one statement of a text.
func (s *Session) Execute(ctx context.Context, text *source.Text, span source.Span) (Result, error) {
	text, span, err := execution{s, text, span}.withIdentifiers(ctx)
	if err != nil {
		return Result{}, err
	}
	e, tables, err := execution{s, text, span}.withRecursions(ctx)
	defer func() { s.release(tables) }()
	if err != nil {
		return Result{}, err
	}
	statement, err := sql.ParseStatement(e.text, e.span)
	if err != nil {
		return Result{}, err
	}
	return e.run(ctx, statement)
}

func (e execution) run(ctx context.Context, statement sql.Statement) (Result, error) {
	switch st := statement.(type) {
	case *sql.Query:
		status, err := e.opts.Run(ctx, e.query(e.span))
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
	case *sql.Command:
		return e.command(ctx, st)
	case *sql.Set:
		return e.set(st)
	case *sql.Declare:
		return Result{}, e.declare(ctx, st)
	case *sql.SetVariable:
		return Result{}, e.setVariables(ctx, st)
	case *sql.ExecuteImmediate:
		return e.immediate(ctx, st)
	case *sql.CreateFunction:
		return Result{}, e.createFunction(ctx, st)
	}
	return Result{}, e.errorf("UNSUPPORTED_FEATURE", "this statement is not supported")
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
	status, err := e.opts.Run(ctx, q)
	if err != nil {
		return "", err
	}
	profile, err := e.opts.Profile(ctx, status.RunID)
	if err != nil {
		return "", err
	}
	return Analyzed(profile, 0), nil
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
