package plan

// Source is a table to read, as a job file or a --table flag names it.
type Source struct {
	Name string
	// Namespace is the schema of a SQL script that the table lies in; "" for none.
	Namespace string
	Path      string // file, glob, Hive-partitioned folder, or URL of one of these; absolute or a URL
	// Files, when not nil, are the only ones of the folder that count, by their names below it; all have to be there.
	Files  []string
	Format string // "parquet", "csv", "json", "arrow"; "" goes by the files' names
	// Options of the format, by Spark's names in lower case.
	Options map[string]string
	// Schema, when not nil, is declared: columns that files do not have are NULL, and there may be no files at all.
	Schema *Schema
	// Partitions gives types to partition columns by name; others are inferred (bigint, date, else string).
	Partitions map[string]Type
}

// Table is a source as found: its files and columns. Statistics are filled by a second look (see planner.Catalog),
// for the files that partition pruning has left.
type Table struct {
	Source     Source
	Schema     Schema  // the files' columns, then the partition columns
	Partitions []Field // partition columns, in path order
	Files      []File  // sorted by URL
	// InFiles is all columns of the files, in order, where Schema lacks some since the path has them too; else nil.
	InFiles []Field
	// Unsupported columns are in the files but not in Schema: by name, their type in words ("list", "time").
	Unsupported map[string]string
}

// File is one file of a table.
type File struct {
	URL       string
	Size      int64
	ETag      string    // changes when the content does
	Partition []Literal // a value per partition column; NULL for __HIVE_DEFAULT_PARTITION__
	RowGroups []RowGroup
}

// RowGroup is a row group's statistics.
type RowGroup struct {
	Rows  int64
	Bytes int64 // compressed
	// Columns has statistics by ordinal in Table.Schema for file columns; zero value where unknown.
	Columns []ColumnStats
}

// ColumnStats bounds the values of a column in a row group.
type ColumnStats struct {
	HasBounds bool
	Min, Max  Literal // of the column's type; meaningful when HasBounds
	NullCount int64   // -1 when unknown
	Bytes     int64   // compressed
}
