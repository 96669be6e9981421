package parquetio

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// page is a decoded data page: a value, or a code, for each row that is not NULL.
type page struct {
	values encoding.Values
	codes  []int32 // when coded; values has nothing else then
	coded  bool
	levels []byte // per row: 1 has a value, 0 is NULL; nil when all rows have one
	rows   int
}

// filler collects the rows of one column of a batch.
type filler interface {
	// begin starts a batch of rows rows.
	begin(mem memory.Allocator, rows int)
	// dictionary replaces the dictionary that codes refer to; codes already added keep their meaning.
	dictionary(mem memory.Allocator, values encoding.Values, n int) error
	// add appends the n rows from row at on, whose values begin at index dense, and returns how many values it used.
	add(p *page, at, dense, n int) (int, error)
	// finish returns the column and forgets the batch.
	finish() arrow.Array
	// drop forgets the batch and the dictionary.
	drop()
}

// columnReader delivers the rows of one column chunk after another.
type columnReader struct {
	col   column
	chunk unwrapper
	fill  filler

	pages   *parquet.FilePages
	current parquet.Page // what page's slices belong to
	dict    parquet.Dictionary
	page    page
	at      int // next row in page
	dense   int // next value in page
}

// start begins the chunk of a row group.
func (c *columnReader) start(f *file, group int, src io.ReaderAt) {
	c.stop()
	m := &f.groups[group].Columns[c.col.leaf].MetaData
	c.chunk.start(src, m)
	c.pages = f.decoder.RowGroups()[0].ColumnChunks()[c.col.index].(*parquet.FileColumnChunk).PagesFrom(&c.chunk)
}

// stop lets go of the chunk.
func (c *columnReader) stop() {
	c.fill.drop()
	if c.current != nil {
		parquet.Release(c.current)
	}
	if c.pages != nil {
		c.pages.Close()
	}
	c.pages, c.current, c.dict, c.page, c.at, c.dense = nil, nil, nil, page{}, 0, 0
}

// read makes an array of the next n rows.
func (c *columnReader) read(mem memory.Allocator, n int) (arrow.Array, error) {
	c.fill.begin(mem, n)
	for n > 0 {
		if c.at == c.page.rows {
			if err := c.nextPage(mem); err != nil {
				return nil, err
			}
			continue
		}
		k := min(n, c.page.rows-c.at)
		used, err := c.fill.add(&c.page, c.at, c.dense, k)
		if err != nil {
			return nil, err
		}
		c.at += k
		c.dense += used
		n -= k
	}
	return c.fill.finish(), nil
}

func (c *columnReader) nextPage(mem memory.Allocator) error {
	if c.current != nil {
		parquet.Release(c.current)
		c.current = nil
	}
	c.page, c.at, c.dense = page{}, 0, 0
	p, err := c.pages.ReadPage()
	if err != nil {
		if c.chunk.err != nil && !errors.Is(c.chunk.err, io.EOF) {
			return c.chunk.err // the cause, which the decoder may have replaced
		}
		if errors.Is(err, io.EOF) {
			return errors.New("the column chunk has fewer rows than the footer says")
		}
		return err
	}
	c.current = p
	c.page.rows = int(p.NumRows())
	c.page.values = p.Data()
	if d := p.Dictionary(); d != nil {
		c.page.codes, c.page.coded = c.page.values.Int32(), true
		if d != c.dict {
			if err := c.fill.dictionary(mem, d.Page().Data(), d.Len()); err != nil {
				return err
			}
			c.dict = d
		}
	}
	return c.checkPage(p.DefinitionLevels())
}

// checkPage sees that the page has as many values as its levels call for.
func (c *columnReader) checkPage(levels []byte) error {
	want := c.page.rows
	if c.col.optional {
		if len(levels) != c.page.rows {
			return fmt.Errorf("%d levels for %d rows", len(levels), c.page.rows)
		}
		if want = bytes.Count(levels, []byte{1}); want < c.page.rows {
			c.page.levels = levels
		}
	}
	if have := c.page.count(); have != want && !(c.page.values.Kind() == encoding.Boolean && have > want && have-want < 8) {
		return fmt.Errorf("%d values where %d are called for", have, want)
	}
	return nil
}

// count is how many values, or codes, the page has; booleans are stored by the byte, so up to seven are not there.
func (p *page) count() int {
	if p.coded {
		return len(p.codes)
	}
	v := &p.values
	switch v.Kind() {
	case encoding.Boolean:
		return len(v.Boolean()) * 8
	case encoding.ByteArray:
		_, offsets := v.ByteArray()
		return max(len(offsets)-1, 0)
	case encoding.FixedLenByteArray:
		data, size := v.FixedLenByteArray()
		return len(data) / max(size, 1)
	case encoding.Int32:
		return len(v.Int32())
	case encoding.Int64:
		return len(v.Int64())
	case encoding.Int96:
		return len(v.Int96())
	case encoding.Float:
		return len(v.Float())
	case encoding.Double:
		return len(v.Double())
	}
	return 0
}
