package stats

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/quern-engine/quern/plan"
)

// Integers are counted as other values are, in the same order.
func TestFrequentWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, different := range []int64{1, 5, 60, 64, 65, 500, 1 << 40} {
		words, values := make([]int64, 700), make([]plan.Literal, 700)
		for i := range words {
			words[i] = rng.Int64N(different) - different/2
			values[i].Int = words[i]
		}
		if got, want := frequentWords(words), frequent(values); len(got) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("of %d different values:\n got %v\nwant %v", different, got, want)
		}
	}
}
