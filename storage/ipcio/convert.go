package ipcio

import (
	"errors"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/arrowipc"
	"github.com/quern-engine/quern/plan"
)

var (
	errRange = errors.New("a value is out of range")
	errSize  = errors.New("the values of a batch exceed 2 GiB")
)

// converter gives the columns of files the layouts that they have inside Quern. What needs no change is shared.
// The arrays have been validated.
type converter struct{ mem memory.Allocator }

// column converts a column, whose strings may stay in a dictionary.
func (c converter) column(arr arrow.Array) (arrow.Array, error) {
	if d, ok := arr.(*array.Dictionary); ok {
		return c.dictionary(d, true)
	}
	return c.array(arr)
}

// array converts to the plain layout.
func (c converter) array(arr arrow.Array) (arrow.Array, error) {
	switch arr := arr.(type) {
	case *array.Dictionary:
		return c.dictionary(arr, false)
	case *array.RunEndEncoded:
		return c.runs(arr)
	case *array.Struct:
		return c.structs(arr)
	case *array.Map:
		return c.maps(arr)
	case array.ListLike:
		return c.lists(arr)
	case *array.LargeString, *array.LargeBinary:
		return c.largeStrings(arr)
	case *array.StringView, *array.BinaryView:
		return c.views(arr)
	case *array.FixedSizeBinary:
		return c.fixedBytes(arr)
	}
	return c.numbers(arr)
}

// numbers converts what has a fixed width; other types, too, if they need no change.
func (c converter) numbers(arr arrow.Array) (arrow.Array, error) {
	switch arr := arr.(type) {
	case *array.Uint8:
		return widened[uint8, int16](c, arr, plan.Int16), nil
	case *array.Uint16:
		return widened[uint16, int32](c, arr, plan.Int32), nil
	case *array.Uint32:
		return widened[uint32, int64](c, arr, plan.Int64), nil
	case *array.Uint64:
		return c.unsigned(arr), nil
	case *array.Float16:
		return c.halves(arr), nil
	case *array.Decimal256:
		return c.decimals(arr)
	case *array.Date64:
		return c.dates(arr)
	case *array.DayTimeInterval:
		return c.dayTimes(arr), nil
	case *array.MonthDayNanoInterval:
		return c.intervals(arr), nil
	case *array.Timestamp:
		return c.micros(arr, arr.DataType().(*arrow.TimestampType).Unit)
	case *array.Duration:
		return c.micros(arr, arr.DataType().(*arrow.DurationType).Unit)
	}
	return relabelled(arr)
}

// relabelled shares the buffers of an array that has the layout already.
func relabelled(arr arrow.Array) (arrow.Array, error) {
	t, err := typeOf(arr.DataType())
	if err != nil {
		return nil, err
	}
	return vector.Relabel(arr, t.Arrow()), nil
}

// nulls copies which rows are NULL.
func (c converter) nulls(arr arrow.Array) *vector.Nulls {
	out := &vector.Nulls{Mem: c.mem, Rows: arr.Len()}
	if valid := vector.ValidityOf(arr); !valid.AllValid() {
		for i := range arr.Len() {
			if valid.IsNull(i) {
				out.Set(i)
			}
		}
	}
	return out
}

// dictionary gives codes 32 bits; values that are no strings, or are NULL somewhere, leave the dictionary.
func (c converter) dictionary(arr *array.Dictionary, stay bool) (arrow.Array, error) {
	values, err := c.array(arr.Dictionary())
	if err != nil {
		return nil, err
	}
	defer values.Release()
	codes := make([]int32, arr.Len())
	for i := range codes {
		if codes[i] = -1; arr.IsValid(i) {
			codes[i] = int32(arr.GetValueIndex(i))
		}
	}
	id := values.DataType().ID()
	if !stay || values.NullN() > 0 || id != arrow.STRING && id != arrow.BINARY {
		return vector.Take(c.mem, values, codes), nil
	}
	buf, out := vector.Alloc[int32](c.mem, len(codes))
	for i, code := range codes {
		out[i] = max(code, 0)
	}
	indices := vector.Make(arrow.PrimitiveTypes.Int32, len(codes), c.nulls(arr), buf)
	defer indices.Release()
	return array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: values.DataType()}, indices, values), nil
}

