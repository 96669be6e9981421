package agg

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// distinct hands each group's first row with given arguments to another accumulator and drops the rest. It has no
// states that could be merged: two of them may have met the same value.
type distinct struct {
	mem   memory.Allocator
	types []plan.Type
	inner Accumulator
	// seen holds (group, arguments…), without the group when all rows are of one.
	seen    *group.Table
	grouped bool
	ids     []uint32
}

var _ Accumulator = (*distinct)(nil)

func (d *distinct) Update(b Batch, args []arrow.Array) error {
	if d.seen == nil {
		d.grouped = b.Groups != nil
		types := d.types
		if d.grouped {
			types = append([]plan.Type{plan.Int32}, types...)
		}
		d.seen = group.New(types)
	}
	cols := args
	if d.grouped {
		of := groupColumn(b)
		defer of.Release()
		cols = append([]arrow.Array{of}, args...)
	}
	next := uint32(d.seen.Len())
	var err error
	if d.ids, err = d.seen.Assign(cols, b.Rows, d.ids); err != nil {
		return err
	}
	// Numbers are dense and ascend by first appearance, so a new key's first row is the one with the next number.
	var first []int32
	for i, id := range d.ids {
		if id == next {
			first = append(first, int32(i))
			next++
		}
	}
	return d.forward(b, args, first)
}

// groupColumn is the group numbers as an int column over the same memory.
func groupColumn(b Batch) arrow.Array {
	buf := memory.NewBufferBytes(arrow.GetBytes(b.groups()))
	data := array.NewData(arrow.PrimitiveTypes.Int32, b.Rows, []*memory.Buffer{nil, buf}, nil, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

func (d *distinct) forward(b Batch, args []arrow.Array, rows []int32) error {
	if len(rows) < b.Rows {
		taken := make([]arrow.Array, len(args))
		for i, a := range args {
			taken[i] = vector.Take(d.mem, a, rows)
			defer taken[i].Release()
		}
		args = taken
		if b.Groups != nil {
			groups := make([]uint32, len(rows))
			for i, r := range rows {
				groups[i] = b.Groups[r]
			}
			b.Groups = groups
		}
		b.Rows = len(rows)
	}
	return d.inner.Update(b, args)
}

func (d *distinct) Merge(Batch, []arrow.Array) error {
	return fmt.Errorf("DISTINCT aggregates are not computed in two phases")
}

func (d *distinct) States(memory.Allocator, int, int) ([]arrow.Array, error) {
	return nil, fmt.Errorf("DISTINCT aggregates are not computed in two phases")
}

func (d *distinct) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	return d.inner.Result(mem, from, to)
}

func (d *distinct) Bytes() int64 {
	n := d.inner.Bytes() + int64(cap(d.ids))*4
	if d.seen != nil {
		n += d.seen.Bytes()
	}
	return n
}
