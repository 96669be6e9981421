package agg

import (
	"fmt"
	"math"

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

// overflown is the count of a sum that has overflowed and stays NULL, in the functions that tolerate that. It is so low
// that no number of further rows makes it positive.
const overflown = math.MinInt64 / 2

// sumInt is the sum of integers as bigint, or the sum or mean of intervals.
type sumInt struct {
	cells    []total[int64]
	kind     plan.Kind // of the sum: bigint, year-month or day-time interval
	argument plan.Type // of intervals
	result   plan.Type // of intervals
	mean     bool
	try      bool // overflow gives NULL
	wrap     bool // overflow goes unnoticed, as without ANSI mode
}

var _ Accumulator = (*sumInt)(nil)

func (s *sumInt) Update(b Batch, args []arrow.Array) error { return s.add(b, args[0]) }

func (s *sumInt) add(b Batch, arr arrow.Array) error {
	s.cells = extend(s.cells, b.Len)
	valid, overflow := vector.ValidityOf(arr), false
	add := addInts[int64]
	if s.try {
		add = tryInts[int64]
	}
	switch arr.DataType().ID() {
	case arrow.INT8:
		overflow = pickInts(s.try, addInts[int8], tryInts[int8])(s.cells, b, vector.Int8s(arr), valid)
	case arrow.INT16:
		overflow = pickInts(s.try, addInts[int16], tryInts[int16])(s.cells, b, vector.Int16s(arr), valid)
	case arrow.INT32, arrow.INTERVAL_MONTHS:
		overflow = pickInts(s.try, addInts[int32], tryInts[int32])(s.cells, b, vector.Int32s(arr), valid)
	case arrow.INT64, arrow.DURATION:
		overflow = add(s.cells, b, vector.Int64s(arr), valid)
	default:
		return fmt.Errorf("sum of bigint: argument is %s", arr.DataType())
	}
	if overflow && !s.wrap {
		return s.overflow()
	}
	return nil
}

func pickInts[F any](try bool, strict, tolerant F) F {
	if try {
		return tolerant
	}
	return strict
}

func (s *sumInt) overflow() error {
	if s.kind != plan.KindInt64 {
		return plan.Failf(plan.FailureUser, "[INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION] Integer overflow while "+
			"operating with intervals. Use `try_add` to tolerate overflow and return NULL instead.")
	}
	return plan.Failf(plan.FailureUser, "[ARITHMETIC_OVERFLOW] long overflow in sum. Use 'try_sum' to tolerate overflow "+
		"and return NULL instead, or sum a wider type: sum(CAST(x AS DECIMAL(38, 0))).")
}

// tryInts is addInts for sums that become NULL when they overflow, and stay so.
func tryInts[T integer](cells []total[int64], b Batch, values []T, valid vector.Validity) bool {
	for i, g := range b.groups() {
		if valid.IsNull(i) {
			continue
		}
		c, v := &cells[g], int64(values[i])
		sum := c.sum + v
		if (sum^c.sum)&(sum^v) < 0 {
			c.n = overflown
		}
		c.sum = sum
		c.n++
	}
	return false
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

// counted reports a state of two columns, the sum and the count.
func (s *sumInt) counted() bool { return s.try || s.mean }

func (s *sumInt) Merge(b Batch, states []arrow.Array) error {
	if !s.counted() {
		return s.add(b, states[0])
	}
	if err := s.add(b, states[0]); err != nil {
		return err
	}
	mergeCounts(s.cells, b, states)
	return nil
}

// mergeCounts adds the counts of states whose sums were just added as one value each. A count far below zero is that of
// a sum that has overflowed, there or just now.
func mergeCounts[S any](cells []total[S], b Batch, states []arrow.Array) {
	counts, valid := vector.Int64s(states[1]), vector.ValidityOf(states[0])
	for i, g := range b.groups() {
		c := &cells[g]
		if !valid.IsNull(i) {
			c.n--
		}
		if counts[i] < 0 || c.n < overflown/2 {
			c.n = overflown
			continue
		}
		c.n += counts[i]
	}
}

func (s *sumInt) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	s.cells = extend(s.cells, to)
	if !s.counted() {
		col, err := s.Result(mem, from, to)
		return []arrow.Array{col}, err
	}
	dt := arrow.DataType(arrow.PrimitiveTypes.Int64)
	if s.kind != plan.KindInt64 {
		dt = s.argument.Arrow()
	}
	for i := range s.cells[from:to] {
		// Months have 32 bits: a sum that does not fit has overflowed by now.
		if c := &s.cells[from+i]; s.try && s.kind == plan.KindYearMonthInterval && c.sum != int64(int32(c.sum)) {
			*c = total[int64]{n: overflown}
		}
	}
	sums, err := s.column(mem, dt, from, to, func(c total[int64]) (int64, bool) { return c.sum, true })
	if err != nil {
		return nil, err
	}
	return []arrow.Array{sums, countColumn(mem, s.cells[from:to])}, nil
}

func countColumn[S any](mem memory.Allocator, cells []total[S]) arrow.Array {
	buf, out := vector.Alloc[int64](mem, len(cells))
	for i, c := range cells {
		out[i] = c.n
	}
	return vector.Make(arrow.PrimitiveTypes.Int64, len(cells), nil, buf)
}

func (s *sumInt) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	s.cells = extend(s.cells, to)
	dt := arrow.DataType(arrow.PrimitiveTypes.Int64)
	if s.kind != plan.KindInt64 {
		dt = s.result.Arrow()
	}
	return s.column(mem, dt, from, to, func(c total[int64]) (int64, bool) {
		switch wide := s.kind == plan.KindYearMonthInterval && c.sum != int64(int32(c.sum)); {
		case s.mean && c.n > 0 && wide: // no mean of a sum that months cannot hold
			return math.MaxInt64, true
		case s.mean && c.n > 0:
			return roundedQuotient(c.sum, c.n), true
		}
		return c.sum, c.n > 0
	})
}

