package parquetio

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// lateFilter reads the columns that a scan may prune by first, and tells for which rows the other columns are needed at
// all. Filters above the scan decide about every row again, so it may keep more rows than it has to, and stop.
type lateFilter struct {
	reads   map[int]bool     // columns of the scan that the predicates read
	columns []int            // the same in order
	schema  plan.Schema      // of those columns
	program *compute.Program // nil where there are only sets
	among   []membership
	rows    []int32 // scratch
	off     bool

	seen, kept int64 // rows
}

// membership is a column of the scan whose values are of use only if they are in a set.
type membership struct {
	column int
	set    *vector.Bitmap
}

// mayHold reports whether values within statistics can be in the set.
func (m membership) mayHold(s plan.ColumnStats) bool {
	return !s.HasBounds || s.Min.Null || s.Max.Null || m.set.AnyBetween(s.Min.Int, s.Max.Int)
}

// When late reading ends: after so many rows of which more than three quarters had to be read.
const lateTrial = 1 << 17

// gapRows is up to how many rows between two that are needed are read as well: to go on is cheaper than to stop.
const gapRows = 24

func newLateFilter(scan *plan.Scan, schema plan.Schema, among map[int]*vector.Bitmap) (lateFilter, error) {
	f := lateFilter{reads: map[int]bool{}}
	predicate := plan.And(scan.Prune...)
	if predicate == nil && len(among) == 0 {
		f.off = true
		return f, nil
	}
	if predicate != nil {
		predicate.Columns(f.reads)
	}
	for column, set := range among {
		f.reads[column] = true
		f.among = append(f.among, membership{column, set})
	}
	slices.SortFunc(f.among, func(a, b membership) int { return a.column - b.column })
	places := map[int]int{}
	for i := range schema.Fields {
		if f.reads[i] {
			places[i] = len(f.columns)
			f.columns = append(f.columns, i)
			f.schema.Fields = append(f.schema.Fields, schema.Fields[i])
		}
	}
	if len(f.columns) != len(f.reads) {
		return f, plan.Failf(plan.FailureInternal, "scan of %s: a predicate reads a column that is not there", scan.Source)
	}
	f.off = len(f.columns) == len(schema.Fields) || len(f.columns) == 0
	if f.off || predicate == nil {
		return f, nil
	}
	over := predicate.Transform(func(e *plan.Expr) *plan.Expr {
		if e.Op != plan.OpColumn {
			return e
		}
		c := *e
		c.Column = places[e.Column]
		return &c
	})
	var err error
	if f.program, err = compute.Compile(over, f.schema, plan.Session{}); err != nil {
		return f, plan.Failf(plan.FailureInternal, "scan of %s: %w", scan.Source, err)
	}
	return f, nil
}

// choose is the rows of a batch, by position, that have to be read; all of them when it pays no better.
func (f *lateFilter) choose(mem memory.Allocator, arrays []arrow.Array, rows int) (ranges, error) {
	read := make([]arrow.Array, len(f.columns))
	for i, c := range f.columns {
		read[i] = arrays[c]
	}
	rec := vector.NewRecord(f.schema, read, rows)
	defer rec.Release()
	if err := f.selectRows(mem, rec); err != nil {
		return nil, err
	}
	for _, m := range f.among {
		f.rows = m.set.Keep(arrays[m.column], f.rows)
	}
	chosen := nearRows(f.rows)
	f.seen += int64(rows)
	f.kept += chosen.rows()
	if f.seen >= lateTrial && f.kept > f.seen/4*3 {
		f.off = true
	}
	if chosen.rows() > int64(rows/2) {
		return allRows(int64(rows)), nil
	}
	return chosen, nil
}

// selectRows finds the rows of a batch for which the predicates are true.
func (f *lateFilter) selectRows(mem memory.Allocator, rec arrow.Record) (err error) {
	if f.program != nil {
		f.rows, err = f.program.Select(mem, rec, f.rows)
		return err
	}
	f.rows = f.rows[:0]
	for i := range int32(rec.NumRows()) {
		f.rows = append(f.rows, i)
	}
	return nil
}

// nearRows is rows in order, and those in small gaps between them.
func nearRows(rows []int32) (out ranges) {
	for _, row := range rows {
		at := int64(row)
		if n := len(out); n > 0 && at-out[n-1].to <= gapRows {
			out[n-1].to = at + 1
		} else {
			out = append(out, rowRange{at, at + 1})
		}
	}
	return out
}

// within maps positions in a batch made of some ranges to rows of the group.
func (r ranges) within(batch ranges) (out ranges) {
	at, next := int64(0), 0 // position of batch[next]
	for _, x := range r {
		for x.from < x.to {
			for x.from >= at+batch[next].to-batch[next].from {
				at += batch[next].to - batch[next].from
				next++
			}
			begin := batch[next].from + x.from - at
			n := min(x.to-x.from, batch[next].to-begin)
			out = append(out, rowRange{begin, begin + n})
			x.from += n
		}
	}
	return out
}

// takeRanges keeps some positions of an array that it takes over.
func takeRanges(mem memory.Allocator, arr arrow.Array, keep ranges) arrow.Array {
	defer arr.Release()
	idx := make([]int32, 0, keep.rows())
	for _, x := range keep {
		for i := x.from; i < x.to; i++ {
			idx = append(idx, int32(i))
		}
	}
	return vector.Take(mem, arr, idx)
}
