package agg

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/plan"
)

// store keeps a value of any type for each group, encoded as package sortkey does, in one arena. A group that needs more
// room than it has gets twice as much at the arena's end, so what is lost that way stays below what is used.
type store struct {
	spans []span
	arena []byte
}

func (s *store) extend(n int) { s.spans = extend(s.spans, n) }

// at is a group's value, nothing where it has none.
func (s *store) at(g int) []byte {
	v := s.spans[g]
	return s.arena[v.start : v.start+int64(v.len)]
}

func (s *store) set(g uint32, v []byte) {
	at := &s.spans[g]
	if n := int32(len(v)); n > at.room {
		at.start, at.room = int64(len(s.arena)), n
		if at.has {
			at.room = int32(min(2*int64(n), math.MaxInt32))
		}
		s.arena = append(s.arena, make([]byte, at.room)...)
	}
	at.has, at.len = true, int32(len(v))
	copy(s.arena[at.start:], v)
}

func (s *store) column(mem memory.Allocator, t plan.Type, from, to int) (arrow.Array, error) {
	s.extend(to)
	return sortkey.Decode(mem, t, to-from, func(i int) []byte { return s.at(from + i) })
}

func (s *store) bytes() int64 { return int64(len(s.spans))*24 + int64(len(s.arena)) }

// extremeValue is min and max of arrays and structs, by their encodings.
type extremeValue struct {
	typ     plan.Type
	largest bool
	best    store
	scratch []byte
}

var _ Accumulator = (*extremeValue)(nil)

func (e *extremeValue) Update(b Batch, args []arrow.Array) error {
	e.best.extend(b.Len)
	enc := sortkey.NewEncoder(args[0], sortkey.Normal)
	for i, g := range b.groups() {
		if enc.IsNull(i) {
			continue
		}
		e.scratch = enc.Append(e.scratch[:0], i)
		if beats(e.scratch, e.best.at(int(g)), e.largest) {
			e.best.set(g, e.scratch)
		}
	}
	return nil
}

func (e *extremeValue) Merge(b Batch, states []arrow.Array) error { return e.Update(b, states) }

func (e *extremeValue) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := e.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (e *extremeValue) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	return e.best.column(mem, e.typ, from, to)
}

func (e *extremeValue) Bytes() int64 { return e.best.bytes() }
