package scan

import (
	"context"
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/ipcio"
	"github.com/quern-engine/quern/storage/output"
	"github.com/quern-engine/quern/storage/parquetio"
	"github.com/quern-engine/quern/storage/textio"
)

// Catalog finds tables for the planner. It is safe for concurrent use.
type Catalog struct {
	store   *storage.Store
	parquet *parquetio.Catalog
	text    *textio.Catalog
	arrow   *ipcio.Catalog
}

// NewCatalog returns a catalog of what the store can reach. Footers that it reads stay in the store's memory, so a task
// in the same process does not read them again.
func NewCatalog(store *storage.Store) *Catalog {
	return &Catalog{store: store, parquet: parquetio.NewCatalog(store), text: textio.NewCatalog(store), arrow: ipcio.NewCatalog(store)}
}

// formatCatalog finds the tables of one format.
type formatCatalog interface {
	Table(ctx context.Context, src plan.Source) (*plan.Table, error)
	Complete(ctx context.Context, table *plan.Table) (*plan.Table, error)
	Statistics(ctx context.Context, table *plan.Table, files []plan.File) ([]plan.File, error)
}

func (c *Catalog) of(src plan.Source) (formatCatalog, error) {
	switch src.Format {
	case "parquet":
		return c.parquet, nil
	case "csv", "json":
		return c.text, nil
	case "arrow":
		return c.arrow, nil
	}
	return nil, unknownFormat(src.Name, src.Format)
}

// Table lists a source's files and finds its columns. A source without a format has that of its files' names; the
// table's source says which.
func (c *Catalog) Table(ctx context.Context, src plan.Source) (*plan.Table, error) {
	src.Format = strings.ToLower(src.Format)
	src.Options = lowerKeys(src.Options)
	if src.Format == "" {
		src.Format = formatOf(src)
	}
	if src.Format == "" {
		return c.tableOfFiles(ctx, src)
	}
	f, err := c.of(src)
	if err != nil {
		return nil, err
	}
	return f.Table(ctx, src)
}

// formatOf goes by the path, if that names files.
func formatOf(src plan.Source) string {
	format, _ := storage.FormatOf(src.Path)
	if format == "parquet" && !strings.HasSuffix(strings.ToLower(src.Path), ".parquet") {
		return ""
	}
	return format
}

// tableOfFiles is a table whose format the name of its first file says.
func (c *Catalog) tableOfFiles(ctx context.Context, src plan.Source) (*plan.Table, error) {
	if parquetio.MergesSchema(src) {
		src.Filtered = nil
	}
	table, err := c.store.FindTable(ctx, src)
	if err != nil || len(table.Files) == 0 {
		src.Format = "parquet" // whose catalog says what is wrong
		return c.parquet.Table(ctx, src)
	}
	table.Source.Format, _ = storage.FormatOf(table.Sample[0].URL)
	f, err := c.of(table.Source)
	if err != nil {
		return nil, err
	}
	return f.Complete(ctx, table)
}

// Unfold lists what is in folders of a table.
func (c *Catalog) Unfold(ctx context.Context, table *plan.Table, folders []plan.File) (*plan.Table, error) {
	out, err := c.store.Unfold(ctx, table, folders)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", table.Source.Name, err)
	}
	return out, nil
}

func lowerKeys(options map[string]string) map[string]string {
	if len(options) == 0 {
		return nil
	}
	out := make(map[string]string, len(options))
	for name, v := range options {
		out[strings.ToLower(name)] = v
	}
	return out
}

// Statistics tells what is known of the files' parts, and checks that every file has the table's columns.
func (c *Catalog) Statistics(ctx context.Context, table *plan.Table, files []plan.File) ([]plan.File, error) {
	f, err := c.of(table.Source)
	if err != nil {
		return nil, err
	}
	return f.Statistics(ctx, table, files)
}

// CheckOutput finds out whether an output's format takes its columns and its options.
func (c *Catalog) CheckOutput(out plan.Output) error { return output.Check(out) }
