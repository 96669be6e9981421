package parquetio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Rows per batch: the default, and the most.
const (
	defaultBatchRows = 16384
	maxBatchRows     = 65536
)

// ScanOptions adjust a scan. The zero value works.
type ScanOptions struct {
	BatchRows int              // rows per batch, at most 65,536; 16,384 if zero
	Mem       memory.Allocator // of the batches; memory.DefaultAllocator if nil
}

// Counts are what a scan has done so far.
type Counts struct {
	Rows         int64 // put out
	Bytes        int64 // read of column chunks, as stored
	GroupsPruned int64 // row groups skipped
}

// Scanner reads splits, one after the other. Batches hold up to the batch size of rows, in file order, and never span
// row groups; where they are cut depends on the row groups alone. It is not safe for concurrent use.
type Scanner struct {
	store  *storage.Store
	scan   *plan.Scan
	schema plan.Schema
	splits []plan.Split // still to open
	opts   ScanOptions
	counts Counts
	codecs codecs
	err    error

	split   *plan.Split
	file    *file
	reader  storage.ReaderAtCloser
	columns []*columnReader // by output column; nil for a partition column
	next    int             // next row group of the split
	group   int             // being read
	left    int64           // rows of it not yet put out
}

// OpenScan prepares to read the splits. Schema is of the output: scan.Columns, index by index. Nothing is read before
// the first Next.
func OpenScan(_ context.Context, store *storage.Store, scan *plan.Scan, schema plan.Schema, splits []plan.Split, opts ScanOptions) (*Scanner, error) {
	if len(scan.Columns) != len(schema.Fields) {
		return nil, plan.Failf(plan.FailureInternal, "scan of %s: %d columns for a schema of %d", scan.Source, len(scan.Columns), len(schema.Fields))
	}
	if opts.BatchRows <= 0 {
		opts.BatchRows = defaultBatchRows
	}
	opts.BatchRows = min(opts.BatchRows, maxBatchRows)
	if opts.Mem == nil {
		opts.Mem = memory.DefaultAllocator
	}
	return &Scanner{store: store, scan: scan, schema: schema, splits: splits, opts: opts}, nil
}

// Counts tells what the scan has done so far.
func (s *Scanner) Counts() Counts { return s.counts }

// Next returns the next batch, never empty, or io.EOF. The caller owns it. After any error it returns that error again.
func (s *Scanner) Next(ctx context.Context) (arrow.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	rec, err := s.read(ctx)
	if err != nil {
		s.err = err
		s.closeSplit()
		return nil, err
	}
	s.counts.Rows += rec.NumRows()
	return rec, nil
}

// Close releases everything. It is safe at any time, and more than once.
func (s *Scanner) Close() error {
	if s.err == nil {
		s.err = errors.New("scan is closed")
	}
	s.closeSplit()
	s.codecs.close()
	return nil
}

func (s *Scanner) read(ctx context.Context) (arrow.Record, error) {
	for s.left == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.split != nil && s.next < s.split.RowGroupEnd {
			if err := s.openGroup(s.next); err != nil {
				return nil, err
			}
			s.next++
			continue
		}
		s.closeSplit()
		if len(s.splits) == 0 {
			return nil, io.EOF
		}
		s.split, s.splits = &s.splits[0], s.splits[1:]
		if err := s.openSplit(ctx); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.batch()
}

// openSplit opens the file of the split, which must be what it was when the job was planned.
func (s *Scanner) openSplit(ctx context.Context) error {
	sp := s.split
	info, err := s.store.Stat(ctx, sp.URL)
	if err != nil {
		return err
	}
	if info.Size != sp.Size || sp.ETag != "" && info.ETag != sp.ETag {
		return plan.Failf(plan.FailureUser, "file %s changed after the job was planned (%d bytes then, %d now); inputs must stay as they are during a run",
			storage.Display(sp.URL), sp.Size, info.Size)
	}
	info.URL = sp.URL
	if s.file, err = openFile(ctx, s.store, info); err != nil {
		return err
	}
	if sp.RowGroupStart < 0 || sp.RowGroupEnd > len(s.file.groups) {
		return plan.Failf(plan.FailureInternal, "split of %s: row groups %d to %d of %d", sp.URL, sp.RowGroupStart, sp.RowGroupEnd, len(s.file.groups))
	}
	if err := s.bindColumns(); err != nil {
		return err
	}
	s.reader, err = s.store.ReaderAt(ctx, sp.URL, info.Size)
	s.next = sp.RowGroupStart
	return err
}

