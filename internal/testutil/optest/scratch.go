package optest

import (
	"errors"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// scratch is a scratch disk in memory. It counts what is open, and fails when told to.
type scratch struct {
	mem     memory.Allocator        // of the batches that come back
	before  func(step string) error // asked before "create", "write", "open" and "read"
	files   int                     // not removed
	readers int                     // not closed
	written int                     // batches
	misuse  error
}

var _ operator.Scratch = (*scratch)(nil)

func (s *scratch) ask(step string) error {
	if s.before == nil {
		return nil
	}
	return s.before(step)
}

// Create starts a file.
func (s *scratch) Create(schema plan.Schema) (operator.SpillFile, error) {
	if err := s.ask("create"); err != nil {
		return nil, err
	}
	s.files++
	return &spillFile{scratch: s, schema: schema}, nil
}

type spillFile struct {
	scratch *scratch
	schema  plan.Schema
	recs    []arrow.Record // copies on the Go heap
	rows    int64
	bytes   int64
	readers int
	read    bool
	removed bool
}

func (f *spillFile) misuse(what string) error {
	f.scratch.misuse = errors.Join(f.scratch.misuse, errors.New(what))
	return f.scratch.misuse
}

// Write keeps a copy.
func (f *spillFile) Write(rec arrow.Record) error {
	if f.read || f.removed {
		return f.misuse("a scratch file was written after it was read or removed")
	}
	if len(f.schema.Fields) != int(rec.NumCols()) {
		return f.misuse("a batch of other columns than the scratch file's")
	}
	for i, c := range rec.Columns() {
		if t, err := plan.TypeOf(c.DataType()); err != nil || t.Kind != f.schema.Fields[i].Type.Kind {
			return f.misuse("a batch of other types than the scratch file's")
		}
	}
	if err := f.scratch.ask("write"); err != nil {
		return err
	}
	f.scratch.written++
	f.recs = append(f.recs, copied(memory.NewGoAllocator(), rec))
	f.rows += rec.NumRows()
	f.bytes += vector.Size(rec)
	return nil
}

func copied(mem memory.Allocator, rec arrow.Record) arrow.Record {
	rows := make([]int32, rec.NumRows())
	for i := range rows {
		rows[i] = int32(i)
	}
	return vector.TakeRecord(mem, rec, rows)
}

// Rows is how many rows were written.
func (f *spillFile) Rows() int64 { return f.rows }

// Bytes is how much was written.
func (f *spillFile) Bytes() int64 { return f.bytes }

// Reader reads from the beginning.
func (f *spillFile) Reader() (operator.SpillReader, error) {
	if f.removed {
		return nil, f.misuse("a scratch file was read after its removal")
	}
	if err := f.scratch.ask("open"); err != nil {
		return nil, err
	}
	f.read = true
	f.readers++
	f.scratch.readers++
	return &spillReader{file: f}, nil
}

// Remove deletes the file.
func (f *spillFile) Remove() error {
	if f.removed {
		return nil
	}
	if f.readers > 0 {
		return f.misuse("a scratch file was removed with readers open")
	}
	f.removed = true
	f.scratch.files--
	release(f.recs) // a dictionary is shared with the batch that was written
	f.recs = nil
	return nil
}

type spillReader struct {
	file   *spillFile
	next   int
	closed bool
}

// Next is a copy of the next batch.
func (r *spillReader) Next() (arrow.Record, error) {
	if r.closed {
		return nil, r.file.misuse("a scratch file's reader was used after its Close")
	}
	if err := r.file.scratch.ask("read"); err != nil {
		return nil, err
	}
	if r.next == len(r.file.recs) {
		return nil, io.EOF
	}
	r.next++
	return copied(r.file.scratch.mem, r.file.recs[r.next-1]), nil
}

// Close ends reading.
func (r *spillReader) Close() error {
	if !r.closed {
		r.closed = true
		r.file.readers--
		r.file.scratch.readers--
	}
	return nil
}
