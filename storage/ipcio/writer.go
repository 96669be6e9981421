package ipcio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// batchRows is the rows of a batch of a file. Why not more: a batch is in memory until it is complete, and readers take
// them whole.
const (
	batchRows    = 1 << 15
	maxBatchRows = 1 << 22
)

const optionBatchRows = "batchRows"

var writerOptionNames = []string{optionBatchRows}

type writerOptions struct {
	compression string
	batchRows   int64
}

func parseWriterOptions(out plan.Output) (writerOptions, error) {
	o := writerOptions{compression: out.Compression, batchRows: batchRows}
	switch o.compression {
	case "", "none", "lz4", "zstd":
	default:
		return o, plan.Failf(plan.FailureUser, "output %s: Arrow files are written with the compression none, lz4 or zstd, not %s", out.Name, out.Compression)
	}
	for _, name := range slices.Sorted(maps.Keys(out.Options)) {
		var err error
		if strings.EqualFold(name, optionBatchRows) {
			n, parseErr := strconv.ParseInt(out.Options[name], 10, 64)
			if o.batchRows = n; parseErr != nil || n < 1 || n > maxBatchRows {
				err = plan.Failf(plan.FailureUser, "%q is no whole number from 1 to %d", out.Options[name], maxBatchRows)
			}
		} else {
			err = plan.Failf(plan.FailureUser, "[UNSUPPORTED_FEATURE] it is not supported; there is %s", optionBatchRows)
		}
		if err != nil {
			return o, &plan.OptionError{Option: name, Known: writerOptionNames, Failure: plan.Failf(plan.FailureUser, "option %s of Arrow: %w", name, err)}
		}
	}
	return o, nil
}

// CheckOutput finds out whether a file of an output's columns can be written with its options.
func CheckOutput(out plan.Output) error {
	_, err := parseWriterOptions(out)
	return err
}

// Writer writes rows to an Arrow file (the file format, with its directory at the end). Its bytes depend on the rows, the
// schema and the options, not on how the rows are cut into batches nor on their layout. It is not safe for concurrent use.
type Writer struct {
	schema  plan.Schema
	file    *ipc.FileWriter
	rows    int64          // of a batch
	held    []arrow.Record // not yet written
	pending int64
	err     error
	closed  bool
}

// NewWriter begins a file of an output on w, whose columns are those of schema.
func NewWriter(w io.Writer, out plan.Output, schema plan.Schema) (*Writer, error) {
	o, err := parseWriterOptions(out)
	if err != nil {
		return nil, err
	}
	opts := []ipc.Option{ipc.WithSchema(schema.Arrow()), ipc.WithAllocator(memory.DefaultAllocator)}
	switch o.compression {
	case "lz4":
		opts = append(opts, ipc.WithLZ4())
	case "zstd":
		opts = append(opts, ipc.WithZstd())
	}
	file, err := ipc.NewFileWriter(&position{w: w}, opts...)
	if err != nil {
		return nil, fmt.Errorf("write Arrow file: %w", err)
	}
	return &Writer{schema: schema, file: file, rows: o.batchRows}, nil
}

// position tells Arrow's writer, which only ever appends, where it is.
type position struct {
	w io.Writer
	n int64
}

func (p *position) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.n += int64(n)
	return n, err
}

func (p *position) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset != 0 {
		return 0, errors.New("an output is written from front to back")
	}
	return p.n, nil
}

// Write appends a batch. The caller keeps its ownership of it.
func (w *Writer) Write(ctx context.Context, rec arrow.Record) error {
	if w.err == nil && w.closed {
		w.err = plan.Failf(plan.FailureInternal, "write to a closed Arrow file")
	}
	if w.err == nil && int(rec.NumCols()) != len(w.schema.Fields) {
		w.err = plan.Failf(plan.FailureInternal, "batch of %d columns for a file of %d", rec.NumCols(), len(w.schema.Fields))
	}
	for from, total := int64(0), rec.NumRows(); from < total && w.err == nil; {
		if w.err = ctx.Err(); w.err != nil {
			break
		}
		n := min(total-from, w.rows-w.pending)
		w.held = append(w.held, rec.NewSlice(from, from+n))
		w.pending += n
		if from += n; w.pending == w.rows {
			w.err = w.flush()
		}
	}
	return w.err
}

// flush writes what is held as one batch.
func (w *Writer) flush() error {
	columns := make([]arrow.Array, len(w.schema.Fields))
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
		w.drop()
	}()
	for i, f := range w.schema.Fields {
		parts := make([]arrow.Array, len(w.held))
		for k, rec := range w.held {
			parts[k] = rec.Column(i)
		}
		joined, err := vector.Concat(memory.DefaultAllocator, parts)
		if err != nil {
			return fmt.Errorf("write Arrow batch, column %s: %w", f.Name, err)
		}
		plain := vector.Normalize(memory.DefaultAllocator, joined)
		joined.Release()
		columns[i] = vector.Relabel(plain, f.Type.Arrow())
		plain.Release()
	}
	rec := array.NewRecord(w.schema.Arrow(), columns, w.pending)
	defer rec.Release()
	if err := w.file.Write(rec); err != nil {
		return fmt.Errorf("write Arrow batch: %w", err)
	}
	return nil
}

func (w *Writer) drop() {
	for _, rec := range w.held {
		rec.Release()
	}
	w.held, w.pending = nil, 0
}

// Close writes what is pending and the directory. It does not close the underlying writer. A second Close does nothing.
// After an error the file is not complete, and Close returns that error.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil && w.pending > 0 {
		w.err = w.flush()
	}
	w.drop()
	if w.err == nil {
		if err := w.file.Close(); err != nil {
			w.err = fmt.Errorf("finish Arrow file: %w", err)
		}
	}
	return w.err
}

// Discard gives up the file and lets go of the batches that were pending. It does nothing after Close.
func (w *Writer) Discard() {
	if !w.closed {
		w.closed = true
		w.err = errors.New("write Arrow file: the file was given up")
		w.drop()
	}
}
