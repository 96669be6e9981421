package sortkey

import (
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// To sort many rows is mostly to move their values: taken in order, each comes from another end of memory. So the rows are
// divided into groups that follow one another first, and put side by side by [vector.GroupRecords]; then each group is sorted,
// and its values are near each other.

const (
	// manyRows is from how many rows on it is worth it: a column of fewer fits the cache of a core.
	manyRows = 1 << 16
	// leastGrouped is how many rows a group has at least, if its first bits are not those of fewer.
	leastGrouped = 1 << 10
	// prefixBits is how many bits of the heads groups are told by, at most: the counts fit a near cache.
	prefixBits = 14
)

// Grouped is rows of several batches, divided into groups by their keys.
type Grouped struct {
	vector.Groups[uint8]
	sorter *rowSorter
	heads  [][]uint64 // by batch
	ends   []int      // of the groups, in rows
}

// GroupRows divides the rows of batches so that those of one group come before those of the next in the order of
// [OrderRows]. ok is false where they are few, or too much alike in what their keys begin with.
func GroupRows(batches []arrow.Record, keys []plan.SortKey) (g *Grouped, ok bool) {
	rows := 0
	for _, rec := range batches {
		rows += int(rec.NumRows())
	}
	if rows < manyRows {
		return nil, false
	}
	g = &Grouped{sorter: newRowSorter(batches, keys)}
	heads := g.sorter.pack()
	shift := max(g.sorter.used-prefixBits, 0)
	counts := make([]int, 1<<(g.sorter.used-shift))
	for _, h := range heads {
		counts[h>>shift]++
	}
	groupOf := g.divide(counts, max(rows/128, leastGrouped))
	if len(g.ends) == 1 {
		g.sorter.forget()
		return nil, false
	}
	of := room(&g.sorter.room.of, rows)
	for i, h := range heads {
		of[i] = groupOf[h>>shift]
	}
	g.N = len(g.ends)
	for _, rec := range batches {
		n := rec.NumRows()
		g.heads, g.Of = append(g.heads, heads[:n]), append(g.Of, of[:n])
		heads, of = heads[n:], of[n:]
	}
	return g, true
}

// divide makes groups of about target rows, or of one prefix, and says of each prefix which group it belongs to.
func (g *Grouped) divide(counts []int, target int) (groupOf []uint8) {
	groupOf = make([]uint8, len(counts))
	here, all := 0, 0
	for prefix, n := range counts {
		if here > 0 && here+n > target && len(g.ends) < 255 {
			g.ends = append(g.ends, all)
			here = 0
		}
		groupOf[prefix] = uint8(len(g.ends))
		here, all = here+n, all+n
	}
	g.ends = append(g.ends, all)
	return groupOf
}

// Order is the order of the rows, as numbers of the rows of rec: what GroupRecords makes of the batches.
func (g *Grouped) Order(rec arrow.Record) []int32 {
	s := g.sorter
	s.batches, s.lanes = []arrow.Record{rec}, map[int][]column{}
	defer s.forget()
	rows := int(rec.NumRows())
	s.entries = room(&s.room.entries, rows)
	heads := room(&s.room.grouped, rows)
	vector.GroupFixed(heads, g.Groups, g.heads)
	for i, h := range heads {
		s.entries[i] = placed{h, vector.Pick{Row: int32(i)}}
	}
	g.heads, g.Of = nil, nil
	spare, from := room(&s.room.spare, rows), 0
	for _, to := range g.ends {
		part, differ := s.entries[from:to], uint64(0)
		for i := range part {
			differ |= part[i].head ^ part[0].head
		}
		sortByHeads(part, spare[from:to], bits.Len64(differ))
		from = to
	}
	s.sortRuns()
	order := make([]int32, len(s.entries))
	for i, e := range s.entries {
		order[i] = e.at.Row
	}
	return order
}
