package agg

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// distinct hands each group's first row with given arguments to another accumulator and drops the rest.
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
	b, taken := rowsOf(d.mem, b, args, rows)
	defer releaseAll(taken)
	return d.inner.Update(b, taken)
}

// Merge takes in the rows of states as if they came now: those that are new here go on to the other accumulator.
func (d *distinct) Merge(b Batch, states []arrow.Array) error {
	b, cols := unpack(d.mem, b, states[0], d.types)
	defer releaseAll(cols)
	return d.Update(b, cols)
}

// States is each group's different rows in order of first appearance.
func (d *distinct) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	store := newRowStore(d.types)
	if d.seen != nil {
		if err := d.refill(&store); err != nil {
			return nil, err
		}
	}
	col, err := store.state(mem, from, to)
	return []arrow.Array{col}, err
}

// refill puts the keys of the table into a store.
func (d *distinct) refill(store *rowStore) error {
	keys, err := d.seen.Keys(heap, 0, d.seen.Len())
	if err != nil {
		return err
	}
	defer releaseAll(keys)
	b := Batch{Rows: d.seen.Len()}
	if d.grouped {
		for _, g := range vector.Int32s(keys[0]) {
			b.Groups = append(b.Groups, uint32(g))
		}
		keys = keys[1:]
	}
	rows := make([]int32, b.Rows)
	for i := range rows {
		rows[i] = int32(i)
	}
	store.add(b, keys, rows)
	return nil
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
