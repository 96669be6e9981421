package planner

import (
	"context"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// QueryRequest is one SQL statement over named tables and views.
type QueryRequest struct {
	File   string // name, for messages
	Line   int    // lines of the file before the statement, for messages
	SQL    string
	Tables []plan.Source
	Views  []View // each sees the tables and the views before it
	Into   *Into  // nil: the rows are the caller's
}

// View binds a name to a query.
type View struct {
	Name    string
	Columns []string // other names for the query's columns; nil keeps them
	File    string
	Line    int
	SQL     string
}

// Into has a query's rows written to a dataset.
type Into struct {
	URL string
	// Schema is the table's columns, nil for the query's own. The query's columns go to them by position, or to those
	// named by Columns; the others are NULL.
	Schema  *plan.Schema
	Columns []string
}

// ParseSchema reads columns as DDL: "a INT NOT NULL, b ARRAY<STRING>".
func ParseSchema(ddl string) (plan.Schema, error) {
	text := &source.Text{Body: ddl}
	columns, err := sql.ParseColumns(text)
	if err != nil {
		return plan.Schema{}, err
	}
	return logical.SchemaOf(text, columns)
}

// loadQuery analyses a query's statement; its rows are the only target.
func (p *planning) loadQuery(ctx context.Context) error {
	q := p.req.Query
	p.name = "query"
	text := &source.Text{File: q.File, Line: q.Line, Body: q.SQL}
	// The text comes first: a typing error should not wait for a look at remote files.
	tree, err := sql.Parse(text)
	if err != nil {
		return err
	}
	for _, t := range q.Tables {
		if err := p.addTable(ctx, t); err != nil {
			return err
		}
	}
	for _, v := range q.Views {
		if err := p.addView(v); err != nil {
			return err
		}
	}
	node, err := logical.Analyse(text, tree, p.environment())
	if err != nil {
		return err
	}
	if q.Into == nil {
		p.targets = []target{{name: "result", analysed: typedNulls(node, p.ids)}}
		return nil
	}
	return p.writeInto(text, node, q.Into)
}

// addView makes a relation of a view's query.
func (p *planning) addView(v View) error {
	text := &source.Text{File: v.File, Line: v.Line, Body: v.SQL}
	tree, err := sql.Parse(text)
	if err != nil {
		return err
	}
	if len(v.Columns) > 0 {
		tree = withColumns(tree, v)
	}
	node, err := logical.Analyse(text, tree, p.environment())
	if err != nil {
		return err
	}
	p.relations = append(p.relations, logical.Relation{Name: v.Name, Plan: node})
	return nil
}

// withColumns is SELECT * FROM (query) AS name(columns).
func withColumns(query *sql.Query, v View) *sql.Query {
	ident := func(name string) sql.Ident { return sql.Ident{Name: name, Quoted: true, Span: query.Span} }
	ref := &sql.Subquery{Query: query, Span: query.Span}
	alias := ident(v.Name)
	ref.Alias = &alias
	for _, c := range v.Columns {
		ref.Columns = append(ref.Columns, ident(c))
	}
	body := &sql.Select{Items: []sql.SelectItem{{Expr: &sql.Star{Span: query.Span}}}, From: []sql.TableRef{ref}, Span: query.Span}
	return &sql.Query{Body: body, Span: query.Span}
}

// typedNulls gives columns of nothing but NULL the type string: files and segments have no column without a type.
func typedNulls(n logical.Node, ids *logical.IDs) logical.Node {
	var defs []logical.Definition
	changed := false
	for _, c := range n.Columns() {
		f, e := c.Field, c.Ref()
		if c.Type.Kind == plan.KindNull {
			f.Type = plan.String
			e = plan.NullLiteral(plan.String)
			changed = true
		}
		defs = append(defs, logical.Definition{Column: ids.Column(f), Expr: e})
	}
	if !changed {
		return n
	}
	return &logical.Project{Input: n, Defs: defs}
}

// shardBytes is about how much of a table that a query writes goes into one file, in memory.
const shardBytes = 256 << 20

// writeInto makes the target that writes the rows, its columns cast as an assignment.
func (p *planning) writeInto(text *source.Text, node logical.Node, into *Into) error {
	var err error
	if into.Schema != nil {
		if node, err = p.assigned(text, node, into); err != nil {
			return err
		}
	}
	node = typedNulls(node, p.ids)
	if problem, hint := outputProblem(node.Columns()); problem != "" {
		return text.Errorf(source.Span{}, "", "table: %s", problem).WithHint("%s", hint)
	}
	shards := int(min(logical.Estimate(node).Bytes/shardBytes+1, 64))
	p.targets = []target{{
		name: "table", analysed: node,
		output: &plan.Output{Name: "table", URL: into.URL, Format: "parquet", Compression: "zstd", Shards: shards},
	}}
	return nil
}

// assigned is the query's rows as rows of the table.
func (p *planning) assigned(text *source.Text, node logical.Node, into *Into) (logical.Node, error) {
	cols := node.Columns()
	names := into.Columns
	if len(names) == 0 {
		names = into.Schema.Names()
	}
	if len(names) != len(cols) {
		class := "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS"
		if len(cols) < len(names) {
			class = "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS"
		}
		return nil, text.Errorf(source.Span{}, class, "%d columns for %d of the table", len(cols), len(names))
	}
	values := make([]*plan.Expr, len(into.Schema.Fields))
	for i, name := range names {
		at := into.Schema.Index(name)
		switch {
		case at < 0:
			return nil, text.Errorf(source.Span{}, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "the table has no column %q", name)
		case values[at] != nil:
			return nil, text.Errorf(source.Span{}, "COLUMN_ALREADY_EXISTS", "column %q is given twice", name)
		case !assignable(cols[i].Type, into.Schema.Fields[at].Type):
			return nil, text.Errorf(source.Span{}, "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST",
				"column %q is %s; a value of type %s cannot be stored there", name, into.Schema.Fields[at].Type, cols[i].Type).
				WithHint("CAST it, if that is what you mean")
		}
		values[at] = compute.Cast(cols[i].Ref(), into.Schema.Fields[at].Type)
	}
	out := &logical.Project{Input: node}
	for i, f := range into.Schema.Fields {
		if values[i] == nil {
			values[i] = plan.NullLiteral(f.Type)
		}
		f.Nullable = f.Nullable || values[i].Nullable
		out.Defs = append(out.Defs, logical.Definition{Column: p.ids.Column(f), Expr: values[i]})
	}
	return out, nil
}

// assignable reports whether a value may be stored in a column without a CAST, by the rules of Spark's ANSI store
// assignment: numbers go to numbers, anything plain to strings, dates and timestamps to each other.
func assignable(from, to plan.Type) bool {
	switch {
	case from.Equal(to) || from.Kind == plan.KindNull:
		return true
	case from.IsNumeric() && to.IsNumeric():
		return true
	case to.Kind == plan.KindString:
		return !from.IsNested() && from.Kind != plan.KindBinary
	case from.Kind == to.Kind:
		return compute.CanCast(from, to)
	}
	return isTime(from) && isTime(to)
}

func isTime(t plan.Type) bool {
	return t.Kind == plan.KindDate || t.Kind == plan.KindTimestamp || t.Kind == plan.KindTimestampNTZ
}
