package agg

import (
	"math"
	"math/bits"
	"slices"
)

// ExactSum is a sum of doubles without rounding: what was added can be taken away again, and neither the order nor the
// way shows. It is a number in fixed point, wide enough for every double: digits of 32 bits in words of 64, which leaves
// room for carries that nobody has to look after for half a billion steps. Digits are in a ring, so that sums whose terms
// fade away (see AddScaled) need no more of them. The zero value is 0.
type ExactSum struct {
	digits    [exactDigits]int64 // digit i counts 2^(32i) units
	low, high int                // digits that may not be zero: from low up to, not including, high
	steps     int                // since carries were looked after

	nans, infinities, negative int64 // how many terms are NaN, +Infinity and -Infinity

	scratch [exactDigits + 2]uint32
}

const (
	exactDigits = 256
	exactMask   = exactDigits - 1
	// exactSteps is how many terms fit the spare bits of digits: each adds less than 2^34.
	exactSteps = 1 << 28
	// minExponent: the unit is 2^-1074, the least double.
	minExponent = -1074
)

// Reset makes the sum 0.
func (s *ExactSum) Reset() {
	for i := s.low; i < s.high; i++ {
		s.digits[i&exactMask] = 0
	}
	s.low, s.high, s.steps = 0, 0, 0
	s.nans, s.infinities, s.negative = 0, 0, 0
}

// Add adds a double.
func (s *ExactSum) Add(x float64) { s.add(x, 0, 1) }

// Sub takes a double away that was added.
func (s *ExactSum) Sub(x float64) { s.add(x, 0, -1) }

// AddScaled adds x·2^shift. All terms that are in the sum at a time must lie within 5000 bits of each other.
func (s *ExactSum) AddScaled(x float64, shift int) { s.add(x, shift, 1) }

// SubScaled takes x·2^shift away.
func (s *ExactSum) SubScaled(x float64, shift int) { s.add(x, shift, -1) }

func (s *ExactSum) add(x float64, shift int, sign int64) {
	word := math.Float64bits(x)
	exponent, mantissa := int(word>>52&0x7ff), word&(1<<52-1)
	switch {
	case exponent == 0x7ff:
		s.special(x, sign)
		return
	case exponent > 0:
		mantissa |= 1 << 52
		exponent--
	}
	if int64(word) < 0 {
		sign = -sign
	}
	s.put(mantissa, exponent+shift, sign)
}

// special counts what is no number.
func (s *ExactSum) special(x float64, sign int64) {
	switch {
	case x != x:
		s.nans += sign
	case x > 0:
		s.infinities += sign
	default:
		s.negative += sign
	}
}

// put adds sign·mantissa·2^bit units.
func (s *ExactSum) put(mantissa uint64, bit int, sign int64) {
	if mantissa == 0 {
		return
	}
	at, by := bit>>5, uint(bit&31)
	s.touch(at, at+3)
	lower := mantissa & math.MaxUint32 << by
	upper := mantissa >> 32 << by
	s.digits[at&exactMask] += sign * int64(lower&math.MaxUint32)
	s.digits[(at+1)&exactMask] += sign * int64(lower>>32+upper&math.MaxUint32)
	s.digits[(at+2)&exactMask] += sign * int64(upper>>32)
	if s.steps++; s.steps == exactSteps {
		s.carry()
	}
}

// touch says that digits from up to, not including, to are in use.
func (s *ExactSum) touch(from, to int) {
	if s.low == s.high {
		s.low, s.high = from, to
		return
	}
	s.low, s.high = min(s.low, from), max(s.high, to)
}

// carry brings digits back to 32 bits, but for the uppermost, which keeps the sign.
func (s *ExactSum) carry() {
	s.steps = 0
	carry := int64(0)
	for i := s.low; i < s.high; i++ {
		v := s.digits[i&exactMask] + carry
		s.digits[i&exactMask], carry = v&math.MaxUint32, v>>32
	}
	for ; carry != 0 && carry != -1; carry >>= 32 {
		s.digits[s.high&exactMask] = carry & math.MaxUint32
		s.high++
	}
	if carry < 0 {
		s.digits[(s.high-1)&exactMask] -= 1 << 32
	}
}

// Forget gives up the digits below 2^shift·2^-1074, which no term that is still in the sum has. The ring has room for new
// ones above then.
func (s *ExactSum) Forget(shift int) {
	for to := min(shift>>5, s.high-1); s.low < to; s.low++ {
		d := &s.digits[s.low&exactMask]
		s.digits[(s.low+1)&exactMask] += *d >> 32
		*d = 0
	}
}

// magnitude is the digits of the absolute value, from the lowest, the highest not 0, and whether the sum is negative. The
// digits are good until the next call.
func (s *ExactSum) magnitude() (digits []uint32, negative bool) {
	out, n, carry := &s.scratch, 0, int64(0)
	for i := s.low; i < s.high; i++ {
		v := s.digits[i&exactMask] + carry
		out[n], carry = uint32(v), v>>32
		n++
	}
	out[n], out[n+1] = uint32(carry), uint32(carry>>32)
	n += 2
	if carry < 0 {
		negative = true
		borrow := uint64(1)
		for i := range n {
			borrow += uint64(^out[i])
			out[i] = uint32(borrow)
			borrow >>= 32
		}
	}
	for n > 0 && out[n-1] == 0 {
		n--
	}
	return out[:n], negative
}

