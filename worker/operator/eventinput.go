package operator

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// inputForm says as what the values of an input are kept.
type inputForm uint8

const (
	formNone  inputForm = iota // only whether there is one
	formWord                   // int64 in the order of the values, where a type has at most 64 bits: see wordOf
	formWide                   // decimals of more than 18 digits
	formFloat                  // float64
	formHash                   // int64: the hash of approx_count_distinct
	formText                   // strings that sort as the values do, for all types
	formID                     // numbers for distinct values
)

// eventInput is what some lanes want to know of each event in the buffer: a value, unless there is none, since it is NULL
// and NULLs are left out, or since the event does not pass a filter.
type eventInput struct {
	cols   []int // of the value; several only as text and ids
	filter int   // ordinal, -1 for none
	form   inputForm
	skip   bool      // values with a NULL are left out
	typ    plan.Type // of the first column

	present []bool // nil where all events have a value
	sparse  bool   // present is kept

	words  []int64
	within kept[int64] // where words are
	wides  []decimal128.Num
	floats []float64
	texts  []string
	ids    []int32
	intern *interner
	inText int64 // bytes of texts
}

// isWord reports types whose values are at most 64 bits, so that formWord goes.
func isWord(t plan.Type) bool {
	switch t.Kind {
	case plan.KindBoolean, plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64, plan.KindFloat32, plan.KindFloat64,
		plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindYearMonthInterval, plan.KindDayTimeInterval:
		return true
	case plan.KindDecimal:
		return t.Precision <= 18
	}
	return false
}

// newEventInput is an input over event columns.
func newEventInput(schema plan.Schema, cols []int, filter int, form inputForm, skip bool) *eventInput {
	in := &eventInput{cols: cols, filter: filter, form: form, skip: skip, sparse: filter >= 0}
	for _, c := range cols {
		in.sparse = in.sparse || skip && schema.Fields[c].Nullable
	}
	if len(cols) > 0 {
		in.typ = schema.Fields[cols[0]].Type
	}
	if form == formID {
		in.intern = &interner{words: map[int64]int32{}, texts: map[string]int32{}, byWord: len(cols) == 1 && skip && isWord(in.typ)}
	}
	return in
}

// add takes in a batch.
func (in *eventInput) add(rec arrow.Record) {
	n := int(rec.NumRows())
	at := len(in.present)
	if in.sparse {
		for range n {
			in.present = append(in.present, true)
		}
		in.leaveOut(rec, in.present[at:])
	}
	switch in.form {
	case formWord:
		in.words = appendWords(in.within.room(in.words, n), rec.Column(in.cols[0]))
	case formHash:
		hashes := make([]uint64, n)
		for i := range hashes {
			hashes[i] = hash.XX64Seed
		}
		in.words = in.within.room(in.words, n)
		hash.XX64(rec.Column(in.cols[0]), hashes)
		for _, h := range hashes {
			in.words = append(in.words, int64(h))
		}
	case formWide:
		in.wides = append(in.wides, vector.Decimals(rec.Column(in.cols[0]))...)
	case formFloat:
		in.floats = appendFloats(in.floats, rec.Column(in.cols[0]))
	case formText:
		for _, s := range in.textsOf(rec) {
			in.texts = append(in.texts, s)
			in.inText += int64(len(s))
		}
	case formID:
		var present []bool
		if in.sparse {
			present = in.present[at:]
		}
		if in.intern.byWord {
			in.ids = in.intern.addWords(in.ids, normalWords(rec.Column(in.cols[0])), present)
		} else {
			in.ids = in.intern.addTexts(in.ids, in.textsOf(rec), present)
		}
	}
}

// leaveOut clears what does not count.
func (in *eventInput) leaveOut(rec arrow.Record, present []bool) {
	if in.skip {
		for _, c := range in.cols {
			valid := vector.ValidityOf(rec.Column(c))
			if valid.AllValid() {
				continue
			}
			for i := range present {
				present[i] = present[i] && !valid.IsNull(i)
			}
		}
	}
	if in.filter >= 0 {
		valid, passes := vector.ValidityOf(rec.Column(in.filter)), vector.Bools(rec.Column(in.filter))
		for i := range present {
			present[i] = present[i] && !valid.IsNull(i) && passes.At(i)
		}
	}
}

// textsOf is the values as strings that sort as they do.
func (in *eventInput) textsOf(rec arrow.Record) []string {
	if len(in.cols) == 1 {
		return sortkey.Values(rec.Column(in.cols[0]), sortkey.Normal).Texts()
	}
	return keysOf(rec, in.cols).Texts()
}

