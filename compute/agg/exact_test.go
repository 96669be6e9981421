package agg

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// anyDouble draws doubles of all sizes, many of them of about the same.
func anyDouble() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Float64Range(-1000, 1000), rapid.Float64Range(-1e-3, 1e-3), rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64),
		rapid.Map(rapid.Uint64(), func(word uint64) float64 {
			if x := math.Float64frombits(word); x-x == 0 {
				return x
			}
			return 0
		}),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, 0.1, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 1 << 53, 1<<53 - 1, 1e300, -1e300}),
	)
}

// wide is a number with room for sums of any doubles and their squares.
func wide(x float64) *big.Float { return new(big.Float).SetPrec(5000).SetFloat64(x) }

func sumOf(values []float64) *big.Float {
	sum := wide(0)
	for _, x := range values {
		sum.Add(sum, wide(x))
	}
	return sum
}

func TestExactSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(anyDouble(), 0, 40).Draw(t, "values")
		gone := rapid.SliceOfN(anyDouble(), 0, 40).Draw(t, "gone")
		var s ExactSum
		for _, x := range gone {
			s.Add(x)
		}
		for _, x := range values {
			s.Add(x)
		}
		if rapid.Bool().Draw(t, "carry") {
			s.carry()
		}
		for _, x := range gone {
			s.Sub(x)
		}
		want, _ := sumOf(values).Float64()
		if got := s.Value(); got != want {
			t.Fatalf("the sum of %v is %v, want %v", values, got, want)
		}
		s.Reset()
		if got := s.Value(); got != 0 || s.digits != [exactDigits]int64{} {
			t.Fatalf("%v after a reset", got)
		}
	})
}

func TestExactSumOfWhatIsNoNumber(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{1, inf}, inf}, {[]float64{1, -inf}, -inf}, {[]float64{inf, -inf}, nan}, {[]float64{nan, inf}, nan},
		{[]float64{math.MaxFloat64, math.MaxFloat64}, inf}, {[]float64{-math.MaxFloat64, -math.MaxFloat64}, -inf},
		{[]float64{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64}, math.MaxFloat64},
	} {
		var s ExactSum
		for _, x := range c.values {
			s.Add(x)
		}
		if got := s.Value(); got != c.want && !(got != got && c.want != c.want) {
			t.Errorf("the sum of %v is %v, want %v", c.values, got, c.want)
		}
		for _, x := range c.values {
			s.Sub(x)
		}
		if got := s.Value(); got != 0 {
			t.Errorf("without %v there is %v", c.values, got)
		}
	}
}

func TestExactMoments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(anyDouble(), 2, 20).Draw(t, "values")
		var m ExactMoments
		gone := anyDouble().Draw(t, "gone")
		m.Add(gone)
		for _, x := range values {
			m.Add(x)
		}
		m.Sub(gone)
		if sum, _ := sumOf(values).Float64(); m.Sum() != sum {
			t.Fatalf("sum %v, want %v", m.Sum(), sum)
		}
		n, squares := wide(float64(len(values))), wide(0)
		for _, x := range values {
			squares.Add(squares, new(big.Float).SetPrec(5000).Mul(wide(x), wide(x)))
		}
		spread := squares.Mul(squares, n)
		sum := sumOf(values)
		spread.Sub(spread, sum.Mul(sum, sum))
		exponent := spread.MantExp(spread)
		mantissa, _ := spread.Float64()
		got, bit := m.Spread()
		if new(big.Float).SetMantExp(wide(got), bit).Cmp(new(big.Float).SetMantExp(wide(mantissa), exponent)) != 0 {
			t.Fatalf("the spread of %v is %v·2^%d, want %v·2^%d", values, got, bit, mantissa, exponent)
		}
	})
}

// Terms that fade move through the ring of digits many times.
func TestExactSumScaled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.IntRange(0, 700).Draw(t, "step")
		values := rapid.SliceOfN(anyDouble(), 1, 60).Draw(t, "values")
		const held = 4
		var s ExactSum
		for i, x := range values {
			s.AddScaled(x, i*step)
			if i >= held {
				s.SubScaled(values[i-held], (i-held)*step)
				s.Forget((i - held + 1) * step)
			}
			want := wide(0)
			for k := max(0, i-held+1); k <= i; k++ {
				term := wide(values[k])
				want.Add(want, term.SetMantExp(term, (k-i)*step))
			}
			exponent := want.MantExp(want)
			mantissa, _ := want.Float64()
			if got := s.Scaled(i*step, 1); got != math.Ldexp(mantissa, exponent) {
				t.Fatalf("after %v: %v, want %v", values[:i+1], got, math.Ldexp(mantissa, exponent))
			}
		}
	})
}

func BenchmarkExactSum(b *testing.B) {
	values := make([]float64, 1000)
	for i := range values {
		values[i] = float64(i*i)/7 - 3
	}
	var s ExactSum
	for i := 0; b.Loop(); i++ {
		x := values[i%1000]
		s.Add(x)
		if i >= 100 {
			s.Sub(values[(i-100)%1000])
		}
		sink += s.Value()
	}
}

var sink float64
