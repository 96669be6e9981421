package compute

import (
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
)

// value is what a node gives for a batch: an array as long as the batch, or a constant, an array of length one that
// stands for every row. Whoever gets a value releases it.
type value struct {
	arr      arrow.Array
	constant bool
}

func (v value) release() {
	if v.arr != nil {
		v.arr.Release()
	}
}

func releaseValues(vs []value) {
	for _, v := range vs {
		v.release()
	}
}

// isNull reports a constant NULL.
func (v value) isNull() bool { return v.constant && v.arr.NullN() == 1 }

// spread makes the value an array of n rows; it takes the value over.
func (v value) spread(mem memory.Allocator, n int) arrow.Array {
	if !v.constant {
		return v.arr
	}
	defer v.release()
	if v.arr.DataType().ID() == arrow.NULL {
		return array.NewNull(n)
	}
	return vector.Take(mem, v.arr, make([]int32, n))
}

// primitive is the Go types of fixed-width columns: dates are int32, timestamps int64.
type primitive interface {
	int8 | int16 | int32 | int64 | float32 | float64 | decimal128.Num | arrow.MonthDayNanoInterval
}

// vec is a column's values as kernels see them: at(i) is the value of row i, for constants too.
type vec[T any] struct {
	values []T
	mask   int // -1 for a column, 0 for a constant
}

func (v vec[T]) at(i int) T { return v.values[i&v.mask] }

// scratch holds buffers that a node uses again for every batch.
type scratch struct {
	strings [][]string // by argument
	bools   [][]bool
	out     []bool
	data    []byte
	words   []uint64
}

// slot is the buffer of one argument, grown to n values.
func slot[T any](bufs *[][]T, i, n int) []T {
	for len(*bufs) <= i {
		*bufs = append(*bufs, nil)
	}
	return grow(&(*bufs)[i], n)
}

func grow[T any](buf *[]T, n int) []T {
	if cap(*buf) < n {
		*buf = make([]T, n, n+n/4)
	}
	return (*buf)[:n]
}

// load shows an argument as Go values. Strings and raw slices share the array's memory; values of NULL rows
// are undefined but safe to read.
func load[T any](s *scratch, v value, arg int) vec[T] {
	mask := -1
	if v.constant {
		mask = 0
	}
	var zero T
	var out []T
	switch any(zero).(type) {
	case string:
		buf := slot(&s.strings, arg, v.arr.Len())
		loadStrings(v.arr, buf)
		out = any(buf).([]T)
	case bool:
		buf := slot(&s.bools, arg, v.arr.Len())
		loadBools(v.arr, buf)
		out = any(buf).([]T)
	default:
		out = raw[T](v.arr)
	}
	return vec[T]{out, mask}
}

