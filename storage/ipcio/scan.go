package ipcio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/arrowipc"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Catalog finds tables of Arrow files for the planner. It is safe for concurrent use.
type Catalog struct {
	store *storage.Store
}

// NewCatalog returns a catalog of what the store can reach.
func NewCatalog(store *storage.Store) *Catalog { return &Catalog{store: store} }

// Table lists a source's files, types its partition columns, and takes the other columns from the first file, unless
// the source declares them.
func (c *Catalog) Table(ctx context.Context, src plan.Source) (*plan.Table, error) {
	if err := checkOptions(src); err != nil {
		return nil, err
	}
	table, err := c.store.FindTable(ctx, src)
	if err != nil {
		return nil, err
	}
	return c.Complete(ctx, table)
}

func checkOptions(src plan.Source) error {
	for name := range src.Options {
		return &plan.OptionError{Option: name, Failure: plan.Failf(plan.FailureUser, "source %s: [UNSUPPORTED_FEATURE] Arrow files have no options", src.Name)}
	}
	return nil
}

// Complete gives a table that was found its columns: those of the first file, unless the source declares them.
func (c *Catalog) Complete(ctx context.Context, table *plan.Table) (*plan.Table, error) {
	src := table.Source
	if err := checkOptions(src); err != nil || src.Schema != nil || len(table.Files) == 0 {
		return table, err
	}
	r, err := open(ctx, c.store, table.Sample[0].URL, table.Sample[0].Size)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	defer r.close()
	fields, unsupported := r.fields()
	storage.SetColumns(table, fields)
	table.Unsupported = unsupported
	return table, nil
}

// guessedValue is how many bytes a value takes, about.
const guessedValue = 8

// Statistics makes a row group of each file. How many rows it has is a guess by its size.
func (c *Catalog) Statistics(_ context.Context, table *plan.Table, files []plan.File) ([]plan.File, error) {
	out := make([]plan.File, len(files))
	for i, f := range files {
		columns := int64(max(len(table.Schema.Fields)-len(table.Partitions), 1))
		g := plan.RowGroup{Bytes: f.Size, Rows: max(f.Size/(columns*guessedValue), 1), Columns: make([]plan.ColumnStats, len(table.Schema.Fields))}
		for k := range g.Columns {
			g.Columns[k] = plan.ColumnStats{NullCount: -1, Bytes: max(f.Size/columns, 1)}
		}
		f.RowGroups = []plan.RowGroup{g}
		out[i] = f
	}
	return out, nil
}

// ScanOptions adjust a scan. The zero value works.
type ScanOptions struct {
	BatchRows int              // most rows per batch; 16,384 if zero
	Mem       memory.Allocator // of the batches; memory.DefaultAllocator if nil
}

// Scanner reads files, one after the other. It is not safe for concurrent use.
type Scanner struct {
	state  storage.ScanState
	store  *storage.Store
	scan   *plan.Scan
	schema plan.Schema
	splits []plan.Split
	opts   ScanOptions

	split *plan.Split
	file  *reader
	batch arrow.Record        // of the file, of which rows from at on are left
	ready map[int]arrow.Array // its columns as the scan puts them out, by place in the file
	at    int
	first int64 // number of the batch's first row in the file
}

// OpenScan prepares to read the splits. Schema is of the output: scan.Columns, index by index.
func OpenScan(_ context.Context, store *storage.Store, scan *plan.Scan, schema plan.Schema, splits []plan.Split, opts ScanOptions) (*Scanner, error) {
	if err := storage.CheckScan(scan, schema); err != nil {
		return nil, err
	}
	if opts.BatchRows <= 0 {
		opts.BatchRows = 16384
	}
	if opts.Mem == nil {
		opts.Mem = memory.DefaultAllocator
	}
	return &Scanner{store: store, scan: scan, schema: schema, splits: splits, opts: opts}, nil
}

// Counts tells what the scan has done so far.
func (s *Scanner) Counts() storage.ScanCounts { return s.state.Counts }

// Next returns the next batch, never empty, or io.EOF. The caller owns it. After any error it returns that error again.
func (s *Scanner) Next(ctx context.Context) (arrow.Record, error) {
	return s.state.Put(ctx, s.read, s.closeFile)
}

// Close releases everything. It is safe at any time, and more than once.
func (s *Scanner) Close() error {
	s.state.End(s.closeFile)
	return nil
}

// read makes the next batch.
func (s *Scanner) read(ctx context.Context) (arrow.Record, error) {
	for s.batch == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.advance(ctx); err != nil {
			return nil, err
		}
	}
	return s.slice()
}

func (s *Scanner) closeFile() {
	s.dropBatch()
	if s.file != nil {
		s.state.Counts.Bytes += s.file.count.n
		s.file.close()
		s.file = nil
	}
}