// drop lets go of the first n events.
func (in *eventInput) drop(n int) {
	if in.sparse {
		in.present = in.present[n:]
	}
	switch in.form {
	case formWord, formHash:
		in.words = in.words[n:]
	case formWide:
		in.wides = in.wides[n:]
	case formFloat:
		in.floats = in.floats[n:]
	case formText:
		for _, s := range in.texts[:n] {
			in.inText -= int64(len(s))
		}
		in.texts = in.texts[n:]
	case formID:
		in.intern.drop(in.ids[:n])
		in.ids = in.ids[n:]
	}
}

func (in *eventInput) bytes() int64 {
	n := int64(cap(in.present)+8*cap(in.within.all)+16*cap(in.wides)+8*cap(in.floats)+16*cap(in.texts)+4*cap(in.ids)) + in.inText
	if in.intern != nil {
		n += in.intern.bytes()
	}
	return n
}

// has reports whether the event i of the buffer has a value.
func (in *eventInput) has(i int32) bool { return in.present == nil || in.present[i] }

// appendWords appends values as numbers of the same order: -0.0 below 0.0, and NaN above all. NULL rows have any number.
func appendWords(dst []int64, arr arrow.Array) []int64 {
	switch arr.DataType().ID() {
	case arrow.BOOL:
		for i, bits := 0, vector.Bools(arr); i < arr.Len(); i++ {
			word := int64(0)
			if bits.At(i) {
				word = 1
			}
			dst = append(dst, word)
		}
	case arrow.INT8:
		dst = appendWidened(dst, vector.Int8s(arr))
	case arrow.INT16:
		dst = appendWidened(dst, vector.Int16s(arr))
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		dst = appendWidened(dst, vector.Int32s(arr))
	case arrow.FLOAT32:
		for _, v := range vector.Float32s(arr) {
			dst = append(dst, wordOf(float64(v)))
		}
	case arrow.FLOAT64:
		for _, v := range vector.Float64s(arr) {
			dst = append(dst, wordOf(v))
		}
	case arrow.DECIMAL128:
		for _, v := range vector.Decimals(arr) {
			dst = append(dst, int64(v.LowBits()))
		}
	default:
		dst = append(dst, vector.Int64s(arr)...)
	}
	return dst
}

func appendWidened[T int8 | int16 | int32](dst []int64, values []T) []int64 {
	at := len(dst)
	dst = slices.Grow(dst, len(values))[:at+len(values)]
	for i, v := range values {
		dst[at+i] = int64(v)
	}
	return dst
}

// wordOf maps doubles to integers of the same order.
func wordOf(v float64) int64 {
	if v != v {
		return math.MaxInt64
	}
	bits := int64(math.Float64bits(v))
	return bits ^ int64(uint64(bits>>63)>>1)
}

// floatOf is the double of a word.
func floatOf(word int64) float64 {
	if word == math.MaxInt64 {
		return math.NaN()
	}
	return math.Float64frombits(uint64(word ^ int64(uint64(word>>63)>>1)))
}

// normalWords is values as words, equal for what SQL calls equal: -0.0 is 0.0.
func normalWords(arr arrow.Array) []int64 {
	words := appendWords(make([]int64, 0, arr.Len()), arr)
	if id := arr.DataType().ID(); id == arrow.FLOAT32 || id == arrow.FLOAT64 {
		for i, w := range words {
			if w == -1 { // what -0.0 is mapped to
				words[i] = 0
			}
		}
	}
	return words
}

// appendFloats appends numbers as doubles.
func appendFloats(dst []float64, arr arrow.Array) []float64 {
	switch arr.DataType().ID() {
	case arrow.FLOAT64:
		return append(dst, vector.Float64s(arr)...)
	case arrow.FLOAT32:
		for _, v := range vector.Float32s(arr) {
			dst = append(dst, float64(v))
		}
		return dst
	}
	for _, v := range appendWords(make([]int64, 0, arr.Len()), arr) {
		dst = append(dst, float64(v))
	}
	return dst
}

