package operator

import (
	"context"
	"io"
	"math/bits"
	"sort"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// bitset is a set of row numbers.
type bitset []uint64

func (b *bitset) add(i int) {
	for i>>6 >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

// next is the first member from i on, or limit if there is none below it.
func (b bitset) next(i, limit int) int {
	for w := i >> 6; w < len(b); w++ {
		word := b[w]
		if w == i>>6 {
			word &= ^uint64(0) << (i & 63)
		}
		if word != 0 {
			return min(limit, w<<6+bits.TrailingZeros64(word))
		}
	}
	return limit
}

func (b bitset) has(i int) bool { return i>>6 < len(b) && b[i>>6]>>(i&63)&1 != 0 }

// segment is a run of whole partitions: many small ones in memory, or a single one, on scratch if it is too large. Rows
// are numbered from 0.
type segment struct {
	schema plan.Schema
	rows   int
	recs   []arrow.Record // in memory
	file   SpillFile      // or on scratch
	parts  []int          // where partitions begin, and the end
	peers  bitset         // where a row has other sort keys than the one before, or begins a partition
}

func (s *segment) close() error {
	releaseRecords(s.recs)
	s.recs = nil
	if s.file == nil {
		return nil
	}
	err := s.file.Remove()
	s.file = nil
	return err
}

// chunk is the rows that are put out as one batch, and where the partition and the peers of each lie.
type chunk struct {
	rec                                    arrow.Record
	from, to                               int
	partStart, partEnd, peerStart, peerEnd []int
	part                                   []int32 // number of the partition in the segment
}

// describe fills in where partitions and peers lie.
func (s *segment) describe(c *chunk) {
	n := c.to - c.from
	for _, p := range []*[]int{&c.partStart, &c.partEnd, &c.peerStart, &c.peerEnd} {
		*p = make([]int, n)
	}
	c.part = make([]int32, n)
	p := sort.SearchInts(s.parts, c.from+1) - 1
	peerStart := s.peerBefore(c.from, s.parts[p])
	peerEnd := s.peers.next(c.from+1, s.parts[p+1])
	for i := c.from; i < c.to; i++ {
		if i == s.parts[p+1] {
			p++
			peerStart, peerEnd = i, s.peers.next(i+1, s.parts[p+1])
		} else if i == peerEnd {
			peerStart, peerEnd = i, s.peers.next(i+1, s.parts[p+1])
		}
		k := i - c.from
		c.partStart[k], c.partEnd[k], c.peerStart[k], c.peerEnd[k] = s.parts[p], s.parts[p+1], peerStart, peerEnd
		c.part[k] = int32(p)
	}
}

// peerBefore is where the peers of row i begin, not before least.
func (s *segment) peerBefore(i, least int) int {
	for w := i >> 6; w >= 0 && w >= least>>6; w-- {
		if w >= len(s.peers) {
			continue
		}
		word := s.peers[w]
		if w == i>>6 && i&63 != 63 {
			word &= 1<<(i&63+1) - 1
		}
		if word != 0 {
			return max(least, w<<6+63-bits.LeadingZeros64(word))
		}
	}
	return least
}

// cursor reads a segment once from its beginning, and keeps what lies between the row forgotten last and the row asked
// for last. Several cursors may read one segment.
type cursor struct {
	seg    *segment
	reader SpillReader
	pieces []piece
	loaded int // rows read
	next   int // of seg.recs
}

// piece is a batch and its place in the segment.
type piece struct {
	rec      arrow.Record
	from, to int
}

// load reads up to, not including, row to.
func (c *cursor) load(ctx context.Context, to int) error {
	for c.loaded < to {
		rec, err := c.read(ctx)
		if err != nil {
			return err
		}
		n := int(rec.NumRows())
		c.pieces = append(c.pieces, piece{rec, c.loaded, c.loaded + n})
		c.loaded += n
	}
	return nil
}

func (c *cursor) read(ctx context.Context) (arrow.Record, error) {
	if c.seg.file == nil {
		rec := c.seg.recs[c.next]
		c.next++
		rec.Retain()
		return rec, nil
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if c.reader == nil {
		var err error
		if c.reader, err = c.seg.file.Reader(); err != nil {
			return nil, err
		}
	}
	rec, err := c.reader.Next()
	if err == io.EOF {
		err = plan.Failf(plan.FailureInternal, "window: the partition on scratch is short of rows")
	}
	return rec, err
}

// forget drops the batches that end before or at a row.
func (c *cursor) forget(row int) {
	n := 0
	for n < len(c.pieces) && c.pieces[n].to <= row {
		c.pieces[n].rec.Release()
		n++
	}
	c.pieces = c.pieces[n:]
}

func (c *cursor) close() error {
	for _, p := range c.pieces {
		p.rec.Release()
	}
	c.pieces = nil
	if c.reader == nil {
		return nil
	}
	err := c.reader.Close()
	c.reader = nil
	return err
}

// absent is the position of no row.
const absent = -1

// gather is a column's values at positions, which ascend; NULL for absent ones. Whatever comes before the first of them
// is forgotten.
func (c *cursor) gather(ctx context.Context, mem memory.Allocator, col int, positions []int) (arrow.Array, error) {
	first, last := absent, absent
	for _, p := range positions {
		if p != absent {
			last = p
			if first == absent {
				first = p
			}
		}
	}
	if first == absent {
		return vector.FromLiteral(mem, c.seg.schema.Fields[col].Type, plan.Literal{Null: true}, len(positions)), nil
	}
	if err := c.load(ctx, last+1); err != nil {
		return nil, err
	}
	c.forget(first)
	var parts []arrow.Array
	defer func() { releaseArrays(parts) }()
	at, idx := 0, make([]int32, 0, len(positions))
	for _, p := range positions {
		if p != absent && p >= c.pieces[at].to {
			if len(idx) > 0 {
				parts = append(parts, vector.Take(mem, c.pieces[at].rec.Column(col), idx))
			}
			for idx = idx[:0]; p >= c.pieces[at].to; {
				at++
			}
		}
		if p == absent {
			idx = append(idx, -1)
			continue
		}
		idx = append(idx, int32(p-c.pieces[at].from))
	}
	parts = append(parts, vector.Take(mem, c.pieces[at].rec.Column(col), idx))
	return vector.Concat(mem, parts)
}

// columns is some columns of the rows from up to, not including, to, which must not have been forgotten. The caller
// releases them.
func (c *cursor) columns(ctx context.Context, mem memory.Allocator, cols []int, from, to int) ([]arrow.Array, error) {
	if err := c.load(ctx, to); err != nil {
		return nil, err
	}
	out := make([]arrow.Array, len(cols))
	for k, col := range cols {
		var parts []arrow.Array
		for _, p := range c.pieces {
			if a, b := max(from, p.from), min(to, p.to); a < b {
				parts = append(parts, sliceArray(p.rec.Column(col), a-p.from, b-p.from))
			}
		}
		if len(parts) == 0 {
			parts = append(parts, vector.FromLiteral(mem, c.seg.schema.Fields[col].Type, plan.Literal{Null: true}, 0))
		}
		var err error
		out[k], err = vector.Concat(mem, parts)
		releaseArrays(parts)
		if err != nil {
			releaseArrays(out)
			return nil, err
		}
	}
	return out, nil
}
