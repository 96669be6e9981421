package textio

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

// Rows per batch, by default, and bytes of text after which a batch is complete anyway.
const (
	defaultBatchRows = 16384
	maxBatchBytes    = 64 << 20
)

// ScanOptions adjust a scan. The zero value works.
type ScanOptions struct {
	BatchRows int              // rows per batch; 16,384 if zero
	Mem       memory.Allocator // of the batches; memory.DefaultAllocator if nil
	Session   plan.Session
}

// Scanner reads splits, one after the other, in file order. It is not safe for concurrent use.
type Scanner struct {
	state  storage.ScanState
	store  *storage.Store
	scan   *plan.Scan
	schema plan.Schema
	splits []plan.Split // still to open
	opts   ScanOptions
	o      *options
	parser *rowParser
	places []int // for each column of the scan, its place among the parser's; -1: not in files

	split   *plan.Split
	records *recordReader
	first   bool // the next record is the first of its file
}

// OpenScan prepares to read the splits. Schema is of the output: scan.Columns, index by index.
func OpenScan(_ context.Context, store *storage.Store, scan *plan.Scan, schema plan.Schema, splits []plan.Split, opts ScanOptions) (*Scanner, error) {
	if err := storage.CheckScan(scan, schema); err != nil {
		return nil, err
	}
	o, err := parseOptions(scan.Format, scan.Options)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", scan.Source, err)
	}
	if opts.BatchRows <= 0 {
		opts.BatchRows = defaultBatchRows
	}
	if opts.Mem == nil {
		opts.Mem = memory.DefaultAllocator
	}
	s := &Scanner{store: store, scan: scan, schema: schema, splits: splits, opts: opts, o: o, places: make([]int, len(scan.Columns))}
	var columns []plan.Field
	for i, c := range scan.Columns {
		s.places[i] = -1
		if c.Partition == 0 && c.Virtual == "" {
			s.places[i] = len(columns)
			columns = append(columns, plan.Field{Name: c.Name, Type: schema.Fields[i].Type, Nullable: true})
		}
	}
	s.parser, err = newRowParser(o, scan.Fields, columns, opts.Session)
	return s, err
}

// Counts tells what the scan has done so far.
func (s *Scanner) Counts() storage.ScanCounts { return s.state.Counts }

// Next returns the next batch, never empty, or io.EOF. The caller owns it. After any error it returns that error again.
func (s *Scanner) Next(ctx context.Context) (arrow.Record, error) {
	return s.state.Put(ctx, s.read, s.closeSplit)
}

// Close releases everything. It is safe at any time, and more than once.
func (s *Scanner) Close() error {
	s.state.End(s.closeSplit)
	return nil
}

func (s *Scanner) closeSplit() {
	if s.records != nil {
		s.state.Counts.Bytes += s.records.text.count.n
		s.records.close()
	}
	s.records, s.split = nil, nil
}

func (s *Scanner) read(ctx context.Context) (arrow.Record, error) {
	for {
		if s.records == nil {
			if len(s.splits) == 0 {
				return nil, io.EOF
			}
			s.split, s.splits = &s.splits[0], s.splits[1:]
			if err := s.open(ctx); err != nil {
				return nil, err
			}
		}
		b := s.newBatch()
		err := s.fill(ctx, b)
		if errors.Is(err, io.EOF) {
			s.finishSplit(b)
			err = s.state.Finish(ctx)
		}
		if err != nil || b.rows == 0 {
			b.release()
			if err != nil {
				return nil, err
			}
			continue
		}
		return b.finish()
	}
}

// finishSplit closes the split; the batch keeps what it needs of it.
func (s *Scanner) finishSplit(b *batch) {
	b.split = s.split
	s.closeSplit()
}

// open opens the file of the split, which must be what it was when the job was planned.
func (s *Scanner) open(ctx context.Context) error {
	sp := s.split
	if _, err := s.state.Begin(ctx, s.store, sp); err != nil {
		return err
	}
	from, to := int64(0), int64(1)<<62
	if s.o.splittable(sp.URL) {
		from, to = int64(sp.RowGroupStart)*SplitBytes, int64(sp.RowGroupEnd)*SplitBytes
	}
	var err error
	s.first = from == 0
	s.records, err = openRecords(ctx, s.store, s.o, sp.URL, sp.Size, from, to)
	return err
}