// leading is the value of digits, the highest not 0, as mantissa·2^bit: with a mantissa of 53 bits, rounded half to even,
// or all of a value that has fewer.
func leading(digits []uint32) (mantissa uint64, bit int) {
	n := len(digits)
	switch n {
	case 0:
		return 0, 0
	case 1:
		return uint64(digits[0]), 0
	}
	top, next := uint64(digits[n-1])<<32|uint64(digits[n-2]), uint64(0)
	zeros := bits.LeadingZeros64(top)
	if n > 2 {
		next = uint64(digits[n-3])
	} else if zeros >= 11 {
		return top, 0
	}
	word := top<<zeros | next<<32>>(64-zeros)
	rest := next << (32 + zeros) // what is left of next
	for i := n - 4; i >= 0 && rest == 0; i-- {
		rest = uint64(digits[i])
	}
	mantissa = word >> 11
	const half = 1 << 10
	if odd := word & (1<<11 - 1); odd > half || odd == half && (rest != 0 || mantissa&1 == 1) {
		mantissa++
	}
	return mantissa, 32*(n-2) - zeros + 11
}

// Value is the sum, rounded to the nearest double.
func (s *ExactSum) Value() float64 {
	if s.nans+s.infinities+s.negative > 0 {
		return s.notFinite()
	}
	digits, negative := s.magnitude()
	mantissa, bit := leading(digits)
	bit += 32 * s.low
	if free := bits.LeadingZeros64(mantissa) - 11; free > 0 && bit > 0 {
		mantissa, bit = mantissa<<min(free, bit), bit-min(free, bit)
	}
	// A mantissa of 53 bits adds one to the exponent; one of fewer is a number of units, which is its own representation.
	word := min(uint64(bit)<<52+mantissa, math.Float64bits(math.Inf(1)))
	if mantissa == 0 {
		word = 0
	}
	if negative {
		word |= 1 << 63
	}
	return math.Float64frombits(word)
}

func (s *ExactSum) notFinite() float64 {
	switch {
	case s.nans > 0 || s.infinities > 0 && s.negative > 0:
		return math.NaN()
	case s.infinities > 0:
		return math.Inf(1)
	}
	return math.Inf(-1)
}

// Scaled is the sum times 2^-shift and factor, where the sum itself may be out of the range of doubles.
func (s *ExactSum) Scaled(shift int, factor float64) float64 {
	if s.nans+s.infinities+s.negative > 0 {
		return s.notFinite()
	}
	digits, negative := s.magnitude()
	mantissa, bit := leading(digits)
	x := float64(mantissa) * factor
	if negative {
		x = -x
	}
	return math.Ldexp(x, bit+32*s.low+minExponent-shift)
}

// ExactMoments is count, sum and sum of squares of doubles, without rounding, of which values may be taken away again.
type ExactMoments struct {
	N            int64
	sum, squares ExactSum // squares counts units of 2^-2148
	most, square []uint32
}

// Reset makes it that of no values.
func (m *ExactMoments) Reset() {
	m.N = 0
	m.sum.Reset()
	m.squares.Reset()
}

// Add adds a double.
func (m *ExactMoments) Add(x float64) {
	m.N++
	m.put(x, 1)
}

// Sub takes a double away that was added.
func (m *ExactMoments) Sub(x float64) {
	m.N--
	m.put(x, -1)
}

func (m *ExactMoments) put(x float64, sign int64) {
	m.sum.add(x, 0, sign)
	word := math.Float64bits(x)
	exponent, mantissa := int(word>>52&0x7ff), word&(1<<52-1)
	switch {
	case exponent == 0x7ff:
		return
	case exponent > 0:
		mantissa |= 1 << 52
		exponent--
	}
	high, low := bits.Mul64(mantissa, mantissa)
	m.squares.put(low, 2*exponent, sign)
	m.squares.put(high, 2*exponent+64, sign)
}

// Sum is the sum, rounded to the nearest double.
func (m *ExactMoments) Sum() float64 { return m.sum.Value() }

// Spread is N·Σx² - (Σx)² as mantissa·2^exponent, with a mantissa of 53 bits, rounded half to even. It is NaN where a value
// is no number. The variance is Spread / (N·N), of a sample Spread / (N·(N-1)).
func (m *ExactMoments) Spread() (mantissa float64, exponent int) {
	if m.sum.nans+m.sum.infinities+m.sum.negative > 0 {
		return math.NaN(), 0
	}
	word, bit := m.spread()
	return float64(word), bit + 2*minExponent
}

// spread is N·Σx² - (Σx)².
func (m *ExactMoments) spread() (mantissa uint64, bit int) {
	sum, _ := m.sum.magnitude()
	squares, _ := m.squares.magnitude()
	base := min(2*m.sum.low, m.squares.low)
	n := max(len(squares)+1+m.squares.low, 2*len(sum)+2*m.sum.low) - base
	m.most, m.square = zeroed(m.most, n), zeroed(m.square, n)
	carry := uint64(0)
	at := m.squares.low - base
	for _, d := range squares {
		carry += uint64(d) * uint64(m.N)
		m.most[at] = uint32(carry)
		carry >>= 32
		at++
	}
	m.most[at] = uint32(carry)
	offset := 2*m.sum.low - base
	for i, a := range sum {
		carry = 0
		for k, b := range sum {
			carry += uint64(a)*uint64(b) + uint64(m.square[offset+i+k])
			m.square[offset+i+k] = uint32(carry)
			carry >>= 32
		}
		m.square[offset+i+len(sum)] = uint32(carry)
	}
	borrow := uint64(0)
	for i := range m.most {
		d := uint64(m.most[i]) - uint64(m.square[i]) - borrow
		m.most[i], borrow = uint32(d), d>>63
	}
	for n > 0 && m.most[n-1] == 0 {
		n--
	}
	mantissa, bit = leading(m.most[:n])
	return mantissa, bit + 32*base
}

// zeroed is n zeros.
func zeroed(s []uint32, n int) []uint32 {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
