package parquetio

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
	"github.com/parquet-go/parquet-go/hashprobe"

	"github.com/quern-engine/quern/compute/vector"
)

// codeSize is what a value in a dictionary counts as, so that pages end.
const codeSize = 8

// dictionaryPays says whether a dictionary with so many entries for so many values of a chunk's first page is worth
// going on with. Nearly as many entries as values are a column of unique ones, which is told early; else it is decided
// when the page ends, for a column of many values that repeat looks like that in its first thousands.
func dictionaryPays(entries, values int, ends bool) bool {
	if ends {
		return entries > 0 && 2*entries <= values
	}
	return 10*entries <= 9*values
}

// appendCodes appends the numbers of dictionary entries, run-length encoded.
func appendCodes(dst []byte, codes []int32) ([]byte, format.Encoding, error) {
	// The encoding writes over what it is given.
	encoded, err := (&rle.DictionaryEncoding{}).EncodeInt32(dst[len(dst):], codes)
	if len(dst) == 0 {
		return encoded, format.RLEDictionary, err
	}
	return append(dst, encoded...), format.RLEDictionary, err
}

// ints are integers, and what is stored as such.
type ints[T int32 | int64] struct {
	of     func(dst []T, arr arrow.Array, from, to int) []T // values of an array, in dst's memory if they have to be made
	made   bool
	bits   bool // there is no sense in differences
	source []T
	base   int // the number of the first one of source

	values     []T // of the page
	dictionary bool
	inPlain    bool // this chunk goes on without the dictionary
	unpacked   bool // this chunk goes on without differences, too
	table      probe[T]
	entries    []T
	codes      []int32 // of the page's values, those that settle has seen
	packed     []byte  // memory
}

// probe numbers different values in the order in which they come.
type probe[T any] interface {
	Probe(keys []T, codes []int32) int
	Reset()
}

// maxLoad is parquet-go's own.
const maxLoad = 0.85

func newInts[T int32 | int64](of func([]T, arrow.Array, int, int) []T, made, dictionary bool) *ints[T] {
	return &ints[T]{of: of, made: made, dictionary: dictionary, table: newProbe[T]()}
}

// asBits says that the values are bits, whose differences mean nothing.
func (v *ints[T]) asBits() *ints[T] {
	v.bits = true
	return v
}

func newProbe[T int32 | int64]() probe[T] {
	var table any = hashprobe.NewInt64Table(runRows, maxLoad)
	if _, narrow := any(T(0)).(int32); narrow {
		table = hashprobe.NewInt32Table(runRows, maxLoad)
	}
	return table.(probe[T])
}

func int32s(_ []int32, arr arrow.Array, from, to int) []int32 { return vector.Int32s(arr)[from:to] }
func int64s(_ []int64, arr arrow.Array, from, to int) []int64 { return vector.Int64s(arr)[from:to] }

func widened[T int8 | int16](dst []int32, arr arrow.Array, from, to int) []int32 {
	for _, v := range vector.Values[T](arr)[from:to] {
		dst = append(dst, int32(v))
	}
	return dst
}

func decimals[T int32 | int64](dst []T, arr arrow.Array, from, to int) []T {
	for _, v := range vector.Decimals(arr)[from:to] {
		dst = append(dst, T(v.LowBits()))
	}
	return dst
}

func (v *ints[T]) open(arr arrow.Array, from, to int) {
	var dst []T
	if v.made {
		dst = v.source[:0]
	}
	v.source, v.base = v.of(dst, arr, from, to), from
}

func (v *ints[T]) close() {
	if !v.made {
		v.source = nil
	}
}

func (v *ints[T]) add(i int) { v.values = append(v.values, v.source[i-v.base]) }

func (v *ints[T]) addRange(from, to int) {
	v.values = append(v.values, v.source[from-v.base:to-v.base]...)
}

func (v *ints[T]) settle(firstPage, ends bool) {
	if v.inPlain {
		return
	}
	seen := len(v.codes)
	v.codes = slices.Grow(v.codes, len(v.values)-seen)[:len(v.values)]
	if v.table.Probe(v.values[seen:], v.codes[seen:]) > 0 {
		for i, code := range v.codes[seen:] {
			if int(code) == len(v.entries) {
				v.entries = append(v.entries, v.values[seen+i])
			}
		}
	}
	if firstPage && !(dictionaryPays(len(v.entries), len(v.values), ends) && v.beatsDifferences(seen == 0, ends)) {
		v.inPlain = true
		v.dropDictionary()
	}
}

