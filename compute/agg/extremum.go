package agg

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func newExtremum(t plan.Type, largest bool) Accumulator {
	switch t.Kind {
	case plan.KindString, plan.KindBinary:
		return &extremeBytes{typ: t, largest: largest}
	case plan.KindDecimal:
		return &extremeDecimal{typ: t, largest: largest}
	case plan.KindArray, plan.KindStruct, plan.KindMap, plan.KindInterval:
		return &extremeValue{typ: t, largest: largest}
	}
	e := &extreme{typ: t}
	if !largest {
		e.flip = -1
	}
	return e
}

// peak is the largest value so far, if any.
type peak[T any] struct {
	value T
	has   bool
}

// extreme is min and max of everything that fits an int64. Doubles are mapped to integers of the same order, with NaN
// above all; min is max over the values with all bits flipped, which reverses the order.
type extreme struct {
	typ   plan.Type
	flip  int64
	cells []peak[int64]
	keys  []int64
}

var _ Accumulator = (*extreme)(nil)

func (e *extreme) Update(b Batch, args []arrow.Array) error {
	e.cells = extend(e.cells, b.Len)
	arr := args[0]
	valid := vector.ValidityOf(arr)
	switch e.typ.Kind {
	case plan.KindBoolean:
		e.keys = e.keys[:0]
		for i, bits := 0, vector.Bools(arr); i < arr.Len(); i++ {
			key := int64(0)
			if !valid.IsNull(i) && bits.At(i) {
				key = 1
			}
			e.keys = append(e.keys, key)
		}
		raise(e.cells, b, e.keys, valid, e.flip)
	case plan.KindInt8:
		raise(e.cells, b, vector.Int8s(arr), valid, e.flip)
	case plan.KindInt16:
		raise(e.cells, b, vector.Int16s(arr), valid, e.flip)
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		raise(e.cells, b, vector.Int32s(arr), valid, e.flip)
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		raise(e.cells, b, vector.Int64s(arr), valid, e.flip)
	case plan.KindFloat32:
		raise(e.cells, b, orderedKeys(e, vector.Float32s(arr)), valid, e.flip)
	case plan.KindFloat64:
		raise(e.cells, b, orderedKeys(e, vector.Float64s(arr)), valid, e.flip)
	}
	return nil
}

func raise[T integer](cells []peak[int64], b Batch, values []T, valid vector.Validity, flip int64) {
	none := valid.AllValid()
	for i, g := range b.groups() {
		if !none && valid.IsNull(i) {
			continue
		}
		c, v := &cells[g], int64(values[i])^flip
		if v > c.value || !c.has {
			c.value, c.has = v, true
		}
	}
}

// orderedKeys maps floats to integers of the same order: -Infinity … -0.0, 0.0 … Infinity, NaN.
func orderedKeys[T float32 | float64](e *extreme, values []T) []int64 {
	e.keys = e.keys[:0]
	for _, v := range values {
		bits := int64(math.Float64bits(float64(v)))
		if v != v {
			bits = math.MaxInt64
		}
		e.keys = append(e.keys, bits^int64(uint64(bits>>63)>>1))
	}
	return e.keys
}

func floatOfKey(key int64) float64 {
	if key == math.MaxInt64 {
		return math.NaN()
	}
	return math.Float64frombits(uint64(key ^ int64(uint64(key>>63)>>1)))
}

func (e *extreme) Merge(b Batch, states []arrow.Array) error { return e.Update(b, states) }

func (e *extreme) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := e.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (e *extreme) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	if e.typ.Kind == plan.KindNull {
		return array.NewNull(to - from), nil
	}
	e.cells = extend(e.cells, to)
	cells := e.cells[from:to]
	nulls := &vector.Nulls{Mem: mem, Rows: len(cells)}
	for i, c := range cells {
		if !c.has {
			nulls.Set(i)
		}
	}
	dt, value := e.typ.Arrow(), func(c peak[int64]) int64 { return c.value ^ e.flip }
	if e.typ.Kind == plan.KindBoolean {
		buf, bits := vector.AllocBits(mem, len(cells))
		for i, c := range cells {
			if c.has && value(c) == 1 {
				bits[i>>3] |= 1 << (i & 7)
			}
		}
		return vector.Make(dt, len(cells), nulls, buf), nil
	}
	var buf *memory.Buffer
	switch e.typ.Kind {
	case plan.KindInt8:
		buf = fill(mem, cells, func(c peak[int64]) int8 { return int8(value(c)) })
	case plan.KindInt16:
		buf = fill(mem, cells, func(c peak[int64]) int16 { return int16(value(c)) })
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		buf = fill(mem, cells, func(c peak[int64]) int32 { return int32(value(c)) })
	case plan.KindFloat32:
		buf = fill(mem, cells, func(c peak[int64]) float32 { return float32(floatOfKey(value(c))) })
	case plan.KindFloat64:
		buf = fill(mem, cells, func(c peak[int64]) float64 { return floatOfKey(value(c)) })
	default:
		buf = fill(mem, cells, value)
	}
	return vector.Make(dt, len(cells), nulls, buf), nil
}

// fill is the buffer of the cells' values; a cell without one gives zero.
func fill[T arrow.FixedWidthType](mem memory.Allocator, cells []peak[int64], value func(peak[int64]) T) *memory.Buffer {
	buf, out := vector.Alloc[T](mem, len(cells))
	for i, c := range cells {
		var zero T
		if out[i] = zero; c.has {
			out[i] = value(c)
		}
	}
	return buf
}

func (e *extreme) Bytes() int64 { return int64(len(e.cells)) * 16 }

// extremeDecimal is min and max of decimals.
type extremeDecimal struct {
	typ     plan.Type
	largest bool
	cells   []peak[decimal128.Num]
}

var _ Accumulator = (*extremeDecimal)(nil)

func (e *extremeDecimal) Update(b Batch, args []arrow.Array) error {
	e.cells = extend(e.cells, b.Len)
	values, valid := vector.Decimals(args[0]), vector.ValidityOf(args[0])
	for i, g := range b.groups() {
		if valid.IsNull(i) {
			continue
		}
		c, v := &e.cells[g], values[i]
		if !c.has || e.largest && c.value.Less(v) || !e.largest && v.Less(c.value) {
			c.value, c.has = v, true
		}
	}
	return nil
}

func (e *extremeDecimal) Merge(b Batch, states []arrow.Array) error { return e.Update(b, states) }

func (e *extremeDecimal) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	col, err := e.Result(mem, from, to)
	return []arrow.Array{col}, err
}

func (e *extremeDecimal) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	e.cells = extend(e.cells, to)
	nulls := &vector.Nulls{Mem: mem, Rows: to - from}
	buf, out := vector.Alloc[decimal128.Num](mem, to-from)
	for i, c := range e.cells[from:to] {
		if out[i] = c.value; !c.has {
			nulls.Set(i)
		}
	}
	return vector.Make(e.typ.Arrow(), to-from, nulls, buf), nil
}

func (e *extremeDecimal) Bytes() int64 { return int64(len(e.cells)) * 32 }
