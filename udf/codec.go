package udf

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// codec goes between a Go type and its columns.
type codec[T any] struct {
	typ      Type
	optional bool // a pointer: nil is NULL
	// read is the column as a slice, which may share the column's memory. Where it is NULL, the element is arbitrary,
	// or nil for an optional type.
	read func(arr arrow.Array) ([]T, error)
	// build is a column of the values; NULL where null, which may be nil, says so.
	build func(values []T, null []bool) arrow.Array
}

// codecOf is the codec of a type. It panics for none: Value admits no other types.
func codecOf[T Value]() codec[T] {
	var zero T
	var c any
	switch any(zero).(type) {
	case bool:
		c = boolCodec()
	case int8:
		c = fixed[int8](TinyInt)
	case int16:
		c = fixed[int16](SmallInt)
	case int32:
		c = fixed[int32](Int)
	case int64:
		c = fixed[int64](BigInt)
	case float32:
		c = fixed[float32](Float)
	case float64:
		c = fixed[float64](Double)
	case Date:
		c = fixed[Date](DateType)
	case time.Time:
		c = timeCodec()
	case string:
		c = stringCodec()
	case []byte:
		c = binaryCodec()
	default:
		return optionalCodecOf[T]()
	}
	return c.(codec[T])
}

func optionalCodecOf[T Value]() codec[T] {
	var zero T
	var c any
	switch any(zero).(type) {
	case *bool:
		c = optional(boolCodec())
	case *int8:
		c = optional(fixed[int8](TinyInt))
	case *int16:
		c = optional(fixed[int16](SmallInt))
	case *int32:
		c = optional(fixed[int32](Int))
	case *int64:
		c = optional(fixed[int64](BigInt))
	case *float32:
		c = optional(fixed[float32](Float))
	case *float64:
		c = optional(fixed[float64](Double))
	case *Date:
		c = optional(fixed[Date](DateType))
	case *time.Time:
		c = optional(timeCodec())
	case *string:
		c = optional(stringCodec())
	case *[]byte:
		c = optional(binaryCodec())
	}
	return c.(codec[T])
}

// checkType refuses a column of another type than declared; the worker has checked that before.
func checkType(arr arrow.Array, t Type) error {
	if !arrow.TypeEqual(arr.DataType(), t.Arrow()) {
		return fmt.Errorf("argument column of Arrow type %s, not %s", arr.DataType(), t)
	}
	return nil
}

// fixed is the codec of a type whose Go values lie in memory as Arrow's do.
func fixed[T int8 | int16 | int32 | int64 | float32 | float64 | Date](t Type) codec[T] {
	width := int(unsafe.Sizeof(*new(T)))
	return codec[T]{
		typ: t,
		read: func(arr arrow.Array) ([]T, error) {
			if err := checkType(arr, t); err != nil || arr.Len() == 0 {
				return nil, err
			}
			data := arr.Data()
			all := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(data.Buffers()[1].Bytes()))), data.Offset()+data.Len())
			return all[data.Offset():], nil
		},
		build: func(values []T, null []bool) arrow.Array {
			raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*width)
			return makeArray(t, len(values), null, memory.NewBufferBytes(raw))
		},
	}
}

// makeArray wraps a value buffer.
func makeArray(t Type, n int, null []bool, values *memory.Buffer) arrow.Array {
	var validity *memory.Buffer
	nulls := 0
	if null != nil {
		bits := make([]byte, (n+7)/8)
		for i, isNull := range null {
			if isNull {
				nulls++
			} else {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		validity = memory.NewBufferBytes(bits)
	}
	data := array.NewData(t.Arrow(), n, []*memory.Buffer{validity, values}, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

func boolCodec() codec[bool] {
	return codec[bool]{
		typ: Boolean,
		read: func(arr arrow.Array) ([]bool, error) {
			bools, ok := arr.(*array.Boolean)
			if !ok {
				return nil, checkType(arr, Boolean)
			}
			out := make([]bool, arr.Len())
			for i := range out {
				out[i] = bools.Value(i)
			}
			return out, nil
		},
		build: func(values []bool, null []bool) arrow.Array {
			bits := make([]byte, (len(values)+7)/8)
			for i, v := range values {
				if v {
					bits[i/8] |= 1 << (i % 8)
				}
			}
			return makeArray(Boolean, len(values), null, memory.NewBufferBytes(bits))
		},
	}
}

func timeCodec() codec[time.Time] {
	micros := fixed[int64](Timestamp)
	return codec[time.Time]{
		typ: Timestamp,
		read: func(arr arrow.Array) ([]time.Time, error) {
			raw, err := micros.read(arr)
			if err != nil {
				return nil, err
			}
			out := make([]time.Time, len(raw))
			for i, v := range raw {
				out[i] = time.UnixMicro(v).UTC()
			}
			return out, nil
		},
		build: func(values []time.Time, null []bool) arrow.Array {
			raw := make([]int64, len(values))
			for i, v := range values {
				raw[i] = v.UnixMicro()
			}
			return micros.build(raw, null)
		},
	}
}

func stringCodec() codec[string] {
	return codec[string]{
		typ: String,
		read: func(arr arrow.Array) ([]string, error) {
			strings, ok := arr.(*array.String)
			if !ok {
				return nil, checkType(arr, String)
			}
			out := make([]string, arr.Len())
			for i := range out {
				out[i] = strings.Value(i)
			}
			return out, nil
		},
		build: func(values []string, null []bool) arrow.Array {
			b := array.NewStringBuilder(memory.DefaultAllocator)
			defer b.Release()
			b.AppendValues(values, valid(null))
			return b.NewArray()
		},
	}
}

func binaryCodec() codec[[]byte] {
	return codec[[]byte]{
		typ: Binary,
		read: func(arr arrow.Array) ([][]byte, error) {
			binaries, ok := arr.(*array.Binary)
			if !ok {
				return nil, checkType(arr, Binary)
			}
			out := make([][]byte, arr.Len())
			for i := range out {
				out[i] = binaries.Value(i)
			}
			return out, nil
		},
		build: func(values [][]byte, null []bool) arrow.Array {
			b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
			defer b.Release()
			b.AppendValues(values, valid(null))
			return b.NewArray()
		},
	}
}

// valid is the opposite of null, as builders want it; nil stays nil.
func valid(null []bool) []bool {
	if null == nil {
		return nil
	}
	out := make([]bool, len(null))
	for i, isNull := range null {
		out[i] = !isNull
	}
	return out
}

// optional is the codec of a pointer.
func optional[T any](base codec[T]) codec[*T] {
	return codec[*T]{
		typ:      base.typ,
		optional: true,
		read: func(arr arrow.Array) ([]*T, error) {
			values, err := base.read(arr)
			if err != nil {
				return nil, err
			}
			out := make([]*T, len(values))
			for i := range values {
				if arr.IsValid(i) {
					out[i] = &values[i]
				}
			}
			return out, nil
		},
		build: func(pointers []*T, null []bool) arrow.Array {
			values, isNull := make([]T, len(pointers)), make([]bool, len(pointers))
			for i, p := range pointers {
				if isNull[i] = p == nil || (null != nil && null[i]); !isNull[i] {
					values[i] = *p
				}
			}
			return base.build(values, isNull)
		},
	}
}
