package assembly

import (
	"context"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/planner/sql"
)

func (e execution) createView(ctx context.Context, st *sql.CreateView) error {
	name, err := e.viewName(st)
	if err != nil {
		return err
	}
	if st.IfNotExists && e.exists(name) {
		return nil
	}
	if err := e.replaceable(st, name); err != nil {
		return err
	}
	if st.Files != nil {
		return e.createFiles(ctx, name, *st.Files, true)
	}
	v := api.View{Name: name.name, Namespace: name.schema, Current: e.base.Namespace, File: e.text.File}
	v.Line, v.SQL = e.piece(st.Query.Span)
	for _, c := range st.Columns {
		v.Columns = append(v.Columns, c.Name)
	}
	// The view is planned at once, so that a mistake in it shows where it was made.
	check := e.query(st.Query.Span)
	check.Views = append(slices.DeleteFunc(slices.Clone(check.Views), name.isView), v)
	check.SQL = "SELECT * FROM " + name.quoted()
	if _, err := e.opts.Plan(ctx, check); err != nil {
		return err
	}
	e.forget(name)
	e.base.Views = append(slices.Clip(e.base.Views), v)
	return nil
}

// viewName is where a new view lies.
func (e execution) viewName(st *sql.CreateView) (objectName, error) {
	if st.Temporary && len(st.Name) > 1 {
		return objectName{globalSchema, st.Name[len(st.Name)-1].Name}, nil
	}
	last := objectName{"", st.Name[len(st.Name)-1].Name}
	if st.Temporary || st.Alter && len(st.Name) == 1 && e.view(last) >= 0 {
		return last, nil
	}
	return e.object(st.Name)
}

// replaceable says why a view cannot be made under a name.
func (e execution) replaceable(st *sql.CreateView, name objectName) error {
	switch {
	case st.Alter && e.view(name) < 0:
		return e.errorf("TABLE_OR_VIEW_NOT_FOUND", "no view %q", name.name)
	case !e.exists(name):
		return nil
	case st.Replace && name.schema != "" && e.table(name) >= 0:
		return e.errorf("EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE", "%q is a table", name.name)
	case st.Replace:
		return nil
	case name.schema != "" && name.schema != globalSchema:
		return e.errorf("TABLE_OR_VIEW_ALREADY_EXISTS", "%q exists already", name.name).WithHint("CREATE OR REPLACE VIEW replaces it")
	}
	return e.errorf("TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "%q exists already", name.name).WithHint("CREATE OR REPLACE TEMPORARY VIEW replaces it")
}
