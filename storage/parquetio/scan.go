package parquetio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

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
	// Among are sets outside of which the values of some columns of the output are of no use: rows with others, or NULL,
	// may be left out.
	Among map[int]*vector.Bitmap
}

// Counts are what a scan has done so far.
type Counts = storage.ScanCounts

// Scanner reads splits, one after the other. Batches hold up to the batch size of rows, in file order, and never span
// row groups; where they are cut depends on the row groups alone. It is not safe for concurrent use.
type Scanner struct {
	state  storage.ScanState
	store  *storage.Store
	scan   *plan.Scan
	schema plan.Schema
	splits []plan.Split // still to open
	opts   ScanOptions
	codecs codecs

	late lateFilter

	split   *plan.Split
	file    *file
	reader  *storage.Ahead
	columns []*columnReader   // by output column; nil for one that is not in files
	indexes map[int]pageIndex // of the group's chunks, by leaf
	next    int               // next row group of the split
	group   int               // being read
	first   int64             // its first row in the file
	at, end int64             // rows of the group that the columns stand at before and after the batch
	left    ranges            // rows of it not yet put out
	sparse  bool              // few rows of the group are wanted
}

// OpenScan prepares to read the splits. Schema is of the output: scan.Columns, index by index. Nothing is read before
// the first Next.
func OpenScan(_ context.Context, store *storage.Store, scan *plan.Scan, schema plan.Schema, splits []plan.Split, opts ScanOptions) (*Scanner, error) {
	if err := storage.CheckScan(scan, schema); err != nil {
		return nil, err
	}
	if opts.BatchRows <= 0 {
		opts.BatchRows = defaultBatchRows
	}
	opts.BatchRows = min(opts.BatchRows, maxBatchRows)
	if opts.Mem == nil {
		opts.Mem = memory.DefaultAllocator
	}
	late, err := newLateFilter(scan, schema, opts.Among)
	if err != nil {
		return nil, err
	}
	return &Scanner{store: store, scan: scan, schema: schema, splits: splits, opts: opts, late: late}, nil
}

// Counts tells what the scan has done so far.
func (s *Scanner) Counts() Counts { return s.state.Counts }

// Next returns the next batch, never empty, or io.EOF. The caller owns it. After any error it returns that error again.
func (s *Scanner) Next(ctx context.Context) (arrow.Record, error) {
	return s.state.Put(ctx, s.read, s.closeSplit)
}

// Close releases everything. It is safe at any time, and more than once.
func (s *Scanner) Close() error {
	s.state.End(s.closeSplit)
	s.codecs.close()
	return nil
}

func (s *Scanner) read(ctx context.Context) (arrow.Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(s.left) > 0 {
			rec, err := s.batch()
			if rec != nil || err != nil {
				return rec, err
			}
			continue
		}
		if s.split != nil && s.next < s.split.RowGroupEnd {
			if err := s.openGroup(s.next); err != nil {
				return nil, err
			}
			s.next++
			continue
		}
		s.closeSplit()
		if err := s.state.Finish(ctx); err != nil {
			return nil, err
		}
		if len(s.splits) == 0 {
			return nil, io.EOF
		}
		s.split, s.splits = &s.splits[0], s.splits[1:]
		if err := s.openSplit(ctx); err != nil {
			return nil, err
		}
	}
}

// openSplit opens the file of the split, which must be what it was when the job was planned.
func (s *Scanner) openSplit(ctx context.Context) error {
	sp := s.split
	info, err := s.state.Begin(ctx, s.store, sp)
	if err != nil {
		return err
	}
	if s.file, err = openFile(ctx, s.store, info); err != nil {
		return err
	}
	if sp.RowGroupStart < 0 || sp.RowGroupEnd > len(s.file.groups) {
		return plan.Failf(plan.FailureInternal, "split of %s: row groups %d to %d of %d", sp.URL, sp.RowGroupStart, sp.RowGroupEnd, len(s.file.groups))
	}
	if err := s.bindColumns(); err != nil {
		return err
	}
	r, err := s.store.Open(ctx, info)
	if err != nil {
		return err
	}
	s.reader = s.store.ReadAhead(r)
	s.next, s.first = sp.RowGroupStart, 0
	for g := range sp.RowGroupStart {
		s.first += s.file.groups[g].NumRows
	}
	return nil
}

// bindColumns finds the scan's columns in the file.
func (s *Scanner) bindColumns() error {
	s.columns = make([]*columnReader, len(s.scan.Columns))
	for i, sc := range s.scan.Columns {
		if sc.Partition > len(s.split.Partition) {
			return plan.Failf(plan.FailureInternal, "split of %s: no partition value %d", s.split.URL, sc.Partition)
		}
		if sc.Partition > 0 || sc.Virtual != "" {
			continue
		}
		want := plan.Field{Name: sc.Name, Type: s.schema.Fields[i].Type}
		found, err := s.file.bind(want)
		if errors.Is(err, errNoWay) {
			return plan.Failf(plan.FailureUser, "file %s: column %s has type %s, which does not become the table's %s",
				storage.Display(s.file.url), found.name, found.typ, want.Type)
		}
		if err != nil {
			return err
		}
		if s.columns[i], err = newColumnReader(s.opts.Mem, &s.codecs, found, want); err != nil {
			return plan.Failf(plan.FailureInternal, "file %s: column %s: %w", storage.Display(s.file.url), sc.Name, err)
		}
	}
	return nil
}

