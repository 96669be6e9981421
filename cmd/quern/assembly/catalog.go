package assembly

import (
	"context"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// command executes a statement about schemas, tables and views as such.
func (e execution) command(ctx context.Context, st *sql.Command) (Result, error) {
	switch st.Kind {
	case sql.CommandUse:
		schema, err := e.knownSchema(st.Name)
		if err == nil {
			e.base.Namespace = schema
		}
		return Result{}, err
	case sql.CommandCreateSchema:
		return Result{}, e.createSchema(st)
	case sql.CommandDropSchema:
		return Result{}, e.dropSchema(st)
	case sql.CommandRenameTable, sql.CommandRenameView:
		return Result{}, e.rename(st)
	case sql.CommandTruncate:
		_, i, err := e.ownTable(st.Name)
		if err == nil {
			e.base.Tables = slices.Clone(e.base.Tables)
			e.newFolder(&e.base.Tables[i])
		}
		return Result{}, err
	case sql.CommandNothing:
		if st.Name == nil {
			return Result{}, nil
		}
		_, err := e.schemaOf(ctx, st.Name)
		return Result{}, err
	}
	return e.show(ctx, st)
}

func (e execution) createSchema(st *sql.Command) error {
	last := st.Name[len(st.Name)-1]
	_, err := e.knownSchema(st.Name)
	switch {
	case err == nil && st.Conditional:
		return nil
	case err == nil:
		return e.text.Errorf(last.Span, "SCHEMA_ALREADY_EXISTS", "the schema %q exists already", last.Name)
	case len(st.Name) > 2, len(st.Name) == 2 && !strings.EqualFold(st.Name[0].Name, catalogName):
		return err
	}
	e.Session.schemas = append(e.Session.schemas, last.Name)
	return nil
}

func (e execution) dropSchema(st *sql.Command) error {
	schema, err := e.knownSchema(st.Name)
	switch {
	case err != nil && st.Conditional:
		return nil
	case err != nil:
		return err
	case schema == defaultSchema || schema == globalSchema:
		return e.errorf("UNSUPPORTED_FEATURE.DROP_DATABASE", "the schema %q cannot be dropped", schema)
	}
	inside := func(namespace string) bool { return strings.EqualFold(namespace, schema) }
	views := slices.DeleteFunc(slices.Clone(e.base.Views), func(v api.View) bool { return inside(v.Namespace) })
	tables := slices.DeleteFunc(slices.Clone(e.base.Tables), func(t api.Table) bool { return inside(t.Namespace) })
	if !st.Cascade && len(views)+len(tables) < len(e.base.Views)+len(e.base.Tables) {
		return e.errorf("SCHEMA_NOT_EMPTY", "the schema %q is not empty", schema).WithHint("CASCADE drops what is in it")
	}
	e.base.Views, e.base.Tables = views, tables
	e.Session.schemas = slices.DeleteFunc(slices.Clone(e.schemas), inside)
	return nil
}

func (e execution) rename(st *sql.Command) error {
	from, err := e.object(st.Name)
	if err != nil {
		return err
	}
	to, err := e.object(st.To)
	if err != nil {
		return err
	}
	if temporary := (objectName{"", from.name}); len(st.Name) == 1 && (e.view(temporary) >= 0 || e.fileViews[temporary.key()]) {
		from, to.schema = temporary, ""
	}
	v, t := e.view(from), e.table(from)
	isView := v >= 0 || e.fileViews[from.key()]
	switch {
	case v < 0 && t < 0:
		return e.errorf("TABLE_OR_VIEW_NOT_FOUND", "no table or view %q", from.name)
	case isView && st.Kind == sql.CommandRenameTable && from.schema != "":
		return e.errorf("EXPECT_TABLE_NOT_VIEW.USE_ALTER_VIEW", "%q is a view", from.name).WithHint("ALTER VIEW renames it")
	case !isView && st.Kind == sql.CommandRenameView:
		return e.errorf("EXPECT_VIEW_NOT_TABLE.USE_ALTER_TABLE", "%q is a table", from.name).WithHint("ALTER TABLE renames it")
	case e.exists(to):
		return e.errorf("TABLE_OR_VIEW_ALREADY_EXISTS", "%q exists already", to.name)
	}
	e.base.Views, e.base.Tables = slices.Clone(e.base.Views), slices.Clone(e.base.Tables)
	if v >= 0 {
		e.base.Views[v].Name, e.base.Views[v].Namespace = to.name, to.schema
		return nil
	}
	e.base.Tables[t].Name, e.base.Tables[t].Namespace = to.name, to.schema
	move(e.defaults, from, to)
	move(e.fileViews, from, to)
	move(e.writers, from, to)
	return nil
}

// move gives what is known of one object to another.
func move[T any](m map[string]T, from, to objectName) {
	if v, ok := m[from.key()]; ok {
		delete(m, from.key())
		m[to.key()] = v
	}
}

// schemaOf is the columns of a table or view.
func (e execution) schemaOf(ctx context.Context, parts []sql.Ident) (plan.Schema, error) {
	q := e.query(e.span)
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = quoted(p.Name)
	}
	q.SQL = "TABLE " + strings.Join(names, ".")
	return e.querySchema(ctx, q)
}

// querySchema is the columns of a query.
func (e execution) querySchema(ctx context.Context, q *api.Query) (plan.Schema, error) {
	job, err := e.opts.Plan(ctx, q)
	if err != nil {
		return plan.Schema{}, err
	}
	return job.Stages[len(job.Stages)-1].Root.Schema, nil
}
