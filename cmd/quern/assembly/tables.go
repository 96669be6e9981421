package assembly

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
	"github.com/quern-engine/quern/storage"
)

// shards is how the files of a table lie in its folder: insert, run, shard.
const shards = "/*/*/*.parquet"

// tableFormats can stand behind USING. A table lasts as long as the command, so that what it is stored as does not show.
var tableFormats = []string{"parquet", "json", "csv", "orc"}

func (e execution) createTable(ctx context.Context, st *sql.CreateTable) error {
	name, err := e.object(st.Name)
	if err != nil {
		return err
	}
	files, external := filesOf(st)
	switch {
	case e.exists(name) && st.IfNotExists:
		return nil
	case e.exists(name) && !st.Replace:
		return e.errorf("TABLE_OR_VIEW_ALREADY_EXISTS", "%q exists already", name.name)
	case external && st.Query != nil:
		return e.errorf("UNSUPPORTED_FEATURE", "a table of a query lies in a folder of the script: leave out its path")
	case external:
		return e.createFiles(ctx, name, files, false)
	case e.opts.Warehouse == "":
		return e.errorf("UNSUPPORTED_FEATURE", "there is no place for tables here").WithHint("CREATE TEMPORARY VIEW needs none")
	case st.Format != "" && !slices.Contains(tableFormats, st.Format):
		return e.errorf("UNSUPPORTED_FEATURE", "tables of a script are Parquet files, not %s", st.Format)
	}
	writer := writerOptions(st)
	columns, err := e.columns(ctx, st)
	if err != nil {
		return err
	}
	table := api.Table{Name: name.name, Namespace: name.schema, Format: "parquet", Schema: columns}
	folder := e.newFolder(&table)
	if st.Query != nil {
		if table.Schema, err = e.write(ctx, st.Query.Span, folder, api.Into{Schema: columns, Options: optionMap(writer)}); err != nil {
			err = e.optionError(err, writer)
			return err
		}
	}
	e.forget(name)
	e.writers[name.key()] = writer
	e.base.Tables = append(slices.Clip(e.base.Tables), table)
	for _, c := range st.Columns {
		if c.Default != nil {
			at := c.Default.Pos()
			e.defaults[name.key()] = append(e.defaults[name.key()], api.Default{Column: c.Name.Name, SQL: e.text.Body[at.Start:at.End]})
		}
	}
	return nil
}

// newFolder gives a table a folder of its own below the warehouse.
func (e execution) newFolder(t *api.Table) string {
	e.inserts++
	folder := storage.Join(e.opts.Warehouse, fmt.Sprintf("%s-%d", strings.ToLower(t.Name), e.inserts))
	t.Path = folder + shards
	return folder
}

// columns is the declaration of the columns as written, checked.
func (e execution) columns(ctx context.Context, st *sql.CreateTable) (string, error) {
	if st.Like != nil {
		schema, err := e.schemaOf(ctx, st.Like)
		return declaration(schema), err
	}
	if len(st.Columns) == 0 {
		return "", nil
	}
	return e.declared(st.Columns)
}

func (e execution) declared(columns []sql.ColumnDef) (string, error) {
	schema, err := logical.SchemaOf(e.text, columns)
	return declaration(schema), err
}

// writerOptions are those of the files that a table is made of: of Parquet, since that is what they are.
func writerOptions(st *sql.CreateTable) []sql.Property {
	if st.Format != "" && st.Format != "parquet" {
		return nil
	}
	return st.Options
}

// write runs a query into a new folder of a table, and gives the columns that it wrote.
func (e execution) write(ctx context.Context, span source.Span, folder string, into api.Into) (string, error) {
	e.inserts++
	q := e.query(span)
	into.URL = storage.Join(folder, fmt.Sprintf("%06d", e.inserts))
	q.Into = &into
	job, err := e.opts.Plan(ctx, q)
	if err != nil {
		return "", err
	}
	_, err = e.opts.Run(ctx, q)
	return declaration(job.Outputs[0].Schema), err
}

func (e execution) insert(ctx context.Context, st *sql.Insert) error {
	name, i, err := e.ownTable(st.Table)
	if err != nil {
		return err
	}
	table := e.base.Tables[i]
	folder := strings.TrimSuffix(table.Path, shards)
	into := api.Into{Schema: table.Schema, ByName: st.ByName, Defaults: e.defaults[name.key()], Options: optionMap(e.writers[name.key()])}
	for _, c := range st.Columns {
		into.Columns = append(into.Columns, c.Name)
	}
	if st.Overwrite {
		folder = e.newFolder(&table)
	}
	if _, err := e.write(ctx, st.Query.Span, folder, into); err != nil {
		return err
	}
	e.base.Tables = slices.Clone(e.base.Tables)
	e.base.Tables[i] = table
	return nil
}

// ownTable finds a table that a statement can write to.
func (e execution) ownTable(parts []sql.Ident) (objectName, int, error) {
	name, err := e.object(parts)
	if err != nil {
		return name, 0, err
	}
	i := e.table(name)
	if i < 0 && len(parts) == 1 {
		i = e.table(objectName{"", name.name})
	}
	if i < 0 {
		return name, 0, e.errorf("TABLE_OR_VIEW_NOT_FOUND", "no table %q", name.name)
	}
	folder, ours := strings.CutSuffix(e.base.Tables[i].Path, shards)
	if !ours || !strings.HasPrefix(folder, e.opts.Warehouse) {
		return name, 0, e.errorf("UNSUPPORTED_FEATURE", "%q was not made by CREATE TABLE: a script writes to its own tables only", name.name).
			WithHint("a job's outputs are written by quern run")
	}
	return name, i, nil
}

func (e execution) drop(st *sql.Drop) error {
	switch st.Kind {
	case "variable":
		return e.dropVariable(st)
	case "function", "temporary function":
		return e.dropFunction(st)
	}
	name, err := e.object(st.Name)
	if err != nil {
		return err
	}
	temporary := objectName{"", name.name}
	if len(st.Name) == 1 && (e.view(temporary) >= 0 || e.table(temporary) >= 0 && !e.exists(name)) {
		name = temporary
	}
	view := e.view(name) >= 0 || e.fileViews[name.key()]
	switch {
	case e.exists(name) && view == (st.Kind == "view"):
		e.forget(name)
	case e.exists(name):
		return e.errorf("WRONG_COMMAND_FOR_OBJECT_TYPE", "%q is not a %s", name.name, st.Kind)
	case !st.IfExists:
		return e.errorf("TABLE_OR_VIEW_NOT_FOUND", "no %s %q", st.Kind, name.name)
	}
	return nil
}
