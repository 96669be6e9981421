package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// checkSorted reads the first two columns of a file, k and v: row after row k counts up from 0 to n, and v is the number
// that the input had beside it.
func checkSorted(path string, n, factor int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return err
	}
	first := int64(0)
	for _, group := range file.RowGroups() {
		chunks := group.ColumnChunks()
		for c, right := range []func(place, value int64) bool{
			func(place, k int64) bool { return k == place },
			func(place, v int64) bool { return v*factor%n == place },
		} {
			if err := eachValue(chunks[c], first, right); err != nil {
				return fmt.Errorf("column %d: %w", c, err)
			}
		}
		first += group.NumRows()
	}
	if first != n {
		return fmt.Errorf("%d rows, want %d", first, n)
	}
	return nil
}

// eachValue asks whether each value of a column is right at its place.
func eachValue(chunk parquet.ColumnChunk, place int64, right func(place, value int64) bool) error {
	pages := chunk.Pages()
	defer pages.Close()
	var values [1024]parquet.Value
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for reader := page.Values(); ; {
			n, err := reader.ReadValues(values[:])
			for _, v := range values[:n] {
				if !right(place, v.Int64()) {
					return fmt.Errorf("row %d has %d", place, v.Int64())
				}
				place++
			}
			if err != nil {
				parquet.Release(page)
				if errors.Is(err, io.EOF) {
					break
				}
				return err
			}
		}
	}
}