// openGroup begins a row group, unless what is known about it rules out all of it.
func (s *Scanner) openGroup(group int) error {
	rows := s.file.groups[group].NumRows
	if group > s.split.RowGroupStart {
		s.first += s.file.groups[group-1].NumRows
	}
	if rows == 0 {
		return nil
	}
	s.group, s.at, s.indexes = group, 0, map[int]pageIndex{}
	p := place{url: s.file.url, group: group}
	return p.guard(func() error {
		wanted, err := s.wanted(group)
		if err != nil {
			return p.corrupt(err)
		}
		if len(wanted) == 0 {
			s.state.Counts.GroupsPruned++
			s.reader.Done(earlyOf(group)) // it was not known when the group before was begun
			return nil
		}
		s.state.Counts.RowsPruned += rows - wanted.rows()
		if err := s.startColumns(group, wanted.rows() < rows/2); err != nil {
			return p.corrupt(err)
		}
		s.left = wanted
		return nil
	})
}

// wanted is the rows of a group that its statistics, its Bloom filters and its page index do not rule out.
func (s *Scanner) wanted(group int) (ranges, error) {
	all := allRows(s.file.groups[group].NumRows)
	if len(s.scan.Prune) == 0 {
		return all, nil
	}
	if s.pruned(group) {
		return nil, nil
	}
	for _, e := range s.scan.Prune {
		out, err := s.bloomRulesOut(s.reader, group, e)
		if out {
			s.state.Counts.GroupsBloom++
		}
		if out || err != nil {
			return nil, err
		}
	}
	return s.prunePages(s.reader, group)
}

// startColumns begins the group's chunks. Where few rows are wanted, or where rows cannot be told from a page's header,
// it is good to know the places of pages.
func (s *Scanner) startColumns(group int, few bool) error {
	var failed error
	ahead := int64(readSize)
	if s.sparse = few; few {
		ahead = sparseSize
	} else {
		s.want(group)
	}
	for i, c := range s.columns {
		if c == nil {
			continue
		}
		c.start(s.file, group, s.reader, func(leaf *column) pageIndex {
			if !few && (leaf.rep == 0 || s.late.off || s.late.reads[i]) {
				return s.indexes[leaf.leaf]
			}
			x, err := s.pageIndex(s.reader, group, leaf)
			if err != nil {
				failed = err
			}
			return x
		}, ahead)
	}
	return failed
}

// Groups of ranges that are read ahead: two of each row group, of the columns that are read in any case, and of the others.
func earlyOf(group int) int { return 2 * group }
func restOf(group int) int  { return 2*group + 1 }

// want has the chunks that a group is read for first on their way, and those of the next group that is not pruned.
func (s *Scanner) want(group int) {
	s.reader.Want(earlyOf(group), s.chunks(group, true))
	for next := group + 1; next < s.split.RowGroupEnd; next++ {
		if s.file.groups[next].NumRows > 0 && !s.pruned(next) {
			s.reader.Want(earlyOf(next), s.chunks(next, true))
			return
		}
	}
}

// chunks is where the chunks of a group lie: those of the columns that are read early, or of the others.
func (s *Scanner) chunks(group int, early bool) (spans []storage.Span) {
	for i, c := range s.columns {
		if c == nil || c.shape.field == nil || (s.late.off || s.late.reads[i]) != early {
			continue
		}
		c.shape.field.eachLeaf(func(leaf *column) {
			m := &s.file.groups[group].Columns[leaf.leaf].MetaData
			spans = append(spans, storage.Span{From: m.start(), To: m.start() + m.TotalCompressedSize})
		})
	}
	return spans
}

func (s *Scanner) pruned(group int) bool {
	g := groupStats{rows: s.file.groups[group].NumRows, columns: make([]plan.ColumnStats, len(s.columns))}
	for i, c := range s.columns {
		g.columns[i].NullCount = -1
		if c != nil {
			g.columns[i] = s.file.fieldStats(group, c.shape.field, s.schema.Fields[i].Type)
		} else if n := s.scan.Columns[i].Partition; n > 0 {
			if v := s.split.Partition[n-1]; v.Null {
				g.columns[i].NullCount = g.rows
			} else {
				g.columns[i] = plan.ColumnStats{HasBounds: true, Min: v, Max: v}
			}
		}
	}
	for _, e := range s.scan.Prune {
		if !g.mayMatch(e) {
			return true
		}
	}
	return slices.ContainsFunc(s.late.among, func(m membership) bool { return !m.mayHold(g.columns[m.column]) })
}

