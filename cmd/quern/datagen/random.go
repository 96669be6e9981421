package datagen

import (
	"math/bits"
	"math/rand/v2"
)

// stream keeps the random numbers of different purposes apart: what is logged twice or corrected later changes nothing
// else.
type stream uint64

const (
	streamTraffic stream = iota + 1
	streamRepeats
	streamItemFeatures
	streamItemCorrections
	streamUserFeatures
	streamUserCorrections
	streamItem
	streamUser
	streamItemOrder
	streamUserOrder
)

// mix is the finalizer of SplitMix64: every bit of the input moves every bit of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// spacing is 2^64 divided by the golden ratio: multiples of it lie far apart.
const spacing = 0x9e3779b97f4a7c15

// keyed is a number that depends on all of its parts.
func keyed(seed uint64, s stream, parts ...uint64) uint64 {
	h := mix(seed + spacing)
	h = mix(h + uint64(s)*spacing)
	for _, p := range parts {
		h = mix(h + (p+1)*spacing)
	}
	return h
}

// newSource begins the random stream of a task.
func newSource(seed uint64, s stream, day, file int) *rand.PCG {
	return rand.NewPCG(keyed(seed, s, uint64(day), uint64(file), 0), keyed(seed, s, uint64(day), uint64(file), 1))
}

// below scales 64 random bits to a number from 0 to before n.
func below(random, n uint64) uint64 {
	hi, _ := bits.Mul64(random, n)
	return hi
}

// rate is a probability in units of 2^-32.
type rate uint64

// certain is the probability one.
const certain rate = 1 << 32

// rateOf is exact for any share: scaling by a power of two is, and the rest is cut off.
func rateOf(share float64) rate { return rate(share * float64(certain)) }

// holds decides with 32 random bits.
func (r rate) holds(random uint32) bool { return rate(random) < r }
