// Package stats sums up the columns of a dataset: counts, bounds, moments, distinct values, quantiles and frequent values.
// A [Collector] takes in the rows of one shard, in order; what it makes is small, whatever the rows are, and a [Merge] of
// the shards in order is the dataset's. All of it is a function of the shards' rows in their order, not of batches, layouts
// or machines.
//
// Counts, bounds and (but for rounding) moments are exact. Distinct values are estimated by HyperLogLog with 2,048
// registers, whose standard error is 2.3 %. Quantiles and frequent values come from a sample of the rows of each shard:
// one from each block of equally many rows in succession, all of them up to 2,048 rows, 1,024 to 2,047 of more. A share
// p of a shard has a standard error of at most sqrt(p(1-p)/1024).
package stats

import (
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Column is what is known of a column of a shard.
type Column struct {
	Values int64         `json:"values"` // that are not NULL
	Nulls  int64         `json:"nulls"`
	NaNs   int64         `json:"nans,omitempty"` // among the values; they have no part in what follows but the distinct ones
	Min    *plan.Literal `json:"min,omitempty"`
	Max    *plan.Literal `json:"max,omitempty"`
	// Mean and Squares, the sum of squared distances from it, are of numbers; Unmeasured says that they are not finite.
	Mean       float64 `json:"mean,omitempty"`
	Squares    float64 `json:"squares,omitempty"`
	Unmeasured bool    `json:"unmeasured,omitempty"`
	// Registers are those of HyperLogLog; none of types without a hash of their own.
	Registers []byte `json:"registers,omitempty"`
	// Points are values of numbers and times in order, each standing for as many of the column's.
	Points []float64 `json:"points,omitempty"`
	// Frequent are values of the sample and how often they are in it; Sampled is how many values it has.
	Frequent []Frequency `json:"frequent,omitempty"`
	Sampled  int64       `json:"sampled,omitempty"`
}

// Frequency is a value and how often it was seen.
type Frequency struct {
	Value plan.Literal `json:"value"`
	Count int64        `json:"count"`
}

const (
	registerBits = 11
	// maxText is the longest text that statistics show, in bytes: a longer one is no bound and not counted as frequent.
	maxText = 64
)

// Collector takes in the rows of a shard. It is not safe for concurrent use.
type Collector struct {
	rows    int64
	sampler sampler
	columns []*column
	picked  []int32
}

// NewCollector is for rows of a schema.
func NewCollector(schema plan.Schema) *Collector {
	c := &Collector{sampler: newSampler()}
	for i, f := range schema.Fields {
		c.columns = append(c.columns, newColumn(i, f.Type))
	}
	return c
}

// Add takes in a batch, which stays the caller's.
func (c *Collector) Add(rec arrow.Record) {
	rows := rec.NumRows()
	for from := int64(0); from < rows; {
		n := min(rows-from, c.sampler.room()) // what is sampled from there on must be thinned first
		c.picked = c.sampler.pick(c.picked[:0], n)
		for _, col := range c.columns {
			col.sample(rec.Column(col.at), int32(from), c.picked)
		}
		if from += n; c.sampler.full() {
			keep := c.sampler.thin()
			for _, col := range c.columns {
				col.samples.thin(keep)
			}
		}
	}
	for _, col := range c.columns {
		col.add(rec)
	}
	c.rows += rows
}

// Bytes is the most memory that the collector takes, about.
func (c *Collector) Bytes() int64 {
	return int64(len(c.columns)) * (1<<registerBits + 2*sampleRows*(sampleSize+maxText/4))
}

// sampleSize is the memory of a value of the sample without its text.
const sampleSize = int64(unsafe.Sizeof(plan.Literal{}))

// Columns is what is known of each column.
func (c *Collector) Columns() []Column {
	out := make([]Column, len(c.columns))
	for i, col := range c.columns {
		out[i] = col.summary()
	}
	return out
}

// column collects one column.
type column struct {
	at        int
	of        plan.Type
	out       Column
	shift     float64 // the first number, from which others are measured
	sum       float64 // of distances from it
	square    float64
	registers []byte
	samples   samples
	ints      bounds[int64]
	floats    bounds[float64]
	decimals  bounds[decimal128.Num]
	texts     bounds[[]byte]
}

// bounds are the least and the greatest value.
type bounds[T any] struct {
	some     bool
	min, max T
}

func newColumn(at int, of plan.Type) *column {
	c := &column{at: at, of: of, samples: samples{of: of}}
	if !of.IsNested() && of.Kind != plan.KindNull {
		c.registers = make([]byte, 1<<registerBits)
	}
	return c
}

// add takes in all of a batch but the sample.
func (c *column) add(rec arrow.Record) {
	arr := rec.Column(c.at)
	valid := vector.ValidityOf(arr)
	before := c.out.Values
	if valid.AllValid() {
		c.out.Values += int64(arr.Len())
	} else {
		for i := range arr.Len() {
			if !valid.IsNull(i) {
				c.out.Values++
			}
		}
	}
	c.out.Nulls += int64(arr.Len()) - (c.out.Values - before)
	if c.registers == nil {
		return
	}
	switch c.of.Kind {
	case plan.KindBoolean:
		c.addBools(vector.Bools(arr), valid, arr.Len())
	case plan.KindInt8:
		addInts(c, vector.Int8s(arr), valid)
	case plan.KindInt16:
		addInts(c, vector.Int16s(arr), valid)
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		addInts(c, vector.Int32s(arr), valid)
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		addInts(c, vector.Int64s(arr), valid)
	case plan.KindFloat32:
		addFloats(c, vector.Float32s(arr), valid)
	case plan.KindFloat64:
		addFloats(c, vector.Float64s(arr), valid)
	case plan.KindDecimal:
		c.addDecimals(vector.Decimals(arr), valid)
	case plan.KindString, plan.KindBinary:
		c.addTexts(arr, valid)
	case plan.KindInterval:
		c.addIntervals(vector.Intervals(arr), valid)
	}
}
