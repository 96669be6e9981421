package parquetio

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/delta"
)

// TestDeltas reads what parquet-go packs: numbers of 32 bits, of 64, and none.
func TestDeltas(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 33, 128, 129, 1000} {
		narrow, wide := make([]int32, n), make([]int64, n)
		for i := range n {
			narrow[i], wide[i] = int32(rng.Uint32())>>(i%31), rng.Int64()>>(i%63)-math.MaxInt32
		}
		var e delta.BinaryPackedEncoding
		for bits, encode := range map[int]func() ([]byte, error){
			32: func() ([]byte, error) { return e.EncodeInt32(nil, narrow) },
			64: func() ([]byte, error) { return e.EncodeInt64(nil, wide) },
		} {
			packed, err := encode()
			if err != nil {
				t.Fatal(err)
			}
			d, err := newDeltas(packed)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := d.wide(); err != nil || got != (bits == 64 && n > 0) {
				t.Errorf("%d of %d bits: wide is %t, %v", n, bits, got, err)
			}
			plain, err := d.appendPlain(nil)
			var got, want []int32
			for i := range len(plain) / 4 {
				got = append(got, int32(binary.LittleEndian.Uint32(plain[4*i:])))
			}
			for i := range n {
				if want = append(want, narrow[i]); bits == 64 {
					want[i] = int32(wide[i])
				}
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d of %d bits: %v, not %v (%v)", n, bits, got, want, err)
			}
		}
	}
}

// FuzzDeltas unpacks what is no packed number; nothing may panic or make more than it says.
func FuzzDeltas(f *testing.F) {
	packed, err := new(delta.BinaryPackedEncoding).EncodeInt64(nil, []int64{1, math.MaxInt64, 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := newDeltas(data)
		if err != nil {
			return
		}
		if _, err := d.wide(); err != nil {
			return
		}
		if plain, err := d.appendPlain(nil); err != nil || len(plain) != 4*d.count {
			t.Errorf("%d bytes for %d values, %v", len(plain), d.count, err)
		}
	})
}
