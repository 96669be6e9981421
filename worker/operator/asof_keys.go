package operator

import (
	"bytes"
	"cmp"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/sortkey"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// clock is a column of times or keys that can be compared with another of the same type: as integers of the same order, or
// where there are none as bytes. A NULL compares with nothing.
type clock struct {
	ints []int64
	keys *sortkey.Keys
}

func newClock(rec arrow.Record, column int) clock {
	arr := rec.Column(column)
	c := clock{}
	switch arr.DataType().ID() {
	case arrow.INT8:
		c.ints = widened[int64](vector.Int8s(arr))
	case arrow.INT16:
		c.ints = widened[int64](vector.Int16s(arr))
	case arrow.INT32, arrow.DATE32, arrow.INTERVAL_MONTHS:
		c.ints = widened[int64](vector.Int32s(arr))
	case arrow.INT64, arrow.TIMESTAMP, arrow.DURATION:
		c.ints = vector.Int64s(arr)
	case arrow.FLOAT32:
		c.ints = orderedFloats(vector.Float32s(arr))
	case arrow.FLOAT64:
		c.ints = orderedFloats(vector.Float64s(arr))
	default:
		c.keys = sortkey.Encode(rec, []plan.SortKey{{Column: column}})
	}
	if c.keys == nil && len(c.ints) != arr.Len() { // all NULL, without a buffer
		c.ints = make([]int64, arr.Len())
	}
	return c
}

// orderedFloats maps floats to integers of SQL's order: -0.0 as 0.0, NaN greatest.
func orderedFloats[T float32 | float64](values []T) []int64 {
	out := make([]int64, len(values))
	for i, v := range values {
		bits := int64(hash.FloatBits(float64(v)))
		if bits < 0 {
			bits = ^bits ^ -1<<63
		}
		out[i] = bits
	}
	return out
}

// compare compares a row's value with one of another clock.
func (c *clock) compare(i int, d *clock, k int) int {
	if c.keys == nil {
		return cmp.Compare(c.ints[i], d.ints[k])
	}
	return bytes.Compare(c.keys.At(i), d.keys.At(k))
}

func (c *clock) bytes() int64 {
	if c.keys != nil {
		return c.keys.Bytes()
	}
	return 8 * int64(len(c.ints))
}

// copyTo makes d the value of one row.
func (c *clock) copyTo(d *clock, row int) {
	if c.keys == nil {
		d.ints = append(d.ints[:0], c.ints[row])
		return
	}
	if d.keys == nil {
		d.keys = &sortkey.Keys{}
	}
	d.keys.Copy(c.keys, row)
}

// asofKeys are the keys of rows, column by column.
type asofKeys []clock

func newAsofKeys(rec arrow.Record, columns []int) asofKeys {
	keys := make(asofKeys, len(columns))
	for i, c := range columns {
		keys[i] = newClock(rec, c)
	}
	return keys
}

// compare compares a row's keys with those of a row of another side or batch.
func (k asofKeys) compare(i int, l asofKeys, j int) int {
	for c := range k {
		if order := k[c].compare(i, &l[c], j); order != 0 {
			return order
		}
	}
	return 0
}

// fresh tells the rows whose keys are not those of the row before; the first always.
func (k asofKeys) fresh(rows int) []bool {
	out := make([]bool, rows)
	out[0] = true
	for c := range k {
		if ints := k[c].ints; k[c].keys == nil {
			for i := 1; i < rows; i++ {
				out[i] = out[i] || ints[i] != ints[i-1]
			}
			continue
		}
		for i := 1; i < rows; i++ {
			out[i] = out[i] || k[c].compare(i, &k[c], i-1) != 0
		}
	}
	return out
}

func (k asofKeys) bytes() int64 {
	n := int64(0)
	for c := range k {
		n += k[c].bytes()
	}
	return n
}

// copyTo makes held the keys of one row.
func (k asofKeys) copyTo(held *asofKeys, row int) {
	if *held == nil {
		*held = make(asofKeys, len(k))
	}
	for c := range k {
		k[c].copyTo(&(*held)[c], row)
	}
}
