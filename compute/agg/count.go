package agg

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// count is count(*), and count(x, …): the rows in which no argument is NULL.
type count struct{ counts []int64 }

var _ Accumulator = (*count)(nil)

func (c *count) Update(b Batch, args []arrow.Array) error {
	c.counts = extend(c.counts, b.Len)
	var valid []vector.Validity
	for _, a := range args {
		if v := vector.ValidityOf(a); !v.AllValid() {
			valid = append(valid, v)
		}
	}
	switch {
	case len(valid) > 0:
		c.countValid(b, valid)
	case b.Groups == nil:
		if b.Rows > 0 {
			c.counts[0] += int64(b.Rows)
		}
	default:
		counts := c.counts
		for _, g := range b.Groups {
			counts[g]++
		}
	}
	return nil
}

func (c *count) countValid(b Batch, valid []vector.Validity) {
rows:
	for i, g := range b.groups() {
		for _, v := range valid {
			if v.IsNull(i) {
				continue rows
			}
		}
		c.counts[g]++
	}
}

func (c *count) Merge(b Batch, states []arrow.Array) error {
	c.counts = extend(c.counts, b.Len)
	for i, n := range vector.Int64s(states[0]) {
		g := uint32(0)
		if b.Groups != nil {
			g = b.Groups[i]
		}
		c.counts[g] += n
	}
	return nil
}

func (c *count) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := c.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (c *count) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	c.counts = extend(c.counts, to)
	return vector.FromInt64s(mem, c.counts[from:to]), nil
}

func (c *count) Bytes() int64 { return int64(len(c.counts)) * 8 }

// countIf is the number of rows in which its argument is true.
type countIf struct{ count }

func newCountIf(a plan.Agg) Accumulator {
	if len(a.ArgTypes) != 1 || a.ArgTypes[0].Kind != plan.KindBoolean {
		return nil
	}
	return &countIf{}
}

func (c *countIf) Update(b Batch, args []arrow.Array) error {
	c.counts = extend(c.counts, b.Len)
	bits, valid := vector.Bools(args[0]), vector.ValidityOf(args[0])
	for i, g := range b.groups() {
		if !valid.IsNull(i) && bits.At(i) {
			c.counts[g]++
		}
	}
	return nil
}
