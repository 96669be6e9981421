package arrowipc

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
)

// Validate checks that every array of a batch has the types Quern uses and is well-formed: buffers large enough,
// offsets in order and inside their data, dictionary codes inside their dictionary, null counts true.
func Validate(rec arrow.Record) error {
	if err := validateRows(rec); err != nil {
		return err
	}
	for i, col := range rec.Columns() {
		if err := ValidateArray(col); err != nil {
			return fmt.Errorf("column %d (%s): %w", i, col.DataType(), err)
		}
	}
	return nil
}

func validateRows(rec arrow.Record) error {
	if rec.NumRows() < 0 {
		return fmt.Errorf("%d rows", rec.NumRows())
	}
	for i, col := range rec.Columns() {
		if int64(col.Len()) != rec.NumRows() {
			return fmt.Errorf("column %d has %d rows of %d", i, col.Len(), rec.NumRows())
		}
	}
	return nil
}

// ValidateArray checks one array as Validate does.
func ValidateArray(arr arrow.Array) error { return validator{}.array(arr) }

// validator checks arrays.
type validator struct {
	foreign bool // of types that Quern does not use, too
}

func (v validator) array(arr arrow.Array) error {
	data := arr.Data()
	if data.Len() < 0 || data.Offset() < 0 {
		return errors.New("negative length")
	}
	if arr.DataType().ID() == arrow.NULL {
		return nil
	}
	if err := validateNulls(data); err != nil {
		return err
	}
	switch arr := arr.(type) {
	case *array.Boolean:
		return needBytes(data, 1, bitutil.BytesForBits(int64(data.Offset()+data.Len())))
	case *array.String, *array.Binary:
		return validateOffsets(data)
	case *array.Dictionary:
		if v.foreign {
			return v.dictionary(arr)
		}
		return validateDictionary(arr)
	case *array.List:
		return v.lists(data, arr.ListValues())
	case *array.Map:
		return v.maps(arr)
	case *array.Struct:
		return v.structs(arr)
	case *array.Int8, *array.Int16, *array.Int32, *array.Int64, *array.Float32, *array.Float64, *array.Decimal128,
		*array.Date32, *array.Timestamp, *array.MonthInterval, *array.Duration, *array.MonthDayNanoInterval:
		return needValues(arr)
	}
	if v.foreign {
		return v.foreignArray(arr)
	}
	return errors.New("this Arrow type is not used between processes")
}

// needValues checks that an array of a fixed width has all its values.
func needValues(arr arrow.Array) error {
	data, width := arr.Data(), int64(arr.DataType().(arrow.FixedWidthDataType).BitWidth()/8)
	return needBytes(data, 1, int64(data.Offset()+data.Len())*width)
}

// needBytes checks that a buffer holds at least n bytes. Arrays without rows may lack buffers.
func needBytes(data arrow.ArrayData, buffer int, n int64) error {
	if data.Len() == 0 {
		return nil
	}
	if len(data.Buffers()) <= buffer || data.Buffers()[buffer] == nil || int64(data.Buffers()[buffer].Len()) < n {
		return fmt.Errorf("buffer %d is shorter than %d bytes", buffer, n)
	}
	return nil
}

func validateNulls(data arrow.ArrayData) error {
	nulls := 0
	if len(data.Buffers()) > 0 && data.Buffers()[0] != nil && data.Buffers()[0].Len() > 0 && data.Len() > 0 {
		if err := needBytes(data, 0, bitutil.BytesForBits(int64(data.Offset()+data.Len()))); err != nil {
			return err
		}
		nulls = data.Len() - bitutil.CountSetBits(data.Buffers()[0].Bytes(), data.Offset(), data.Len())
	}
	if n := data.NullN(); n != nulls && n != array.UnknownNullCount {
		return fmt.Errorf("null count %d, but %d NULLs", n, nulls)
	}
	return nil
}

func validateOffsets(data arrow.ArrayData) error {
	return checkOffsets(data, bytesOf(data))
}

// bytesOf is how many bytes the values of strings have.
func bytesOf(data arrow.ArrayData) int {
	if len(data.Buffers()) > 2 && data.Buffers()[2] != nil {
		return data.Buffers()[2].Len()
	}
	return 0
}

// checkOffsets checks the offsets of strings or lists into size bytes or elements.
func checkOffsets(data arrow.ArrayData, size int) error { return offsetsInOrder[int32](data, 4, size) }

func offsetsInOrder[T int32 | int64](data arrow.ArrayData, width int64, size int) error {
	if data.Len() == 0 {
		return nil
	}
	if err := needBytes(data, 1, int64(data.Offset()+data.Len()+1)*width); err != nil {
		return err
	}
	offsets := arrow.GetOffsets[T](data, 1)
	previous := offsets[0]
	if previous < 0 {
		return errors.New("negative offset")
	}
	for _, o := range offsets {
		if o < previous {
			return errors.New("offsets out of order")
		}
		previous = o
	}
	if int64(previous) > int64(size) {
		return fmt.Errorf("offset %d beyond the %d of data", previous, size)
	}
	return nil
}

func validateDictionary(arr *array.Dictionary) error {
	codes, ok := arr.Indices().(*array.Int32)
	if !ok {
		return fmt.Errorf("dictionary codes of type %s", arr.Indices().DataType())
	}
	data := arr.Data()
	if err := needBytes(data, 1, int64(data.Offset()+data.Len())*4); err != nil {
		return err
	}
	dict := arr.Dictionary()
	if id := dict.DataType().ID(); id != arrow.STRING && id != arrow.BINARY {
		return fmt.Errorf("dictionary of %s", dict.DataType())
	}
	if err := ValidateArray(dict); err != nil {
		return fmt.Errorf("dictionary: %w", err)
	}
	if dict.NullN() > 0 {
		return errors.New("NULL in the dictionary")
	}
	size := uint32(dict.Len())
	for i, code := range codes.Int32Values() {
		if uint32(code) >= size && codes.IsValid(i) {
			return fmt.Errorf("code %d in row %d of a dictionary of %d", code, i, size)
		}
	}
	return nil
}