// raw is the values of a fixed-width array. It reinterprets the buffer: T has the width of the array's type, which
// compilation has made sure of.
func raw[T any](arr arrow.Array) []T {
	d := arr.Data()
	if d.Len() == 0 || len(d.Buffers()) < 2 || d.Buffers()[1] == nil || d.Buffers()[1].Len() == 0 {
		return make([]T, d.Len())
	}
	p := unsafe.Pointer(unsafe.SliceData(d.Buffers()[1].Bytes()))
	return unsafe.Slice((*T)(p), d.Offset()+d.Len())[d.Offset():]
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func loadStrings(arr arrow.Array, out []string) {
	if arr.DataType().ID() == arrow.NULL {
		clear(out)
		return
	}
	d, ok := vector.DictionaryOf(arr)
	if !ok {
		s := vector.StringsOf(arr)
		data := view(s.Bytes)
		for i := range out {
			out[i] = data[s.Offsets[i]:s.Offsets[i+1]]
		}
		return
	}
	data := view(d.Values.Bytes)
	for i := range out {
		c := int(d.Codes[i])
		if uint(c) >= uint(d.Values.Len()) { // the code of a NULL row is undefined
			out[i] = ""
			continue
		}
		out[i] = data[d.Values.Offsets[c]:d.Values.Offsets[c+1]]
	}
}

func loadBools(arr arrow.Array, out []bool) {
	if arr.DataType().ID() == arrow.NULL || len(out) == 0 {
		clear(out)
		return
	}
	b := vector.Bools(arr)
	if b.Bytes == nil {
		clear(out)
		return
	}
	for i := range out {
		out[i] = b.At(i)
	}
}

// validity is the rows of a result that are not NULL, as a bitmap from bit 0. The zero value means all of them.
type validity struct {
	buf *memory.Buffer
}

func (v validity) allValid() bool { return v.buf == nil }

func (v validity) has(i int) bool {
	return v.buf == nil || v.buf.Bytes()[i>>3]>>(i&7)&1 != 0
}

func (v validity) release() {
	if v.buf != nil {
		v.buf.Release()
	}
}

// clear makes row i NULL of n.
func (v *validity) clear(mem memory.Allocator, i, n int) {
	if v.buf == nil {
		v.buf = allOnes(mem, n)
	}
	v.buf.Bytes()[i>>3] &^= 1 << (i & 7)
}

func allOnes(mem memory.Allocator, n int) *memory.Buffer {
	buf := memory.NewResizableBuffer(mem)
	buf.Resize((n + 7) / 8)
	b := buf.Bytes()
	for i := range b {
		b[i] = 0xff
	}
	return buf
}

// both is the rows that are not NULL in any argument. Constants must not be NULL.
func both(mem memory.Allocator, n int, args ...value) validity {
	var out validity
	for _, a := range args {
		if a.constant || a.arr.NullN() == 0 {
			continue
		}
		if a.arr.DataType().ID() == arrow.NULL {
			out.release()
			buf, _ := vector.AllocBits(mem, n)
			return validity{buf}
		}
		bits, offset := a.arr.NullBitmapBytes(), a.arr.Data().Offset()
		if out.buf == nil {
			buf, dst := vector.AllocBits(mem, n)
			bitutil.CopyBitmap(bits, offset, n, dst, 0)
			out.buf = buf
			continue
		}
		dst := out.buf.Bytes()
		bitutil.BitmapAnd(dst, bits, 0, int64(offset), dst, 0, int64(n))
	}
	return out
}

// finish builds an array of n rows that takes over the buffers.
func finish(dt arrow.DataType, n int, valid validity, bufs ...*memory.Buffer) arrow.Array {
	all, nulls := append(make([]*memory.Buffer, 1, 3), bufs...), 0
	if valid.buf != nil {
		nulls = n - bitutil.CountSetBits(valid.buf.Bytes(), 0, n)
		if nulls == 0 {
			valid.buf.Release()
		} else {
			all[0] = valid.buf
		}
	}
	data := array.NewData(dt, n, all, nil, nulls, 0)
	for _, b := range all {
		if b != nil {
			b.Release()
		}
	}
	arr := array.MakeFromData(data)
	data.Release()
	return arr
}

// packBools makes a bitmap of bools.
func packBools(mem memory.Allocator, in []bool) *memory.Buffer {
	buf := memory.NewResizableBuffer(mem)
	buf.Resize((len(in) + 7) / 8)
	packInto(buf.Bytes(), in)
	return buf
}

func packInto(dst []byte, in []bool) {
	i := 0
	for ; i+8 <= len(in); i += 8 {
		w := in[i : i+8 : i+8]
		dst[i>>3] = bit(w[0]) | bit(w[1])<<1 | bit(w[2])<<2 | bit(w[3])<<3 |
			bit(w[4])<<4 | bit(w[5])<<5 | bit(w[6])<<6 | bit(w[7])<<7
	}
	if i < len(in) {
		var b byte
		for j, v := range in[i:] {
			b |= bit(v) << j
		}
		dst[i>>3] = b
	}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
