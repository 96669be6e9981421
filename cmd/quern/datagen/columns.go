package datagen

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// batchRows is how many rows are made before they are handed to the file: all columns of a batch fit the second cache.
// It decides where rows that are logged twice stand.
const batchRows = 4096

// columns is a batch under construction. Whoever fills it in writes to the slices of its columns, by the layout of
// their types, from row n on, and raises n.
type columns struct {
	n        int
	longs    [][]int64 // bigint and timestamp
	ints     [][]int32 // int, and strings as indices of the table's words
	doubles  [][]float64
	decimals [][]decimal128.Num
	nulls    [][]bool // of nullable columns

	mem    memory.Allocator
	schema plan.Schema
	bufs   []*memory.Buffer
	like   []arrow.Array // empty arrays with the words
}

func newColumns(mem memory.Allocator, t *table) *columns {
	width := len(t.schema.Fields)
	c := &columns{
		mem: mem, schema: t.schema, bufs: make([]*memory.Buffer, width), like: make([]arrow.Array, width),
		longs: make([][]int64, width), ints: make([][]int32, width), doubles: make([][]float64, width),
		decimals: make([][]decimal128.Num, width), nulls: make([][]bool, width),
	}
	for i, f := range t.schema.Fields {
		if f.Nullable {
			c.nulls[i] = make([]bool, batchRows)
		}
		if words, ok := t.words[i]; ok {
			c.like[i] = dictionary(mem, words)
		}
	}
	c.begin()
	return c
}

// dictionary is an empty array of the words' codes.
func dictionary(mem memory.Allocator, words []string) arrow.Array {
	b := array.NewStringBuilder(mem)
	defer b.Release()
	b.AppendValues(words, nil)
	values := b.NewArray()
	defer values.Release()
	none := array.NewInt32Builder(mem)
	defer none.Release()
	codes := none.NewArray()
	defer codes.Release()
	return array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, codes, values)
}

// begin gives the columns memory for another batch.
func (c *columns) begin() {
	c.n = 0
	for i, f := range c.schema.Fields {
		switch f.Type.Kind {
		case plan.KindInt32, plan.KindString:
			c.bufs[i], c.ints[i] = vector.Alloc[int32](c.mem, batchRows)
		case plan.KindFloat64:
			c.bufs[i], c.doubles[i] = vector.Alloc[float64](c.mem, batchRows)
		case plan.KindDecimal:
			c.bufs[i], c.decimals[i] = vector.Alloc[decimal128.Num](c.mem, batchRows)
		default:
			c.bufs[i], c.longs[i] = vector.Alloc[int64](c.mem, batchRows)
		}
	}
}

// record is the rows so far, which the caller releases; after it comes begin, or release.
func (c *columns) record() arrow.Record {
	arrays := make([]arrow.Array, len(c.bufs))
	for i, f := range c.schema.Fields {
		nulls := c.nullsOf(i)
		if c.like[i] != nil {
			arrays[i] = vector.MakeDictionary(c.like[i], c.n, nulls, c.bufs[i])
		} else {
			arrays[i] = vector.Make(f.Type.Arrow(), c.n, nulls, c.bufs[i])
		}
		c.bufs[i] = nil
	}
	rec := vector.NewRecord(c.schema, arrays, c.n)
	for _, a := range arrays {
		a.Release()
	}
	return rec
}

// nullsOf makes a bitmap of a column's NULLs and forgets them.
func (c *columns) nullsOf(column int) *vector.Nulls {
	nulls := &vector.Nulls{Mem: c.mem, Rows: c.n}
	if c.nulls[column] == nil {
		return nulls
	}
	for i, null := range c.nulls[column][:c.n] {
		if null {
			nulls.Set(i)
		}
	}
	clear(c.nulls[column][:c.n])
	return nulls
}

// copyRow makes a row like another.
func (c *columns) copyRow(to, from int) {
	for i := range c.bufs {
		switch {
		case c.longs[i] != nil:
			c.longs[i][to] = c.longs[i][from]
		case c.ints[i] != nil:
			c.ints[i][to] = c.ints[i][from]
		case c.doubles[i] != nil:
			c.doubles[i][to] = c.doubles[i][from]
		default:
			c.decimals[i][to] = c.decimals[i][from]
		}
		if c.nulls[i] != nil {
			c.nulls[i][to] = c.nulls[i][from]
		}
	}
}

// release gives the memory back.
func (c *columns) release() {
	for i := range c.bufs {
		if c.bufs[i] != nil {
			c.bufs[i].Release()
		}
		if c.like[i] != nil {
			c.like[i].Release()
		}
	}
}

// cents is an amount of money as a decimal with two places.
func cents(n int64) decimal128.Num { return decimal128.FromI64(n) }
