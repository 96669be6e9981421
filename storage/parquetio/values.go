package parquetio

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/parquet-go/parquet-go"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// valueColumn turns rows of one column into parquet-go's values.
type valueColumn struct {
	field  plan.Field
	index  int
	level  int // definition level of a value
	values []parquet.Value

	words []parquet.Value // of the dictionary that batches shared last
	of    vector.Dictionary
	kept  arrow.Array // keeps the dictionary's memory, which words refer to
}

func newValueColumn(f plan.Field, index int) *valueColumn {
	c := &valueColumn{field: f, index: index}
	if f.Nullable {
		c.level = 1
	}
	return c
}

// add appends rows from up to to of arr.
func (c *valueColumn) add(arr arrow.Array, from, to int) error {
	start := len(c.values)
	if dict, ok := vector.DictionaryOf(arr); ok {
		c.addCodes(arr, dict, from, to)
	} else if err := c.addPlain(arr, from, to); err != nil {
		return err
	}
	if arr.NullN() == 0 {
		return nil
	}
	null := parquet.NullValue().Level(0, 0, c.index)
	for i := from; i < to; i++ {
		if arr.IsValid(i) {
			continue
		}
		if !c.field.Nullable {
			return plan.Failf(plan.FailureInternal, "column %s is declared NOT NULL but holds NULL", c.field.Name)
		}
		c.values[start+i-from] = null
	}
	return nil
}

// addCodes makes the dictionary's values once for all batches that share it.
func (c *valueColumn) addCodes(arr arrow.Array, dict vector.Dictionary, from, to int) {
	if c.kept == nil || !dict.SameValues(c.of) {
		c.forget()
		arr.Retain()
		c.kept, c.of = arr, dict
		c.words = c.words[:0]
		for i := range dict.Values.Len() {
			c.words = append(c.words, parquet.ByteArrayValue(dict.Values.At(i)).Level(0, c.level, c.index))
		}
	}
	for _, code := range dict.Codes[from:to] {
		var v parquet.Value
		if uint(code) < uint(len(c.words)) { // a NULL row's code may be anything
			v = c.words[code]
		}
		c.values = append(c.values, v)
	}
}

func (c *valueColumn) forget() {
	if c.kept != nil {
		c.kept.Release()
		c.kept = nil
	}
}

func (c *valueColumn) addPlain(arr arrow.Array, from, to int) error {
	switch c.field.Type.Kind {
	case plan.KindBoolean:
		bits := vector.Bools(arr)
		for i := from; i < to; i++ {
			c.push(parquet.BooleanValue(bits.At(i)))
		}
	case plan.KindInt8:
		addInts(c, vector.Int8s(arr)[from:to])
	case plan.KindInt16:
		addInts(c, vector.Int16s(arr)[from:to])
	case plan.KindInt32, plan.KindDate:
		addInts(c, vector.Int32s(arr)[from:to])
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ:
		out := c.extend(to - from)
		for i, v := range vector.Int64s(arr)[from:to] {
			out[i] = parquet.Int64Value(v)
		}
		c.levels(out)
	case plan.KindFloat32:
		out := c.extend(to - from)
		for i, v := range vector.Float32s(arr)[from:to] {
			out[i] = parquet.FloatValue(v)
		}
		c.levels(out)
	case plan.KindFloat64:
		out := c.extend(to - from)
		for i, v := range vector.Float64s(arr)[from:to] {
			out[i] = parquet.DoubleValue(v)
		}
		c.levels(out)
	case plan.KindDecimal:
		c.addDecimals(vector.Decimals(arr)[from:to])
	case plan.KindString, plan.KindBinary:
		words := vector.StringsOf(arr)
		for i := from; i < to; i++ {
			c.push(parquet.ByteArrayValue(words.At(i)))
		}
	default:
		return plan.Failf(plan.FailureInternal, "column %s of type %s cannot be written", c.field.Name, c.field.Type)
	}
	return nil
}

func (c *valueColumn) push(v parquet.Value) {
	c.values = append(c.values, v.Level(0, c.level, c.index))
}

// extend makes room for n values more, to be filled in.
func (c *valueColumn) extend(n int) []parquet.Value {
	at := len(c.values)
	c.values = slices.Grow(c.values, n)[:at+n]
	return c.values[at:]
}

// levels says that values are there. That takes a loop of its own, because Value.Level is not inlined; parquet-go reads
// neither the levels of a required column nor, when it is given one column's values, the number of the column.
func (c *valueColumn) levels(out []parquet.Value) {
	if c.level == 0 {
		return
	}
	for i := range out {
		out[i].SetDefinitionLevel(c.level)
	}
}

// addInts widens to the physical type.
func addInts[T int8 | int16 | int32](c *valueColumn, src []T) {
	out := c.extend(len(src))
	for i, v := range src {
		out[i] = parquet.Int32Value(int32(v))
	}
	c.levels(out)
}

func (c *valueColumn) addDecimals(src []decimal128.Num) {
	switch p := c.field.Type.Precision; {
	case p <= 9:
		for _, v := range src {
			c.push(parquet.Int32Value(int32(v.LowBits())))
		}
	case p <= 18:
		for _, v := range src {
			c.push(parquet.Int64Value(int64(v.LowBits())))
		}
	default:
		wide := make([]byte, 16*len(src)) // lives until the values are handed over
		for i, v := range src {
			b := wide[16*i : 16*i+16]
			binary.BigEndian.PutUint64(b, uint64(v.HighBits()))
			binary.BigEndian.PutUint64(b[8:], v.LowBits())
			c.push(parquet.FixedLenByteArrayValue(b))
		}
	}
}
