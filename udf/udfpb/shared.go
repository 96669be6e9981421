package udfpb

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/arrowipc"
)

// SharedVariable has the numbers of the descriptors of shared memory, the one that the host writes first: "3,4".
const SharedVariable = "QUERN_PLUGIN_SHARED"

// align is the alignment of buffers, Arrow's own.
const align = 64

func aligned(n int) int { return (n + align - 1) &^ (align - 1) }

// shape is what the buffers of a column of a type without children are like.
type shape struct {
	bits     int  // of a value; 0 for texts
	variable bool // offsets, then values
}

func shapeOf(t arrow.DataType) (shape, bool) {
	switch t := t.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return shape{variable: true}, true
	case *arrow.DictionaryType, arrow.ExtensionType:
		return shape{}, false
	case arrow.FixedWidthDataType:
		return shape{bits: t.BitWidth()}, t.BitWidth() == 1 || t.BitWidth()%8 == 0
	}
	return shape{}, false
}

// SharedSize is the room that a batch takes. False for one that cannot be shared.
func SharedSize(rec arrow.Record) (int, bool) {
	size, rows := 0, int(rec.NumRows())
	for _, c := range rec.Columns() {
		s, ok := shapeOf(c.DataType())
		if !ok {
			return 0, false
		}
		if c.NullN() > 0 {
			size += aligned((rows + 7) / 8)
		}
		if !s.variable {
			size += aligned((rows*s.bits + 7) / 8)
			continue
		}
		first, last := textBounds(c.Data())
		size += aligned(4*(rows+1)) + aligned(last-first)
	}
	return size, true
}

// textBounds is the range of a text column's values that its rows use.
func textBounds(d arrow.ArrayData) (first, last int) {
	if d.Len() == 0 || d.Buffers()[1] == nil {
		return 0, 0
	}
	offsets := arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())
	return int(offsets[d.Offset()]), int(offsets[d.Offset()+d.Len()])
}

// Share writes a batch, of which SharedSize has said that there is room for it, at an offset of shared memory. Of a column that was
// made there, at the place that TextsAt or, for values of a fixed width, the offset itself says, only the validity is written.
func Share(region []byte, offset int, rec arrow.Record) *SharedBatch {
	w := writer{region: region, at: offset}
	out := &SharedBatch{Rows: uint64(rec.NumRows())}
	for _, c := range rec.Columns() {
		out.Columns = append(out.Columns, w.column(c))
	}
	return out
}

type writer struct {
	region []byte
	at     int
}

// next is room for a buffer, and where that is.
func (w *writer) next(n int) ([]byte, *Extent) {
	e := &Extent{Offset: uint64(w.at), Length: uint64(n)}
	buf := w.region[w.at : w.at+n : w.at+n]
	w.at += aligned(n)
	return buf, e
}

func (w *writer) column(c arrow.Array) *SharedColumn {
	d := c.Data()
	s, _ := shapeOf(c.DataType()) // SharedSize has looked
	out := &SharedColumn{Nulls: uint64(c.NullN()), Buffers: []*Extent{{}}}
	switch {
	case s.variable:
		w.texts(d, out)
	case s.bits == 1:
		out.Buffers = append(out.Buffers, w.bits(d.Buffers()[1], d.Offset(), d.Len()))
	default:
		width := s.bits / 8
		buf, e := w.next(d.Len() * width)
		if d.Len() > 0 {
			copy(buf, d.Buffers()[1].Bytes()[d.Offset()*width:]) // nothing, if they are the same place
		}
		out.Buffers = append(out.Buffers, e)
	}
	if c.NullN() > 0 {
		out.Buffers[0] = w.bits(d.Buffers()[0], d.Offset(), d.Len())
	}
	return out
}

func (w *writer) bits(from *memory.Buffer, offset, rows int) *Extent {
	buf, e := w.next((rows + 7) / 8)
	if rows > 0 {
		bitutil.CopyBitmap(from.Bytes(), offset, rows, buf, 0)
	}
	return e
}

// TextsAt is where the values of a text column are whose offsets are at the beginning of a room.
func TextsAt(rows int) int { return aligned(4 * (rows + 1)) }