// wordColumn is the column of words; rows that are not there are NULL.
func wordColumn(mem memory.Allocator, t plan.Type, words []int64, there []bool) arrow.Array {
	nulls := &vector.Nulls{Mem: mem, Rows: len(words)}
	for i, ok := range there {
		if !ok {
			nulls.Set(i)
		}
	}
	switch t.Kind {
	case plan.KindBoolean:
		buf, bits := vector.AllocBits(mem, len(words))
		for i, w := range words {
			if w == 1 {
				bits[i>>3] |= 1 << (i & 7)
			}
		}
		return vector.Make(t.Arrow(), len(words), nulls, buf)
	case plan.KindInt8:
		return narrowed(mem, t, words, nulls, func(w int64) int8 { return int8(w) })
	case plan.KindInt16:
		return narrowed(mem, t, words, nulls, func(w int64) int16 { return int16(w) })
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return narrowed(mem, t, words, nulls, func(w int64) int32 { return int32(w) })
	case plan.KindFloat32:
		return narrowed(mem, t, words, nulls, func(w int64) float32 { return float32(floatOf(w)) })
	case plan.KindFloat64:
		return narrowed(mem, t, words, nulls, floatOf)
	case plan.KindDecimal:
		return narrowed(mem, t, words, nulls, decimal128.FromI64)
	}
	return narrowed(mem, t, words, nulls, func(w int64) int64 { return w })
}

func narrowed[T arrow.FixedWidthType](mem memory.Allocator, t plan.Type, words []int64, nulls *vector.Nulls, value func(int64) T) arrow.Array {
	buf, out := vector.Alloc[T](mem, len(words))
	for i, w := range words {
		out[i] = value(w)
	}
	return vector.Make(t.Arrow(), len(words), nulls, buf)
}

// interner gives numbers to the distinct values of the events in the buffer, and takes them back when the last event that
// has a value is dropped.
type interner struct {
	byWord bool
	words  map[int64]int32
	texts  map[string]int32
	values []internedValue // by number
	free   []int32
	inText int64
}

type internedValue struct {
	word   int64
	text   string
	events int32
}

// noID stands for no value.
const noID = -1

func (n *interner) addWords(ids []int32, words []int64, present []bool) []int32 {
	for i, w := range words {
		if present != nil && !present[i] {
			ids = append(ids, noID)
			continue
		}
		id, ok := n.words[w]
		if !ok {
			id = n.new(internedValue{word: w})
			n.words[w] = id
		}
		n.values[id].events++
		ids = append(ids, id)
	}
	return ids
}

func (n *interner) addTexts(ids []int32, texts []string, present []bool) []int32 {
	for i, s := range texts {
		if present != nil && !present[i] {
			ids = append(ids, noID)
			continue
		}
		id, ok := n.texts[s]
		if !ok {
			id = n.new(internedValue{text: s})
			n.texts[s] = id
			n.inText += int64(len(s))
		}
		n.values[id].events++
		ids = append(ids, id)
	}
	return ids
}

func (n *interner) new(v internedValue) int32 {
	if last := len(n.free) - 1; last >= 0 {
		id := n.free[last]
		n.free = n.free[:last]
		n.values[id] = v
		return id
	}
	n.values = append(n.values, v)
	return int32(len(n.values) - 1)
}

func (n *interner) drop(ids []int32) {
	for _, id := range ids {
		if id == noID {
			continue
		}
		v := &n.values[id]
		if v.events--; v.events > 0 {
			continue
		}
		if n.byWord {
			delete(n.words, v.word)
		} else {
			delete(n.texts, v.text)
			n.inText -= int64(len(v.text))
		}
		n.free = append(n.free, id)
	}
}

// compare is the order of values by their numbers.
func (n *interner) compare(a, b int32) int {
	x, y := &n.values[a], &n.values[b]
	if n.byWord {
		return cmp.Compare(x.word, y.word)
	}
	return cmp.Compare(x.text, y.text)
}

func (n *interner) bytes() int64 {
	const perValue = 32 + 32 // itself, and its place in a map
	return int64(len(n.values))*perValue + n.inText
}

// column is the values of numbers.
func (n *interner) column(mem memory.Allocator, t plan.Type, ids []int32) (arrow.Array, error) {
	if n.byWord {
		words := make([]int64, len(ids))
		for i, id := range ids {
			words[i] = n.values[id].word
		}
		return wordColumn(mem, t, words, nil), nil
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = n.values[id].text
	}
	return textColumn(mem, t, texts)
}

// textColumn is the column of values from their texts; "" stands for NULL.
func textColumn(mem memory.Allocator, t plan.Type, texts []string) (arrow.Array, error) {
	arr, err := sortkey.Decode(mem, t, len(texts), func(i int) []byte { return []byte(texts[i]) })
	if err != nil {
		return nil, fmt.Errorf("values of type %s: %w", t, err)
	}
	return arr, nil
}
