package datagen

import (
	"math/bits"
	"time"
)

// Times are in microseconds, as the engine's timestamps are.
const (
	second = int64(time.Second / time.Microsecond)
	minute = 60 * second
	hour   = 60 * minute
	dayLen = 24 * hour
)

// knot is a point of a distribution: upTo of 10,000 values are at most at.
type knot struct {
	upTo uint64
	at   int64 // µs
}

// quantiles is the distribution of a time. Between its knots values are spread evenly: whoever reads a table knows the
// quantiles, and nothing is left to a logarithm.
type quantiles []knot

const parts = 10_000

var (
	// clickDelay is from an impression to its click: near a log-normal distribution around nine seconds.
	clickDelay = quantiles{{0, 400_000}, {500, 1500_000}, {2500, 4 * second}, {5000, 9 * second}, {7500, 21 * second},
		{9000, 50 * second}, {9800, 3 * minute}, {9980, 10 * minute}, {parts, 30 * minute}}
	// conversionDelay is from a click to its conversion: some at once, half within four hours, some a week later.
	conversionDelay = quantiles{{0, minute}, {1000, 6 * minute}, {2500, 35 * minute}, {5000, 4 * hour}, {7500, 20 * hour},
		{9000, 54 * hour}, {9800, 5 * dayLen}, {parts, 7 * dayLen}}
	// logDelay is from an event to its row in the log.
	logDelay = quantiles{{0, 40_000}, {5000, 400_000}, {9000, 2 * second}, {9900, 30 * second}, {9990, 10 * minute}, {parts, 3 * hour}}
	// resendDelay is from a row to its like, where a sender did not hear that it arrived.
	resendDelay = quantiles{{0, 5 * second}, {9000, minute}, {9900, 15 * minute}, {parts, 2 * hour}}
	// requestGap is between the requests of a session; sessions of a user that are half an hour apart are two.
	requestGap = quantiles{{0, 2 * second}, {2500, 12 * second}, {5000, 35 * second}, {7500, 90 * second}, {9500, 5 * minute}, {parts, 20 * minute}}
	// featureDelay is from the time that a snapshot is about to when it can be read.
	featureDelay = quantiles{{0, minute}, {5000, 5 * minute}, {9500, 30 * minute}, {parts, 2 * hour}}
	// correctionDelay is from there to its correction.
	correctionDelay = quantiles{{0, 10 * minute}, {5000, 6 * hour}, {9000, 26 * hour}, {parts, 2 * dayLen}}
	// timeOfDay is when sessions begin: few at night, most in the evening.
	timeOfDay = quantiles{{0, 0}, {350, 2 * hour}, {600, 6 * hour}, {2000, 9 * hour}, {4300, 13 * hour}, {6300, 17 * hour},
		{9000, 22 * hour}, {parts, dayLen}}
)

// at is the value below which a share of random out of 2^64 lies.
func (q quantiles) at(random uint64) int64 {
	part, rest := bits.Mul64(random, parts)
	i := 1
	for part >= q[i].upTo {
		i++
	}
	from, to := q[i-1], q[i]
	// The share of the way from one knot to the next, in 2^-20: times a span of two weeks this fits 64 bits.
	way := ((part-from.upTo)<<20 | rest>>44) / (to.upTo - from.upTo)
	return from.at + int64(uint64(to.at-from.at)*way>>20)
}

// max is the largest value there is.
func (q quantiles) max() int64 { return q[len(q)-1].at }
