// Package parquetio reads and writes Parquet files. It is the one door to parquet-go.
//
// # Reading
//
// Files are hostile. parquet-go allocates what headers tell it to, and trusts decompressors to stop, so it never sees a
// file as it is. The footer is walked before it is decoded (thrift.go, footer.go). Each column chunk is unwrapped
// (unwrap.go): page headers are checked against the chunk, checksums verified, and pages decompressed into memory of a
// bounded, declared size. What parquet-go decodes is that unwrapped chunk, as if it were a column of an uncompressed file
// with flat columns of physical types. Whatever still panics is recovered at the door of the file (recover.go), and
// becomes a failure that names the file, the row group and the column.
//
// A [Scanner] decodes by column page, never by row or value. Strings stay dictionary-encoded while the file has them so:
// all batches of a column chunk share one dictionary. Files may hold a dictionary with equal values in it, although no
// known writer makes one: equal codes mean equal values, but not the other way round.
//
// # Writing
//
// A [Writer] makes the same bytes of the same rows, however they are cut into batches, on any machine: row groups and
// pages are cut by row counts, dictionaries are in order of first appearance, and nothing in the file depends on time
// or place.
package parquetio
