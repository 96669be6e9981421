package agg

import (
	"bytes"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// extremeBytes is min and max of string and binary, compared bytewise. The values lie in one arena; a group that needs
// more room than it has gets twice as much at the arena's end, so what is lost that way stays below what is used.
type extremeBytes struct {
	typ     plan.Type
	largest bool
	spans   []span
	arena   []byte
}

// span is a group's room in the arena, and the length of its value.
type span struct {
	start     int64
	room, len int32
	has       bool
}

var _ Accumulator = (*extremeBytes)(nil)

func (e *extremeBytes) Update(b Batch, args []arrow.Array) error {
	e.spans = extend(e.spans, b.Len)
	valid := vector.ValidityOf(args[0])
	if d, ok := vector.DictionaryOf(args[0]); ok {
		for i, g := range b.groups() {
			if !valid.IsNull(i) {
				e.offer(g, d.Values.At(int(d.Codes[i])))
			}
		}
		return nil
	}
	values := vector.StringsOf(args[0])
	for i, g := range b.groups() {
		if !valid.IsNull(i) {
			e.offer(g, values.At(i))
		}
	}
	return nil
}

func (e *extremeBytes) value(s span) []byte { return e.arena[s.start : s.start+int64(s.len)] }

func (e *extremeBytes) offer(g uint32, v []byte) {
	s := &e.spans[g]
	if s.has {
		order := bytes.Compare(v, e.value(*s))
		if order == 0 || (order > 0) != e.largest {
			return
		}
	}
	if n := int32(len(v)); !s.has || n > s.room {
		s.start, s.room = int64(len(e.arena)), n
		if s.has {
			s.room = int32(min(2*int64(n), math.MaxInt32))
		}
		e.arena = append(e.arena, make([]byte, s.room)...)
	}
	s.has, s.len = true, int32(len(v))
	copy(e.arena[s.start:], v)
}

func (e *extremeBytes) Merge(b Batch, states []arrow.Array) error { return e.Update(b, states) }

func (e *extremeBytes) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := e.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (e *extremeBytes) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	e.spans = extend(e.spans, to)
	spans, size := e.spans[from:to], int64(0)
	for _, s := range spans {
		size += int64(s.len)
	}
	if size > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory, "min or max of %s: results exceed 2 GiB in one batch", e.typ)
	}
	nulls := &vector.Nulls{Mem: mem, Rows: len(spans)}
	offBuf, offsets := vector.Alloc[int32](mem, len(spans)+1)
	valBuf, values := vector.Alloc[uint8](mem, int(size))
	n := int32(0)
	for i, s := range spans {
		offsets[i] = n
		if !s.has {
			nulls.Set(i)
			continue
		}
		n += int32(copy(values[n:], e.value(s)))
	}
	offsets[len(spans)] = n
	return vector.Make(e.typ.Arrow(), len(spans), nulls, offBuf, valBuf), nil
}

func (e *extremeBytes) Bytes() int64 { return int64(len(e.spans))*24 + int64(len(e.arena)) }
