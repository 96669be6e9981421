package datagen

import (
	"math/bits"
	"math/rand/v2"
)

// flat is the shift of Zipf's law: rank r has a weight in proportion to 1/(r+flat). Popularity is flatter at the head
// than the plain law has it, since a page shows more than its most popular item (Mandelbrot's form of the law).
const flat = 9

// unit is the weight of 1, of which others are fractions.
const unit = 1 << 40

// popular draws keys 1 to n by popularity: the hottest with a given probability (or what is its due by the law, if that
// is more), the others by Zipf's law with exponent one. It needs no table of keys, and no logarithms: ranks are drawn by octave, and within one by rejection.
type popular struct {
	n        uint64
	hot      rate
	mul, add uint64 // the key of a rank is (rank*mul + add) mod n, plus one
	inverse  uint64 // of mul
	octaves  []octave
	total    uint64      // of the octaves' weights
	first    [256]uint16 // the octave in which each 256th of the total begins
}

// octave is a range of k = rank+flat that does not reach twice its beginning.
type octave struct {
	from, size uint64
	upTo       uint64 // weight of this octave and those before it
}

func newPopular(seed uint64, order stream, n int64, hot float64) *popular {
	p := &popular{n: uint64(n)}
	p.permute(keyed(seed, order))
	end := p.n + flat
	for from := uint64(flat + 1); from < end; {
		to := min(uint64(1)<<bits.Len64(from), end)
		p.total += harmonic(from, to)
		p.octaves = append(p.octaves, octave{from: from, size: to - from, upTo: p.total})
		from = to
	}
	at := 0
	for i := range p.first {
		for at < len(p.octaves)-1 && below(uint64(i)<<56, p.total) >= p.octaves[at].upTo {
			at++
		}
		p.first[i] = uint16(at)
	}
	p.hot = max(rateOf(hot), p.due())
	return p
}

// harmonic is the sum of 1/k over a range within an octave. Long ranges are summed in a thousand blocks, each by its
// middle, which is wrong by less than one in a million.
func harmonic(from, to uint64) (sum uint64) {
	step := max(1, (to-from)>>10)
	for k := from; k < to; k += step {
		n := min(step, to-k)
		sum += n * unit * 2 / (2*k + n - 1)
	}
	return sum
}

// permute scatters ranks over keys: the popular ones are not the first.
func (p *popular) permute(random uint64) {
	p.mul, p.add = 1, below(mix(random+spacing), p.n)
	if p.n > 2 {
		p.mul = p.n/3 + below(random, p.n/2)
	}
	for {
		if inverse, ok := invert(p.mul, p.n); ok {
			p.inverse = inverse
			return
		}
		p.mul++
	}
}

// invert finds the inverse of a modulo n, if they have no factor in common, by Euclid's algorithm.
func invert(a, n uint64) (uint64, bool) {
	r0, r1 := int64(n), int64(a%n)
	s0, s1 := int64(0), int64(1)
	for r1 != 0 {
		q := r0 / r1
		r0, r1 = r1, r0-q*r1
		s0, s1 = s1, s0-q*s1
	}
	if s0 < 0 {
		s0 += int64(n)
	}
	return uint64(s0) % n, r0 == 1
}

// keyOf is the key of a rank.
func (p *popular) keyOf(rank uint64) int64 { return int64((rank*p.mul+p.add)%p.n) + 1 }

// rankOf is the rank of a key: 0 is the hottest.
func (p *popular) rankOf(key int64) uint64 {
	return (uint64(key) - 1 + p.n - p.add) % p.n * p.inverse % p.n
}

// share is the probability of a key, in units of 2^-32.
func (p *popular) share(key int64) rate {
	rank := p.rankOf(key)
	if rank == 0 {
		return p.hot
	}
	hi, lo := bits.Mul64(unit/(rank+flat), uint64(certain-p.hot))
	q, _ := bits.Div64(hi, lo, p.total)
	return rate(q)
}

// draw is a key of a random stream.
func (p *popular) draw(r *rand.PCG) int64 {
	x := r.Uint64()
	if p.hot.holds(uint32(x)) {
		return p.keyOf(0)
	}
	// The octave is decided by the upper bits.
	u, at := below(x, p.total), int(p.first[x>>56])
	for u >= p.octaves[at].upTo {
		at++
	}
	o := &p.octaves[at]
	for {
		// Of all k in the octave, the first is taken always, one twice as large every other time.
		x := r.Uint64()
		k := o.from + (x>>32)*o.size>>32
		if uint64(uint32(x))*k>>32 < o.from {
			return p.keyOf(k - flat)
		}
	}
}

// due is the share of the hottest key by Zipf's law alone.
func (p *popular) due() rate {
	const weight = unit / flat
	hi, lo := bits.Mul64(weight, uint64(certain))
	q, _ := bits.Div64(hi, lo, p.total+weight)
	return rate(q)
}
