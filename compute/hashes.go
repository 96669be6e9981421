package compute

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/cespare/xxhash/v2"
	"github.com/dgryski/go-farm"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// hashSeed is where Spark's hashes of rows begin.
const hashSeed = 42

// hashFunctions are Spark's hashes of any values, bit by bit.
func hashFunctions() []Function {
	return []Function{
		{
			Name: "hash", Usage: "hash(a, …)", Summary: "Spark's 32-bit hash of the values (Murmur3, seed 42).",
			Example: "hash('Spark', array(123), 2)", ExampleResult: "-1321691492",
			resolve: resolveHash(plan.Int32), build: eager(murmurKernel),
		},
		{
			Name: "xxhash64", Usage: "xxhash64(a, …)", Summary: "Spark's 64-bit hash of the values (xxHash, seed 42).",
			Example: "xxhash64('Spark', array(123), 2)", ExampleResult: "5602566077635097486",
			resolve: resolveHash(plan.Int64), build: eager(xxhashKernel),
		},
		{
			Name: "farm_fingerprint", Usage: "farm_fingerprint(bytes)",
			Summary: "BigQuery's FARM_FINGERPRINT (FarmHash Fingerprint64), for splits that must be those made there: abs(mod(farm_fingerprint(id), 10)) < 8. Not Spark's.",
			Example: "farm_fingerprint('1footrue')", ExampleResult: "-1541654101129638711",
			resolve: takes(returns(plan.Int64), bytes()),
			build:   total(map1(func(s string) int64 { return int64(farm.Fingerprint64([]byte(s))) })),
		},
	}
}

func resolveHash(t plan.Type) resolver {
	return neverNull(func(args []plan.Type) (Signature, error) {
		if len(args) == 0 {
			return Signature{}, arityError{"> 0", 0}
		}
		for _, a := range args {
			if hasMap(a) {
				return Signature{}, userError("DATATYPE_MISMATCH.HASH_MAP_TYPE",
					"Input to the function cannot contain elements of the \"MAP\" type: the same maps may have different hashes.")
			}
		}
		return Signature{Args: args, Returns: t}, nil
	})
}

func murmurKernel(c *context, args []value) (arrow.Array, error) {
	out := newOutput[int32](c)
	hash := hashRows(c, args, murmur)
	for i := range out.rows {
		out.rows[i] = int32(hash[i])
	}
	return out.array(validity{}), nil
}

func xxhashKernel(c *context, args []value) (arrow.Array, error) {
	out := newOutput[int64](c)
	for i, h := range hashRows(c, args, xxhash64) {
		out.rows[i] = int64(h)
	}
	return out.array(validity{}), nil
}

// hashAlgorithm hashes the three shapes that every value is brought to.
type hashAlgorithm struct {
	word  func(v uint32, seed uint64) uint64
	long  func(v, seed uint64) uint64
	bytes func(b []byte, seed uint64) uint64
}

var (
	murmur   = hashAlgorithm{murmurWord, murmurLong, murmurBytes}
	xxhash64 = hashAlgorithm{xxhashWord, xxhashLong, xxhashBytes}
)

// hashRows chains the arguments: the hash of one is the seed of the next, and NULL changes nothing.
func hashRows(c *context, args []value, alg hashAlgorithm) []uint64 {
	hash := make([]uint64, c.n)
	for i := range hash {
		hash[i] = hashSeed
	}
	for _, a := range args {
		one := alg.column(a.arr)
		if a.constant {
			for i, h := range hash {
				hash[i] = one(0, h)
			}
			continue
		}
		for i, h := range hash {
			hash[i] = one(i, h)
		}
	}
	return hash
}

// rowHash hashes row i of a column into a seed.
type rowHash func(i int, seed uint64) uint64

// column opens a column for hashing.
func (a hashAlgorithm) column(arr arrow.Array) rowHash {
	plainly, valid := a.values(arr), vector.ValidityOf(arr)
	if valid.AllValid() {
		return plainly
	}
	return func(i int, seed uint64) uint64 {
		if valid.IsNull(i) {
			return seed
		}
		return plainly(i, seed)
	}
}

func hashFixed[T any](arr arrow.Array, f func(v T, seed uint64) uint64) rowHash {
	values := raw[T](arr)
	return func(i int, seed uint64) uint64 { return f(values[i], seed) }
}

