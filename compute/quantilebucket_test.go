package compute

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A quantile of buckets is off by at most the error of the same quantile of the values, however they are distributed.
func TestQuantileBucket(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"uniform":   func() float64 { return r.Float64() * 1000 },
		"normal":    r.NormFloat64,
		"lognormal": func() float64 { return math.Exp(5 * r.NormFloat64()) },
		"any bits": func() float64 {
			for {
				if x := math.Float64frombits(r.Uint64()); math.Abs(x) >= 0x1p-1022 && !math.IsInf(x, 0) && !math.IsNaN(x) {
					return x
				}
			}
		},
	} {
		for _, share := range []float64{0.9, 0.5, 0.1, 0.01, 0.001, 1e-9, 1e-300} {
			values, buckets := make([]float64, 5000), make([]float64, 5000)
			for i := range values {
				values[i] = draw()
				buckets[i] = quantileBucket(values[i], share)
				if again := quantileBucket(buckets[i], share); again != buckets[i] {
					t.Fatalf("%s: %v is in the bucket %v, and that in %v", name, values[i], buckets[i], again)
				}
			}
			slices.Sort(values)
			slices.Sort(buckets)
			for i, v := range values {
				if off := math.Abs(buckets[i]/v - 1); off > share {
					t.Fatalf("%s: the value of rank %d is %v, and %v by buckets with an error of %v: off by %v", name, i, v, buckets[i], share, off)
				}
			}
			slices.Sort(buckets)
			if n := len(slices.Compact(buckets)); name == "lognormal" && share == 0.01 && n > 2000 {
				t.Errorf("%d buckets", n)
			}
		}
	}
}