// bindColumns finds the scan's columns in the file.
func (s *Scanner) bindColumns() error {
	s.columns = make([]*columnReader, len(s.scan.Columns))
	for i, sc := range s.scan.Columns {
		if sc.Partition > 0 {
			if sc.Partition > len(s.split.Partition) {
				return plan.Failf(plan.FailureInternal, "split of %s: no partition value %d", s.split.URL, sc.Partition)
			}
			continue
		}
		col, err := s.file.column(sc.Name)
		if err != nil {
			return err
		}
		if want := s.schema.Fields[i].Type; !col.typ.Equal(want) {
			return plan.Failf(plan.FailureUser, "file %s: column %s has type %s, but the table has %s",
				storage.Display(s.file.url), col.name, col.typ, want)
		}
		fill, err := newFiller(col)
		if err != nil {
			return plan.Failf(plan.FailureInternal, "file %s: column %s: %w", storage.Display(s.file.url), col.name, err)
		}
		s.columns[i] = &columnReader{col: col, fill: fill, chunk: newUnwrapper(s.opts.Mem, &s.codecs)}
	}
	return nil
}

// openGroup begins a row group, unless its statistics rule out all of it.
func (s *Scanner) openGroup(group int) error {
	rows := s.file.groups[group].NumRows
	if rows == 0 {
		return nil
	}
	if s.pruned(group) {
		s.counts.GroupsPruned++
		return nil
	}
	s.group, s.left = group, rows
	for _, c := range s.columns {
		if c != nil {
			p := place{url: s.file.url, group: group, column: c.col.name}
			if err := p.guard(func() error { c.start(s.file, group, s.reader); return nil }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scanner) pruned(group int) bool {
	if len(s.scan.Prune) == 0 {
		return false
	}
	g := groupStats{rows: s.file.groups[group].NumRows, columns: make([]plan.ColumnStats, len(s.columns))}
	for i, c := range s.columns {
		if c != nil {
			g.columns[i] = s.file.statsOf(group, c.col)
			continue
		}
		v := s.split.Partition[s.scan.Columns[i].Partition-1]
		if v.Null {
			g.columns[i].NullCount = g.rows
		} else {
			g.columns[i] = plan.ColumnStats{HasBounds: true, Min: v, Max: v}
		}
	}
	for _, e := range s.scan.Prune {
		if !g.mayMatch(e) {
			return true
		}
	}
	return false
}

// batch reads the next rows of every column.
func (s *Scanner) batch() (arrow.Record, error) {
	rows := int(min(s.left, int64(s.opts.BatchRows)))
	arrays := make([]arrow.Array, 0, len(s.columns))
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	for i, c := range s.columns {
		if c == nil {
			f := s.schema.Fields[i]
			arrays = append(arrays, vector.FromLiteral(s.opts.Mem, f.Type, s.split.Partition[s.scan.Columns[i].Partition-1], rows))
			continue
		}
		arr, err := s.readColumn(c, rows)
		if err != nil {
			return nil, err
		}
		arrays = append(arrays, arr)
	}
	s.left -= int64(rows)
	if s.left == 0 {
		s.closeGroup()
	}
	return vector.NewRecord(s.schema, arrays, rows), nil
}

func (s *Scanner) readColumn(c *columnReader, rows int) (arr arrow.Array, err error) {
	p := place{url: s.file.url, group: s.group, column: c.col.name}
	before := c.chunk.read
	err = p.guard(func() error {
		arr, err = c.read(s.opts.Mem, rows)
		if err != nil {
			return p.corrupt(err)
		}
		return nil
	})
	s.counts.Bytes += c.chunk.read - before
	return arr, err
}

func (s *Scanner) closeGroup() {
	for _, c := range s.columns {
		if c != nil {
			c.stop()
		}
	}
	s.left = 0
}

func (s *Scanner) closeSplit() {
	// A decoder that panicked may be in a state where stopping it panics too.
	for _, c := range s.columns {
		if c != nil {
			p := place{url: s.file.url, group: s.group, column: c.col.name}
			if err := p.guard(func() error { c.stop(); return nil }); err != nil && s.err == nil {
				s.err = fmt.Errorf("close: %w", err)
			}
			c.chunk.release()
		}
	}
	if s.reader != nil {
		s.reader.Close()
	}
	s.columns, s.reader, s.file, s.split, s.left = nil, nil, nil, nil, 0
}
