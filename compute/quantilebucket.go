package compute

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// quantileFunctions are what sketches of distributions are made with.
func quantileFunctions() []Function {
	return []Function{{
		Name: "quantile_bucket", Usage: "quantile_bucket(x, error)",
		Summary: "The middle of x's bucket, of buckets so narrow that it is off by at most the share error of x. Counts of buckets are a sketch of a distribution: " +
			"they add up, in any order, and any quantile of them is one of the values, off by at most error. Each power of two has 2^k buckets of equal width. Not Spark's.",
		Example: "quantile_bucket(1000, 0.01)", ExampleResult: "1004.0",
		resolve: takes(returns(plan.Float64), of(plan.Float64), of(plan.Float64)), build: partial(quantileBucketKernel),
	}}
}

func quantileBucketKernel(c *context, args []value) (arrow.Array, error) {
	x, share := load[float64](c.scratch, args[0], 0), load[float64](c.scratch, args[1], 1)
	return fill(c, args, func(i int) (float64, bool, error) {
		if !(share.at(i) > 0 && share.at(i) < 1) {
			return 0, false, userError("INVALID_PARAMETER_VALUE", "quantile_bucket needs an error above 0 and below 1, not %v.", share.at(i))
		}
		return quantileBucket(x.at(i), share.at(i)), true, nil
	})
}

// quantileBucket keeps the sign, the exponent and the first k bits of the fraction, which is exact on any machine, where a
// logarithm need not be. Half a bucket is at most 2^-(k+1) of the numbers in it.
func quantileBucket(x, share float64) float64 {
	const fraction, least = 52, 0x1p-1022 // below least there are fewer bits
	_, exponent := math.Frexp(share)
	k := max(0, -exponent)
	switch {
	case math.Abs(x) < least:
		return 0
	case k >= fraction || math.IsInf(x, 0) || math.IsNaN(x):
		return x
	}
	rest := uint64(1) << (fraction - k)
	return math.Float64frombits(math.Float64bits(x)&^(rest-1) | rest/2)
}
