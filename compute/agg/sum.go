package agg

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

type integer interface{ int8 | int16 | int32 | int64 }

type number interface {
	int8 | int16 | int32 | int64 | float32 | float64
}

// total is a sum and how many values it has. Side by side they share a cache line.
type total[S any] struct {
	sum S
	n   int64
}

// sumInt is the sum of integers as bigint.
type sumInt struct{ cells []total[int64] }

var _ Accumulator = (*sumInt)(nil)

func (s *sumInt) Update(b Batch, args []arrow.Array) error {
	s.cells = extend(s.cells, b.Len)
	valid, overflow := vector.ValidityOf(args[0]), false
	switch args[0].DataType().ID() {
	case arrow.INT8:
		overflow = addInts(s.cells, b, vector.Int8s(args[0]), valid)
	case arrow.INT16:
		overflow = addInts(s.cells, b, vector.Int16s(args[0]), valid)
	case arrow.INT32:
		overflow = addInts(s.cells, b, vector.Int32s(args[0]), valid)
	case arrow.INT64:
		overflow = addInts(s.cells, b, vector.Int64s(args[0]), valid)
	default:
		return fmt.Errorf("sum of bigint: argument is %s", args[0].DataType())
	}
	if overflow {
		return plan.Failf(plan.FailureUser, "[ARITHMETIC_OVERFLOW] long overflow in sum. "+
			"Sum a wider type instead: sum(CAST(x AS DECIMAL(38, 0))).")
	}
	return nil
}

// addInts adds the values and reports an overflow: the sign of a wrapped sum differs from both operands'. The flags
// are gathered and looked at once.
func addInts[T integer](cells []total[int64], b Batch, values []T, valid vector.Validity) bool {
	flags := int64(0)
	switch {
	case !valid.AllValid():
		for i, g := range b.groups() {
			if valid.IsNull(i) {
				continue
			}
			c, v := &cells[g], int64(values[i])
			sum := c.sum + v
			flags |= (sum ^ c.sum) & (sum ^ v)
			c.sum = sum
			c.n++
		}
	case b.Groups == nil:
		if len(values) == 0 {
			return false
		}
		acc := cells[0].sum
		for _, x := range values {
			sum := acc + int64(x)
			flags |= (sum ^ acc) & (sum ^ int64(x))
			acc = sum
		}
		cells[0].sum = acc
		cells[0].n += int64(len(values))
	default:
		groups := b.Groups[:len(values)]
		for i, x := range values {
			c, v := &cells[groups[i]], int64(x)
			sum := c.sum + v
			flags |= (sum ^ c.sum) & (sum ^ v)
			c.sum = sum
			c.n++
		}
	}
	return flags < 0
}

func (s *sumInt) Merge(b Batch, states []arrow.Array) error { return s.Update(b, states) }

func (s *sumInt) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := s.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (s *sumInt) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	s.cells = extend(s.cells, to)
	nulls := &vector.Nulls{Mem: mem, Rows: to - from}
	buf, out := vector.Alloc[int64](mem, to-from)
	for i, c := range s.cells[from:to] {
		if out[i] = c.sum; c.n == 0 {
			nulls.Set(i)
		}
	}
	return vector.Make(arrow.PrimitiveTypes.Int64, to-from, nulls, buf), nil
}

func (s *sumInt) Bytes() int64 { return int64(len(s.cells)) * 16 }

// sumFloat is the sum, or the mean, of numbers as double, folded in the order of the rows.
type sumFloat struct {
	cells []total[float64]
	mean  bool
}

var _ Accumulator = (*sumFloat)(nil)

func (s *sumFloat) Update(b Batch, args []arrow.Array) error {
	s.cells = extend(s.cells, b.Len)
	valid := vector.ValidityOf(args[0])
	switch args[0].DataType().ID() {
	case arrow.INT8:
		addFloats(s.cells, b, vector.Int8s(args[0]), valid)
	case arrow.INT16:
		addFloats(s.cells, b, vector.Int16s(args[0]), valid)
	case arrow.INT32:
		addFloats(s.cells, b, vector.Int32s(args[0]), valid)
	case arrow.INT64:
		addFloats(s.cells, b, vector.Int64s(args[0]), valid)
	case arrow.FLOAT32:
		addFloats(s.cells, b, vector.Float32s(args[0]), valid)
	case arrow.FLOAT64:
		addFloats(s.cells, b, vector.Float64s(args[0]), valid)
	default:
		return fmt.Errorf("sum of double: argument is %s", args[0].DataType())
	}
	return nil
}

func addFloats[T number](cells []total[float64], b Batch, values []T, valid vector.Validity) {
	switch {
	case !valid.AllValid():
		for i, g := range b.groups() {
			if !valid.IsNull(i) {
				cells[g].sum += float64(values[i])
				cells[g].n++
			}
		}
	case b.Groups == nil:
		if len(values) == 0 {
			return
		}
		acc := cells[0].sum
		for _, v := range values {
			acc += float64(v)
		}
		cells[0].sum = acc
		cells[0].n += int64(len(values))
	default:
		groups := b.Groups[:len(values)]
		for i, v := range values {
			c := &cells[groups[i]]
			c.sum += float64(v)
			c.n++
		}
	}
}

func (s *sumFloat) Merge(b Batch, states []arrow.Array) error {
	if !s.mean {
		return s.Update(b, states)
	}
	s.cells = extend(s.cells, b.Len)
	sums, counts := vector.Float64s(states[0]), vector.Int64s(states[1])
	for i, g := range b.groups() {
		s.cells[g].sum += sums[i]
		s.cells[g].n += counts[i]
	}
	return nil
}

func (s *sumFloat) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	if !s.mean {
		col, err := s.Result(mem, from, to)
		return []arrow.Array{col}, err
	}
	s.cells = extend(s.cells, to)
	sumBuf, sums := vector.Alloc[float64](mem, to-from)
	countBuf, counts := vector.Alloc[int64](mem, to-from)
	for i, c := range s.cells[from:to] {
		sums[i], counts[i] = c.sum, c.n
	}
	return []arrow.Array{
		vector.Make(arrow.PrimitiveTypes.Float64, to-from, nil, sumBuf),
		vector.Make(arrow.PrimitiveTypes.Int64, to-from, nil, countBuf),
	}, nil
}

func (s *sumFloat) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	s.cells = extend(s.cells, to)
	nulls := &vector.Nulls{Mem: mem, Rows: to - from}
	buf, out := vector.Alloc[float64](mem, to-from)
	for i, c := range s.cells[from:to] {
		switch {
		case c.n == 0:
			out[i] = 0
			nulls.Set(i)
		case s.mean:
			out[i] = c.sum / float64(c.n)
		default:
			out[i] = c.sum
		}
	}
	return vector.Make(arrow.PrimitiveTypes.Float64, to-from, nulls, buf), nil
}

func (s *sumFloat) Bytes() int64 { return int64(len(s.cells)) * 16 }
