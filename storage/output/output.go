// Package output writes files of any format: the one door to the rooms that know one each, as package scan is for
// reading.
package output

import (
	"context"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/ipcio"
	"github.com/quern-engine/quern/storage/parquetio"
	"github.com/quern-engine/quern/storage/textio"
)

// Writer writes rows to a file. Its bytes depend on the rows, the schema and the output's options, not on how the rows are
// cut into batches nor on their layout. It is not safe for concurrent use.
type Writer interface {
	// Write appends a batch. The caller keeps its ownership of it. After an error it returns that error again.
	Write(ctx context.Context, batch arrow.Record) error
	// Close writes what is pending and the file's end. It does not close what the file is written to. After an error the
	// file is not complete, and Close returns that error.
	Close() error
	// Discard gives the file up and lets go of what is pending. It does nothing after Close.
	Discard()
}

// New begins a file of an output on w.
func New(w io.Writer, out *plan.Output) (Writer, error) {
	schema := out.FileSchema()
	switch out.Format {
	case "parquet":
		options, err := parquetio.OutputOptions(*out)
		if err != nil {
			return nil, err
		}
		if options.SortedBy == nil {
			options.SortedBy = sortedBy(out)
		}
		return parquetio.NewWriter(w, schema, options)
	case "csv", "json":
		return textio.NewWriter(w, *out, schema)
	case "arrow":
		return ipcio.NewWriter(w, *out, schema)
	}
	return nil, unknown(out)
}

// Check finds out whether an output's format takes its columns and its options.
func Check(out plan.Output) error {
	out.Schema, out.PartitionBy = out.FileSchema(), nil
	switch out.Format {
	case "parquet":
		return parquetio.CheckOutput(out)
	case "csv", "json":
		return textio.CheckOutput(out)
	case "arrow":
		return ipcio.CheckOutput(out)
	}
	return unknown(&out)
}

// sortedBy is the order of a file's rows as Parquet has it. A partition column, which is the same in all of a file's rows,
// says nothing about it.
func sortedBy(out *plan.Output) (list []parquetio.SortedColumn) {
	for _, k := range out.SortBy {
		if f := out.Schema.Fields[k.Column]; f.Type.IsNested() { // only leaves can be named
			break
		} else if !slices.Contains(out.PartitionBy, k.Column) {
			list = append(list, parquetio.SortedColumn{Name: f.Name, Descending: k.Descending, NullsLast: k.NullsLast})
		}
	}
	return list
}

func unknown(out *plan.Output) error {
	return plan.Failf(plan.FailureUser, "output %s: there is no format %q; there are parquet, csv, json and arrow", out.Name, out.Format)
}

// extensions are how compressions show in the names of files, as in Spark's.
var extensions = map[string]string{"gzip": "gz", "zstd": "zst"}

// Extension is the end of the names of an output's files, which says how they are compressed: "zstd.parquet", "csv.gz".
func Extension(out *plan.Output) string {
	c := out.Compression
	switch {
	case c == "" || c == "none" || c == "uncompressed":
		return out.Format
	case out.Format == "csv" || out.Format == "json":
		return out.Format + "." + extensions[c]
	case c == "gzip":
		return extensions[c] + "." + out.Format
	}
	return c + "." + out.Format
}
