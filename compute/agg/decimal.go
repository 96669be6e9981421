package agg

import (
	"fmt"
	"math/big"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// sumDecimal is the sum, or the mean, of decimals. It sums the unscaled values in 128 bits.
type sumDecimal struct {
	cells  []total[decimal128.Num]
	state  plan.Type // of the sum
	result plan.Type
	mean   bool
}

var _ Accumulator = (*sumDecimal)(nil)

func (s *sumDecimal) Update(b Batch, args []arrow.Array) error {
	return s.add(b, args[0], nil)
}

func (s *sumDecimal) Merge(b Batch, states []arrow.Array) error {
	if s.mean {
		return s.add(b, states[0], vector.Int64s(states[1]))
	}
	return s.add(b, states[0], nil)
}

// add folds in values, each of which stands for as many rows as counts says, or for one.
func (s *sumDecimal) add(b Batch, arr arrow.Array, counts []int64) error {
	if arr.DataType().ID() != arrow.DECIMAL128 {
		return fmt.Errorf("sum of decimal: argument is %s", arr.DataType())
	}
	s.cells = extend(s.cells, b.Len)
	values, valid, overflow := vector.Decimals(arr), vector.ValidityOf(arr), false
	for i, g := range b.groups() {
		if valid.IsNull(i) {
			continue
		}
		c := &s.cells[g]
		sum := c.sum.Add(values[i])
		flags := (sum.HighBits() ^ c.sum.HighBits()) & (sum.HighBits() ^ values[i].HighBits())
		overflow = overflow || flags < 0
		c.sum = sum
		if counts == nil {
			c.n++
		} else {
			c.n += counts[i]
		}
	}
	if overflow {
		return decimalOverflow(s.mean)
	}
	return nil
}

func decimalOverflow(mean bool) error {
	name := "sum"
	if mean {
		name = "avg"
	}
	return plan.Failf(plan.FailureUser, "[ARITHMETIC_OVERFLOW] Overflow in %s of decimals. "+
		"Cast the argument to a decimal with fewer digits after the point, or to double.", name)
}

func (s *sumDecimal) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	sums, err := s.column(mem, s.state, from, to, func(c total[decimal128.Num]) (decimal128.Num, bool) {
		return c.sum, c.n > 0 || s.mean
	})
	if err != nil || !s.mean {
		return []arrow.Array{sums}, err
	}
	buf, counts := vector.Alloc[int64](mem, to-from)
	for i, c := range s.cells[from:to] {
		counts[i] = c.n
	}
	return []arrow.Array{sums, vector.Make(arrow.PrimitiveTypes.Int64, to-from, nil, buf)}, nil
}

func (s *sumDecimal) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	return s.column(mem, s.result, from, to, func(c total[decimal128.Num]) (decimal128.Num, bool) {
		if !s.mean || c.n == 0 {
			return c.sum, c.n > 0
		}
		return s.quotient(c), true
	})
}

// quotient is the mean at the result's scale, rounded half away from zero as Spark does.
func (s *sumDecimal) quotient(c total[decimal128.Num]) decimal128.Num {
	n := c.sum.BigInt()
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(s.result.Scale-s.state.Scale)), nil)
	n.Mul(n, factor)
	count := big.NewInt(c.n)
	q, r := new(big.Int).QuoRem(n, count, new(big.Int))
	if r.Abs(r).Lsh(r, 1).Cmp(count) >= 0 {
		q.Add(q, big.NewInt(int64(n.Sign())))
	}
	if q.BitLen() > 127 {
		return decimal128.GetScaleMultiplier(plan.MaxPrecision) // does not fit any precision
	}
	return decimal128.FromBigInt(q)
}

func (s *sumDecimal) column(mem memory.Allocator, t plan.Type, from, to int,
	value func(total[decimal128.Num]) (decimal128.Num, bool)) (arrow.Array, error) {
	s.cells = extend(s.cells, to)
	nulls := &vector.Nulls{Mem: mem, Rows: to - from}
	buf, out := vector.Alloc[decimal128.Num](mem, to-from)
	fits := true
	for i, c := range s.cells[from:to] {
		v, ok := value(c)
		if !ok {
			nulls.Set(i)
		}
		out[i] = v
		fits = fits && v.FitsInPrecision(t.Precision)
	}
	arr := vector.Make(t.Arrow(), to-from, nulls, buf)
	if !fits {
		arr.Release()
		return nil, decimalOverflow(s.mean)
	}
	return arr, nil
}

func (s *sumDecimal) Bytes() int64 { return int64(len(s.cells)) * 24 }
