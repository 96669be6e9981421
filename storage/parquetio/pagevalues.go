package parquetio

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// pageValues are the values of a leaf that wait for the end of their page, without NULLs, and the dictionary of their
// chunk. What they decide follows from the values and from where settle is called.
type pageValues interface {
	// open says what the numbers of values refer to: rows from up to to of an array.
	open(arr arrow.Array, from, to int)
	close() // lets go of the array
	add(i int)
	addRange(from, to int)
	// settle enters values into the dictionary, and gives a dictionary up that does not pay. It may do so only before the
	// first page of a chunk is written; at the end of that page it knows more.
	settle(firstPage, ends bool)
	count() int
	size() int // bytes of the page, about
	appendPage(dst []byte) ([]byte, format.Encoding, error)
	// bounds are the least and the greatest value. What they are without some goes into the page index all the same.
	bounds() (low, high parquet.Value, some bool)
	// hashes appends those of a Bloom filter.
	hashes(dst []uint64) []uint64
	dictionarySize() int
	appendDictionary(dst []byte) []byte
	reset()   // begins a page
	restart() // begins a chunk
}

// newPageValues is for values of a type. A dictionary is for types with one in fileLeaf.
func newPageValues(t plan.Type, dictionary bool) pageValues {
	switch t.Kind {
	case plan.KindBoolean:
		return &bools{}
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ:
		return newInts(int64s, false, dictionary)
	case plan.KindFloat32:
		return &floats[float32, int32]{*newInts(int32s, false, dictionary).asBits()}
	case plan.KindFloat64:
		return &floats[float64, int64]{*newInts(int64s, false, dictionary).asBits()}
	case plan.KindString, plan.KindBinary:
		return newTexts(dictionary)
	case plan.KindDecimal:
		switch {
		case t.Precision > 18:
			return &longDecimals{}
		case t.Precision > 9:
			return newInts(decimals[int64], true, dictionary)
		}
		return newInts(decimals[int32], true, dictionary)
	case plan.KindInt8:
		return newInts(widened[int8], true, dictionary)
	case plan.KindInt16:
		return newInts(widened[int16], true, dictionary)
	}
	return newInts(int32s, false, dictionary)
}

// noDictionary is for values that never have one.
type noDictionary struct{}

func (noDictionary) settle(bool, bool)                  {}
func (noDictionary) dictionarySize() int                { return 0 }
func (noDictionary) appendDictionary(dst []byte) []byte { return dst }

// bools are packed, eight to a byte.
type bools struct {
	noDictionary
	source vector.Bits
	packed []byte
	n      int
	seen   [2]bool
}

func (b *bools) open(arr arrow.Array, _, _ int) { b.source = vector.Bools(arr) }

func (b *bools) close() { b.source = vector.Bits{} }

func (b *bools) add(i int) {
	if b.n%8 == 0 {
		b.packed = append(b.packed, 0)
	}
	bit := 0
	if b.source.At(i) {
		bit = 1
	}
	b.packed[len(b.packed)-1] |= byte(bit << (b.n % 8))
	b.seen[bit] = true
	b.n++
}

func (b *bools) addRange(from, to int) {
	for i := from; i < to; i++ {
		b.add(i)
	}
}

func (b *bools) count() int { return b.n }
func (b *bools) size() int  { return len(b.packed) }

func (b *bools) appendPage(dst []byte) ([]byte, format.Encoding, error) {
	return append(dst, b.packed...), format.Plain, nil
}

func (b *bools) bounds() (low, high parquet.Value, some bool) {
	return parquet.BooleanValue(!b.seen[0] && b.n > 0), parquet.BooleanValue(b.seen[1]), b.n > 0
}

func (b *bools) hashes(dst []uint64) []uint64 { return dst } // have no filters
func (b *bools) reset()                       { b.packed, b.n, b.seen = b.packed[:0], 0, [2]bool{} }
func (b *bools) restart()                     { b.reset() }

// longDecimals are of sixteen bytes, the most significant first.
type longDecimals struct {
	noDictionary
	source arrow.Array
	data   []byte
}

func (d *longDecimals) open(arr arrow.Array, _, _ int) { d.source = arr }

func (d *longDecimals) close() { d.source = nil }

func (d *longDecimals) add(i int) { d.addRange(i, i+1) }

func (d *longDecimals) addRange(from, to int) {
	for _, v := range vector.Decimals(d.source)[from:to] {
		d.data = binary.BigEndian.AppendUint64(d.data, uint64(v.HighBits()))
		d.data = binary.BigEndian.AppendUint64(d.data, v.LowBits())
	}
}

func (d *longDecimals) count() int { return len(d.data) / decimalBytes }
func (d *longDecimals) size() int  { return len(d.data) }
func (d *longDecimals) reset()     { d.data = d.data[:0] }
func (d *longDecimals) restart()   { d.reset() }

func (d *longDecimals) appendPage(dst []byte) ([]byte, format.Encoding, error) {
	return append(dst, d.data...), format.Plain, nil
}

func (d *longDecimals) bounds() (low, high parquet.Value, some bool) { return low, high, false }

func (d *longDecimals) hashes(dst []uint64) []uint64 {
	for data := d.data; len(data) > 0; data = data[decimalBytes:] {
		dst = append(dst, xxhash.Sum64(data[:decimalBytes]))
	}
	return dst
}

