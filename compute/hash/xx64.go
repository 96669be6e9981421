package hash

import (
	"encoding/binary"
	"math"
	"math/big"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/cespare/xxhash/v2"

	"github.com/quern-engine/quern/compute/vector"
)

// XX64Seed is the seed with which Spark's xxhash64 begins.
const XX64Seed = 42

// XX64 folds a column into running hashes, one per row, as Spark's xxhash64 does: the hash so far is the seed of the
// XXH64 of the value, and NULL leaves it as it is. Integers below bigint, booleans and dates hash as four bytes, wider
// ones, timestamps and decimals of up to 18 digits as eight, floats by their bits, strings and wider decimals by their
// bytes; arrays and structs fold their parts. -0.0 is 0.0.
func XX64(arr arrow.Array, dst []uint64) {
	w := newXXWriter(arr)
	for i := range dst {
		dst[i] = w(dst[i], i)
	}
}

// newXXWriter folds a value of one array, which may be the child of another.
func newXXWriter(arr arrow.Array) func(seed uint64, i int) uint64 {
	valid, put := vector.ValidityOf(arr), xxBody(arr)
	return func(seed uint64, i int) uint64 {
		if valid.IsNull(i) {
			return seed
		}
		return put(seed, i)
	}
}

func xxBody(arr arrow.Array) func(seed uint64, i int) uint64 {
	switch dt := arr.DataType().(type) {
	case *arrow.BooleanType:
		values := vector.Bools(arr)
		return func(seed uint64, i int) uint64 {
			if values.At(i) {
				return xx32(1, seed)
			}
			return xx32(0, seed)
		}
	case *arrow.Int8Type:
		values := vector.Int8s(arr)
		return func(seed uint64, i int) uint64 { return xx32(uint32(values[i]), seed) }
	case *arrow.Int16Type:
		values := vector.Int16s(arr)
		return func(seed uint64, i int) uint64 { return xx32(uint32(values[i]), seed) }
	case *arrow.Int32Type, *arrow.Date32Type, *arrow.MonthIntervalType:
		values := vector.Int32s(arr)
		return func(seed uint64, i int) uint64 { return xx32(uint32(values[i]), seed) }
	case *arrow.Int64Type, *arrow.TimestampType, *arrow.DurationType:
		values := vector.Int64s(arr)
		return func(seed uint64, i int) uint64 { return xx64(uint64(values[i]), seed) }
	case *arrow.Float32Type:
		values := vector.Float32s(arr)
		return func(seed uint64, i int) uint64 {
			v := values[i]
			if v == 0 {
				v = 0
			}
			if v != v {
				return xx32(0x7fc00000, seed)
			}
			return xx32(math.Float32bits(v+0), seed)
		}
	case *arrow.Float64Type:
		values := vector.Float64s(arr)
		return func(seed uint64, i int) uint64 { return xx64(FloatBits(values[i]), seed) }
	case *arrow.Decimal128Type:
		values := vector.Decimals(arr)
		return func(seed uint64, i int) uint64 {
			if dt.Precision <= 18 {
				return xx64(values[i].LowBits(), seed)
			}
			return xxBytes(twosComplement(values[i].BigInt()), seed)
		}
	case *arrow.MonthDayNanoIntervalType:
		values := vector.Values[arrow.MonthDayNanoInterval](arr)
		return func(seed uint64, i int) uint64 {
			seed = xx64(uint64(values[i].Nanoseconds/1000), seed)
			return xx32(uint32(values[i].Months), xx32(uint32(values[i].Days), seed))
		}
	case *arrow.StringType, *arrow.BinaryType:
		values := vector.StringsOf(arr)
		return func(seed uint64, i int) uint64 { return xxBytes(values.At(i), seed) }
	case *arrow.DictionaryType:
		d, _ := vector.DictionaryOf(arr)
		return func(seed uint64, i int) uint64 { return xxBytes(d.Values.At(int(d.Codes[i])), seed) }
	}
	return xxNested(arr)
}

func xxNested(arr arrow.Array) func(seed uint64, i int) uint64 {
	switch arr.DataType().ID() {
	case arrow.STRUCT:
		var fields []func(uint64, int) uint64
		for _, f := range vector.FieldsOf(arr) {
			fields = append(fields, newXXWriter(f))
		}
		return func(seed uint64, i int) uint64 {
			for _, f := range fields {
				seed = f(seed, i)
			}
			return seed
		}
	case arrow.LIST, arrow.MAP:
		lists := vector.ListsOf(arr)
		element := newXXWriter(lists.Elements)
		return func(seed uint64, i int) uint64 {
			from, to := lists.Range(i)
			for j := from; j < to; j++ {
				seed = element(seed, j)
			}
			return seed
		}
	}
	return func(seed uint64, _ int) uint64 { return seed } // void
}

func xx32(v uint32, seed uint64) uint64 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	return xxBytes(b[:], seed)
}

func xx64(v, seed uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	return xxBytes(b[:], seed)
}

func xxBytes(v []byte, seed uint64) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	_, _ = d.Write(v) // never fails
	return d.Sum64()
}

// twosComplement is the shortest big-endian two's complement of a number, as Java's BigInteger gives it.
func twosComplement(n *big.Int) []byte {
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return b
	}
	// The bytes of -n-1 inverted are those of n.
	b := new(big.Int).Not(n).Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	for i := range b {
		b[i] = ^b[i]
	}
	return b
}
