package compute

import (
	"math/bits"

	"github.com/quern-engine/quern/plan"
)

// bitmapBits is how many numbers one bitmap holds.
const bitmapBits = 32768

// bitmapFunctions place numbers in bitmaps of 4 KiB.
func bitmapFunctions() []Function {
	return []Function{
		{
			Name: "bitmap_bit_position", Usage: "bitmap_bit_position(n)", Summary: "The place of a number in its bitmap, from 0.",
			Example: "bitmap_bit_position(123)", ExampleResult: "122", resolve: takes(returns(plan.Int64), of(plan.Int64)),
			build: total(map1(func(v int64) int64 {
				if v > 0 {
					return (v - 1) % bitmapBits
				}
				return -v % bitmapBits
			})),
		},
		{
			Name: "bitmap_bucket_number", Usage: "bitmap_bucket_number(n)", Summary: "The number of the bitmap that a number belongs to.",
			Example: "bitmap_bucket_number(123)", ExampleResult: "1", resolve: takes(returns(plan.Int64), of(plan.Int64)),
			build: total(map1(func(v int64) int64 {
				if v > 0 {
					return 1 + (v-1)/bitmapBits
				}
				return v / bitmapBits
			})),
		},
		{
			Name: "bitmap_count", Usage: "bitmap_count(bin)", Summary: "The number of bits that are set.", Example: "bitmap_count(X'1010')",
			ExampleResult: "2", resolve: takes(returns(plan.Int64), uncast(plan.Binary)),
			build: total(map1(func(s string) int64 {
				n := 0
				for i := range len(s) {
					n += bits.OnesCount8(s[i])
				}
				return int64(n)
			})),
		},
	}
}
