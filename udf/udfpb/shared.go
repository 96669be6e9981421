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

// Share writes a batch, of which SharedSize has said that there is room for it, at an offset of shared memory.
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
	if c.NullN() > 0 {
		out.Buffers[0] = w.bits(d.Buffers()[0], d.Offset(), d.Len())
	}
	switch {
	case s.variable:
		return w.texts(d, out)
	case s.bits == 1:
		out.Buffers = append(out.Buffers, w.bits(d.Buffers()[1], d.Offset(), d.Len()))
	default:
		width := s.bits / 8
		buf, e := w.next(d.Len() * width)
		if d.Len() > 0 {
			copy(buf, d.Buffers()[1].Bytes()[d.Offset()*width:])
		}
		out.Buffers = append(out.Buffers, e)
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

func (w *writer) texts(d arrow.ArrayData, out *SharedColumn) *SharedColumn {
	first, last := textBounds(d)
	buf, places := w.next(4 * (d.Len() + 1))
	offsets := arrow.Int32Traits.CastFromBytes(buf)
	if d.Len() == 0 {
		offsets[0] = 0
	} else {
		for i, o := range arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())[d.Offset() : d.Offset()+d.Len()+1] {
			offsets[i] = o - int32(first)
		}
	}
	values, e := w.next(last - first)
	if last > first {
		copy(values, d.Buffers()[2].Bytes()[first:last])
	}
	out.Buffers = append(out.Buffers, places, e)
	return out
}

// Copy makes a batch of what another process has written, and may be writing still: every buffer is copied, then checked.
func (b *SharedBatch) Copy(region []byte, types []arrow.DataType) (arrow.Record, error) {
	rec, err := b.record(region, types, true)
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
	return b.record(region, types, false)
}

func (b *SharedBatch) record(region []byte, types []arrow.DataType, all bool) (arrow.Record, error) {
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
		col, err := c.array(region, types[i], rows, all)
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", i, err)
		}
		cols = append(cols, col)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(rows)), nil
}

func (c *SharedColumn) array(region []byte, t arrow.DataType, rows int, all bool) (arrow.Array, error) {
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
		if all || s.variable {
			raw = append(make([]byte, 0, len(raw)), raw...)
		}
		buffers[i] = memory.NewBufferBytes(raw)
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