func (w *writer) texts(d arrow.ArrayData, out *SharedColumn) {
	first, last := textBounds(d)
	buf, places := w.next(4 * (d.Len() + 1))
	offsets := arrow.Int32Traits.CastFromBytes(buf)
	if d.Len() == 0 {
		offsets[0] = 0
	} else if from := arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()+1]; first == 0 {
		copy(offsets, from)
	} else {
		for i, o := range from {
			offsets[i] = o - int32(first)
		}
	}
	values, e := w.next(last - first)
	if last > first {
		copy(values, d.Buffers()[2].Bytes()[first:last])
	}
	out.Buffers = append(out.Buffers, places, e)
}

// Copy makes a batch of what another process has written, and may be writing still: every buffer is copied, to memory of mem's,
// then checked.
func (b *SharedBatch) Copy(mem memory.Allocator, region []byte, types []arrow.DataType) (arrow.Record, error) {
	rec, err := b.record(region, types, func(raw []byte, _ bool) *memory.Buffer {
		buf := memory.NewResizableBuffer(mem)
		buf.ResizeNoShrink(len(raw))
		copy(buf.Bytes(), raw)
		return buf
	})
	if err != nil {
		return nil, err
	}
	if err := arrowipc.Validate(rec); err != nil {
		rec.Release()
		return nil, err
	}
	return rec, nil
}

// Borrow makes a batch in place, of what a trusted process has written and does not write again before it is answered. Texts are
// copied: whoever reads one may keep it, as the key of a map.
func (b *SharedBatch) Borrow(region []byte, types []arrow.DataType) (arrow.Record, error) {
	return b.record(region, types, func(raw []byte, text bool) *memory.Buffer {
		if text {
			kept := make([]byte, len(raw))
			copy(kept, raw)
			raw = kept
		}
		return memory.NewBufferBytes(raw)
	})
}

// take makes a buffer of what lies in shared memory, for columns of texts or of others.
type take func(raw []byte, text bool) *memory.Buffer

func (b *SharedBatch) record(region []byte, types []arrow.DataType, take take) (arrow.Record, error) {
	if len(b.GetColumns()) != len(types) || b.GetRows() > uint64(len(region))*8 {
		return nil, fmt.Errorf("%d columns of %d rows, not %d", len(b.GetColumns()), b.GetRows(), len(types))
	}
	rows := int(b.GetRows())
	fields, cols := make([]arrow.Field, len(types)), make([]arrow.Array, 0, len(types))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, c := range b.GetColumns() {
		fields[i] = arrow.Field{Name: fmt.Sprint("c", i), Type: types[i], Nullable: true}
		col, err := c.array(region, types[i], rows, take)
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", i, err)
		}
		cols = append(cols, col)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(rows)), nil
}

func (c *SharedColumn) array(region []byte, t arrow.DataType, rows int, take take) (arrow.Array, error) {
	s, ok := shapeOf(t)
	want := []int{(rows*s.bits + 7) / 8}
	if s.variable {
		want = []int{4 * (rows + 1), -1}
	}
	if !ok || len(c.GetBuffers()) != len(want)+1 || c.GetNulls() > uint64(rows) {
		return nil, fmt.Errorf("%d buffers, %d NULLs", len(c.GetBuffers()), c.GetNulls())
	}
	nulls := -1
	if c.GetNulls() > 0 {
		nulls = (rows + 7) / 8
	}
	buffers := make([]*memory.Buffer, len(want)+1)
	defer func() {
		for _, b := range buffers {
			if b != nil {
				b.Release() // the array has its own references
			}
		}
	}()
	for i, size := range append([]int{nulls}, want...) {
		e := c.GetBuffers()[i]
		if i == 0 && size < 0 {
			continue // nothing is NULL
		}
		if e.GetOffset() > uint64(len(region)) || e.GetLength() > uint64(len(region))-e.GetOffset() || e.GetOffset()%align != 0 {
			return nil, errors.New("a buffer outside of the shared memory")
		}
		if size >= 0 && e.GetLength() != uint64(size) {
			return nil, fmt.Errorf("a buffer of %d bytes, not %d", e.GetLength(), size)
		}
		raw := region[e.GetOffset() : e.GetOffset()+e.GetLength() : e.GetOffset()+e.GetLength()]
		buffers[i] = take(raw, s.variable)
	}
	return makeArray(t, rows, buffers, int(c.GetNulls()))
}

// makeArray turns a panic of Arrow's about buffers that do not fit into an error.
func makeArray(t arrow.DataType, rows int, buffers []*memory.Buffer, nulls int) (arr arrow.Array, err error) {
	defer func() {
		if p := recover(); p != nil {
			arr, err = nil, fmt.Errorf("%v", p)
		}
	}()
	data := array.NewData(t, rows, buffers, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}
