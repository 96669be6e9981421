package parquetio

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go/encoding"

	"github.com/quern-engine/quern/compute/vector"
)

// byteArrays fills a string or binary column. A batch stays dictionary-encoded while all its pages are; where a chunk
// falls back to plain pages within a batch, the batch becomes plain.
type byteArrays struct {
	typ   arrow.DataType
	uuids bool // stored values are UUIDs, which are read as their text
	whole bool // all batches are plain, as parts of nested columns have to be

	// like is an empty array with the chunk's dictionary, which all its batches share; words are the dictionary's values.
	like  arrow.Array
	words words

	mem   memory.Allocator
	rows  int
	row   int
	nulls *vector.Nulls
	codes []int32        // while the batch is encoded
	buf   *memory.Buffer // of codes
	plain *plainBytes    // once it is not
}

// words are byte strings in one of parquet's two layouts.
type words struct {
	data    []byte
	offsets []uint32 // nil: all of size
	size    int
}

func wordsOf(v *encoding.Values) words {
	if v.Kind() == encoding.FixedLenByteArray {
		data, size := v.FixedLenByteArray()
		return words{data: data, size: size}
	}
	data, offsets := v.ByteArray()
	return words{data: data, offsets: offsets}
}

func (w *words) span(i int) (from, to int) {
	if w.offsets == nil {
		return i * w.size, (i + 1) * w.size
	}
	return int(w.offsets[i]), int(w.offsets[i+1])
}

func (w *words) at(i int) []byte {
	from, to := w.span(i)
	return w.data[from:to]
}

// plainBytes is a plain column under construction.
type plainBytes struct {
	offsetsBuf *memory.Buffer
	offsets    []int32
	data       *memory.Buffer
}

func newPlainBytes(mem memory.Allocator, rows int) *plainBytes {
	p := &plainBytes{data: memory.NewResizableBuffer(mem)}
	p.offsetsBuf, p.offsets = vector.Alloc[int32](mem, rows+1)
	p.offsets[0] = 0
	return p
}

// extend makes room for n bytes at the end and returns where they begin.
func (p *plainBytes) extend(n int) (int, error) {
	at := p.data.Len()
	if n > math.MaxInt32-at {
		return 0, fmt.Errorf("a batch of strings would take more than %d bytes; use a smaller batch size", math.MaxInt32)
	}
	if need := at + n; need > p.data.Cap() {
		p.data.Reserve(max(need, 2*p.data.Cap()))
	}
	p.data.Resize(at + n)
	return at, nil
}

func (f *byteArrays) begin(mem memory.Allocator, rows int) {
	f.mem, f.rows, f.row = mem, rows, 0
	f.nulls = &vector.Nulls{Mem: mem, Rows: rows}
	if f.whole {
		f.plain = newPlainBytes(mem, rows)
	}
}

// wordsOf is the values of a page or a dictionary.
func (f *byteArrays) wordsOf(v *encoding.Values) words {
	w := wordsOf(v)
	if f.uuids {
		return uuidTexts(w.data)
	}
	return w
}

// uuidTexts writes UUIDs in their canonical form.
func uuidTexts(ids []byte) words {
	const raw, text = 16, 36
	w := words{size: text, data: make([]byte, 0, len(ids)/raw*text)}
	for ; len(ids) >= raw; ids = ids[raw:] {
		for i, part := range [][]byte{ids[:4], ids[4:6], ids[6:8], ids[8:10], ids[10:16]} {
			if i > 0 {
				w.data = append(w.data, '-')
			}
			w.data = hex.AppendEncode(w.data, part)
		}
	}
	return w
}

func (f *byteArrays) dictionary(mem memory.Allocator, values encoding.Values, n int) error {
	if err := f.decode(); err != nil { // codes of a former dictionary would change their meaning
		return err
	}
	f.forget()
	if f.whole {
		f.words = f.wordsOf(&values)
		return nil
	}
	f.words = f.wordsOf(&values)
	p := newPlainBytes(mem, n)
	for i := range n {
		word := f.words.at(i)
		at, err := p.extend(len(word))
		if err != nil {
			p.offsetsBuf.Release()
			p.data.Release()
			return err
		}
		copy(p.data.Bytes()[at:], word)
		p.offsets[i+1] = int32(at + len(word))
	}
	dict := vector.Make(f.typ, n, nil, p.offsetsBuf, p.data)
	defer dict.Release()
	none := vector.Make(arrow.PrimitiveTypes.Int32, 0, nil, memory.NewBufferBytes(nil))
	defer none.Release()
	f.like = array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: f.typ}, none, dict)
	return nil
}

