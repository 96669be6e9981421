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
	Dir    string // absolute folder where the paths of files in FROM start; "" refuses them
	Tables []plan.Source
	Views  []View
	// Namespace is the schema where names of tables are looked up that have none before them; "" is the schema default.
	Namespace string
	Variables []plan.Constant
	Routines  []Routine // each sees those before it
	Into      *Into     // nil: the rows are the caller's
}

// View binds a name to a query.
type View struct {
	Name      string
	Namespace string   // the schema that it lies in; "" for none
	Current   string   // the schema in which its own names are looked up
	Columns   []string // other names for the query's columns; nil keeps them
	File      string
	Line      int
	SQL       string
}

// Into has a query's rows written to a dataset.
type Into struct {
	URL string
	// Schema is the table's columns, nil for the query's own. The query's columns go to them by position, or to those
	// named by Columns; the others are NULL.
	Schema  *plan.Schema
	Columns []string
	ByName  bool // the query's columns go to those of the same name
	// Defaults are, as SQL, the values of columns that the query does not give, and of the word DEFAULT in VALUES.
	Defaults map[string]string
	Options  map[string]string // of the files
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
	p.filtered = sql.Filtered(text)
	for _, v := range q.Views {
		p.filtered = append(p.filtered, sql.Filtered(&source.Text{Body: v.SQL})...)
	}
	for _, t := range q.Tables {
		if err := p.addTable(ctx, t); err != nil {
			return err
		}
	}
	for _, v := range q.Views {
		p.addView(ctx, v)
	}
	if err := p.addFiles(ctx, text, tree); err != nil {
		return err
	}
	if q.Into != nil && q.Into.Schema != nil {
		if err := withDefaults(tree, q.Into); err != nil {
			return err
		}
	}
	for _, r := range q.Routines {
		if err := p.addRoutine(r); err != nil {
			return err
		}
	}
	env := p.environment()
	env.Schema = q.Namespace
	node, err := logical.Analyse(text, tree, env)
	if err != nil {
		return err
	}
	if q.Into == nil {
		p.targets = []target{{name: "result", analysed: node}}
		return nil
	}
	return p.writeInto(text, node, q.Into)
}

// addView makes a relation of a view's query, which is analysed where something names it.
func (p *planning) addView(ctx context.Context, v View) {
	busy := false
	make := func() (logical.Node, error) {
		text := &source.Text{File: v.File, Line: v.Line, Body: v.SQL}
		tree, err := sql.Parse(text)
		if err != nil {
			return nil, err
		}
		if busy {
			return nil, text.Errorf(tree.Span, "RECURSIVE_VIEW", "the view %q is made of itself", v.Name)
		}
		busy = true
		defer func() { busy = false }()
		if err := p.addFiles(ctx, text, tree); err != nil {
			return nil, err
		}
		if len(v.Columns) > 0 {
			tree = withColumns(tree, v)
		}
		env := p.environment()
		env.Schema = v.Current
		return logical.Analyse(text, tree, env)
	}
	p.relations = append(p.relations, logical.Relation{Name: v.Name, Schema: v.Namespace, View: make})
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

// typedNulls gives columns of nothing but NULL the type string: files have no column without a type.
func typedNulls(n logical.Node, ids *logical.IDs) logical.Node {
	var defs []logical.Definition
	changed := false
	for _, c := range n.Columns() {
		f, e := c.Field, c.Ref()
		if c.Type.Kind == plan.KindNull {
			f.Type = plan.String
			e = compute.Cast(e, plan.String) // of a call, which may be there to raise an error
			changed = true
		}
		defs = append(defs, logical.Definition{Column: ids.Column(f), Expr: e})
	}
	if !changed {
		return n
	}
	return &logical.Project{Input: n, Defs: defs}
}
