package agg

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// bitFold is bit_and, bit_or and bit_xor of integers, in 64 bits.
type bitFold struct {
	typ   plan.Type
	fold  func(a, b int64) int64
	cells []peak[int64]
	wide  []int64
}

var _ Accumulator = (*bitFold)(nil)

func newBits(a plan.Agg) Accumulator {
	if len(a.ArgTypes) != 1 || !a.ArgTypes[0].IsInteger() || !a.ArgTypes[0].Equal(a.Type) {
		return nil
	}
	f := &bitFold{typ: a.Type, fold: func(a, b int64) int64 { return a ^ b }}
	switch a.Func {
	case "bit_and":
		f.fold = func(a, b int64) int64 { return a & b }
	case "bit_or":
		f.fold = func(a, b int64) int64 { return a | b }
	}
	return f
}

func (f *bitFold) Update(b Batch, args []arrow.Array) error {
	f.cells = extend(f.cells, b.Len)
	f.wide = widened(args[0], f.wide[:0])
	valid := vector.ValidityOf(args[0])
	for i, g := range b.groups() {
		if valid.IsNull(i) {
			continue
		}
		c := &f.cells[g]
		if c.has {
			c.value = f.fold(c.value, f.wide[i])
		} else {
			c.value, c.has = f.wide[i], true
		}
	}
	return nil
}

// widened appends a column of integers, dates, timestamps or spans as int64.
func widened(arr arrow.Array, dst []int64) []int64 {
	switch arr.DataType().ID() {
	case arrow.INT8:
		return appendInts(dst, vector.Int8s(arr))
	case arrow.INT16:
		return appendInts(dst, vector.Int16s(arr))
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		return appendInts(dst, vector.Int32s(arr))
	}
	return append(dst, vector.Int64s(arr)...)
}

func appendInts[T integer](dst []int64, values []T) []int64 {
	for _, v := range values {
		dst = append(dst, int64(v))
	}
	return dst
}

func (f *bitFold) Merge(b Batch, states []arrow.Array) error { return f.Update(b, states) }

func (f *bitFold) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := f.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (f *bitFold) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	f.cells = extend(f.cells, to)
	e := extreme{typ: f.typ, cells: f.cells}
	return e.Result(mem, from, to)
}

func (f *bitFold) Bytes() int64 { return int64(len(f.cells))*16 + int64(cap(f.wide))*8 }
