package udf

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/udf/udfpb"
)

// codec goes between a Go type and its columns.
type codec[T any] struct {
	typ      Type
	optional bool // a pointer: nil is NULL
	// read is the column as a slice, which may share the column's memory. Where it is NULL, the element is arbitrary,
	// or nil for an optional type.
	read func(arr arrow.Array) ([]T, error)
	// build is a column of the values; NULL where null, which may be nil, says so. If there is room for it, it is made there,
	// where udfpb.Share leaves it.
	build func(room []byte, values []T, null []bool) arrow.Array
	// values makes the slice for build: in the room if that takes it as it is. It holds anything.
	values func(room []byte, n int) []T
}

// onHeap is values of types that Arrow does not have as Go has them.
func onHeap[T any](_ []byte, n int) []T { return make([]T, n) }

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
		build: func(_ []byte, values []T, null []bool) arrow.Array {
			raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*width)
			return makeArray(t, len(values), null, memory.NewBufferBytes(raw))
		},
		values: func(room []byte, n int) []T {
			if n == 0 || n*width > len(room) {
				return make([]T, n)
			}
			return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(room))), n)
		},
	}
}

// makeArray wraps buffers.
func makeArray(t Type, n int, null []bool, buffers ...*memory.Buffer) arrow.Array {
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
	data := array.NewData(t.Arrow(), n, append([]*memory.Buffer{validity}, buffers...), nil, nulls, 0)
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
		values: onHeap[bool],
		build: func(_ []byte, values []bool, null []bool) arrow.Array {
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
		values: onHeap[time.Time],
		build: func(room []byte, values []time.Time, null []bool) arrow.Array {
			raw := micros.values(room, len(values))
			for i, v := range values {
				raw[i] = v.UnixMicro()
			}
			return micros.build(room, raw, null)
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
		values: onHeap[string],
		build:  func(room []byte, values []string, null []bool) arrow.Array { return texts(String, room, values, null) },
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
		values: onHeap[[]byte],
		build:  func(room []byte, values [][]byte, null []bool) arrow.Array { return texts(Binary, room, values, null) },
	}
}

// texts makes a column of them, in the room if there is enough.
func texts[T string | []byte](t Type, room []byte, all []T, null []bool) arrow.Array {
	size, at := 0, udfpb.TextsAt(len(all))
	for i, v := range all {
		if null == nil || !null[i] {
			size += len(v)
		}
	}
	if size > math.MaxInt32 {
		panic(fmt.Sprintf("%d bytes of text for a batch", size))
	}
	if at+size > len(room) {
		room = make([]byte, at+size)
	}
	offsets, values := arrow.Int32Traits.CastFromBytes(room[:4*(len(all)+1)]), room[at:at+size]
	end := 0
	offsets[0] = 0
	for i, v := range all {
		if null == nil || !null[i] {
			end += copy(values[end:], v)
		}
		offsets[i+1] = int32(end)
	}
	return makeArray(t, len(all), null, memory.NewBufferBytes(room[:4*(len(all)+1)]), memory.NewBufferBytes(values))
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
		values: onHeap[*T],
		build: func(room []byte, pointers []*T, null []bool) arrow.Array {
			values, isNull := base.values(room, len(pointers)), make([]bool, len(pointers))
			for i, p := range pointers {
				if isNull[i] = p == nil || (null != nil && null[i]); isNull[i] {
					values[i] = *new(T)
				} else {
					values[i] = *p
				}
			}
			return base.build(room, values, isNull)
		},
	}
}
