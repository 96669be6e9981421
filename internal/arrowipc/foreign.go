package arrowipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// ValidateForeign checks an array of a file of others: as ValidateArray, but for most of the types that Arrow has.
// Unions, times of day and extensions are refused.
func ValidateForeign(arr arrow.Array) (err error) {
	defer func() {
		if p := recover(); p != nil { // the values of a dictionary become an array only now
			err = fmt.Errorf("%v", p)
		}
	}()
	return validator{foreign: true}.array(arr)
}

// foreignArray checks an array of a type that Quern does not use itself.
func (v validator) foreignArray(arr arrow.Array) error {
	data := arr.Data()
	switch arr := arr.(type) {
	case *array.Uint8, *array.Uint16, *array.Uint32, *array.Uint64, *array.Float16, *array.Date64, *array.Decimal256,
		*array.DayTimeInterval, *array.FixedSizeBinary:
		return needValues(arr)
	case *array.LargeString, *array.LargeBinary:
		return offsetsInOrder[int64](data, 8, bytesOf(data))
	case *array.LargeList:
		if err := offsetsInOrder[int64](data, 8, arr.ListValues().Len()); err != nil {
			return err
		}
		return v.part(arr.ListValues())
	case *array.FixedSizeList:
		return v.fixedLists(arr)
	case *array.ListView, *array.LargeListView:
		return v.listViews(arr.(array.VarLenListLike))
	case *array.StringView, *array.BinaryView:
		return validateViews(data)
	case *array.RunEndEncoded:
		return v.runs(arr)
	}
	return fmt.Errorf("%s is not read", arr.DataType())
}

func (v validator) fixedLists(arr *array.FixedSizeList) error {
	n := int64(arr.DataType().(*arrow.FixedSizeListType).Len())
	rows, elements := int64(arr.Data().Offset())+int64(arr.Len()), int64(arr.ListValues().Len())
	if n < 0 || n > 0 && rows > elements/n {
		return fmt.Errorf("%d lists of %d, but %d elements", rows, n, elements)
	}
	return v.part(arr.ListValues())
}

func (v validator) listViews(arr array.VarLenListLike) error {
	data, elements := arr.Data(), int64(arr.ListValues().Len())
	width := int64(4)
	if arr.DataType().ID() == arrow.LARGE_LIST_VIEW {
		width = 8
	}
	for _, buffer := range []int{1, 2} {
		if err := needBytes(data, buffer, int64(data.Offset()+data.Len())*width); err != nil {
			return err
		}
	}
	for i := range arr.Len() {
		from, to := arr.ValueOffsets(i)
		if from < 0 || to < from || to > elements {
			return fmt.Errorf("list from %d to %d of %d elements", from, to, elements)
		}
	}
	return v.part(arr.ListValues())
}

// viewBytes is the width of a view; up to viewInline bytes of a value stand in the view itself.
const (
	viewBytes  = 16
	viewInline = 12
)

func validateViews(data arrow.ArrayData) error {
	if err := needBytes(data, 1, int64(data.Offset()+data.Len())*viewBytes); err != nil || data.Len() == 0 {
		return err
	}
	buffers := data.Buffers()
	views := buffers[1].Bytes()[data.Offset()*viewBytes:]
	for i := range data.Len() {
		view := views[i*viewBytes:][:viewBytes]
		size := int64(int32(binary.LittleEndian.Uint32(view)))
		if size < 0 {
			return fmt.Errorf("value of %d bytes", size)
		}
		if size <= viewInline {
			continue
		}
		buffer, at := int64(int32(binary.LittleEndian.Uint32(view[8:])))+2, int64(int32(binary.LittleEndian.Uint32(view[12:])))
		if buffer < 2 || buffer >= int64(len(buffers)) || buffers[buffer] == nil || at < 0 || at+size > int64(buffers[buffer].Len()) {
			return fmt.Errorf("value of %d bytes at %d of buffer %d is not there", size, at, buffer)
		}
	}
	return nil
}

// View is the value that view i of a column of string or binary views shows. It belongs to the column.
func View(data arrow.ArrayData, i int) []byte {
	view := data.Buffers()[1].Bytes()[(data.Offset()+i)*viewBytes:][:viewBytes]
	size := binary.LittleEndian.Uint32(view)
	if size <= viewInline {
		return view[4:][:size]
	}
	buffer, at := binary.LittleEndian.Uint32(view[8:]), binary.LittleEndian.Uint32(view[12:])
	return data.Buffers()[2+buffer].Bytes()[at:][:size]
}

func (v validator) dictionary(arr *array.Dictionary) error {
	if err := v.part(arr.Dictionary()); err != nil {
		return fmt.Errorf("dictionary: %w", err)
	}
	if err := v.array(arr.Indices()); err != nil {
		return fmt.Errorf("codes: %w", err)
	}
	size := arr.Dictionary().Len()
	for i := range arr.Len() {
		if arr.IsValid(i) {
			if code := arr.GetValueIndex(i); code < 0 || code >= size {
				return fmt.Errorf("code %d in row %d of a dictionary of %d", code, i, size)
			}
		}
	}
	return nil
}

// runs checks an array of values repeated: the ends of the runs ascend, and the last one is not before the last row.
func (v validator) runs(arr *array.RunEndEncoded) error {
	ends := arr.RunEndsArr()
	if err := v.array(ends); err != nil {
		return fmt.Errorf("run ends: %w", err)
	}
	if ends.NullN() > 0 || ends.Len() != arr.Values().Len() {
		return errors.New("not one value per run")
	}
	last := int64(0)
	for i := range ends.Len() {
		end := RunEnd(ends, i)
		if end <= last {
			return errors.New("run ends out of order")
		}
		last = end
	}
	if rows := int64(arr.Offset()) + int64(arr.Len()); rows > last || rows > math.MaxInt32 {
		return fmt.Errorf("%d rows, but the runs end at %d", rows, last)
	}
	return v.part(arr.Values())
}

// RunEnd is where run i ends; 0 for an array that has no integers.
func RunEnd(ends arrow.Array, i int) int64 {
	switch ends := ends.(type) {
	case *array.Int16:
		return int64(ends.Value(i))
	case *array.Int32:
		return int64(ends.Value(i))
	case *array.Int64:
		return ends.Value(i)
	}
	return 0
}
