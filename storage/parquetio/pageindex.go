package parquetio

import (
	"bytes"
	"errors"
	"io"
	"sort"

	"github.com/quern-engine/quern/plan"
)

// maxIndexBytes is up to how large an index or a filter of a column chunk is read.
const maxIndexBytes = 16 << 20

// The parts of the page index that are read.
type (
	offsetIndexMeta struct {
		Pages []pageLocation `thrift:"1,required"`
	}
	pageLocation struct {
		Offset   int64 `thrift:"1,required"`
		Size     int32 `thrift:"2,required"`
		FirstRow int64 `thrift:"3,required"`
	}
	columnIndexMeta struct {
		NullPages  []bool   `thrift:"1,required"`
		Min        [][]byte `thrift:"2,required"`
		Max        [][]byte `thrift:"3,required"`
		NullCounts []int64  `thrift:"5,optional"`
	}
)

// pageIndex tells where the data pages of a chunk are, and which rows they hold. Pages of an indexed chunk begin with
// rows.
type pageIndex struct {
	pages []pagePlace
	rows  int64 // of the chunk
}

type pagePlace struct {
	offset int64 // in the file
	row    int64 // the first
}

// find is the page that holds a row; beyond the last when none does.
func (x *pageIndex) find(row int64) int {
	if row >= x.rows {
		return len(x.pages)
	}
	return sort.Search(len(x.pages), func(i int) bool { return x.pages[i].row > row }) - 1
}

func (x *pageIndex) rowsOf(page int) int64 {
	if page+1 < len(x.pages) {
		return x.pages[page+1].row - x.pages[page].row
	}
	return x.rows - x.pages[page].row
}

// readPageIndex reads the offset index of a chunk; it is empty when there is none.
func (f *file) readPageIndex(src io.ReaderAt, group int, c *column) (pageIndex, error) {
	chunk, rows := &f.groups[group].Columns[c.leaf], f.groups[group].NumRows
	var meta offsetIndexMeta
	if ok, err := f.readIndex(src, chunk.OffsetIndexOffset, chunk.OffsetIndexLength, &meta); !ok || err != nil {
		return pageIndex{}, err
	}
	x := pageIndex{rows: rows, pages: make([]pagePlace, len(meta.Pages))}
	m := &chunk.MetaData
	least, end, row := m.start(), m.start()+m.TotalCompressedSize, int64(-1)
	for i, p := range meta.Pages {
		if p.Offset < least || p.Offset >= end || p.FirstRow <= row || p.FirstRow >= rows || i == 0 && p.FirstRow != 0 {
			return pageIndex{}, errors.New("the offset index contradicts the footer")
		}
		x.pages[i] = pagePlace{offset: p.Offset, row: p.FirstRow}
		least, row = p.Offset+1, p.FirstRow
	}
	return x, nil
}

// readIndex reads a part of the file that the footer points to, if it does and it is of decent size.
func (f *file) readIndex(src io.ReaderAt, offset int64, length int32, to any) (bool, error) {
	if offset <= 0 || length <= 0 || length > maxIndexBytes {
		return false, nil
	}
	if offset > f.size-int64(length) {
		return false, errors.New("an index lies beyond the end of the file")
	}
	buf := make([]byte, length)
	if err := readFull(src, buf, offset); err != nil {
		return false, err
	}
	return true, decodeThrift(buf, to)
}

// readPageStats reads the column index of a chunk of flat values: what is known of each page, or nil.
func (f *file) readPageStats(src io.ReaderAt, group int, c *column, x pageIndex) ([]plan.ColumnStats, error) {
	chunk, pages := &f.groups[group].Columns[c.leaf], len(x.pages)
	var meta columnIndexMeta
	if ok, err := f.readIndex(src, chunk.ColumnIndexOffset, chunk.ColumnIndexLength, &meta); !ok || err != nil {
		return nil, err
	}
	if len(meta.NullPages) != pages || len(meta.Min) != pages || len(meta.Max) != pages {
		return nil, errors.New("the column index contradicts the offset index")
	}
	out := make([]plan.ColumnStats, pages)
	for i := range out {
		s := &out[i]
		s.NullCount = -1
		if len(meta.NullCounts) == pages && meta.NullCounts[i] >= 0 && meta.NullCounts[i] <= x.rowsOf(i) {
			s.NullCount = meta.NullCounts[i]
		}
		if c.def == 0 {
			s.NullCount = 0
		}
		if meta.NullPages[i] {
			s.NullCount = x.rowsOf(i)
			continue
		}
		// Other than those of a whole chunk, bounds of pages have been allowed to be cut short from the beginning, if the
		// upper one is raised. What consists of nothing but the greatest byte cannot be.
		stored := statsMeta{MinValue: meta.Min[i], MaxValue: meta.Max[i]}
		stored.MaxExact.Valid = len(bytes.TrimLeft(meta.Max[i], "\xff")) > 0
		c.setBounds(s, f.bounds(&stored, c))
	}
	return out, nil
}
