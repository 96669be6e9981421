package arrowipc

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// TestMalformedForeignArrays builds arrays of types that only files of others have, and that lie.
func TestMalformedForeignArrays(t *testing.T) {
	long := func(v ...int64) *memory.Buffer { return memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(v)) }
	short := func(v ...int32) *memory.Buffer { return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(v)) }
	text := memory.NewBufferBytes([]byte("hello"))
	elements := array.NewData(arrow.PrimitiveTypes.Int32, 3, []*memory.Buffer{nil, short(1, 2, 3)}, nil, 0, 0)
	view := func(size, buffer, at uint32) *memory.Buffer {
		b := make([]byte, 16)
		binary.LittleEndian.PutUint32(b, size)
		binary.LittleEndian.PutUint32(b[8:], buffer)
		binary.LittleEndian.PutUint32(b[12:], at)
		return memory.NewBufferBytes(b)
	}
	ofInts := func(dt arrow.DataType, n int, buffers ...*memory.Buffer) func() arrow.Array {
		return func() arrow.Array {
			return array.MakeFromData(array.NewData(dt, n, buffers, []arrow.ArrayData{elements}, 0, 0))
		}
	}
	plain := func(dt arrow.DataType, buffers ...*memory.Buffer) func() arrow.Array {
		return func() arrow.Array { return array.MakeFromData(array.NewData(dt, 1, buffers, nil, 0, 0)) }
	}
	i32, large, views := arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.LargeString, arrow.BinaryTypes.StringView
	for name, build := range map[string]func() arrow.Array{
		"bounds of data buffer":         plain(large, nil, long(0, 9), text), // which Arrow finds itself
		"negative offset":               plain(large, nil, long(-1, 2), text),
		"offset 4 beyond the 3":         ofInts(arrow.LargeListOf(i32), 1, nil, long(0, 4)),
		"2 lists of 2, but 3 elements":  ofInts(arrow.FixedSizeListOf(2, i32), 2, nil),
		"list from 2 to 4 of 3":         ofInts(arrow.ListViewOf(i32), 1, nil, short(2), short(2)),
		"list from -1 to 1 of 3":        ofInts(arrow.LargeListViewOf(i32), 1, nil, long(-1), long(2)),
		"20 bytes at 0 of buffer 2":     plain(views, nil, view(20, 0, 0), text),
		"13 bytes at 0 of buffer 3":     plain(views, nil, view(13, 1, 0), text),
		"value of -1 bytes":             plain(views, nil, view(1<<32-1, 0, 0)),
		"is shorter than 4 bytes":       plain(&arrow.FixedSizeBinaryType{ByteWidth: 4}, nil, memory.NewBufferBytes([]byte{1})),
		"code 200 in row 0":             badCode,
		"run ends out of order":         badRuns(1, 1, 3),
		"3 rows, but the runs end at 2": badRuns(1, 2),
		"time32[s] is not read":         plain(arrow.FixedWidthTypes.Time32s, nil, short(1)),
	} {
		if err := validateForeign(build); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func validateForeign(build func() arrow.Array) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return ValidateForeign(build())
}

func badCode() arrow.Array {
	dict := array.NewData(arrow.PrimitiveTypes.Int32, 1, []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 4))}, nil, 0, 0)
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.PrimitiveTypes.Int32}
	codes := []*memory.Buffer{nil, memory.NewBufferBytes([]byte{200})}
	return array.MakeFromData(array.NewDataWithDictionary(dt, 1, codes, 0, 0, dict))
}

// badRuns is three rows of runs that end where ends say.
func badRuns(ends ...int32) func() arrow.Array {
	return func() arrow.Array {
		n := len(ends)
		of := func(values []int32) arrow.ArrayData {
			return array.NewData(arrow.PrimitiveTypes.Int32, n, []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(values))}, nil, 0, 0)
		}
		dt := arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int32)
		return array.MakeFromData(array.NewData(dt, 3, []*memory.Buffer{nil}, []arrow.ArrayData{of(ends), of(make([]int32, n))}, 0, 0))
	}
}
