package compute

import (
	"encoding/binary"
	"testing"
)

func TestSpread(t *testing.T) {
	for bits := range 256 {
		var got [8]byte
		binary.LittleEndian.PutUint64(got[:], spread(byte(bits)))
		for i, b := range got {
			if want := byte(-(bits >> i & 1)); b != want {
				t.Fatalf("%08b: byte %d is %02x, want %02x", bits, i, b, want)
			}
		}
	}
}