// batch reads the next rows of every column; nil when none of them is wanted after all.
func (s *Scanner) batch() (arrow.Record, error) {
	rows := s.left.cut(int64(s.opts.BatchRows))
	arrays := make([]arrow.Array, len(s.columns))
	defer func() {
		for _, a := range arrays {
			if a != nil {
				a.Release()
			}
		}
	}()
	rows, err := s.readEarly(arrays, rows)
	if err != nil {
		return nil, err
	}
	if len(rows) > 0 && !s.late.off && !s.sparse {
		s.reader.Want(restOf(s.group), s.chunks(s.group, false))
	}
	for i := range s.columns {
		if arrays[i] != nil {
			continue
		}
		if arrays[i], err = s.column(i, rows); err != nil {
			return nil, err
		}
	}
	s.at = s.end
	if len(s.left) == 0 {
		s.closeGroup()
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return vector.NewRecord(s.schema, arrays, int(rows.rows())), nil
}

// readEarly reads the columns that tell which rows of a batch are wanted, and returns those.
func (s *Scanner) readEarly(arrays []arrow.Array, rows ranges) (ranges, error) {
	s.end = rows[len(rows)-1].to
	if s.late.off {
		return rows, nil
	}
	var err error
	for _, i := range s.late.columns {
		if arrays[i], err = s.column(i, rows); err != nil {
			return nil, err
		}
	}
	n := rows.rows()
	chosen, err := s.late.choose(s.opts.Mem, arrays, int(n))
	if err != nil || chosen.rows() == n {
		return rows, err
	}
	for _, i := range s.late.columns {
		arrays[i] = takeRanges(s.opts.Mem, arrays[i], chosen)
	}
	s.state.Counts.RowsPruned += n - chosen.rows()
	s.state.Counts.RowsLate += n - chosen.rows()
	return chosen.within(rows), nil
}

// column makes a column of a batch.
func (s *Scanner) column(i int, rows ranges) (arrow.Array, error) {
	n, sc := int(rows.rows()), s.scan.Columns[i]
	switch {
	case s.columns[i] != nil:
		return s.readColumn(s.columns[i], rows.spans(s.at, s.end), n)
	case sc.Virtual == plan.VirtualFile:
		return vector.FromLiteral(s.opts.Mem, plan.String, plan.Literal{Bytes: []byte(s.file.url)}, n), nil
	case sc.Virtual == plan.VirtualRow:
		return s.rowNumbers(rows), nil
	case sc.Virtual != "":
		return nil, plan.Failf(plan.FailureInternal, "scan of %s: no virtual column %q", s.scan.Source, sc.Virtual)
	}
	return vector.FromLiteral(s.opts.Mem, s.schema.Fields[i].Type, s.split.Partition[sc.Partition-1], n), nil
}

// rowNumbers are the rows' numbers in the file.
func (s *Scanner) rowNumbers(rows ranges) arrow.Array {
	buf, out := vector.Alloc[int64](s.opts.Mem, int(rows.rows()))
	at := 0
	for _, x := range rows {
		for r := x.from; r < x.to; r++ {
			out[at] = s.first + r
			at++
		}
	}
	return vector.Make(arrow.PrimitiveTypes.Int64, len(out), nil, buf)
}

func (s *Scanner) readColumn(c *columnReader, spans []span, rows int) (arr arrow.Array, err error) {
	p := place{url: s.file.url, group: s.group, column: c.name}
	bytes, pages := c.bytesRead(), c.pagesPruned()
	err = p.guard(func() error {
		arr, err = c.read(spans, rows)
		if err != nil {
			return p.corrupt(err)
		}
		return nil
	})
	s.state.Counts.Bytes += c.bytesRead() - bytes
	s.state.Counts.PagesPruned += c.pagesPruned() - pages
	return arr, err
}

func (s *Scanner) closeGroup() {
	for _, c := range s.columns {
		if c != nil {
			s.state.Counts.PagesPruned += c.pagesUnread()
			c.stop()
		}
	}
	s.left = nil
	s.reader.Done(earlyOf(s.group))
	s.reader.Done(restOf(s.group))
}

func (s *Scanner) closeSplit() {
	// A decoder that panicked may be in a state where stopping it panics too.
	for _, c := range s.columns {
		if c != nil {
			p := place{url: s.file.url, group: s.group, column: c.name}
			if err := p.guard(func() error { c.stop(); return nil }); err != nil {
				s.state.Fail(fmt.Errorf("close: %w", err))
			}
			c.release()
		}
	}
	if s.reader != nil {
		s.reader.Close()
	}
	s.columns, s.reader, s.file, s.split, s.left = nil, nil, nil, nil, nil
}
