// Package textio reads and writes tables of CSV and JSON files: records of text, one a line unless the option multiLine says that
// they may span lines.
//
// Options have Spark's names, and do what they do there; one that is not known is refused. Types are those that the
// source declares. Without them those of CSV are all string, unless the option inferSchema asks to guess, and those of
// JSON are guessed: from the first records of the first file, a bounded sample that is the same each time.
//
// Files that are neither compressed nor multiLine are cut into splits of a fixed size: a record belongs to the split in
// which it begins. Compression goes by the file's name.
package textio
