package parquetio

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
)

// setPlaces finds the places of values among the entries of a page of a nested column: entries below the level of a
// place say that a list around it is empty or NULL.
func (c *leafReader) setPlaces() error {
	pg, def, slot := &c.page, c.col.def, c.col.slot
	for _, d := range pg.defs {
		if d > def {
			return fmt.Errorf("definition level %d where %d is the highest", d, def)
		}
	}
	for _, r := range pg.reps {
		if r > c.col.rep {
			return fmt.Errorf("repetition level %d where %d is the highest", r, c.col.rep)
		}
	}
	if def == slot {
		return nil // a place is a value
	}
	if cap(c.places) < len(pg.defs) {
		c.places = make([]byte, len(pg.defs))
	}
	places, n := c.places[:len(pg.defs)], 0
	for _, d := range pg.defs {
		var has byte
		if d == def {
			has = 1
		}
		places[n] = has
		if d >= slot {
			n++
		}
	}
	pg.levels = places[:n]
	return nil
}

// readNested makes an array of the places in some rows; their levels are in defs and reps then.
func (c *leafReader) readNested(mem memory.Allocator, spans []span) (arr arrow.Array, err error) {
	c.defs, c.reps = c.defs[:0], c.reps[:0]
	var parts []arrow.Array
	defer func() {
		for _, p := range parts {
			p.Release()
		}
	}()
	for _, s := range spans {
		c.pending += s.skip
		if s.take == 0 {
			continue
		}
		if err := c.skipRows(mem); err != nil {
			return nil, err
		}
		err := c.rows(mem, s.take, func(n int) error {
			part, err := c.take(mem, n)
			if err == nil {
				parts = append(parts, part)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(parts) == 0 {
		c.fill.begin(mem, 0)
		return c.fill.finish(), nil
	}
	return vector.Concat(mem, parts)
}

// skipRows leaves out the pending rows.
func (c *leafReader) skipRows(mem memory.Allocator) error {
	for c.pending > 0 {
		if c.at == c.page.entries {
			if err := c.nextPage(mem); err != nil {
				return err
			}
			continue
		}
		// One page's at a time, so that whole pages after it can be left out unread.
		rows := min(c.pending, c.rowsBegun())
		c.pending -= rows
		err := c.rows(mem, rows, func(n int) error {
			c.advance(n)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsBegun is how many rows begin in what is left of the page.
func (c *leafReader) rowsBegun() int {
	if c.page.reps == nil {
		return c.page.entries - c.at
	}
	return bytes.Count(c.page.reps[c.at:], []byte{0})
}

// rows calls visit with the numbers of entries that make up n rows, page by page.
func (c *leafReader) rows(mem memory.Allocator, n int, visit func(entries int) error) error {
	for begun := 0; ; {
		if c.at == c.page.entries {
			if begun == n && (c.page.reps == nil || len(c.chunk.index.pages) > 0 || c.chunk.done()) {
				return nil
			}
			if err := c.nextPage(mem); err != nil {
				return err
			}
			continue
		}
		if begun == 0 && c.page.reps != nil && c.page.reps[c.at] != 0 {
			return errors.New("a row begins in its middle")
		}
		entries, rows := c.run(n - begun)
		if entries == 0 {
			return nil // the next row
		}
		begun += rows
		if err := visit(entries); err != nil {
			return err
		}
	}
}

// run is how many entries of the page go on with the current row and up to n more.
func (c *leafReader) run(n int) (entries, rows int) {
	if c.page.reps == nil {
		rows = min(n, c.page.entries-c.at)
		return rows, rows
	}
	reps := c.page.reps[c.at:]
	for i, r := range reps {
		if r != 0 {
			continue
		}
		if rows == n {
			return i, rows
		}
		rows++
	}
	return len(reps), rows
}

// take makes an array of the places among the next n entries of the page.
func (c *leafReader) take(mem memory.Allocator, n int) (arrow.Array, error) {
	place, dense, at := c.place, c.dense, c.at
	c.advance(n)
	if c.page.defs != nil {
		c.defs = append(c.defs, c.page.defs[at:at+n]...)
	}
	if c.page.reps != nil {
		c.reps = append(c.reps, c.page.reps[at:at+n]...)
	}
	c.fill.begin(mem, c.place-place)
	if _, err := c.fill.add(&c.page, place, dense, c.place-place); err != nil {
		return nil, err
	}
	return c.fill.finish(), nil
}

// advance steps over entries of the page.
func (c *leafReader) advance(n int) {
	places := n
	if c.page.defs != nil {
		defs := c.page.defs[c.at : c.at+n]
		places = 0
		for _, d := range defs {
			if d >= c.col.slot {
				places++
			}
		}
		c.dense += bytes.Count(defs, []byte{c.col.def})
	} else {
		c.dense += n
	}
	c.at += n
	c.place += places
}
