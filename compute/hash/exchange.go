package hash

import (
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/zeebo/xxh3"

	"github.com/quern-engine/quern/compute/vector"
)

const (
	// multiplier and shift are those of a published 64-bit finaliser with full avalanche: two rounds of
	// xorshift-multiply. Every output bit depends on every input bit, so callers may use any of them.
	multiplier = 0xd6e8feb86659fd93
	shift      = 32
	// nullWord stands for NULL. A value may be the same word; equal hashes of different keys are always possible.
	nullWord = 0x9e3779b97f4a7c15
)

// Mix is the 64-bit finaliser of exchange-v1.
func Mix(x uint64) uint64 {
	x ^= x >> shift
	x *= multiplier
	x ^= x >> shift
	x *= multiplier
	return x ^ x>>shift
}

// Columns is the exchange-v1 hash of the key columns, row by row, in dst's memory if it is large enough. The key
// h(v1, …, vn) is Mix(… Mix(Mix(seed) ^ word(v1)) … ^ word(vn)): word is the value widened to 64 bits, the XXH3-64 of a
// string, the two halves of a decimal or interval one after the other, and of a nested value the hash of its parts.
// Without columns all rows hash alike.
func Columns(rec arrow.Record, cols []int, seed uint64, dst []uint64) []uint64 {
	dst = resize(dst, int(rec.NumRows()))
	start := Mix(seed)
	for i := range dst {
		dst[i] = start
	}
	for _, c := range cols {
		addColumn(rec.Column(c), dst)
	}
	return dst
}

func resize(dst []uint64, n int) []uint64 {
	if cap(dst) < n {
		return make([]uint64, n)
	}
	return dst[:n]
}

func addColumn(arr arrow.Array, dst []uint64) {
	valid := vector.ValidityOf(arr)
	switch arr.DataType().ID() {
	case arrow.BOOL:
		addBools(arr, valid, dst)
	case arrow.INT8:
		addInts(vector.Int8s(arr), valid, dst)
	case arrow.INT16:
		addInts(vector.Int16s(arr), valid, dst)
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		addInts(vector.Int32s(arr), valid, dst)
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		addInts(vector.Int64s(arr), valid, dst)
	case arrow.FLOAT32:
		addFloats(vector.Float32s(arr), valid, dst)
	case arrow.FLOAT64:
		addFloats(vector.Float64s(arr), valid, dst)
	case arrow.DECIMAL128:
		addDecimals(arr, valid, dst)
	case arrow.STRING, arrow.BINARY:
		addStrings(vector.StringsOf(arr), valid, dst)
	case arrow.DICTIONARY:
		addDictionary(arr, valid, dst)
	case arrow.INTERVAL_MONTH_DAY_NANO:
		addIntervals(arr, valid, dst)
	case arrow.LIST, arrow.MAP, arrow.STRUCT:
		addNested(arr, valid, dst)
	default: // void
		for i := range dst {
			dst[i] = Mix(dst[i] ^ nullWord)
		}
	}
}

func addInts[T int8 | int16 | int32 | int64](values []T, valid vector.Validity, dst []uint64) {
	if valid.AllValid() {
		for i, v := range values {
			dst[i] = Mix(dst[i] ^ uint64(int64(v)))
		}
		return
	}
	for i, v := range values {
		word := uint64(int64(v))
		if valid.IsNull(i) {
			word = nullWord
		}
		dst[i] = Mix(dst[i] ^ word)
	}
}

func addFloats[T float32 | float64](values []T, valid vector.Validity, dst []uint64) {
	for i, v := range values {
		word := FloatBits(float64(v))
		if valid.IsNull(i) {
			word = nullWord
		}
		dst[i] = Mix(dst[i] ^ word)
	}
}

// FloatBits is the bits of a double with -0.0 made 0.0 and every NaN the same: equal as SQL sees it means equal bits.
func FloatBits(v float64) uint64 {
	if v == 0 {
		return 0
	}
	if v != v {
		return 0x7ff8000000000000
	}
	return math.Float64bits(v)
}

func addBools(arr arrow.Array, valid vector.Validity, dst []uint64) {
	values := vector.Bools(arr)
	for i := range dst {
		word := uint64(0)
		switch {
		case valid.IsNull(i):
			word = nullWord
		case values.At(i):
			word = 1
		}
		dst[i] = Mix(dst[i] ^ word)
	}
}

func addDecimals(arr arrow.Array, valid vector.Validity, dst []uint64) {
	for i, v := range vector.Decimals(arr) {
		if valid.IsNull(i) {
			dst[i] = Mix(dst[i] ^ nullWord)
			continue
		}
		dst[i] = Mix(Mix(dst[i]^v.LowBits()) ^ uint64(v.HighBits()))
	}
}

func addStrings(values vector.Strings, valid vector.Validity, dst []uint64) {
	for i := range dst {
		word := uint64(nullWord)
		if !valid.IsNull(i) {
			word = xxh3.Hash(values.At(i))
		}
		dst[i] = Mix(dst[i] ^ word)
	}
}

// addDictionary hashes each dictionary value once, unless the dictionary outnumbers the rows.
func addDictionary(arr arrow.Array, valid vector.Validity, dst []uint64) {
	d, _ := vector.DictionaryOf(arr)
	if d.Values.Len() > len(dst) {
		for i, code := range d.Codes {
			word := uint64(nullWord)
			if !valid.IsNull(i) {
				word = xxh3.Hash(d.Values.At(int(code)))
			}
			dst[i] = Mix(dst[i] ^ word)
		}
		return
	}
	words := make([]uint64, d.Values.Len())
	for i := range words {
		words[i] = xxh3.Hash(d.Values.At(i))
	}
	if valid.AllValid() {
		for i, code := range d.Codes {
			dst[i] = Mix(dst[i] ^ words[code])
		}
		return
	}
	for i, code := range d.Codes {
		word := uint64(nullWord)
		if !valid.IsNull(i) {
			word = words[code]
		}
		dst[i] = Mix(dst[i] ^ word)
	}
}

// Bucket maps a hash to one of n buckets by multiplication: the high 64 bits of h·n.
func Bucket(h uint64, n int) int {
	hi, _ := bits.Mul64(h, uint64(n))
	return int(hi)
}

// rowSeed is RowSums' own.
const rowSeed = 0x52f1

// RowSums is a batch's contribution to a 128-bit checksum of a set of rows: the sum of row hashes over all columns, and
// that of these hashes mixed once more, each modulo 2^64. Add the contributions of batches half by half; the order of rows
// and the batching do not matter.
func RowSums(rec arrow.Record) [2]uint64 {
	cols := make([]int, rec.NumCols())
	for i := range cols {
		cols[i] = i
	}
	var sums [2]uint64
	for _, h := range Columns(rec, cols, rowSeed, nil) {
		sums[0] += h
		sums[1] += Mix(h)
	}
	return sums
}
