package parquetio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// footersAtOnce bounds how many files are opened at the same time: enough to hide the latency of an object store.
const footersAtOnce = 16

// Catalog finds Parquet tables for the planner. It is safe for concurrent use.
type Catalog struct {
	store *storage.Store
}

// NewCatalog returns a catalog of what the store can reach. Footers that it reads stay in the store's memory, so a task
// in the same process does not read them again.
func NewCatalog(store *storage.Store) *Catalog { return &Catalog{store: store} }

// Table lists a source's files, types its partition columns, and takes the other columns from the first file. They
// count as nullable whatever that file says, since another may say otherwise.
func (c *Catalog) Table(ctx context.Context, src plan.Source) (*plan.Table, error) {
	if src.Format != "" && !strings.EqualFold(src.Format, "parquet") {
		return nil, plan.Failf(plan.FailureUser, "source %s: format %q is not known; use parquet", src.Name, src.Format)
	}
	url, err := storage.URL("/", src.Path)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	infos, err := c.store.Resolve(ctx, url)
	if src.Schema != nil && errors.Is(err, fs.ErrNotExist) {
		return &plan.Table{Source: src, Schema: *src.Schema}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	table := &plan.Table{Source: src, Files: make([]plan.File, len(infos))}
	for i, info := range infos {
		table.Files[i] = plan.File{URL: info.URL, Size: info.Size, ETag: info.ETag}
	}
	if table.Partitions, err = partitionFiles(url, table.Files, src.Partitions); err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	first, err := openFile(ctx, c.store, infos[0])
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	partitions := plan.Schema{Fields: table.Partitions}
	for _, col := range first.columns {
		if partitions.Index(col.name) < 0 { // the path wins, as in Spark
			table.Schema.Fields = append(table.Schema.Fields, plan.Field{Name: col.name, Type: col.typ, Nullable: true})
		}
	}
	table.Schema.Fields = append(table.Schema.Fields, table.Partitions...)
	table.Unsupported = maps.Clone(first.unsupported)
	return table, nil
}

// Statistics reads the footers of the files and fills in their row groups.
func (c *Catalog) Statistics(ctx context.Context, table *plan.Table, files []plan.File) ([]plan.File, error) {
	out := make([]plan.File, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(footersAtOnce)
	for i := range files {
		group.Go(func() error {
			in := files[i]
			f, err := openFile(ctx, c.store, storage.Info{URL: in.URL, Size: in.Size, ETag: in.ETag})
			if err == nil {
				in.RowGroups, err = f.rowGroups(table)
			}
			if err != nil {
				return fmt.Errorf("source %s: %w", table.Source.Name, err)
			}
			out[i] = in
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// rowGroups describes the file's row groups in terms of the table's columns, all of which it must have.
func (f *file) rowGroups(table *plan.Table) ([]plan.RowGroup, error) {
	n := len(table.Schema.Fields) - len(table.Partitions)
	columns := make([]column, n)
	for i, field := range table.Schema.Fields[:n] {
		col, err := f.column(field.Name)
		if err != nil {
			return nil, err
		}
		if !col.typ.Equal(field.Type) {
			return nil, plan.Failf(plan.FailureUser, "file %s: column %s has type %s, but in %s it has %s; all files of a source need the same columns",
				storage.Display(f.url), col.name, col.typ, storage.Display(table.Files[0].URL), field.Type)
		}
		columns[i] = col
	}
	groups := make([]plan.RowGroup, len(f.groups))
	for g := range f.groups {
		out := &groups[g]
		out.Rows = f.groups[g].NumRows
		out.Columns = make([]plan.ColumnStats, len(table.Schema.Fields))
		for i, col := range columns {
			out.Columns[i] = f.statsOf(g, col)
			out.Bytes += out.Columns[i].Bytes
		}
	}
	return groups, nil
}
