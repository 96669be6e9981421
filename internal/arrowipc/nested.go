package arrowipc

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// lists checks offsets and elements of an array or map column.
func (v validator) lists(data arrow.ArrayData, elements arrow.Array) error {
	if err := checkOffsets(data, elements.Len()); err != nil {
		return err
	}
	return v.part(elements)
}

func (v validator) maps(arr *array.Map) error {
	entries, ok := arr.ListValues().(*array.Struct)
	if !ok || entries.NumField() != 2 {
		return errors.New("map entries are no pairs")
	}
	if err := v.lists(arr.Data(), entries); err != nil {
		return err
	}
	if entries.NullN() > 0 || entries.Field(0).NullN() > 0 {
		return errors.New("NULL among the entries or keys of a map")
	}
	return nil
}

func (v validator) structs(arr *array.Struct) error {
	dt := arr.DataType().(*arrow.StructType)
	if arr.NumField() != len(dt.Fields()) {
		return fmt.Errorf("struct of %d fields has %d", len(dt.Fields()), arr.NumField())
	}
	for i := range arr.NumField() {
		f := arr.Field(i)
		if f.Len() < arr.Len() {
			return fmt.Errorf("field %d has %d rows of %d", i, f.Len(), arr.Len())
		}
		if err := v.part(f); err != nil {
			return fmt.Errorf("field %d: %w", i, err)
		}
	}
	return nil
}

// part checks an array inside of a nested one, where strings are plain.
func (v validator) part(arr arrow.Array) error {
	if arr.DataType().ID() == arrow.DICTIONARY && !v.foreign {
		return errors.New("dictionary inside of a nested column")
	}
	return v.array(arr)
}
