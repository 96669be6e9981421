package agg

import (
	"fmt"
	"math/big"
	"math/bits"
	"slices"

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
	quiet  bool // overflow gives NULL: the functions that tolerate it, and all without ANSI mode
}

var _ Accumulator = (*sumDecimal)(nil)

func (s *sumDecimal) Update(b Batch, args []arrow.Array) error { return s.add(b, args[0]) }

func (s *sumDecimal) Merge(b Batch, states []arrow.Array) error {
	if err := s.add(b, states[0]); err != nil {
		return err
	}
	mergeCounts(s.cells, b, states)
	return nil
}

// add folds in values. What fits 64 bits is added without looking at the upper half.
func (s *sumDecimal) add(b Batch, arr arrow.Array) error {
	if arr.DataType().ID() != arrow.DECIMAL128 {
		return fmt.Errorf("sum of decimal: argument is %s", arr.DataType())
	}
	s.cells = extend(s.cells, b.Len)
	values, valid, flags := vector.Decimals(arr), vector.ValidityOf(arr), int64(0)
	none := valid.AllValid()
	for i, g := range b.groups() {
		if !none && valid.IsNull(i) {
			continue
		}
		c, v := &s.cells[g], values[i]
		low, carry := bits.Add64(c.sum.LowBits(), v.LowBits(), 0)
		high := c.sum.HighBits() + v.HighBits() + int64(carry)
		wrapped := (high ^ c.sum.HighBits()) & (high ^ v.HighBits())
		flags |= wrapped
		if wrapped < 0 && s.quiet {
			c.n = overflown
		}
		c.sum = decimal128.New(high, low)
		c.n++
	}
	if flags < 0 && !s.quiet {
		return DecimalOverflow(s.mean)
	}
	return nil
}

// DecimalOverflow is the failure of a sum, or a mean, of decimals that its type cannot hold.
func DecimalOverflow(mean bool) error {
	try := "try_sum"
	if mean {
		try = "try_avg"
	}
	return plan.Failf(plan.FailureUser, "[ARITHMETIC_OVERFLOW] Overflow in sum of decimals. Use '%s' to tolerate overflow "+
		"and return NULL instead, or cast the argument to a decimal with fewer digits after the point, or to double.", try)
}

func (s *sumDecimal) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	s.cells = extend(s.cells, to)
	for i := range s.cells[from:to] {
		// A sum that no longer fits its column has overflowed by now, whatever may be added to it elsewhere.
		if c := &s.cells[from+i]; s.quiet && !c.sum.FitsInPrecision(s.state.Precision) {
			c.sum, c.n = decimal128.Num{}, overflown
		}
	}
	sums, err := s.column(mem, s.state, from, to, DecimalOverflow(s.mean), func(c total[decimal128.Num]) (decimal128.Num, bool) {
		return c.sum, true
	})
	if err != nil {
		return nil, err
	}
	return []arrow.Array{sums, countColumn(mem, s.cells[from:to])}, nil
}

func (s *sumDecimal) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	overflow := DecimalOverflow(s.mean)
	s.cells = extend(s.cells, to)
	if s.mean && !slices.ContainsFunc(s.cells[from:to], s.tooGreat) {
		overflow = plan.Failf(plan.FailureUser, "[NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION] The mean cannot be represented as Decimal(%d, %d).",
			s.result.Precision, s.result.Scale)
	}
	return s.column(mem, s.result, from, to, overflow, func(c total[decimal128.Num]) (decimal128.Num, bool) {
		if !s.mean || c.n <= 0 {
			return c.sum, c.n > 0
		}
		if s.tooGreat(c) {
			return decimal128.GetMaxValue(plan.MaxPrecision).Add(decimal128.FromI64(1)), true
		}
		return s.quotient(c), true
	})
}

// tooGreat reports a sum that its type cannot hold, whatever becomes of the mean.
func (s *sumDecimal) tooGreat(c total[decimal128.Num]) bool {
	return c.n > 0 && !c.sum.FitsInPrecision(s.state.Precision)
}

// quotient is the mean at the result's scale.
func (s *sumDecimal) quotient(c total[decimal128.Num]) decimal128.Num {
	if q, ok := DecimalMean(c.sum, c.n, s.result.Scale-s.state.Scale); ok {
		return q
	}
	return decimal128.GetScaleMultiplier(plan.MaxPrecision) // does not fit any precision
}

// DecimalMean is the mean of n decimals from their sum, with so many more digits after the point, rounded half away from
// zero as Spark does; false where it does not fit 128 bits.
func DecimalMean(sum decimal128.Num, n int64, moreDigits int32) (mean decimal128.Num, ok bool) {
	q := sum.BigInt()
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(moreDigits)), nil)
	q.Mul(q, factor)
	sign, count := int64(q.Sign()), big.NewInt(n)
	q, r := q.QuoRem(q, count, new(big.Int))
	if r.Abs(r).Lsh(r, 1).Cmp(count) >= 0 {
		q.Add(q, big.NewInt(sign))
	}
	if q.BitLen() > 127 {
		return decimal128.Num{}, false
	}
	return decimal128.FromBigInt(q), true
}

func (s *sumDecimal) column(mem memory.Allocator, t plan.Type, from, to int, overflow error,
	value func(total[decimal128.Num]) (decimal128.Num, bool)) (arrow.Array, error) {
	s.cells = extend(s.cells, to)
	nulls := &vector.Nulls{Mem: mem, Rows: to - from}
	buf, out := vector.Alloc[decimal128.Num](mem, to-from)
	fits := true
	for i, c := range s.cells[from:to] {
		v, ok := value(c)
		small := v.FitsInPrecision(t.Precision)
		if !ok || !small {
			nulls.Set(i)
		}
		out[i] = v
		fits = fits && (small || !ok || s.quiet)
	}
	arr := vector.Make(t.Arrow(), to-from, nulls, buf)
	if !fits {
		arr.Release()
		return nil, overflow
	}
	return arr, nil
}

func (s *sumDecimal) Bytes() int64 { return int64(len(s.cells)) * 24 }
