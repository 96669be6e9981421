package vector

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Alloc makes a buffer of n values and shows it as a slice to fill. Its content is undefined until then.
func Alloc[T arrow.FixedWidthType](mem memory.Allocator, n int) (*memory.Buffer, []T) {
	var zero T
	buf := memory.NewResizableBuffer(mem)
	buf.Resize(n * widthOf(zero))
	if n == 0 {
		return buf, nil
	}
	return buf, arrow.GetData[T](buf.Bytes())
}

func widthOf(v any) int {
	switch v.(type) {
	case int8, uint8:
		return 1
	case int16, uint16:
		return 2
	case int32, uint32, float32, arrow.Date32, arrow.MonthInterval:
		return 4
	case int64, uint64, float64, arrow.Timestamp, arrow.Duration:
		return 8
	}
	return 16
}

// AllocBits makes a cleared bitmap of n bits.
func AllocBits(mem memory.Allocator, n int) (*memory.Buffer, []byte) {
	buf := memory.NewResizableBuffer(mem)
	buf.Resize((n + 7) / 8)
	clear(buf.Bytes())
	return buf, buf.Bytes()
}

// Nulls collects which rows of a column under construction are NULL. It allocates at the first one. The zero value
// with Mem and Rows set is ready.
type Nulls struct {
	Mem   memory.Allocator
	Rows  int
	count int
	buf   *memory.Buffer
	bits  []byte
}

// Set makes row i NULL. It must be called at most once for a row.
func (m *Nulls) Set(i int) {
	if m.buf == nil {
		m.buf = memory.NewResizableBuffer(m.Mem)
		m.buf.Resize((m.Rows + 7) / 8)
		m.bits = m.buf.Bytes()
		for i := range m.bits {
			m.bits[i] = 0xff
		}
	}
	m.bits[i>>3] &^= 1 << (i & 7)
	m.count++
}

// Release gives the bitmap back where no array takes it over.
func (m *Nulls) Release() {
	if m.buf != nil {
		m.buf.Release()
		m.buf = nil
	}
}

// Make builds a plain array that takes over the buffers given (and the null bitmap): values for a fixed-width type;
// offsets and bytes for string and binary.
func Make(dt arrow.DataType, rows int, nulls *Nulls, bufs ...*memory.Buffer) arrow.Array {
	return makeArray(dt, rows, nulls, nil, bufs)
}

// MakeDictionary builds a dictionary-encoded array that takes over the buffer of codes, and shares the dictionary of
// like.
func MakeDictionary(like arrow.Array, rows int, nulls *Nulls, codes *memory.Buffer) arrow.Array {
	return makeArray(like.DataType(), rows, nulls, like.Data().Dictionary().(*array.Data), []*memory.Buffer{codes})
}

func makeArray(dt arrow.DataType, rows int, nulls *Nulls, dict *array.Data, bufs []*memory.Buffer) arrow.Array {
	all, count := append(make([]*memory.Buffer, 1, 3), bufs...), 0
	if nulls != nil {
		all[0], count = nulls.buf, nulls.count
	}
	data := array.NewDataWithDictionary(dt, rows, all, count, 0, dict)
	for _, b := range all {
		if b != nil {
			b.Release()
		}
	}
	arr := array.MakeFromData(data)
	data.Release()
	return arr
}

// FromInt64s is a bigint column of its own, a copy of values without NULLs.
func FromInt64s(mem memory.Allocator, values []int64) arrow.Array {
	buf, out := Alloc[int64](mem, len(values))
	copy(out, values)
	return Make(arrow.PrimitiveTypes.Int64, len(values), nil, buf)
}
