package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// FindTable lists a source's files and types its partition columns, from their paths. The columns of the table are
// those that the source declares, and is without any if it declares none. A source with declared columns may have no
// files.
func (s *Store) FindTable(ctx context.Context, src plan.Source) (*plan.Table, error) {
	table, err := s.findTable(ctx, src)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	return table, nil
}

func (s *Store) findTable(ctx context.Context, src plan.Source) (*plan.Table, error) {
	table := &plan.Table{Source: src}
	url, err := URL("/", src.Path)
	if err != nil {
		return nil, err
	}
	infos, err := s.resolveOrFold(ctx, url, table)
	if table.Folders != nil {
		return table, nil
	}
	if src.Files != nil {
		infos, err = named(url, src.Files, infos, err)
	}
	if src.Schema != nil && errors.Is(err, fs.ErrNotExist) {
		table.Schema = *src.Schema
		return table, nil
	}
	if err != nil {
		return nil, err
	}
	table.Files = filesOf(infos)
	if table.Partitions, err = partitionFiles(url, table.Files, src.Partitions); err != nil {
		return nil, err
	}
	table.Sample = table.Files
	if src.Schema != nil {
		SetColumns(table, src.Schema.Fields)
	}
	return table, nil
}

func filesOf(infos []Info) []plan.File {
	files := make([]plan.File, len(infos))
	for i, info := range infos {
		files[i] = plan.File{URL: info.URL, Size: info.Size, ETag: info.ETag}
	}
	return files
}

// named picks files of a folder by their names below it.
func named(folder string, names []string, found []Info, err error) ([]Info, error) {
	if len(names) == 0 {
		return nil, fs.ErrNotExist // which a table with declared columns may do without
	}
	if err != nil {
		return nil, err
	}
	byURL := make(map[string]Info, len(found))
	for _, info := range found {
		byURL[info.URL] = info
	}
	infos := make([]Info, len(names))
	for i, name := range names {
		info, ok := byURL[Join(folder, name)]
		if !ok {
			return nil, plan.Failf(plan.FailureUser, "%s: the file is gone", Display(Join(folder, name)))
		}
		infos[i] = info
	}
	return infos, nil
}

// SetColumns gives a table its files' columns, in order. Partition columns come behind; where a file has a column of
// the same name, the path wins, as in Spark. Columns count as nullable whatever one file says, since another may say
// otherwise.
func SetColumns(table *plan.Table, fields []plan.Field) {
	partitions := plan.Schema{Fields: table.Partitions}
	table.Schema.Fields, table.InFiles = nil, nil
	for _, f := range fields {
		if partitions.Index(f.Name) < 0 {
			f.Nullable = true
			table.Schema.Fields = append(table.Schema.Fields, f)
		}
	}
	if len(table.Schema.Fields) < len(fields) {
		table.InFiles = fields
	}
	table.Schema.Fields = append(table.Schema.Fields, table.Partitions...)
}

// extensions are the formats by the ends of file names.
var extensions = map[string]string{
	"parquet": "parquet", "csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "ndjson": "json",
	"arrow": "arrow", "arrows": "arrow", "feather": "arrow", "ipc": "arrow",
}

// compressions are the ends of the names of compressed files.
var compressions = map[string]bool{
	"gz": true, "gzip": true, "zst": true, "zstd": true, "bz2": true, "br": true, "lz4": true, "deflate": true, "snappy": true, "sz": true,
}

// FormatOf is a file's format by its name, "parquet" where that says nothing, and the file's compression, which is the
// end of the name of a compressed file.
func FormatOf(name string) (format, compression string) {
	if i := strings.IndexAny(name, "?#"); i >= 0 && strings.Contains(name, "://") {
		name = name[:i]
	}
	parts := strings.Split(strings.ToLower(name[strings.LastIndexByte(name, '/')+1:]), ".")
	last := len(parts) - 1
	if last > 0 && compressions[parts[last]] {
		compression, last = parts[last], last-1
	}
	if f, ok := extensions[parts[max(last, 0)]]; ok && last > 0 {
		return f, compression
	}
	return "parquet", compression
}
