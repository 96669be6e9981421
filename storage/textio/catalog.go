package textio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// The sample that types are inferred from: records of the first file, up to this many rows or bytes.
const (
	sampleRows  = 10_000
	sampleBytes = 16 << 20
)

// Catalog finds tables of text for the planner. It is safe for concurrent use.
type Catalog struct {
	store *storage.Store
}

// NewCatalog returns a catalog of what the store can reach.
func NewCatalog(store *storage.Store) *Catalog { return &Catalog{store: store} }

// Table lists a source's files, types its partition columns, and finds the names and types of the others, unless the
// source declares them.
func (c *Catalog) Table(ctx context.Context, src plan.Source) (*plan.Table, error) {
	if _, err := parseOptions(src.Format, src.Options); err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	table, err := c.store.FindTable(ctx, src)
	if err != nil {
		return nil, err
	}
	return c.Complete(ctx, table)
}

// Complete gives a table that was found its columns, unless the source declares them.
func (c *Catalog) Complete(ctx context.Context, table *plan.Table) (*plan.Table, error) {
	src := table.Source
	o, err := parseOptions(src.Format, src.Options)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	if src.Schema == nil && len(table.Files) > 0 {
		fields, err := c.infer(ctx, o, firstFilled(table.Sample))
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", src.Name, err)
		}
		storage.SetColumns(table, fields)
		if err := checkNames(table); err != nil {
			return nil, err
		}
	}
	return table, checkTypes(o, table)
}

// checkNames refuses columns that no query could tell apart.
func checkNames(table *plan.Table) error {
	seen := map[string]bool{}
	for _, f := range table.Schema.Fields {
		name := strings.ToLower(f.Name)
		if seen[name] {
			return plan.Failf(plan.FailureUser, "source %s: [COLUMN_ALREADY_EXISTS] The column `%s` already exists. Choose another name or rename the "+
				"existing column.", table.Source.Name, name)
		}
		seen[name] = true
	}
	return nil
}

// checkTypes refuses columns that the format has no form for.
func checkTypes(o *options, table *plan.Table) error {
	for _, f := range table.Schema.Fields {
		if f.Type.Kind == plan.KindInterval || !o.json && f.Type.IsNested() {
			return plan.Failf(plan.FailureUser, "source %s: [UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE] The %s datasource doesn't support the column `%s` of the type %q.",
				table.Source.Name, strings.ToUpper(table.Source.Format), f.Name, strings.ToUpper(f.Type.String()))
		}
	}
	return nil
}

// Statistics cuts the files into pieces, the row groups of text. How many rows they have is a guess by their size.
func (c *Catalog) Statistics(_ context.Context, table *plan.Table, files []plan.File) ([]plan.File, error) {
	o, err := parseOptions(table.Source.Format, table.Source.Options)
	if err != nil {
		return nil, err
	}
	out := make([]plan.File, len(files))
	for i, f := range files {
		pieces := int64(1)
		if o.splittable(f.URL) {
			pieces = max((f.Size+SplitBytes-1)/SplitBytes, 1)
		}
		f.RowGroups = make([]plan.RowGroup, pieces)
		for p := range f.RowGroups {
			f.RowGroups[p] = piece(table, min(f.Size, (f.Size+pieces-1)/pieces))
		}
		out[i] = f
	}
	return out, nil
}

// guessedField is how many bytes a field takes, about.
const guessedField = 8

func piece(table *plan.Table, bytes int64) plan.RowGroup {
	columns := int64(max(len(table.Schema.Fields)-len(table.Partitions), 1))
	g := plan.RowGroup{Bytes: bytes, Rows: max(bytes/(columns*guessedField), 1), Columns: make([]plan.ColumnStats, len(table.Schema.Fields))}
	for i := range g.Columns {
		g.Columns[i] = plan.ColumnStats{NullCount: -1, Bytes: max(bytes/columns, 1)}
	}
	return g
}

// firstFilled is the first file that has anything in it, or the first one.
func firstFilled(files []plan.File) plan.File {
	return files[max(slices.IndexFunc(files, func(f plan.File) bool { return f.Size > 0 }), 0)]
}

// infer finds the columns of a file.
func (c *Catalog) infer(ctx context.Context, o *options, f plan.File) ([]plan.Field, error) {
	r, err := openRecords(ctx, c.store, o, f.URL, f.Size, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	defer r.close()
	values, err := compute.NewTextReader(o.times, plan.Session{})
	if err != nil {
		return nil, err
	}
	if o.json {
		return inferJSON(ctx, o, r, values)
	}
	return inferCSV(ctx, o, r, values)
}

// sample calls visit with the records of the sample.
func sample(ctx context.Context, o *options, r *recordReader, visit func(rec []byte) (more bool)) error {
	rows, bytes := 0, 0
	for rows < sampleRows && bytes < sampleBytes {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, _, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if o.blank(rec) {
			continue
		}
		rows, bytes = rows+1, bytes+len(rec)
		if !visit(rec) {
			return nil
		}
	}
	return nil
}

// inferJSON merges the types of the sample's documents. What is only ever NULL is a string, and a column for what cannot
// be read is there if anything cannot.
func inferJSON(ctx context.Context, o *options, r *recordReader, values *compute.TextReader) ([]plan.Field, error) {
	merged, bad := plan.Struct(), false
	err := sample(ctx, o, r, func(rec []byte) bool {
		t, ok := values.JSONType(string(rec))
		if ok {
			merged = compute.MergeInferred(merged, t)
		}
		bad = bad || !ok
		return true
	})
	if err != nil {
		return nil, err
	}
	fields := settled(merged).Children
	if bad && o.mode == failFast {
		return nil, plan.Failf(plan.FailureUser, "file %s: [MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] Malformed records are detected in schema inference. "+
			"Parse Mode: FAILFAST.", storage.Display(r.url))
	}
	if bad && o.mode == permissive {
		fields = append([]plan.Field{{Name: o.corrupt, Type: plan.String, Nullable: true}}, fields...)
	}
	if len(fields) == 0 {
		return nil, plan.Failf(plan.FailureUser, "file %s: [UNABLE_TO_INFER_SCHEMA] Unable to infer schema for JSON. It must be specified manually.",
			storage.Display(r.url))
	}
	return fields, nil
}

// settled is an inferred type with string for void, and without structs that have no fields.
func settled(t plan.Type) plan.Type {
	switch t.Kind {
	case plan.KindNull:
		return plan.String
	case plan.KindArray:
		return plan.Array(settled(t.Element().Type), true)
	case plan.KindStruct:
		out := plan.Struct()
		for _, f := range t.Children {
			if f.Type = settled(f.Type); f.Type.Kind != plan.KindStruct || len(f.Type.Children) > 0 {
				out.Children = append(out.Children, f)
			}
		}
		return out
	}
	return t
}