func (s *Scanner) dropBatch() {
	if s.batch != nil {
		s.batch.Release()
		for _, arr := range s.ready {
			arr.Release()
		}
		s.batch, s.ready = nil, nil
	}
}

// advance reads the next batch, or opens the next file.
func (s *Scanner) advance(ctx context.Context) error {
	if s.file == nil {
		if len(s.splits) == 0 {
			return io.EOF
		}
		s.split, s.splits = &s.splits[0], s.splits[1:]
		return s.openFile(ctx)
	}
	rec, err := s.file.next(s.opts.Mem)
	if errors.Is(err, io.EOF) {
		s.closeFile()
		return s.state.Finish(ctx)
	}
	if err != nil {
		return err
	}
	if rec.NumRows() == 0 {
		rec.Release()
		return nil
	}
	s.batch, s.ready, s.at = rec, map[int]arrow.Array{}, 0
	return nil
}

// openFile opens the file of the split, which must be what it was when the job was planned.
func (s *Scanner) openFile(ctx context.Context) error {
	sp := s.split
	if _, err := s.state.Begin(ctx, s.store, sp); err != nil {
		return err
	}
	var err error
	s.first = 0
	s.file, err = open(ctx, s.store, sp.URL, sp.Size)
	return err
}

// slice makes a batch of the next rows of the file's.
func (s *Scanner) slice() (arrow.Record, error) {
	from, to := s.at, min(s.at+s.opts.BatchRows, int(s.batch.NumRows()))
	arrays := make([]arrow.Array, len(s.scan.Columns))
	defer func() {
		for _, a := range arrays {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i := range arrays {
		var err error
		if arrays[i], err = s.column(i, from, to); err != nil {
			return nil, err
		}
	}
	rec := vector.NewRecord(s.schema, arrays, to-from)
	if s.at = to; to == int(s.batch.NumRows()) {
		s.first += s.batch.NumRows()
		s.dropBatch()
	}
	return rec, nil
}

func (s *Scanner) column(i, from, to int) (arrow.Array, error) {
	sc, want, n := s.scan.Columns[i], s.schema.Fields[i], to-from
	switch {
	case sc.Virtual == plan.VirtualFile:
		return vector.FromLiteral(s.opts.Mem, plan.String, plan.Literal{Bytes: []byte(s.split.URL)}, n), nil
	case sc.Virtual == plan.VirtualRow:
		buf, out := vector.Alloc[int64](s.opts.Mem, n)
		for k := range out {
			out[k] = s.first + int64(from+k)
		}
		return vector.Make(arrow.PrimitiveTypes.Int64, n, nil, buf), nil
	case sc.Partition > 0 && sc.Partition <= len(s.split.Partition):
		return vector.FromLiteral(s.opts.Mem, want.Type, s.split.Partition[sc.Partition-1], n), nil
	}
	at := s.find(sc.Name)
	if at < 0 {
		return vector.FromLiteral(s.opts.Mem, want.Type, plan.Literal{Null: true}, n), nil
	}
	col, err := s.converted(at, sc.Name, want.Type)
	if err != nil {
		return nil, err
	}
	part := array.NewSlice(col, int64(from), int64(to))
	defer part.Release()
	return vector.Relabel(part, want.Type.Arrow()), nil
}

// converted is a column of the batch in the layout that it has inside Quern. It belongs to the scanner.
func (s *Scanner) converted(at int, name string, want plan.Type) (arrow.Array, error) {
	if arr, ok := s.ready[at]; ok {
		return arr, nil
	}
	col, file := s.batch.Column(at), storage.Display(s.split.URL)
	t, err := typeOf(col.DataType())
	switch {
	case err != nil:
		return nil, plan.Failf(plan.FailureUser, "file %s: column %s has type %s, which is not supported", file, name, col.DataType())
	case !t.Equal(nullable(want)):
		return nil, plan.Failf(plan.FailureUser, "file %s: column %s has type %s, but the table has %s", file, name, col.DataType(), want)
	}
	if err := arrowipc.ValidateForeign(col); err != nil {
		return nil, s.file.corrupt(fmt.Errorf("column %s: %w", name, err))
	}
	arr, err := converter{s.opts.Mem}.column(col)
	if err != nil {
		return nil, plan.Failf(plan.FailureUser, "file %s: column %s of type %s: %w", file, name, col.DataType(), err)
	}
	s.ready[at] = arr
	return arr, nil
}

// find is the place of a column in the file, letter case ignored, an exact match first; -1 without one.
func (s *Scanner) find(name string) int {
	found := -1
	for i, f := range s.batch.Schema().Fields() {
		switch {
		case f.Name == name:
			return i
		case found < 0 && strings.EqualFold(f.Name, name):
			found = i
		}
	}
	return found
}
