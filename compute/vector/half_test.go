package vector_test

import (
	"math"
	"testing"

	"github.com/quern-engine/quern/compute/vector"
)

func TestHalfFloat(t *testing.T) {
	for bits, want := range map[uint16]float32{
		0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 1.0 / 16384, 0x0001: 1.0 / (1 << 24), 0x83ff: -1023.0 / (1 << 24),
		0x7c00: float32(math.Inf(1)), 0xfc00: float32(math.Inf(-1)), 0x0000: 0,
	} {
		if got := vector.HalfFloat(bits); got != want {
			t.Errorf("%#04x is %v, not %v", bits, got, want)
		}
	}
	if v := vector.HalfFloat(0x8000); v != 0 || !math.Signbit(float64(v)) {
		t.Errorf("-0 is %v", v)
	}
	if v := vector.HalfFloat(0x7e00); v == v {
		t.Errorf("NaN is %v", v)
	}
}
