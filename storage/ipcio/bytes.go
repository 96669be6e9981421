package ipcio

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/arrowipc"
	"github.com/quern-engine/quern/plan"
)

// maxViewed bounds what the views of one batch may show, elements or bytes: many views of the same value make much out
// of a small file.
const maxViewed = 1 << 29

// plainType is the layout of a column of strings.
func plainType(arr arrow.Array) arrow.DataType {
	switch arr.(type) {
	case *array.LargeString, *array.StringView:
		return plan.String.Arrow()
	}
	return plan.Binary.Arrow()
}

// largeStrings narrows the offsets of strings, and shares their bytes.
func (c converter) largeStrings(arr arrow.Array) (arrow.Array, error) {
	data, n := arr.Data(), arr.Len()
	buf, offsets := vector.Alloc[int32](c.mem, n+1)
	offsets[0] = 0
	if n > 0 {
		for i, o := range arrow.GetOffsets[int64](data, 1) {
			if o > math.MaxInt32 {
				buf.Release()
				return nil, errSize
			}
			offsets[i] = int32(o)
		}
	}
	bytes := data.Buffers()[2]
	if bytes == nil {
		bytes, _ = vector.Alloc[uint8](c.mem, 0)
	} else {
		bytes.Retain()
	}
	return vector.Make(plainType(arr), n, c.nulls(arr), buf, bytes), nil
}

// views copies what views show.
func (c converter) views(arr arrow.Array) (arrow.Array, error) {
	data, n := arr.Data(), arr.Len()
	valid, total := vector.ValidityOf(arr), int64(0)
	for i := range n {
		if !valid.IsNull(i) {
			total += int64(len(arrowipc.View(data, i)))
		}
	}
	if total > maxViewed {
		return nil, errSize
	}
	offBuf, offsets := vector.Alloc[int32](c.mem, n+1)
	valBuf, values := vector.Alloc[uint8](c.mem, int(total))
	at := 0
	for i := range n {
		if offsets[i] = int32(at); !valid.IsNull(i) {
			at += copy(values[at:], arrowipc.View(data, i))
		}
	}
	offsets[n] = int32(at)
	return vector.Make(plainType(arr), n, c.nulls(arr), offBuf, valBuf), nil
}

// fixedBytes shares the bytes of values of the same length.
func (c converter) fixedBytes(arr *array.FixedSizeBinary) (arrow.Array, error) {
	data, n := arr.Data(), arr.Len()
	width := int64(arr.DataType().(*arrow.FixedSizeBinaryType).ByteWidth)
	if (int64(data.Offset())+int64(n))*width > math.MaxInt32 {
		return nil, errSize
	}
	buf, offsets := vector.Alloc[int32](c.mem, n+1)
	for i := range offsets {
		offsets[i] = int32(int64(data.Offset()+i) * width)
	}
	bytes := data.Buffers()[1]
	if bytes == nil {
		bytes, _ = vector.Alloc[uint8](c.mem, 0)
	} else {
		bytes.Retain()
	}
	return vector.Make(plan.Binary.Arrow(), n, c.nulls(arr), buf, bytes), nil
}
