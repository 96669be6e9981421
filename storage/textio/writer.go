package textio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

// Writer writes rows to a file of CSV or JSON lines. Its bytes depend on the rows, the schema and the options, not on how
// the rows are cut into batches. It is not safe for concurrent use.
type Writer struct {
	o       *writerOptions
	schema  plan.Schema
	values  *compute.TextWriter
	names   [][]byte // of the columns, for JSON
	columns []compute.TextColumn
	out     io.Writer
	codec   io.WriteCloser // nil: out as it is
	buf     []byte         // handed on in blocks of one size, so that what compresses them sees the same ones each time
	field   []byte
	err     error
	closed  bool
}

// NewWriter begins a file of an output on w, whose columns are those of schema.
func NewWriter(w io.Writer, out plan.Output, schema plan.Schema) (*Writer, error) {
	o, err := parseWriterOptions(out)
	if err != nil {
		return nil, err
	}
	values, err := compute.NewTextWriter(o.text, plan.Session{})
	if err != nil {
		return nil, err
	}
	t := &Writer{o: o, schema: schema, values: values, out: w}
	if t.codec, err = o.compressor(w); err != nil {
		return nil, err
	}
	if t.codec != nil {
		t.out = t.codec
	}
	for _, f := range schema.Fields {
		t.names = append(t.names, compute.JSONName(f.Name))
	}
	if !o.json && o.header {
		t.writeHeader()
	}
	return t, nil
}

// compressor is what compresses into w, nil for nothing. What it writes names no time and no machine.
func (o *writerOptions) compressor(w io.Writer) (io.WriteCloser, error) {
	switch o.compression {
	case "gzip":
		level := o.level
		if level == 0 {
			level = 6
		}
		return gzip.NewWriterLevel(w, level)
	case "zstd":
		level := zstd.SpeedDefault
		if o.level > 0 {
			level = zstd.EncoderLevelFromZstd(o.level)
		}
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level))
	}
	return nil, nil
}

// Write appends a batch. The caller keeps its ownership of it.
func (w *Writer) Write(ctx context.Context, rec arrow.Record) error {
	if w.err == nil && w.closed {
		w.err = plan.Failf(plan.FailureInternal, "write to a closed file of text")
	}
	if w.err == nil && int(rec.NumCols()) != len(w.schema.Fields) {
		w.err = plan.Failf(plan.FailureInternal, "batch of %d columns for a file of %d", rec.NumCols(), len(w.schema.Fields))
	}
	if w.err == nil {
		w.err = ctx.Err()
	}
	if w.err != nil {
		return w.err
	}
	w.columns = w.columns[:0]
	for i, f := range w.schema.Fields {
		w.columns = append(w.columns, w.values.Column(rec.Column(i), f.Type))
	}
	for i := 0; i < int(rec.NumRows()) && w.err == nil; i++ {
		if w.err = w.row(i); w.err == nil && len(w.buf) >= windowSize {
			w.err = w.flush(windowSize)
		}
	}
	clear(w.columns) // the batch is not ours
	return w.err
}

func (w *Writer) row(i int) (err error) {
	if w.o.json {
		w.buf, err = w.values.AppendObject(w.buf, w.names, w.columns, i)
	} else {
		err = w.csvRow(i)
	}
	w.buf = append(w.buf, w.o.lineSep...)
	return err
}

func (w *Writer) csvRow(i int) (err error) {
	start := len(w.buf)
	for k := range w.columns {
		if k > 0 {
			w.buf = append(w.buf, w.o.sep...)
		}
		c := &w.columns[k]
		if c.IsNull(i) {
			w.csvNull()
			continue
		}
		if w.field, _, err = w.values.AppendText(w.field[:0], c, i); err != nil {
			return err
		}
		w.csvField(w.field)
	}
	if len(bytes.TrimLeft(w.buf[start:], " \t")) == 0 { // such a line would count as none
		w.field = append(w.field[:0], w.buf[start:]...)
		w.buf = w.quoted(w.buf[:start], w.field)
	}
	return nil
}

func (w *Writer) csvNull() {
	if w.o.needsQuotes([]byte(w.o.nullValue)) {
		w.buf = w.quoted(w.buf, []byte(w.o.nullValue))
		return
	}
	w.buf = append(w.buf, w.o.nullValue...)
}

// csvField appends a value, in quotes if it needs them: one that is empty, to be another than NULL.
func (w *Writer) csvField(v []byte) {
	if len(v) == 0 {
		w.buf = w.quoted(w.buf, []byte(w.o.emptyValue))
		return
	}
	if w.o.quoteAll || w.o.needsQuotes(v) {
		w.buf = w.quoted(w.buf, v)
		return
	}
	w.buf = append(w.buf, v...)
}

func (o *writerOptions) needsQuotes(v []byte) bool {
	first := o.sep[0]
	for _, c := range v {
		if c == first || c == o.quote || c == '\n' || c == '\r' {
			return true
		}
	}
	return bytes.Contains(v, []byte(o.lineSep))
}

// quoted appends a value in quotes. An escape stands before a quote, and before an escape unless that is the quote itself.
func (w *Writer) quoted(dst, v []byte) []byte {
	dst = append(dst, w.o.quote)
	for _, c := range v {
		if c == w.o.quote || c == w.o.escape {
			dst = append(dst, w.o.escape)
		}
		dst = append(dst, c)
	}
	return append(dst, w.o.quote)
}

func (w *Writer) writeHeader() {
	for i, f := range w.schema.Fields {
		if i > 0 {
			w.buf = append(w.buf, w.o.sep...)
		}
		w.csvField([]byte(f.Name))
	}
	w.buf = append(w.buf, w.o.lineSep...)
}

// flush hands on blocks of a size, as many as are full.
func (w *Writer) flush(size int) error {
	from := 0
	for ; len(w.buf)-from >= size; from += size {
		if _, err := w.out.Write(w.buf[from : from+size]); err != nil {
			return fmt.Errorf("write text: %w", err)
		}
	}
	w.buf = w.buf[:copy(w.buf, w.buf[from:])]
	return nil
}

// Close writes what is pending. It does not close the underlying writer. A second Close does nothing. After an error the
// file is not complete, and Close returns that error.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil && len(w.buf) > 0 {
		w.err = w.flush(len(w.buf))
	}
	if w.codec != nil {
		if err := w.codec.Close(); err != nil && w.err == nil {
			w.err = fmt.Errorf("write text: %w", err)
		}
	}
	return w.err
}

// Discard gives up the file. It does nothing after Close.
func (w *Writer) Discard() {
	if !w.closed {
		w.closed = true
		w.err = errors.New("write text: the file was given up")
	}
}
