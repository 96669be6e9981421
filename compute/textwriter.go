package compute

import (
	"encoding/base64"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// TextWriter writes values as CSV and JSON have them, for files of such rows: what [TextReader] reads. Unlike to_json and
// to_csv it writes timestamps to the microsecond unless a format says otherwise. It is not safe for concurrent use.
type TextWriter struct {
	codec     *textCodec
	keepNulls bool
	buf       []byte
}

// NewTextWriter takes the options that say how dates and times are written, by lower-case name, and "ignorenullfields"; it
// does not look at others.
func NewTextWriter(options map[string]string, s plan.Session) (*TextWriter, error) {
	in, err := newSession(s)
	if err != nil {
		return nil, err
	}
	o := textOptions(options)
	codec, err := newTextCodec(in, o)
	if err != nil {
		return nil, err
	}
	w := &TextWriter{codec: codec, keepNulls: !o.is("ignorenullfields", true)}
	if _, given := o["timestampformat"]; !given {
		codec.write[0] = nil
	}
	if _, given := o["timestampntzformat"]; !given {
		codec.write[1] = nil
	}
	return w, nil
}

// TextColumn is a column laid open for writing, value by value.
type TextColumn struct {
	of     plan.Type
	valid  vector.Validity
	bits   vector.Bits
	int8s  []int8
	int16s []int16
	int32s []int32
	int64s []int64
	floats []float32
	wide   []float64
	nums   []decimal128.Num
	texts  vector.Strings
	codes  []int32 // of texts; nil where these are the rows'
	lists  vector.Lists
	names  [][]byte // of a struct's fields, as JSON has them with a colon
	parts  []TextColumn
	arr    arrow.Array // of what has no faster form
}

// Column lays a column open. It is good as long as the column.
func (w *TextWriter) Column(arr arrow.Array, of plan.Type) TextColumn {
	c := TextColumn{of: of, valid: vector.ValidityOf(arr), arr: arr}
	switch of.Kind {
	case plan.KindBoolean:
		c.bits = vector.Bools(arr)
	case plan.KindInt8:
		c.int8s = vector.Int8s(arr)
	case plan.KindInt16:
		c.int16s = vector.Int16s(arr)
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		c.int32s = vector.Int32s(arr)
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		c.int64s = vector.Int64s(arr)
	case plan.KindFloat32:
		c.floats = vector.Float32s(arr)
	case plan.KindFloat64:
		c.wide = vector.Float64s(arr)
	case plan.KindDecimal:
		c.nums = vector.Decimals(arr)
	case plan.KindString, plan.KindBinary:
		if d, ok := vector.DictionaryOf(arr); ok {
			c.texts, c.codes = d.Values, d.Codes
		} else {
			c.texts = vector.StringsOf(arr)
		}
	case plan.KindStruct:
		for k, f := range vector.FieldsOf(arr) {
			c.names = append(c.names, JSONName(of.Children[k].Name))
			c.parts = append(c.parts, w.Column(f, of.Children[k].Type))
		}
	case plan.KindArray:
		c.lists = vector.ListsOf(arr)
		c.parts = []TextColumn{w.Column(c.lists.Elements, of.Element().Type)}
	case plan.KindMap:
		m := vector.MapsOf(arr)
		c.lists = m.Lists
		c.parts = []TextColumn{w.Column(m.Keys, of.MapKey().Type), w.Column(m.Values, of.MapValue().Type)}
	}
	return c
}

// IsNull reports that row i has no value.
func (c *TextColumn) IsNull(i int) bool { return c.valid.IsNull(i) }

// bytes is the text of row i.
func (c *TextColumn) bytes(i int) []byte {
	if c.codes != nil {
		i = int(c.codes[i])
	}
	return c.texts.At(i)
}

// AppendText appends a value that is neither NULL nor nested, without quotes; quoted reports whether JSON has it as a
// string.
func (w *TextWriter) AppendText(dst []byte, c *TextColumn, i int) (out []byte, quoted bool, err error) {
	switch c.of.Kind {
	case plan.KindBoolean:
		return strconv.AppendBool(dst, c.bits.At(i)), false, nil
	case plan.KindInt8:
		return strconv.AppendInt(dst, int64(c.int8s[i]), 10), false, nil
	case plan.KindInt16:
		return strconv.AppendInt(dst, int64(c.int16s[i]), 10), false, nil
	case plan.KindInt32:
		return strconv.AppendInt(dst, int64(c.int32s[i]), 10), false, nil
	case plan.KindInt64:
		return strconv.AppendInt(dst, c.int64s[i], 10), false, nil
	case plan.KindFloat32:
		v := float64(c.floats[i])
		return vector.AppendFloat(dst, v, 32), v-v != 0, nil
	case plan.KindFloat64:
		v := c.wide[i]
		return vector.AppendFloat(dst, v, 64), v-v != 0, nil // NaN and infinities have no form in JSON
	case plan.KindDecimal:
		return vector.AppendDecimal(dst, c.nums[i], c.of.Scale), false, nil
	case plan.KindString:
		return append(dst, c.bytes(i)...), true, nil
	case plan.KindBinary:
		return base64.StdEncoding.AppendEncode(dst, c.bytes(i)), true, nil
	case plan.KindTimestamp:
		if w.codec.write[0] == nil {
			t := newStamp(c.int64s[i], w.codec.zone)
			if dst = appendLocal(dst, t.local); t.offset == 0 {
				return append(dst, 'Z'), true, nil
			}
			return appendOffset(dst, t.offset, true, true, t.offset%60 != 0), true, nil
		}
	case plan.KindTimestampNTZ:
		if w.codec.write[1] == nil {
			return appendLocal(dst, c.int64s[i]), true, nil
		}
	}
	return w.codec.appendText(dst, c.arr, i, c.of)
}

// appendLocal appends a time as ISO 8601 has it, with as much of a fraction as there is.
func appendLocal(dst []byte, micros int64) []byte {
	days, of := splitDay(micros)
	dst = append(appendDate(dst, days), 'T')
	seconds := of / microsPerSecond
	dst = append(appendPadded(dst, seconds/3600, 2), ':')
	dst = append(appendPadded(dst, seconds/60%60, 2), ':')
	return appendFraction(appendPadded(dst, seconds%60, 2), of%microsPerSecond)
}

// AppendJSON appends a value as JSON.
func (w *TextWriter) AppendJSON(dst []byte, c *TextColumn, i int) ([]byte, error) {
	if c.valid.IsNull(i) {
		return append(dst, "null"...), nil
	}
	switch c.of.Kind {
	case plan.KindString:
		return appendJSONString(dst, view(c.bytes(i))), nil
	case plan.KindStruct:
		return w.AppendObject(dst, c.names, c.parts, i)
	case plan.KindArray:
		return w.appendArray(dst, c, i)
	case plan.KindMap:
		return w.appendMap(dst, c, i)
	}
	start := len(dst)
	dst, quoted, err := w.AppendText(dst, c, i)
	if err != nil || !quoted {
		return dst, err
	}
	w.buf = append(w.buf[:0], dst[start:]...)
	return appendJSONString(dst[:start], view(w.buf)), nil
}

// AppendObject appends row i of several columns as an object; names are as [JSONName] makes them.
func (w *TextWriter) AppendObject(dst []byte, names [][]byte, columns []TextColumn, i int) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for k := range columns {
		c := &columns[k]
		if !w.keepNulls && c.valid.IsNull(i) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, names[k]...)
		var err error
		if dst, err = w.AppendJSON(dst, c, i); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// JSONName is the name of an object's field with the colon behind it.
func JSONName(name string) []byte { return append(appendJSONString(nil, name), ':') }

func (w *TextWriter) appendArray(dst []byte, c *TextColumn, i int) ([]byte, error) {
	dst = append(dst, '[')
	from, to := c.lists.Range(i)
	for k := from; k < to; k++ {
		if k > from {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = w.AppendJSON(dst, &c.parts[0], k); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendMap writes keys as to_json does: as casts to string, but dates and timestamps as the numbers that they are.
func (w *TextWriter) appendMap(dst []byte, c *TextColumn, i int) ([]byte, error) {
	dst = append(dst, '{')
	keys := &c.parts[0]
	from, to := c.lists.Range(i)
	for k := from; k < to; k++ {
		if k > from {
			dst = append(dst, ',')
		}
		switch keys.of.Kind {
		case plan.KindString:
			dst = appendJSONString(dst, view(keys.bytes(k)))
		case plan.KindDate:
			dst = append(strconv.AppendInt(append(dst, '"'), int64(keys.int32s[k]), 10), '"')
		case plan.KindTimestamp, plan.KindTimestampNTZ:
			dst = append(strconv.AppendInt(append(dst, '"'), keys.int64s[k], 10), '"')
		default:
			dst = appendJSONString(dst, vector.Format(keys.arr, k))
		}
		dst = append(dst, ':')
		var err error
		if dst, err = w.AppendJSON(dst, &c.parts[1], k); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
