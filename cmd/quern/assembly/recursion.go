package assembly

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
	"github.com/quern-engine/quern/storage"
)

// Spark's own bounds of a recursion.
const (
	maxRecursionLevel = 100
	maxRecursionRows  = 1_000_000
)

// withRecursions runs the recursive queries of a statement and puts the tables of their rows in their place. It gives
// the names of these tables.
func (e execution) withRecursions(ctx context.Context) (execution, []objectName, error) {
	var tables []objectName
	for {
		found, err := sql.Recursions(e.text, e.span)
		if err != nil || len(found) == 0 {
			return e, tables, err
		}
		r := found[0]
		if e.opts.Warehouse == "" {
			return e, tables, e.text.Errorf(r.Name.Span, "UNSUPPORTED_FEATURE", "there is no place for the rows of recursive queries here")
		}
		table, err := e.recurse(ctx, r)
		if err != nil {
			return e, tables, err
		}
		e.base.Tables = append(slices.Clip(e.base.Tables), table)
		name := objectName{"", table.Name}
		tables = append(tables, name)
		definition := quoted(r.Name.Name) + " AS (TABLE " + name.quoted() + ")"
		definition = fmt.Sprintf("%-*s", r.Span.End-r.Span.Start, definition) // what follows stays where it was
		body := e.text.Body[:r.Span.Start] + definition + e.text.Body[r.Span.End:]
		e.span.End += len(body) - len(e.text.Body)
		e.text = &source.Text{File: e.text.File, Line: e.text.Line, Body: body}
	}
}

// release forgets the tables of recursive queries, but those that a view is made of.
func (s *Session) release(tables []objectName) {
	for _, name := range tables {
		used := slices.ContainsFunc(s.base.Views, func(v api.View) bool { return strings.Contains(v.SQL, name.quoted()) })
		if !used {
			s.forget(name)
		}
	}
}

// recurse makes the table of a recursive query's rows: the anchor's, and those of the step over the rows before.
func (e execution) recurse(ctx context.Context, r sql.Recursion) (api.Table, error) {
	e.inserts++
	table := api.Table{Name: fmt.Sprintf("%s#%d", r.Name.Name, e.inserts), Format: "parquet"}
	folder := e.newFolder(&table)
	anchor := e.part(r, r.Anchor)
	schema, err := e.querySchema(ctx, anchor)
	if err != nil {
		return table, err
	}
	if schema, err = e.recursionSchema(r, schema); err != nil {
		return table, err
	}
	table.Schema = declaration(schema)
	if err := e.checkStep(ctx, r, table, schema); err != nil {
		return table, err
	}
	most, wanted, total := maxRecursionLevel, e.wanted(r), int64(0)
	if r.MaxLevel > 0 {
		most = r.MaxLevel
	}
	for level, q := 0, anchor; ; level++ {
		if level > most {
			return table, e.text.Errorf(r.Name.Span, "RECURSION_LEVEL_LIMIT_EXCEEDED", "%s goes deeper than %d levels", r.Name.Name, most).
				WithHint("MAX RECURSION LEVEL n before AS allows more")
		}
		part := storage.Join(folder, fmt.Sprintf("%06d", level))
		run := *q
		run.Into = &api.Into{URL: part, Schema: table.Schema}
		status, err := e.opts.Run(ctx, &run)
		if err != nil {
			return table, err
		}
		rows := int64(0)
		for _, o := range status.Outputs {
			rows += o.Rows
		}
		if total += rows; total > maxRecursionRows && wanted < 0 {
			return table, e.text.Errorf(r.Name.Span, "RECURSION_ROW_LIMIT_EXCEEDED", "%s has more than %d rows", r.Name.Name, maxRecursionRows)
		}
		if rows == 0 || wanted >= 0 && total >= wanted {
			return table, nil
		}
		last := api.Table{Name: r.Name.Name, Format: "parquet", Schema: table.Schema, Path: part + "/*/*.parquet"}
		q = e.over(e.part(r, r.Step), last)
	}
}

// over is a query with one more table, which hides others of its name.
func (e execution) over(q *api.Query, t api.Table) *api.Query {
	name := objectName{"", t.Name}
	q.Tables = append(slices.DeleteFunc(slices.Clone(q.Tables), name.isTable), t)
	q.Views = slices.DeleteFunc(slices.Clone(q.Views), name.isView)
	return q
}

// part is a part of a recursive query with the definitions that it sees, all else in the statement blanked out, so that
// positions are the file's.
func (e execution) part(r sql.Recursion, span source.Span) *api.Query {
	body := []byte(e.text.Body)
	keep := make([]bool, len(body))
	all := append(slices.Clone(r.Visible), span)
	if len(r.Visible) > 0 {
		all = append(all, source.Span{Start: r.With.Start, End: r.With.Start + len("WITH")})
	}
	for _, s := range all {
		for i := s.Start; i < s.End; i++ {
			keep[i] = true
		}
	}
	for i, c := range body {
		if !keep[i] && c != '\n' {
			body[i] = ' '
		}
	}
	for i := 1; i < len(r.Visible); i++ {
		body[r.Visible[i-1].End] = ','
	}
	blank := execution{e.Session, &source.Text{File: e.text.File, Line: e.text.Line, Body: string(body)}, e.span}
	return blank.query(e.span)
}

// recursionSchema is the columns of the anchor under the names that the query gives them.
func (e execution) recursionSchema(r sql.Recursion, schema plan.Schema) (plan.Schema, error) {
	if len(r.Columns) > 0 && len(r.Columns) != len(schema.Fields) {
		return schema, e.text.Errorf(r.Name.Span, "ASSIGNMENT_ARITY_MISMATCH", "%d column names for %d columns", len(r.Columns), len(schema.Fields))
	}
	fields := slices.Clone(schema.Fields)
	for i := range fields {
		fields[i].Nullable = true
		if len(r.Columns) > 0 {
			fields[i].Name = r.Columns[i].Name
		}
	}
	return plan.Schema{Fields: fields}, nil
}

// checkStep plans the anchor and the step together: the step must not make the columns of the anchor wider.
func (e execution) checkStep(ctx context.Context, r sql.Recursion, table api.Table, schema plan.Schema) error {
	table.Name = r.Name.Name
	got, err := e.querySchema(ctx, e.over(e.part(r, r.Body), table))
	if err != nil {
		return err
	}
	for i, f := range got.Fields {
		if !f.Type.Equal(schema.Fields[i].Type) {
			return e.text.Errorf(r.Name.Span, "CANNOT_MERGE_INCOMPATIBLE_DATA_TYPE", "column %q is %s in the anchor, and %s with the step",
				schema.Fields[i].Name, schema.Fields[i].Type, f.Type).WithHint("CAST one of them")
		}
	}
	return nil
}

// wanted is how many rows a statement takes at most that selects from the recursive query alone and has a LIMIT; -1 for
// all.
func (e execution) wanted(r sql.Recursion) int64 {
	statement, err := sql.ParseStatement(e.text, e.span)
	q, ok := statement.(*sql.Query)
	if err != nil || !ok {
		return -1
	}
	if table, plain := sql.IsPlain(q); !plain || !strings.EqualFold(table, r.Name.Name) || q.Offset != nil {
		return -1
	}
	if l, ok := q.Limit.(*sql.Literal); ok {
		if n, err := strconv.ParseInt(l.Text, 10, 64); err == nil {
			return n
		}
	}
	return -1
}
