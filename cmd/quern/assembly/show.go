package assembly

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// show executes SHOW and DESCRIBE.
func (e execution) show(ctx context.Context, st *sql.Command) (Result, error) {
	switch st.Kind {
	case sql.CommandShowTables, sql.CommandShowViews:
		return e.showTables(st)
	case sql.CommandShowSchemas:
		names := append([]string{defaultSchema}, e.schemas...)
		slices.Sort(names)
		return listed("namespace", matching(st, names)), nil
	case sql.CommandShowCatalogs:
		return listed("catalog", matching(st, []string{catalogName})), nil
	case sql.CommandShowCurrent:
		return Result{Schema: stringColumns("catalog", "namespace"), Rows: [][]string{{catalogName, e.schema()}}}, nil
	case sql.CommandShowColumns:
		schema, err := e.schemaOf(ctx, st.Name)
		return listed("col_name", schema.Names()), err
	case sql.CommandDescribe:
		schema, err := e.schemaOf(ctx, st.Name)
		return description(schema), err
	case sql.CommandShowFunctions:
		return e.showFunctions(st), nil
	case sql.CommandDescribeFunc:
		return e.describeFunction(st)
	case sql.CommandDescribeQuery:
		schema, err := e.querySchema(ctx, e.query(st.Query.Span))
		return description(schema), err
	}
	return Result{}, e.errorf("UNSUPPORTED_FEATURE", "%s is not supported", strings.ToUpper(st.Kind))
}

// showTables lists what is in a schema, and what is in none.
func (e execution) showTables(st *sql.Command) (Result, error) {
	schema := e.schema()
	if st.Name != nil {
		var err error
		if schema, err = e.knownSchema(st.Name); err != nil {
			return Result{}, err
		}
	}
	what, views := "tableName", st.Kind == sql.CommandShowViews
	if views {
		what = "viewName"
	}
	r := Result{Schema: stringColumns("namespace", what, "isTemporary")}
	r.Schema.Fields[2].Type = plan.Boolean
	r.golden = func(row []string) string { return row[1] }
	add := func(namespace, name string) {
		if (namespace == "" || strings.EqualFold(namespace, schema)) && len(matching(st, []string{name})) > 0 {
			r.Rows = append(r.Rows, []string{namespace, name, fmt.Sprint(namespace == "")})
		}
	}
	for _, v := range e.base.Views {
		add(v.Namespace, v.Name)
	}
	for _, t := range e.base.Tables {
		if !views || e.fileViews[(objectName{t.Namespace, t.Name}).key()] {
			add(t.Namespace, t.Name)
		}
	}
	slices.SortFunc(r.Rows, func(x, y []string) int { return strings.Compare(x[1], y[1]) })
	return r, nil
}

// matching leaves the names that fit the pattern of a SHOW: * is any text, | parts patterns, letter case is ignored.
func matching(st *sql.Command, names []string) []string {
	if !st.HasPattern {
		return names
	}
	var parts []string
	for _, p := range strings.Split(st.Pattern, "|") {
		parts = append(parts, strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(p)), `\*`, ".*"))
	}
	pattern := regexp.MustCompile("(?is)^(?:" + strings.Join(parts, "|") + ")$")
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !pattern.MatchString(n) })
}

// listed is a result of one column.
func listed(column string, values []string) Result {
	r := Result{Schema: stringColumns(column)}
	for _, v := range values {
		r.Rows = append(r.Rows, []string{v})
	}
	return r
}

func stringColumns(names ...string) plan.Schema {
	var s plan.Schema
	for _, n := range names {
		s.Fields = append(s.Fields, plan.Field{Name: n, Type: plan.String})
	}
	return s
}

// description is what DESCRIBE shows of columns.
func description(schema plan.Schema) Result {
	r := Result{Schema: stringColumns("col_name", "data_type", "comment")}
	r.golden = func(row []string) string { return fmt.Sprintf("%-20s\t%-20s\t%-20s", row[0], row[1], row[2]) }
	for _, f := range schema.Fields {
		r.Rows = append(r.Rows, []string{f.Name, f.Type.String(), ""})
	}
	return r
}
