package agg

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
)

// Where is the rows of a batch for which keep, a boolean column, is true, and their arguments. The caller releases the
// arguments.
func Where(mem memory.Allocator, b Batch, args []arrow.Array, keep arrow.Array) (Batch, []arrow.Array) {
	bits, valid := vector.Bools(keep), vector.ValidityOf(keep)
	rows := make([]int32, 0, b.Rows)
	for i := range b.Rows {
		if !valid.IsNull(i) && bits.At(i) {
			rows = append(rows, int32(i))
		}
	}
	return rowsOf(mem, b, args, rows)
}

// rowsOf is some rows of a batch, ascending, with their arguments. The caller releases the arguments.
func rowsOf(mem memory.Allocator, b Batch, args []arrow.Array, rows []int32) (Batch, []arrow.Array) {
	taken := make([]arrow.Array, len(args))
	if len(rows) == b.Rows {
		for i, a := range args {
			a.Retain()
			taken[i] = a
		}
		return b, taken
	}
	for i, a := range args {
		taken[i] = vector.Take(mem, a, rows)
	}
	if b.Groups != nil {
		groups := make([]uint32, len(rows)) // never nil, which would be group 0
		for i, r := range rows {
			groups[i] = b.Groups[r]
		}
		b.Groups = groups
	}
	b.Rows = len(rows)
	return b, taken
}

func releaseAll(arrs []arrow.Array) {
	for _, a := range arrs {
		if a != nil {
			a.Release()
		}
	}
}

// present is the rows in which no argument is NULL.
func present(rows int, args []arrow.Array) []int32 {
	out := make([]int32, 0, rows)
	valid := make([]vector.Validity, len(args))
	for k, a := range args {
		valid[k] = vector.ValidityOf(a)
	}
rows:
	for i := range rows {
		for _, v := range valid {
			if v.IsNull(i) {
				continue rows
			}
		}
		out = append(out, int32(i))
	}
	return out
}

// complete hands the rows in which no argument is NULL on, with one of the arguments.
type complete struct {
	Accumulator
	of int
}

var _ Accumulator = (*complete)(nil)

func (c *complete) Update(b Batch, args []arrow.Array) error {
	b, taken := rowsOf(memory.DefaultAllocator, b, args[c.of:c.of+1], present(b.Rows, args))
	defer releaseAll(taken)
	return c.Accumulator.Update(b, taken)
}
