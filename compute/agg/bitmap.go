package agg

import (
	"bytes"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// bitmapBytes is the length of Spark's bitmaps.
const bitmapBytes = 4096

// bitmap is bitmap_construct_agg, the set of positions met, and bitmap_or_agg and bitmap_and_agg of such sets.
type bitmap struct {
	construct, and bool
	cells          [][]byte // nil before the first row
	held           int64
}

var _ Accumulator = (*bitmap)(nil)

func newBitmap(a plan.Agg) Accumulator {
	construct := a.Func == "bitmap_construct_agg"
	if len(a.ArgTypes) != 1 || construct != (a.ArgTypes[0].Kind == plan.KindInt64) || a.Type.Kind != plan.KindBinary {
		return nil
	}
	return &bitmap{construct: construct, and: a.Func == "bitmap_and_agg"}
}

// cell is a group's bitmap; of no rows it is empty, for AND full.
func (m *bitmap) cell(g uint32) []byte {
	if m.cells[g] == nil {
		m.cells[g] = m.none()
		m.held += bitmapBytes
	}
	return m.cells[g]
}

func (m *bitmap) none() []byte {
	if m.and {
		return bytes.Repeat([]byte{0xff}, bitmapBytes)
	}
	return make([]byte, bitmapBytes)
}

func (m *bitmap) Update(b Batch, args []arrow.Array) error {
	if !m.construct {
		return m.Merge(b, args)
	}
	m.cells = extend(m.cells, b.Len)
	values, valid := vector.Int64s(args[0]), vector.ValidityOf(args[0])
	for i, g := range b.groups() {
		if valid.IsNull(i) {
			continue
		}
		at := values[i]
		if at < 0 || at >= 8*bitmapBytes {
			return plan.Failf(plan.FailureUser, "[INVALID_BITMAP_POSITION] The 0-indexed bitmap position %d is out of bounds. "+
				"The bitmap has %d bits (%d bytes).", at, 8*bitmapBytes, bitmapBytes)
		}
		m.cell(g)[at/8] |= 1 << (at % 8)
	}
	return nil
}

// Merge joins bitmaps. What is missing of a short one is empty.
func (m *bitmap) Merge(b Batch, states []arrow.Array) error {
	m.cells = extend(m.cells, b.Len)
	plain := vector.Decode(heap, states[0])
	defer plain.Release()
	values, valid := vector.StringsOf(plain), vector.ValidityOf(plain)
	for i, g := range b.groups() {
		if valid.IsNull(i) {
			continue
		}
		cell, other := m.cell(g), values.At(i)
		other = other[:min(len(other), len(cell))]
		if !m.and {
			for k, x := range other {
				cell[k] |= x
			}
			continue
		}
		for k, x := range other {
			cell[k] &= x
		}
		clear(cell[len(other):])
	}
	return nil
}

func (m *bitmap) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := m.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (m *bitmap) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	m.cells = extend(m.cells, to)
	if (to-from)*bitmapBytes > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory, "bitmaps of %d groups exceed 2 GiB in one batch", to-from)
	}
	offBuf, offsets := vector.Alloc[int32](mem, to-from+1)
	valBuf, values := vector.Alloc[uint8](mem, (to-from)*bitmapBytes)
	for i, c := range m.cells[from:to] {
		if c == nil {
			c = m.none()
		}
		copy(values[i*bitmapBytes:], c)
	}
	for i := range offsets {
		offsets[i] = int32(i * bitmapBytes)
	}
	return vector.Make(arrow.BinaryTypes.Binary, to-from, nil, offBuf, valBuf), nil
}

func (m *bitmap) Bytes() int64 { return m.held + int64(len(m.cells))*24 }