// fill adds records to a batch until it is complete.
func (s *Scanner) fill(ctx context.Context, b *batch) error {
	for n := 0; b.rows < s.opts.BatchRows && b.bytes < maxBatchBytes; n++ {
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		rec, at, err := s.records.next()
		if err != nil {
			return err
		}
		if s.o.blank(rec) {
			continue
		}
		if s.first {
			s.first = false
			if s.o.header {
				continue
			}
		}
		b.bytes += len(rec)
		b.at = at
		if !s.parser.parse(rec, b.add) && s.o.mode == failFast {
			return s.malformed(ctx, at)
		}
	}
	return nil
}

// malformed is the error about a record, with its line.
func (s *Scanner) malformed(ctx context.Context, at int64) error {
	where := fmt.Sprintf("at byte %d", at)
	if line, err := s.lineOf(ctx, at); err == nil {
		where = fmt.Sprintf("line %d", line)
	}
	return plan.Failf(plan.FailureUser, "[MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] Malformed records are detected in record parsing: "+
		"file %s, %s. Parse Mode: FAILFAST. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'.",
		storage.Display(s.split.URL), where)
}

// lineOf counts the lines of the file before a position.
func (s *Scanner) lineOf(ctx context.Context, at int64) (int, error) {
	t, err := openText(ctx, s.store, s.o, s.split.URL, s.split.Size, 0)
	if err != nil {
		return 0, err
	}
	defer t.Close()
	lines := newLineReader(t, s.o.lineSep, 0)
	for n := 1; ; n++ {
		_, begin, err := lines.next()
		if err != nil {
			return 0, err
		}
		if begin >= at {
			return n, nil
		}
	}
}

// batch is rows being collected.
type batch struct {
	s        *Scanner
	split    *plan.Split
	builders []*vector.Builder // of the parser's columns
	numbers  []int64           // identities of rows, where asked for
	rows     int
	bytes    int
	at       int64 // where the record of the next row begins
	last     int64 // identity of the last row
}

func (s *Scanner) newBatch() *batch {
	b := &batch{s: s, split: s.split, last: -1}
	for _, w := range s.parser.want {
		b.builders = append(b.builders, vector.NewBuilder(s.opts.Mem, w.field.Type))
	}
	return b
}

// add appends a row. Rows of one record are told apart by the bytes that each of them has at least.
func (b *batch) add(row []plan.Literal) {
	for i, v := range row {
		b.builders[i].AppendLiteral(v)
	}
	b.last = max(b.at, b.last+1)
	b.numbers = append(b.numbers, b.last)
	b.rows++
}

func (b *batch) release() {
	for _, x := range b.builders {
		x.Release()
	}
}

func (b *batch) finish() (arrow.Record, error) {
	defer b.release()
	s := b.s
	arrays := make([]arrow.Array, len(s.schema.Fields))
	defer func() {
		for _, a := range arrays {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i, c := range s.scan.Columns {
		var err error
		switch {
		case s.places[i] >= 0:
			if arrays[i], err = b.builders[s.places[i]].Finish(); err != nil {
				return nil, err
			}
		case c.Virtual == plan.VirtualFile:
			arrays[i] = vector.FromLiteral(s.opts.Mem, plan.String, plan.Literal{Bytes: []byte(b.split.URL)}, b.rows)
		case c.Virtual == plan.VirtualRow:
			arrays[i] = vector.FromInt64s(s.opts.Mem, b.numbers)
		case c.Partition > 0 && c.Partition <= len(b.split.Partition):
			arrays[i] = vector.FromLiteral(s.opts.Mem, s.schema.Fields[i].Type, b.split.Partition[c.Partition-1], b.rows)
		default:
			return nil, plan.Failf(plan.FailureInternal, "scan of %s: no values for column %s", s.scan.Source, c.Name)
		}
	}
	return vector.NewRecord(s.schema, arrays, b.rows), nil
}