// runs repeats the values of runs.
func (c converter) runs(arr *array.RunEndEncoded) (arrow.Array, error) {
	values, err := c.array(arr.Values())
	if err != nil {
		return nil, err
	}
	defer values.Release()
	idx, run := make([]int32, arr.Len()), arr.GetPhysicalOffset()
	for i := range idx {
		for arrowipc.RunEnd(arr.RunEndsArr(), run) <= int64(arr.Offset()+i) {
			run++
		}
		idx[i] = int32(run)
	}
	return vector.Take(c.mem, values, idx), nil
}

func (c converter) structs(arr *array.Struct) (arrow.Array, error) {
	t, err := typeOf(arr.DataType())
	if err != nil {
		return nil, err
	}
	fields := make([]arrow.Array, 0, arr.NumField())
	for i := range arr.NumField() {
		f, err := c.array(arr.Field(i))
		if err != nil {
			for _, f := range fields {
				f.Release()
			}
			return nil, err
		}
		fields = append(fields, f)
	}
	return vector.MakeStruct(t.Arrow(), arr.Len(), c.nulls(arr), fields...), nil
}

func (c converter) maps(arr *array.Map) (arrow.Array, error) {
	t, err := typeOf(arr.DataType())
	if err != nil {
		return nil, err
	}
	m := vector.MapsOf(arr)
	keys, err := c.array(m.Keys)
	if err != nil {
		return nil, err
	}
	values, err := c.array(m.Values)
	if err != nil {
		keys.Release()
		return nil, err
	}
	buf, offsets := vector.Alloc[int32](c.mem, len(m.Offsets))
	copy(offsets, m.Offsets)
	return vector.MakeMap(t.Arrow(), arr.Len(), c.nulls(arr), buf, keys, values), nil
}

// lists converts lists of all layouts.
func (c converter) lists(arr array.ListLike) (arrow.Array, error) {
	t, err := typeOf(arr.DataType())
	if err != nil {
		return nil, err
	}
	elements, err := c.array(arr.ListValues())
	if err != nil {
		return nil, err
	}
	n := arr.Len()
	buf, offsets := vector.Alloc[int32](c.mem, n+1)
	switch arr.(type) {
	case *array.ListView, *array.LargeListView: // in any order, so the elements are put in order
		idx, ok := viewed(arr, offsets)
		if ok {
			ordered := vector.Take(c.mem, elements, idx)
			elements.Release()
			elements = ordered
		} else {
			err = errSize
		}
	default:
		for i := range n {
			from, to := arr.ValueOffsets(i)
			if to > math.MaxInt32 {
				err = errSize
				break
			}
			offsets[i], offsets[i+1] = int32(from), int32(to)
		}
		if n == 0 {
			offsets[0] = 0
		}
	}
	if err != nil {
		buf.Release()
		elements.Release()
		return nil, err
	}
	return vector.MakeList(t.Arrow(), n, c.nulls(arr), buf, elements), nil
}

// viewed lists the elements of list views, row after row, and fills in where each row's begin.
func viewed(arr array.ListLike, offsets []int32) (idx []int32, ok bool) {
	offsets[0] = 0
	for i := range arr.Len() {
		if arr.IsValid(i) {
			from, to := arr.ValueOffsets(i)
			if int64(len(idx))+to-from > maxViewed {
				return nil, false
			}
			for ; from < to; from++ {
				idx = append(idx, int32(from))
			}
		}
		offsets[i+1] = int32(len(idx))
	}
	return idx, true
}
