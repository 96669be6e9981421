package assembly

import (
	"context"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// createFunction keeps a function that is defined in SQL, once a call of it could be planned.
func (e execution) createFunction(ctx context.Context, st *sql.CreateFunction) error {
	name, err := e.object(st.Name)
	if err != nil {
		return err
	}
	r := api.Routine{Name: name.name, Namespace: name.schema, Table: st.Table, File: e.text.File}
	if st.Temporary {
		r.Namespace = ""
	}
	switch at := e.routine(name.name); {
	case at >= 0 && st.IfNotExists:
		return nil
	case at >= 0 && !st.Replace:
		return e.errorf("ROUTINE_ALREADY_EXISTS", "the function %q exists already", name.name).WithHint("CREATE OR REPLACE replaces it")
	}
	if err := e.signature(&r, st); err != nil {
		return err
	}
	if st.Query != nil {
		r.Line, r.SQL = e.piece(st.Query.Span)
	} else {
		r.Line, r.SQL = e.piece(st.Body.Pos())
	}
	others := slices.DeleteFunc(slices.Clone(e.base.Routines), func(o api.Routine) bool { return strings.EqualFold(o.Name, r.Name) })
	if err := e.checkRoutine(ctx, r, others); err != nil {
		return err
	}
	e.base.Routines = append(others, r)
	return nil
}

// signature takes over the parameters and what the function gives.
func (e execution) signature(r *api.Routine, st *sql.CreateFunction) error {
	params, err := logical.SchemaOf(e.text, st.Params)
	if err != nil {
		return err
	}
	if len(st.Params) > 0 {
		r.Params = declaration(params)
	}
	for _, c := range st.Params {
		if c.Default != nil {
			at := c.Default.Pos()
			r.Defaults = append(r.Defaults, api.Default{Column: c.Name.Name, SQL: e.text.Body[at.Start:at.End]})
		}
	}
	columns := st.Columns
	if st.Returns != nil {
		columns = []sql.ColumnDef{{Name: sql.Ident{Name: "result"}, Type: *st.Returns}}
	}
	if columns == nil {
		return nil
	}
	returns, err := logical.SchemaOf(e.text, columns)
	r.Returns = declaration(returns)
	return err
}

// checkRoutine plans a call with NULL for each argument.
func (e execution) checkRoutine(ctx context.Context, r api.Routine, others []api.Routine) error {
	q := e.query(e.span)
	q.Routines = append(others[:len(others):len(others)], r)
	params := 0
	if r.Params != "" {
		schema, err := declared(r.Params)
		if err != nil {
			return err
		}
		params = len(schema.Fields)
	}
	call := quoted(r.Name) + "(" + strings.TrimSuffix(strings.Repeat("NULL, ", params), ", ") + ")"
	q.SQL = "SELECT " + call
	if r.Table {
		q.SQL = "SELECT * FROM " + call
	}
	_, err := e.opts.Plan(ctx, q)
	return err
}

func (e execution) routine(name string) int {
	return slices.IndexFunc(e.base.Routines, func(r api.Routine) bool { return strings.EqualFold(r.Name, name) })
}

func (e execution) dropFunction(st *sql.Drop) error {
	name := st.Name[len(st.Name)-1].Name
	i := e.routine(name)
	switch {
	case i >= 0:
		e.base.Routines = slices.Delete(slices.Clone(e.base.Routines), i, i+1)
	case !st.IfExists:
		return e.errorf("ROUTINE_NOT_FOUND", "no function %q", name)
	}
	return nil
}
