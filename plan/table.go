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
	// Filtered are columns that conditions name, which may make it worth while to list folders one by one.
	Filtered []string
}

// Table is a source as found: its files and columns. Statistics are filled by a second look (see planner.Catalog),
// for the files that partition pruning has left.
type Table struct {
	Source     Source
	Schema     Schema  // the files' columns, then the partition columns
	Partitions []Field // partition columns, in path order
	Files      []File  // sorted by URL
	// Sample are files of the source that its columns are read from: all, or those of its first folder that has any.
	Sample []File
	// Folders, while not nil, says that Files are folders whose files are not known yet: see planner.Catalog.Unfold.
	Folders *Folders
	// Skipped are folders that were not listed, since conditions rule out all that may be in them; Listed are those that were,
	// one by one.
	Skipped, Listed int
	// InFiles is all columns of the files, in order, where Schema lacks some since the path has them too; else nil.
	InFiles []Field
	// Unsupported columns are in the files but not in Schema: by name, their type in words ("list", "time").
	Unsupported map[string]string
}

// Folders are those of a partitioned source that have not been listed. Each is a File with values of the partition columns down to
// it, fewer than there are; none where its name says nothing.
type Folders struct {
	Root  string // the folder that they are in
	Level int    // of how many partition columns they have values
	Deep  bool   // to list the folders in them before the files is worth while
	Whole int    // about how many requests it takes to list the files of all without looking at folders
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
