package optest

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// layout is how an input's columns lie in memory.
type layout string

const (
	plain    layout = "plain"
	offset   layout = "plain with offsets"
	oneDict  layout = "one dictionary"
	manyDict layout = "a dictionary per batch, by turns with plain"
)

var layouts = []layout{plain, offset, oneDict, manyDict}

// source is an input operator over rows in memory. It allocates in Next only, so that one that was never asked leaves
// nothing behind.
type source struct {
	mem    memory.Allocator
	schema plan.Schema
	rows   []string
	size   int
	layout layout
	before func(call int) error // asked before each batch

	whole  arrow.Record
	next   int // row
	calls  int
	err    error
	closed bool
}

var _ operator.Operator = (*source)(nil)

func newSource(mem memory.Allocator, table Table, size int, l layout) (*source, error) {
	schema, err := columns.ParseSchema(table.Schema)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		size = max(1, len(table.Rows))
	}
	return &source{mem: mem, schema: schema, rows: table.Rows, size: size, layout: l}, nil
}

func (s *source) Schema() plan.Schema { return s.schema }

func (s *source) Next(ctx context.Context) (arrow.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.closed {
		return nil, errors.New("input asked after its Close")
	}
	if s.before != nil {
		s.err = s.before(s.calls)
	}
	s.calls++
	if s.err == nil && s.whole == nil {
		s.err = s.load()
	}
	if s.err == nil && s.next >= len(s.rows) {
		s.err = io.EOF
	}
	if s.err != nil {
		return nil, s.err
	}
	from := s.next
	s.next = min(len(s.rows), from+s.size)
	rec := vector.Slice(s.whole, from, s.next)
	if s.layout == manyDict && s.calls%2 == 0 {
		encoded := s.moved(rec, columns.Encode)
		rec.Release()
		rec = encoded
	}
	return rec, nil
}

func (s *source) load() error {
	rec, err := columns.Record(s.mem, s.schema, s.rows)
	if err != nil {
		return err
	}
	switch s.layout {
	case offset:
		s.whole = s.moved(rec, columns.Offset)
	case oneDict:
		s.whole = s.moved(rec, columns.Encode)
	default:
		rec.Retain()
		s.whole = rec
	}
	rec.Release()
	return nil
}

func (s *source) moved(rec arrow.Record, move func(memory.Allocator, arrow.Array) arrow.Array) arrow.Record {
	cols := make([]arrow.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		cols[i] = move(s.mem, c)
		defer cols[i].Release()
	}
	return vector.NewRecord(s.schema, cols, int(rec.NumRows()))
}

func (s *source) Close() error {
	if s.whole != nil {
		s.whole.Release()
		s.whole = nil
	}
	s.closed = true
	return nil
}
