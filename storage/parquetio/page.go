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

// page is a decoded data page: a value, or a code, for each place that is not NULL.
type page struct {
	values encoding.Values
	codes  []int32 // when coded; values has nothing else then
	coded  bool

	// entries is how many pairs of levels there are. The slices are nil where all levels are 0.
	entries    int
	defs, reps []byte
	// levels has, for each place of a value, 1 when there is one and 0 for NULL; nil when all places have one. In a flat
	// column an entry is a place, and a row.
	levels []byte
}

// filler collects the values of one leaf of a batch.
type filler interface {
	// begin starts a batch of so many values, NULLs included.
	begin(mem memory.Allocator, rows int)
	// dictionary replaces the dictionary that codes refer to; codes already added keep their meaning.
	dictionary(mem memory.Allocator, values encoding.Values, n int) error
	// add appends the n places from place at on, whose values begin at index dense, and returns how many values it used.
	add(p *page, at, dense, n int) (int, error)
	// finish returns the column and forgets the batch.
	finish() arrow.Array
	// drop forgets the batch and the dictionary.
	drop()
}

// span is a run of rows to leave out, and one to read.
type span struct{ skip, take int }

// leafReader delivers the values of one column chunk after another.
type leafReader struct {
	col   *column
	chunk unwrapper
	fill  filler

	pages   *parquet.FilePages
	current parquet.Page // what page's slices belong to
	dict    parquet.Dictionary
	page    page
	places  []byte // that page.levels is cut from
	at      int    // next entry of page
	place   int    // its place, or the next
	dense   int    // next value of page
	pending int    // rows to leave out before the next that is read

	// Of the batch being read, in a nested column.
	defs, reps []byte
}

// start begins the chunk of a row group.
func (c *leafReader) start(f *file, group int, src io.ReaderAt, index pageIndex, ahead int64) {
	c.stop()
	c.chunk.start(src, c.col, &f.groups[group].Columns[c.col.leaf].MetaData, index, ahead)
	var chunk parquet.ColumnChunk = f.decoder.RowGroups()[0].ColumnChunks()[c.col.index]
	c.pages = chunk.(*parquet.FileColumnChunk).PagesFrom(&c.chunk)
}

// stop lets go of the chunk.
func (c *leafReader) stop() {
	c.fill.drop()
	if c.current != nil {
		parquet.Release(c.current)
	}
	if c.pages != nil {
		c.pages.Close()
	}
	c.pages, c.current, c.dict, c.page, c.at, c.place, c.dense, c.pending = nil, nil, nil, page{}, 0, 0, 0, 0
}

// flat reports a leaf of one place a row.
func (c *leafReader) flat() bool { return c.col.rep == 0 && c.col.def <= 1 }

// readFlat makes an array of rows of a flat column.
func (c *leafReader) readFlat(mem memory.Allocator, spans []span) (arrow.Array, error) {
	rows := 0
	for _, s := range spans {
		rows += s.take
	}
	c.fill.begin(mem, rows)
	for _, s := range spans {
		c.pending += s.skip
		for left := s.take; left > 0; {
			if err := c.skipFlat(mem); err != nil {
				return nil, err
			}
			k := min(left, c.page.entries-c.at)
			used, err := c.fill.add(&c.page, c.at, c.dense, k)
			if err != nil {
				return nil, err
			}
			c.at += k
			c.dense += used
			left -= k
		}
	}
	return c.fill.finish(), nil
}

// skipFlat leaves out the pending rows, and sees that there is a row in the page after them.
func (c *leafReader) skipFlat(mem memory.Allocator) error {
	for c.pending > 0 || c.at == c.page.entries {
		if c.at == c.page.entries {
			if err := c.nextPage(mem); err != nil {
				return err
			}
			continue
		}
		k := min(c.pending, c.page.entries-c.at)
		c.dense += c.page.count(c.at, k)
		c.at += k
		c.pending -= k
	}
	return nil
}

// count is how many of n places have a value.
func (p *page) count(at, n int) int {
	if p.levels == nil {
		return n
	}
	return bytes.Count(p.levels[at:at+n], []byte{1})
}

// nextPage decodes the next page. Pages that lie within the rows that are pending it leaves out where it can.
func (c *leafReader) nextPage(mem memory.Allocator) error {
	if c.current != nil {
		parquet.Release(c.current)
		c.current = nil
	}
	c.page, c.at, c.place, c.dense = page{}, 0, 0, 0
	c.chunk.skip, c.chunk.skipped = int64(c.pending), 0
	p, err := c.pages.ReadPage()
	c.pending -= int(c.chunk.skipped)
	c.chunk.skip = 0
	if err != nil {
		if c.chunk.err != nil && !errors.Is(c.chunk.err, io.EOF) {
			return c.chunk.err // the cause, which the decoder may have replaced
		}
		if errors.Is(err, io.EOF) && c.chunk.skipped > 0 {
			return nil // all that was left
		}
		if errors.Is(err, io.EOF) {
			return errors.New("the column chunk has fewer rows than the footer says")
		}
		return err
	}
	c.current = p
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
	c.page.entries = int(p.NumValues())
	return c.setLevels(p)
}

// setLevels takes over the levels of a page, and sees that it has as many values as they call for.
func (c *leafReader) setLevels(p parquet.Page) error {
	pg, want := &c.page, c.page.entries
	if c.col.def > 0 {
		if pg.defs = p.DefinitionLevels(); len(pg.defs) != pg.entries {
			return fmt.Errorf("%d definition levels for %d values", len(pg.defs), pg.entries)
		}
		want = bytes.Count(pg.defs, []byte{c.col.def})
	}
	if c.col.rep > 0 {
		if pg.reps = p.RepetitionLevels(); len(pg.reps) != pg.entries {
			return fmt.Errorf("%d repetition levels for %d values", len(pg.reps), pg.entries)
		}
	}
	if have := pg.stored(); have != want && !(pg.values.Kind() == encoding.Boolean && have > want && have-want < 8) {
		return fmt.Errorf("%d values where %d are called for", have, want)
	}
	if !c.flat() {
		return c.setPlaces()
	}
	if want < pg.entries {
		pg.levels = pg.defs
	}
	return nil
}

// stored is how many values, or codes, the page has; booleans are stored by the byte, so up to seven are not there.
func (p *page) stored() int {
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
