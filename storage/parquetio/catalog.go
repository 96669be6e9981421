package parquetio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

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

// Table lists a source's files, types its partition columns, and takes the other columns from the first file, unless the
// source declares them. With the option mergeSchema they are those of all files.
func (c *Catalog) Table(ctx context.Context, src plan.Source) (*plan.Table, error) {
	if err := checkOptions(src); err != nil {
		return nil, err
	}
	if MergesSchema(src) {
		src.Filtered = nil // all files are needed, whatever conditions say
	}
	table, err := c.store.FindTable(ctx, src)
	if err != nil {
		return nil, err
	}
	return c.Complete(ctx, table)
}

// MergesSchema reports that the columns are those of all files.
func MergesSchema(src plan.Source) bool {
	on, _ := strconv.ParseBool(src.Options[mergeSchema])
	return on
}

// Complete gives a table that was found its columns: those of the first file, unless the source declares them.
func (c *Catalog) Complete(ctx context.Context, table *plan.Table) (*plan.Table, error) {
	src := table.Source
	if err := checkOptions(src); err != nil || len(table.Files) == 0 || src.Schema != nil {
		return table, err
	}
	read := table.Sample[:1]
	if MergesSchema(src) {
		read = table.Files
	}
	files, err := c.openAll(ctx, read)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	merged := &schemaMerger{}
	for _, f := range files {
		if err := merged.add(f); err != nil {
			return nil, fmt.Errorf("source %s: %w", src.Name, err)
		}
	}
	storage.SetColumns(table, merged.fields)
	table.Unsupported = maps.Clone(files[0].unsupported)
	return table, nil
}

// mergeSchema is the option that makes a table's columns those of all its files.
const mergeSchema = "mergeschema"

func checkOptions(src plan.Source) error {
	known := []string{"mergeSchema"}
	for _, name := range sortedKeys(src.Options) {
		if _, err := strconv.ParseBool(src.Options[name]); name == mergeSchema && err != nil {
			return &plan.OptionError{Option: name, Known: known, Failure: plan.Failf(plan.FailureUser,
				"source %s: option %s of Parquet: %q is neither true nor false", src.Name, name, src.Options[name])}
		}
		if name != mergeSchema {
			return &plan.OptionError{Option: name, Known: known, Failure: plan.Failf(plan.FailureUser,
				"source %s: [UNSUPPORTED_FEATURE] the option %s of Parquet is not supported; there is mergeSchema", src.Name, name)}
		}
	}
	return nil
}

// openAll reads the footers of files.
func (c *Catalog) openAll(ctx context.Context, files []plan.File) ([]*file, error) {
	out := make([]*file, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(footersAtOnce)
	for i, in := range files {
		group.Go(func() (err error) {
			out[i], err = openFile(ctx, c.store, storage.Info{URL: in.URL, Size: in.Size, ETag: in.ETag})
			return err
		})
	}
	return out, group.Wait()
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

// rowGroups describes the file's row groups in terms of the table's columns. Those that it does not have are NULL.
func (f *file) rowGroups(table *plan.Table) ([]plan.RowGroup, error) {
	n := len(table.Schema.Fields) - len(table.Partitions)
	fields := make([]*field, n)
	for i, want := range table.Schema.Fields[:n] {
		found, err := f.bind(want)
		if err != nil {
			return nil, f.disagrees(err, table, want)
		}
		fields[i] = found
	}
	groups := make([]plan.RowGroup, len(f.groups))
	for g := range f.groups {
		out := &groups[g]
		out.Rows = f.groups[g].NumRows
		out.Columns = make([]plan.ColumnStats, len(table.Schema.Fields))
		for i, field := range fields {
			out.Columns[i] = f.fieldStats(g, field, table.Schema.Fields[i].Type)
			out.Bytes += out.Columns[i].Bytes
		}
	}
	return groups, nil
}

// bind finds a column of the table in the file; nil if the file does not have it.
func (f *file) bind(want plan.Field) (*field, error) {
	found, err := f.field(want.Name)
	if err != nil || found == nil {
		return nil, err
	}
	if !found.fits(want.Type) {
		return found, errNoWay
	}
	return found, nil
}

// disagrees says which files have which types, where that is what err is about.
func (f *file) disagrees(err error, table *plan.Table, want plan.Field) error {
	if !errors.Is(err, errNoWay) {
		return err
	}
	found, _ := f.field(want.Name)
	if table.Source.Schema != nil {
		return plan.Failf(plan.FailureUser, "file %s: column %s has type %s, which does not become the declared %s",
			storage.Display(f.url), found.name, found.typ, want.Type)
	}
	return plan.Failf(plan.FailureUser, "file %s: column %s has type %s, but in %s it has %s, which cannot hold all of its values; "+
		"declare the columns of the source, or read the files apart", storage.Display(f.url), found.name, found.typ,
		storage.Display(table.Sample[0].URL), want.Type)
}

// fieldStats is what is known of a column in a row group.
func (f *file) fieldStats(group int, field *field, want plan.Type) plan.ColumnStats {
	if field == nil {
		return plan.ColumnStats{NullCount: f.groups[group].NumRows}
	}
	if field.flat() {
		return widenStats(f.statsOf(group, field.column), field.typ, want)
	}
	s := plan.ColumnStats{NullCount: -1}
	field.eachLeaf(func(c *column) { s.Bytes += f.groups[group].Columns[c.leaf].MetaData.TotalCompressedSize })
	return s
}
