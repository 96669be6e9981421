package parquetio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// What decides a file's bytes besides its rows. Changing any of it changes the bytes of every output.
const (
	createdBy = "quern version 1 (build 0)" // readers parse this form; it must not name a build
	// groupRows is the rows of a row group. Why not more: a group is in memory until it is complete, and readers share
	// out a file by row groups. Why not fewer: each has its own dictionaries.
	groupRows = 1 << 18
	// runRows is the rows of a run. Whether a page ends, and whether a column has a dictionary, is decided between runs.
	runRows = 4096
	// listRows is runRows where rows may have many values each.
	listRows      = 256
	pageBytes     = 256 << 10
	dictionaryMax = 1 << 20 // bytes; a column with a larger dictionary continues plain
)

// Writer writes rows to a Parquet file. Its bytes depend on the rows, the schema and the options, not on how the rows
// are cut into batches. It is not safe for concurrent use.
//
// Pages are made here, column by column out of the arrays of batches, with parquet-go's encodings: its own writer takes
// values only one by one.
type Writer struct {
	file    *fileWriter
	fields  []*shredder
	leaves  []*leafWriter
	run     int64 // rows
	limit   int64 // rows of a group
	inGroup int64
	rows    int64
	err     error
	closed  bool
}

// NewWriter begins a file on w. A type that Parquet has no form for is a user error.
func NewWriter(w io.Writer, schema plan.Schema, opts WriterOptions) (*Writer, error) {
	layout, err := newLayout(schema, opts)
	if err != nil {
		return nil, err
	}
	out := &Writer{file: newFileWriter(w, layout), run: runRows, limit: layout.groupRows}
	for _, leaf := range layout.leaves {
		out.leaves = append(out.leaves, newLeafWriter(leaf, layout))
		if leaf.rep > 0 {
			out.run = listRows
		}
	}
	rest := out.leaves
	for _, f := range schema.Fields {
		var field *shredder
		field, rest = newShredder(f, 0, rest)
		out.fields = append(out.fields, field)
	}
	return out, nil
}

// Rows is how many rows have been written.
func (w *Writer) Rows() int64 { return w.rows }

// Write appends a batch. The caller keeps its ownership of it.
func (w *Writer) Write(ctx context.Context, rec arrow.Record) error {
	if w.err == nil && w.closed {
		w.err = plan.Failf(plan.FailureInternal, "write to a closed Parquet file")
	}
	if w.err == nil && int(rec.NumCols()) != len(w.fields) {
		w.err = plan.Failf(plan.FailureInternal, "batch of %d columns for a file of %d", rec.NumCols(), len(w.fields))
	}
	if w.err == nil {
		w.err = w.write(ctx, rec)
	}
	return w.err
}

func (w *Writer) write(ctx context.Context, rec arrow.Record) error {
	total := rec.NumRows()
	for from := int64(0); from < total; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(total-from, w.run-w.inGroup%w.run, w.limit-w.inGroup)
		for i, f := range w.fields {
			if err := f.add(rec.Column(i), int(from), int(from+n)); err != nil {
				return err
			}
		}
		from += n
		w.inGroup += n
		if w.inGroup%w.run == 0 || w.inGroup == w.limit {
			if err := w.endRun(); err != nil {
				return err
			}
		}
	}
	w.rows += total
	return nil
}

// endRun ends pages that are full, and the row group if it is.
func (w *Writer) endRun() error {
	for _, leaf := range w.leaves {
		if err := leaf.endRun(w.inGroup); err != nil {
			return fmt.Errorf("write Parquet column %s: %w", leaf.path[0], err)
		}
	}
	if w.inGroup < w.limit {
		return nil
	}
	return w.endGroup()
}

func (w *Writer) endGroup() error {
	for _, leaf := range w.leaves {
		if err := leaf.endPage(w.inGroup); err != nil {
			return fmt.Errorf("write Parquet column %s: %w", leaf.path[0], err)
		}
	}
	if err := w.file.writeGroup(w.leaves, w.inGroup); err != nil {
		return fmt.Errorf("write Parquet row group: %w", err)
	}
	w.inGroup = 0
	return nil
}

// Close writes what is pending and the footer. It does not close the underlying writer. A second Close does nothing.
// After an error the file is not complete, and Close returns that error.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil && w.inGroup > 0 {
		w.err = w.endGroup()
	}
	if w.err == nil {
		if err := w.file.close(); err != nil {
			w.err = fmt.Errorf("write Parquet footer: %w", err)
		}
	}
	w.forget()
	return w.err
}

// Discard gives up the file. It does nothing after Close.
func (w *Writer) Discard() {
	if !w.closed {
		w.closed = true
		w.err = errors.New("write Parquet: the file was given up")
		w.forget()
	}
}

// forget leaves the memory of pages to files to come.
func (w *Writer) forget() {
	for _, leaf := range w.leaves {
		leaf.forget()
	}
}
