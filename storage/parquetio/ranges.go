package parquetio

import (
	"io"

	"github.com/quern-engine/quern/plan"
)

// rowRange is the rows of a row group from up to, not including, to.
type rowRange struct{ from, to int64 }

// ranges are rows of a row group: ascending, apart from each other, none empty.
type ranges []rowRange

func allRows(n int64) ranges { return ranges{{0, n}} }

// rows is how many there are.
func (r ranges) rows() (n int64) {
	for _, x := range r {
		n += x.to - x.from
	}
	return n
}

// add appends a range that begins no earlier than the last one.
func (r ranges) add(from, to int64) ranges {
	if from >= to {
		return r
	}
	if n := len(r); n > 0 && r[n-1].to >= from {
		r[n-1].to = max(r[n-1].to, to)
		return r
	}
	return append(r, rowRange{from, to})
}

func (r ranges) intersect(o ranges) (out ranges) {
	for i, j := 0, 0; i < len(r) && j < len(o); {
		out = out.add(max(r[i].from, o[j].from), min(r[i].to, o[j].to))
		if r[i].to < o[j].to {
			i++
		} else {
			j++
		}
	}
	return out
}

func (r ranges) union(o ranges) (out ranges) {
	for len(r) > 0 || len(o) > 0 {
		if len(o) == 0 || len(r) > 0 && r[0].from <= o[0].from {
			out, r = out.add(r[0].from, r[0].to), r[1:]
		} else {
			out, o = out.add(o[0].from, o[0].to), o[1:]
		}
	}
	return out
}

// cut takes up to n rows from the front.
func (r *ranges) cut(n int64) (out ranges) {
	for n > 0 && len(*r) > 0 {
		x := &(*r)[0]
		k := min(n, x.to-x.from)
		out = append(out, rowRange{x.from, x.from + k})
		if x.from += k; x.from == x.to {
			*r = (*r)[1:]
		}
		n -= k
	}
	return out
}

// spans is the way of a reader that stands at row from to row to, which reads these ranges.
func (r ranges) spans(from, to int64) []span {
	out := make([]span, 0, len(r)+1)
	for _, x := range r {
		out = append(out, span{skip: int(x.from - from), take: int(x.to - x.from)})
		from = x.to
	}
	if from < to {
		out = append(out, span{skip: int(to - from)})
	}
	return out
}

// pageStats is what the page index tells of a column.
type pageStats struct {
	index pageIndex
	stats []plan.ColumnStats
}

// pagePruner finds the rows whose pages may hold what is wanted.
type pagePruner struct {
	rows    int64
	columns []*pageStats // by ordinal in the scan's output; nil where nothing is known
}

// mayMatch is the rows that could make the predicate true, as far as it is about one column at a time.
func (p *pagePruner) mayMatch(e *plan.Expr) ranges {
	if e.Op != plan.OpCall {
		return allRows(p.rows)
	}
	switch e.Name {
	case "and":
		return p.mayMatch(e.Args[0]).intersect(p.mayMatch(e.Args[1]))
	case "or":
		return p.mayMatch(e.Args[0]).union(p.mayMatch(e.Args[1]))
	}
	read := map[int]bool{}
	e.Columns(read)
	if len(read) != 1 {
		return allRows(p.rows)
	}
	for column := range read {
		if column >= 0 && column < len(p.columns) && p.columns[column] != nil {
			return p.pages(e, column)
		}
	}
	return allRows(p.rows)
}

// pages is the rows of the pages of a column that could make the predicate true.
func (p *pagePruner) pages(e *plan.Expr, column int) (out ranges) {
	known := p.columns[column]
	g := groupStats{columns: make([]plan.ColumnStats, len(p.columns))}
	for i := range g.columns {
		g.columns[i].NullCount = -1
	}
	for i, s := range known.stats {
		from := known.index.pages[i].row
		g.rows, g.columns[column] = known.index.rowsOf(i), s
		if g.mayMatch(e) {
			out = out.add(from, from+g.rows)
		}
	}
	return out
}

// where is the rows of the pages whose statistics pass.
func (s *pageStats) where(ok func(plan.ColumnStats) bool) (out ranges) {
	for i, stats := range s.stats {
		if from := s.index.pages[i].row; ok(stats) {
			out = out.add(from, from+s.index.rowsOf(i))
		}
	}
	return out
}

// smallRead is up to how many bytes of a row group are rather read than their page indexes looked at.
const smallRead = 32 << 10

// prunePages finds the rows of a group that the page index does not rule out.
func (s *Scanner) prunePages(src io.ReaderAt, group int) (ranges, error) {
	rows := s.file.groups[group].NumRows
	p := pagePruner{rows: rows, columns: make([]*pageStats, len(s.columns))}
	some, size := false, int64(0)
	for _, span := range append(s.chunks(group, true), s.chunks(group, false)...) {
		size += span.To - span.From
	}
	if size < smallRead {
		return allRows(rows), nil
	}
	for _, i := range s.late.columns {
		c := s.flatColumn(i)
		if c == nil {
			continue
		}
		index, err := s.pageIndex(src, group, c)
		if err != nil {
			return nil, err
		}
		if len(index.pages) < 2 {
			continue
		}
		stats, err := s.file.readPageStats(src, group, c, index)
		if err != nil {
			return nil, err
		}
		if stats == nil {
			continue
		}
		for j := range stats {
			stats[j] = widenStats(stats[j], c.typ, s.schema.Fields[i].Type)
		}
		p.columns[i], some = &pageStats{index, stats}, true
	}
	out := allRows(rows)
	if !some {
		return out, nil
	}
	for _, e := range s.scan.Prune {
		out = out.intersect(p.mayMatch(e))
	}
	for _, m := range s.late.among {
		if p.columns[m.column] != nil {
			out = out.intersect(p.columns[m.column].where(m.mayHold))
		}
	}
	return out, nil
}

// flatColumn is the stored column of a column of the scan, or nil.
func (s *Scanner) flatColumn(i int) *column {
	if r := s.columns[i]; r != nil && r.shape.field != nil && r.shape.field.flat() {
		return r.shape.field.column
	}
	return nil
}

// pageIndex reads where the pages of a chunk of the current group are, once.
func (s *Scanner) pageIndex(src io.ReaderAt, group int, c *column) (pageIndex, error) {
	if x, ok := s.indexes[c.leaf]; ok {
		return x, nil
	}
	x, err := s.file.readPageIndex(src, group, c)
	if err == nil {
		s.indexes[c.leaf] = x
	}
	return x, err
}
