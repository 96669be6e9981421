package state

import "math/bits"

// durations counts how long things took, in milliseconds, or how many rows they had, in buckets a quarter of a doubling wide:
// enough to say what takes much longer than the others.
type durations []int32

func bucket(ms int64) int {
	v := uint64(max(0, ms)) + 4
	exp := bits.Len64(v) - 3 // v>>exp is 4 to 7
	return exp*4 + int(v>>exp) - 4
}

// ceiling is the least duration that is above all of a bucket.
func ceiling(b int) int64 { return (int64(b%4)+5)<<(b/4) - 4 }

func (d *durations) add(ms int64) {
	b := bucket(ms)
	for len(*d) <= b {
		*d = append(*d, 0)
	}
	(*d)[b]++
}

// median is an upper bound of the median, at most a quarter above it; 0 of nothing.
func (d durations) median() int64 {
	n := int32(0)
	for _, c := range d {
		n += c
	}
	seen := int32(0)
	for b, c := range d {
		if seen += c; c > 0 && 2*seen >= n {
			return ceiling(b)
		}
	}
	return 0
}