func (a hashAlgorithm) values(arr arrow.Array) rowHash {
	switch dt := arr.DataType().(type) {
	case *arrow.BooleanType:
		b := vector.Bools(arr)
		return func(i int, seed uint64) uint64 { return a.word(uint32(bit(b.At(i))), seed) }
	case *arrow.Int8Type:
		return hashFixed(arr, func(v int8, seed uint64) uint64 { return a.word(uint32(int32(v)), seed) })
	case *arrow.Int16Type:
		return hashFixed(arr, func(v int16, seed uint64) uint64 { return a.word(uint32(int32(v)), seed) })
	case *arrow.Int32Type, *arrow.Date32Type, *arrow.MonthIntervalType:
		return hashFixed(arr, func(v int32, seed uint64) uint64 { return a.word(uint32(v), seed) })
	case *arrow.Int64Type, *arrow.TimestampType, *arrow.DurationType:
		return hashFixed(arr, func(v int64, seed uint64) uint64 { return a.long(uint64(v), seed) })
	case *arrow.Float32Type:
		return hashFixed(arr, func(v float32, seed uint64) uint64 { return a.word(floatBits(v), seed) })
	case *arrow.Float64Type:
		return hashFixed(arr, func(v float64, seed uint64) uint64 { return a.long(doubleBits(v), seed) })
	case *arrow.Decimal128Type:
		if dt.Precision <= 18 {
			return hashFixed(arr, func(v decimal128.Num, seed uint64) uint64 { return a.long(v.LowBits(), seed) })
		}
		return hashFixed(arr, func(v decimal128.Num, seed uint64) uint64 {
			var b [16]byte
			return a.bytes(shortestBytes(&b, v), seed)
		})
	case *arrow.MonthDayNanoIntervalType:
		return hashFixed(arr, func(v interval, seed uint64) uint64 {
			return a.word(uint32(v.Months), a.word(uint32(v.Days), a.long(uint64(v.Nanoseconds/1000), seed)))
		})
	case *arrow.ListType:
		l := vector.ListsOf(arr)
		element := a.column(l.Elements)
		return func(i int, seed uint64) uint64 {
			for j, to := l.Range(i); j < to; j++ {
				seed = element(j, seed)
			}
			return seed
		}
	case *arrow.StructType:
		return a.fields(vector.FieldsOf(arr))
	case *arrow.NullType:
		return func(_ int, seed uint64) uint64 { return seed }
	}
	if d, ok := vector.DictionaryOf(arr); ok {
		return func(i int, seed uint64) uint64 { return a.bytes(d.Values.At(int(d.Codes[i])), seed) }
	}
	s := vector.StringsOf(arr)
	return func(i int, seed uint64) uint64 { return a.bytes(s.At(i), seed) }
}

func (a hashAlgorithm) fields(arrs []arrow.Array) rowHash {
	fields := make([]rowHash, len(arrs))
	for i, f := range arrs {
		fields[i] = a.column(f)
	}
	return func(i int, seed uint64) uint64 {
		for _, f := range fields {
			seed = f(i, seed)
		}
		return seed
	}
}

// floatBits and doubleBits are the bits that Java gives: one NaN, and one zero.
func floatBits(v float32) uint32 {
	switch {
	case v == 0:
		return 0
	case v != v:
		return 0x7fc00000
	}
	return math.Float32bits(v)
}

func doubleBits(v float64) uint64 {
	switch {
	case v == 0:
		return 0
	case v != v:
		return 0x7ff8000000000000
	}
	return math.Float64bits(v)
}

// shortestBytes is the number in as few big-endian bytes as hold it with its sign.
func shortestBytes(b *[16]byte, v decimal128.Num) []byte {
	binary.BigEndian.PutUint64(b[:8], uint64(v.HighBits()))
	binary.BigEndian.PutUint64(b[8:], v.LowBits())
	at, sign := 0, byte(v.HighBits()>>63)
	for at < 15 && b[at] == sign && (b[at+1]^sign)&0x80 == 0 {
		at++
	}
	return b[at:]
}

func murmurMixK(k uint32) uint32 { return bits.RotateLeft32(k*0xcc9e2d51, 15) * 0x1b873593 }

func murmurMixH(h, k uint32) uint32 { return bits.RotateLeft32(h^k, 13)*5 + 0xe6546b64 }

func murmurFinish(h, length uint32) uint64 {
	h ^= length
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	h ^= h >> 16
	return uint64(h)
}

func murmurWord(v uint32, seed uint64) uint64 {
	return murmurFinish(murmurMixH(uint32(seed), murmurMixK(v)), 4)
}

func murmurLong(v, seed uint64) uint64 {
	h := murmurMixH(uint32(seed), murmurMixK(uint32(v)))
	return murmurFinish(murmurMixH(h, murmurMixK(uint32(v>>32))), 8)
}

// murmurBytes mixes the bytes behind the last whole word one by one, with their sign, as Spark does and others do not.
func murmurBytes(b []byte, seed uint64) uint64 {
	h, n := uint32(seed), uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h = murmurMixH(h, murmurMixK(binary.LittleEndian.Uint32(b)))
	}
	for _, c := range b {
		h = murmurMixH(h, murmurMixK(uint32(int32(int8(c)))))
	}
	return murmurFinish(h, n)
}

const (
	xxPrime1 = 0x9E3779B185EBCA87
	xxPrime2 = 0xC2B2AE3D27D4EB4F
	xxPrime3 = 0x165667B19E3779F9
	xxPrime4 = 0x85EBCA77C2B2AE63
	xxPrime5 = 0x27D4EB2F165667C5
)

func xxhashFinish(h uint64) uint64 {
	h ^= h >> 33
	h *= xxPrime2
	h ^= h >> 29
	h *= xxPrime3
	return h ^ h>>32
}

func xxhashWord(v uint32, seed uint64) uint64 {
	h := seed + xxPrime5 + 4
	h ^= uint64(v) * xxPrime1
	return xxhashFinish(bits.RotateLeft64(h, 23)*xxPrime2 + xxPrime3)
}

func xxhashLong(v, seed uint64) uint64 {
	h := seed + xxPrime5 + 8
	h ^= bits.RotateLeft64(v*xxPrime2, 31) * xxPrime1
	return xxhashFinish(bits.RotateLeft64(h, 27)*xxPrime1 + xxPrime4)
}

func xxhashBytes(b []byte, seed uint64) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	_, _ = d.Write(b) // never fails
	return d.Sum64()
}

// hasMap reports a map, or a type with one inside.
func hasMap(t plan.Type) bool {
	if t.Kind == plan.KindMap {
		return true
	}
	for _, c := range t.Children {
		if hasMap(c.Type) {
			return true
		}
	}
	return false
}