// beatsDifferences says whether the dictionary makes less of a chunk's first page than differences do. The page bears
// half of the entries, for those to come need fewer new ones. Of a column of many values that is guessed from the first
// run already, where the entries weigh still less.
func (v *ints[T]) beatsDifferences(first, ends bool) bool {
	entries := len(v.entries) * width[T]()
	switch {
	case v.bits:
		return true
	case ends:
		codes, _, err := appendCodes(v.packed[:0], v.codes)
		v.packed = codes
		size := len(codes)
		return err != nil || size+entries/2 <= len(v.differences())
	case first && 2*len(v.entries) > len(v.values):
		return len(v.values)*bits.Len(uint(len(v.entries)))/8+entries/4 <= len(v.differences())
	}
	return true
}

// differences packs the page's values as differences, in memory of its own.
func (v *ints[T]) differences() []byte {
	switch values := any(v.values).(type) {
	case []int32:
		v.packed, _ = new(delta.BinaryPackedEncoding).EncodeInt32(v.packed[:0], values)
	case []int64:
		v.packed, _ = new(delta.BinaryPackedEncoding).EncodeInt64(v.packed[:0], values)
	}
	return v.packed
}

func (v *ints[T]) dropDictionary() {
	if len(v.entries) > 0 {
		v.table.Reset()
	}
	v.entries, v.codes = v.entries[:0], v.codes[:0]
}

func (v *ints[T]) count() int { return len(v.values) }

func (v *ints[T]) size() int { return width[T]() * len(v.values) }

func width[T int32 | int64]() int {
	if _, narrow := any(T(0)).(int32); narrow {
		return 4
	}
	return 8
}

func (v *ints[T]) appendPage(dst []byte) ([]byte, format.Encoding, error) {
	if !v.inPlain {
		return appendCodes(dst, v.codes)
	}
	if !v.unpacked {
		// What they save must be worth more than what compressing plain values would.
		if packed := v.differences(); 5*len(packed) <= 4*v.size() {
			return append(dst, packed...), format.DeltaBinaryPacked, nil
		}
		v.unpacked = len(v.values) > 0
	}
	return appendInts(dst, v.values), format.Plain, nil
}

func appendInts[T int32 | int64](dst []byte, values []T) []byte {
	size, at := width[T](), len(dst)
	dst = slices.Grow(dst, size*len(values))[:at+size*len(values)]
	switch values := any(values).(type) {
	case []int32:
		for i, v := range values {
			binary.LittleEndian.PutUint32(dst[at+4*i:], uint32(v))
		}
	case []int64:
		for i, v := range values {
			binary.LittleEndian.PutUint64(dst[at+8*i:], uint64(v))
		}
	}
	return dst
}

func (v *ints[T]) bounds() (_, _ parquet.Value, some bool) {
	if len(v.values) == 0 {
		return intValue(T(0)), intValue(T(0)), false
	}
	low, high := v.values[0], v.values[0]
	for _, x := range v.values {
		low, high = min(low, x), max(high, x)
	}
	return intValue(low), intValue(high), true
}

func intValue[T int32 | int64](v T) parquet.Value {
	if v, narrow := any(v).(int32); narrow {
		return parquet.Int32Value(v)
	}
	return parquet.Int64Value(int64(v))
}

func (v *ints[T]) hashes(dst []uint64) []uint64 {
	for _, x := range v.values {
		switch x := any(x).(type) {
		case int32:
			dst = append(dst, bloom.XXH64{}.Sum64Uint32(uint32(x)))
		case int64:
			dst = append(dst, bloom.XXH64{}.Sum64Uint64(uint64(x)))
		}
	}
	return dst
}

func (v *ints[T]) dictionarySize() int                { return len(v.entries) }
func (v *ints[T]) appendDictionary(dst []byte) []byte { return appendInts(dst, v.entries) }

func (v *ints[T]) reset() {
	v.values, v.codes = v.values[:0], v.codes[:0]
	v.inPlain = v.inPlain || width[T]()*len(v.entries) > dictionaryMax
}

func (v *ints[T]) restart() {
	v.dropDictionary()
	v.inPlain, v.unpacked = !v.dictionary, v.bits
	v.reset()
}
