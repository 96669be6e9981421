package parquetio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"

	"github.com/quern-engine/quern/plan"
)

// What decides a file's bytes besides its rows. Changing any of it changes the bytes of every output.
const (
	createdBy = "quern version 1 (build 0)" // readers parse this form; it must not name a build
	// groupRows is the rows of a row group. Why not more: a group is in memory until it is complete, and readers share
	// out a file by row groups. Why not fewer: each has its own dictionaries.
	groupRows = 1 << 18
	// runRows is how many rows a column is given at once. Pages can only end between runs.
	runRows = 4096
	// listRows is runRows where rows may have many values each.
	listRows      = 256
	pageBytes     = 256 << 10
	dictionaryMax = 1 << 20 // bytes; a column with a larger dictionary continues plain
)

// Writer writes rows to a Parquet file. Its bytes depend on the rows, the schema and the options, not on how the rows
// are cut into batches. It is not safe for concurrent use.
//
// parquet-go takes column values only one by one as Value; they are handed over by column, in runs.
type Writer struct {
	schema  plan.Schema
	out     *parquet.GenericWriter[any]
	group   *parquet.ConcurrentRowGroupWriter
	fields  []*shredder
	columns []*valueColumn // the leaves
	run     int            // rows that columns are given at once
	held    []arrow.Record // whose memory pending values refer to
	pending int            // rows not yet handed over
	inGroup int64
	limit   int64
	rows    int64
	err     error
	closed  bool
}

// NewWriter begins a file on w. A type that Parquet has no form for is a user error.
func NewWriter(w io.Writer, schema plan.Schema, opts WriterOptions) (*Writer, error) {
	config, err := writerConfig(schema, opts)
	if err != nil {
		return nil, err
	}
	out := &Writer{schema: schema, run: runRows, limit: config.MaxRowsPerRowGroup - 1}
	for _, f := range schema.Fields {
		var field *shredder
		field, out.columns = newShredder(f, 0, out.columns)
		out.fields = append(out.fields, field)
	}
	for _, c := range config.Schema.Columns() {
		if leaf, _ := config.Schema.Lookup(c...); leaf.MaxRepetitionLevel > 0 {
			out.run = listRows
		}
	}
	out.out = parquet.NewGenericWriter[any](w, config)
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
	if w.err != nil {
		return w.err
	}
	rec.Retain()
	w.held = append(w.held, rec)
	total := int(rec.NumRows())
	for from := 0; from < total && w.err == nil; {
		if w.err = ctx.Err(); w.err != nil {
			break
		}
		n := int(min(int64(total-from), int64(w.run-w.pending), w.limit-w.inGroup-int64(w.pending)))
		for i, f := range w.fields {
			if err := f.add(rec.Column(i), from, from+n); err != nil && w.err == nil {
				w.err = err
			}
		}
		from += n
		w.pending += n
		if w.err == nil && (w.pending == w.run || w.inGroup+int64(w.pending) == w.limit) {
			w.err = w.flushRun()
			w.release(1) // nothing pending is of earlier batches
		}
	}
	if w.pending == 0 || w.err != nil {
		w.release(0)
	}
	if w.err != nil {
		return w.err
	}
	w.rows += int64(total)
	return nil
}

// flushRun hands the pending rows over, column by column, and completes the row group if it is full.
func (w *Writer) flushRun() error {
	if w.group == nil {
		w.group = w.out.BeginRowGroup()
	}
	for i, cw := range w.group.ColumnWriters() {
		n, err := cw.WriteRowValues(w.columns[i].values)
		if err == nil && n != w.pending {
			err = fmt.Errorf("%d of %d rows", n, w.pending)
		}
		if err != nil {
			return fmt.Errorf("write Parquet column %s: %w", w.columns[i].field.Name, err)
		}
		w.columns[i].values = w.columns[i].values[:0]
	}
	w.inGroup += int64(w.pending)
	w.pending = 0
	if w.inGroup == w.limit {
		return w.flushGroup()
	}
	return nil
}

func (w *Writer) flushGroup() error {
	if _, err := w.group.Commit(); err != nil {
		return fmt.Errorf("write Parquet row group: %w", err)
	}
	w.group, w.inGroup = nil, 0
	return nil
}

// release lets go of all batches held but the last so many.
func (w *Writer) release(keep int) {
	done := max(len(w.held)-keep, 0)
	for _, r := range w.held[:done] {
		r.Release()
	}
	n := copy(w.held, w.held[done:])
	clear(w.held[n:])
	w.held = w.held[:n]
}

// Close writes what is pending and the footer. It does not close the underlying writer. A second Close does nothing.
// After an error the file is not complete, and Close returns that error.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	defer w.forget()
	if w.err == nil && w.pending > 0 {
		w.err = w.flushRun()
	}
	if w.err == nil && w.group != nil {
		w.err = w.flushGroup()
	}
	if w.err == nil {
		if err := w.out.Close(); err != nil {
			w.err = fmt.Errorf("write Parquet footer: %w", err)
		}
	}
	return w.err
}

// Discard gives up the file and lets go of the batches whose rows were pending. It does nothing after Close.
func (w *Writer) Discard() {
	if !w.closed {
		w.closed = true
		w.err = errors.New("write Parquet: the file was given up")
		w.forget()
	}
}

func (w *Writer) forget() {
	w.release(0)
	for _, c := range w.columns {
		c.forget()
	}
}