// texts are kept as the plain encoding has them: each behind its length.
type texts struct {
	source vector.Strings
	codes  []int32 // of the source's dictionary, if it has one

	plain      []byte
	n          int
	dictionary bool
	inPlain    bool // this chunk goes on without the dictionary
	known      map[string]int32
	entries    []byte // the dictionary, in plain encoding
	starts     []int  // of entries
	picked     []int32
	shared     vector.Dictionary // whose codes are translated
	translated []int32           // -1 where not yet
	used       []bool
}

func newTexts(dictionary bool) *texts {
	return &texts{dictionary: dictionary, known: map[string]int32{}}
}

func (t *texts) open(arr arrow.Array, _, _ int) {
	d, ok := vector.DictionaryOf(arr)
	if !ok {
		t.source, t.codes = vector.StringsOf(arr), nil
		return
	}
	if t.source, t.codes = d.Values, d.Codes; !d.SameValues(t.shared) {
		t.shared = d
		t.untranslate()
	}
}

func (t *texts) close() {
	t.source, t.codes, t.shared = vector.Strings{}, nil, vector.Dictionary{}
}

func (t *texts) untranslate() {
	t.translated = t.translated[:0]
	for range len(t.shared.Values.Offsets) {
		t.translated = append(t.translated, -1)
	}
}

func (t *texts) add(i int) { t.addRange(i, i+1) }

func (t *texts) addRange(from, to int) {
	switch {
	case t.inPlain && t.codes != nil:
		for _, code := range t.codes[from:to] {
			t.plain = plain.AppendByteArray(t.plain, t.source.At(int(code)))
		}
	case t.inPlain:
		for i := from; i < to; i++ {
			t.plain = plain.AppendByteArray(t.plain, t.source.At(i))
		}
	case t.codes != nil:
		for _, code := range t.codes[from:to] {
			entry := t.translated[code]
			if entry < 0 {
				entry = t.enter(t.source.At(int(code)))
				t.translated[code] = entry
			}
			t.picked = append(t.picked, entry)
		}
	default:
		for i := from; i < to; i++ {
			t.picked = append(t.picked, t.enter(t.source.At(i)))
		}
	}
	t.n += to - from
}

// enter finds a text's place in the dictionary.
func (t *texts) enter(v []byte) int32 {
	entry, ok := t.known[string(v)]
	if !ok {
		entry = int32(len(t.starts))
		t.known[string(v)] = entry
		t.starts = append(t.starts, len(t.entries))
		t.entries = plain.AppendByteArray(t.entries, v)
	}
	return entry
}

// entry is a text of the dictionary in plain encoding.
func (t *texts) entry(i int32) []byte {
	if int(i)+1 < len(t.starts) {
		return t.entries[t.starts[i]:t.starts[i+1]]
	}
	return t.entries[t.starts[i]:]
}

func (t *texts) settle(firstPage, ends bool) {
	if t.inPlain || !firstPage || dictionaryPays(len(t.starts), t.n, ends) {
		return
	}
	for _, p := range t.picked {
		t.plain = append(t.plain, t.entry(p)...)
	}
	t.inPlain, t.picked = true, t.picked[:0]
	t.dropDictionary()
}

func (t *texts) dropDictionary() {
	clear(t.known)
	t.entries, t.starts = t.entries[:0], t.starts[:0]
	t.untranslate()
}

func (t *texts) count() int { return t.n }
func (t *texts) size() int  { return len(t.plain) + codeSize*len(t.picked) }

func (t *texts) appendPage(dst []byte) ([]byte, format.Encoding, error) {
	if t.inPlain {
		return append(dst, t.plain...), format.Plain, nil
	}
	return appendCodes(dst, t.picked)
}

func (t *texts) bounds() (low, high parquet.Value, some bool) {
	var least, greatest []byte
	take := func(v []byte) {
		if least == nil || bytes.Compare(v, least) < 0 {
			least = v
		}
		if greatest == nil || bytes.Compare(v, greatest) > 0 {
			greatest = v
		}
	}
	t.each(take)
	if least == nil {
		return parquet.ByteArrayValue([]byte{}), parquet.ByteArrayValue([]byte{}), false
	}
	return parquet.ByteArrayValue(least), parquet.ByteArrayValue(greatest), true
}

// each calls visit with every text of the page, at least once.
func (t *texts) each(visit func(v []byte)) {
	for rest := t.plain; len(rest) > 0; {
		n := plain.ByteArrayLengthSize + plain.ByteArrayLength(rest)
		visit(rest[plain.ByteArrayLengthSize:n:n])
		rest = rest[n:]
	}
	t.used = append(t.used[:0], make([]bool, len(t.starts))...)
	for _, p := range t.picked {
		t.used[p] = true
	}
	for i, used := range t.used {
		if used {
			visit(t.entry(int32(i))[plain.ByteArrayLengthSize:])
		}
	}
}

func (t *texts) hashes(dst []uint64) []uint64 {
	t.each(func(v []byte) { dst = append(dst, xxhash.Sum64(v)) })
	return dst
}

func (t *texts) dictionarySize() int                { return len(t.starts) }
func (t *texts) appendDictionary(dst []byte) []byte { return append(dst, t.entries...) }

func (t *texts) reset() {
	t.plain, t.picked, t.n = t.plain[:0], t.picked[:0], 0
	t.inPlain = t.inPlain || len(t.entries) > dictionaryMax
}

func (t *texts) restart() {
	t.dropDictionary()
	t.inPlain = !t.dictionary
	t.reset()
}