func (f *byteArrays) add(p *page, at, dense, n int) (int, error) {
	k, levels := n, p.levels
	if levels != nil {
		levels = levels[at : at+n]
		k = bytes.Count(levels, []byte{1})
	}
	var err error
	switch {
	case p.coded && f.plain == nil:
		err = f.addCodes(p.codes[dense:dense+k], levels, n)
	case p.coded:
		err = f.addWords(p.codes[dense:dense+k], levels, n)
	default:
		if err = f.decode(); err == nil {
			values := f.wordsOf(&p.values)
			err = f.addRun(&values, dense, k, levels, n)
		}
	}
	f.row += n
	return k, err
}

func (f *byteArrays) addCodes(codes []int32, levels []byte, n int) error {
	if f.buf == nil {
		f.buf, f.codes = vector.Alloc[int32](f.mem, f.rows)
	}
	dst, size := f.codes[f.row:f.row+n], f.like.Data().Dictionary().Len()
	if err := checkCodes(codes, size); err != nil {
		return err
	}
	copy(dst, codes)
	if len(codes) < n {
		spread(dst, len(codes), levels, f.nulls, f.row)
	}
	return nil
}

// addWords appends n rows of the values that codes name.
func (f *byteArrays) addWords(codes []int32, levels []byte, n int) error {
	p, next, count := f.plain, 0, f.words.count()
	for i := range n {
		if levels != nil && levels[i] == 0 {
			f.nulls.Set(f.row + i)
			p.offsets[f.row+i+1] = int32(p.data.Len())
			continue
		}
		c := codes[next]
		next++
		if uint(c) >= uint(count) {
			return badCode(c, count)
		}
		word := f.words.at(int(c))
		at, err := p.extend(len(word))
		if err != nil {
			return err
		}
		copy(p.data.Bytes()[at:], word)
		p.offsets[f.row+i+1] = int32(at + len(word))
	}
	return nil
}

// addRun appends n rows, whose k values stand together in the page from index from on: their bytes in one copy.
func (f *byteArrays) addRun(w *words, from, k int, levels []byte, n int) error {
	if f.plain == nil {
		f.plain = newPlainBytes(f.mem, f.rows)
	}
	p, begin := f.plain, 0
	if k > 0 {
		var end int
		begin, _ = w.span(from)
		_, end = w.span(from + k - 1)
		if begin > end {
			return fmt.Errorf("string offsets run backwards")
		}
		at, err := p.extend(end - begin)
		if err != nil {
			return err
		}
		copy(p.data.Bytes()[at:], w.data[begin:end])
		begin -= at // page position to column position
	}
	dst, next, last := p.offsets[f.row+1:f.row+n+1], from, p.offsets[f.row]
	for i := range dst {
		if levels != nil && levels[i] == 0 {
			f.nulls.Set(f.row + i)
			dst[i] = last
			continue
		}
		_, to := w.span(next)
		next++
		if v := int32(to - begin); v >= last {
			last = v
		} else {
			return fmt.Errorf("string offsets run backwards")
		}
		dst[i] = last
	}
	return nil
}

// decode turns what the batch has so far from codes to values.
func (f *byteArrays) decode() error {
	if f.buf == nil {
		return nil
	}
	codes, buf, rows := f.codes, f.buf, f.row
	f.codes, f.buf = nil, nil
	defer buf.Release()
	f.plain = newPlainBytes(f.mem, f.rows)
	p := f.plain
	// NULL rows hold code 0, which may name a value; the bitmap hides it.
	for i := range rows {
		var word []byte
		if f.words.count() > 0 {
			word = f.words.at(int(codes[i]))
		}
		at, err := p.extend(len(word))
		if err != nil {
			return err
		}
		copy(p.data.Bytes()[at:], word)
		p.offsets[i+1] = int32(at + len(word))
	}
	return nil
}

func (w *words) count() int {
	if w.offsets != nil {
		return len(w.offsets) - 1
	}
	return len(w.data) / max(w.size, 1)
}

func (f *byteArrays) finish() arrow.Array {
	defer func() { f.nulls, f.codes, f.buf, f.plain = nil, nil, nil, nil }()
	switch {
	case f.buf != nil:
		return vector.MakeDictionary(f.like, f.rows, f.nulls, f.buf)
	case f.plain == nil:
		f.plain = newPlainBytes(f.mem, f.rows)
		clear(f.plain.offsets)
	}
	return vector.Make(f.typ, f.rows, f.nulls, f.plain.offsetsBuf, f.plain.data)
}

func (f *byteArrays) forget() {
	if f.like != nil {
		f.like.Release()
		f.like = nil
	}
	f.words = words{}
}

func (f *byteArrays) drop() {
	if f.nulls != nil {
		f.abandon()
	}
	f.forget()
}

// abandon releases an unfinished batch.
func (f *byteArrays) abandon() {
	if f.plain != nil {
		clear(f.plain.offsets) // those of rows that never came are undefined
	}
	f.finish().Release()
}