// roundedQuotient rounds half away from zero.
func roundedQuotient(sum, n int64) int64 {
	q, r := sum/n, sum%n
	if r < 0 {
		r = -r
	}
	if r >= n-r {
		if sum < 0 {
			return q - 1
		}
		return q + 1
	}
	return q
}

func (s *sumInt) column(mem memory.Allocator, dt arrow.DataType, from, to int, value func(total[int64]) (int64, bool)) (arrow.Array, error) {
	cells := s.cells[from:to]
	nulls := &vector.Nulls{Mem: mem, Rows: len(cells)}
	if s.kind != plan.KindYearMonthInterval {
		buf, out := vector.Alloc[int64](mem, len(cells))
		for i, c := range cells {
			v, ok := value(c)
			if out[i] = v; !ok {
				nulls.Set(i)
			}
		}
		return vector.Make(dt, len(cells), nulls, buf), nil
	}
	buf, out := vector.Alloc[int32](mem, len(cells))
	fits := true
	for i, c := range cells {
		v, ok := value(c)
		small := v == int64(int32(v))
		out[i] = int32(v)
		fits = fits && (small || !ok || s.try)
		if !ok || !small {
			nulls.Set(i)
		}
	}
	arr := vector.Make(dt, len(cells), nulls, buf)
	if !fits {
		arr.Release()
		return nil, s.overflow()
	}
	return arr, nil
}

func (s *sumInt) Bytes() int64 { return int64(len(s.cells)) * 16 }

// sumFloat is the sum, or the mean, of numbers as double, folded in the order of the rows.
type sumFloat struct {
	cells []total[float64]
	mean  bool
	try   bool // of no effect on doubles but on the columns of the state
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
	if !s.mean && !s.try {
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
	if !s.mean && !s.try {
		col, err := s.Result(mem, from, to)
		return []arrow.Array{col}, err
	}
	s.cells = extend(s.cells, to)
	cells := s.cells[from:to]
	sums := floatColumn(mem, cells, func(c total[float64]) (float64, bool) { return c.sum, true })
	return []arrow.Array{sums, countColumn(mem, cells)}, nil
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
