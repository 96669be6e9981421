package operator

import (
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// indexPerRow is about what the index over build rows takes for each, beside a copy of the keys, at its largest.
const indexPerRow = 48

// loader collects the build rows of a join.
type loader struct {
	s       *stream
	schema  plan.Schema
	keys    []int
	batches []arrow.Record
	columns []int64 // bytes of each column
	rows    int64
}

// add keeps a batch, or says that there is no memory for it. The first batch is always kept.
func (l *loader) add(rec arrow.Record) (bool, error) {
	if l.columns == nil {
		l.columns = make([]int64, rec.NumCols())
	}
	if l.rows+rec.NumRows() > math.MaxInt32 {
		return false, nil
	}
	for i, c := range rec.Columns() {
		l.columns[i] += vector.ArraySize(c)
	}
	l.rows += rec.NumRows()
	ok, err := l.s.tryHold(l.need())
	if !ok && err == nil && len(l.batches) == 0 {
		l.s.mustHold(l.need())
		ok = true
	}
	if !ok {
		for i, c := range rec.Columns() {
			l.columns[i] -= vector.ArraySize(c)
		}
		l.rows -= rec.NumRows()
		return false, err
	}
	rec.Retain()
	l.batches = append(l.batches, rec)
	return true, nil
}

// need is the memory that the rows will take at most, until they are indexed: columns are joined end to end one after
// the other.
func (l *loader) need() int64 {
	n, largest := l.rows*indexPerRow, int64(0)
	for _, size := range l.columns {
		n += size
		largest = max(largest, size)
	}
	for _, k := range l.keys {
		n += grown(l.columns[k])
	}
	return n + largest
}

func (l *loader) drop() {
	releaseRecords(l.batches)
	l.batches, l.columns, l.rows = nil, nil, 0
}

// finish makes the build side of the rows loaded and forgets them.
func (l *loader) finish(o *HashJoin) (*buildSide, error) {
	rec, err := l.joined()
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	b := &buildSide{rec: rec, published: o.publisher.bytes()}
	b.index, err = group.NewMultimap(types(l.schema, l.keys), o.plan.NullSafe, pick(rec, l.keys), int(rec.NumRows()))
	if err == nil && o.plan.NullAware {
		err = b.indexNulls(o)
	}
	if err != nil {
		b.release()
		return nil, err
	}
	if o.plan.Type == plan.JoinFull || o.plan.Type.PutsOutRight() {
		b.matched = make([]bool, rec.NumRows())
	}
	if o.plan.Type.PutsOutRight() && o.condition == nil {
		b.keySeen = make([]bool, b.index.Keys())
	}
	l.s.mustHold(b.bytes())
	return b, nil
}

// joined is the batches end to end. Each column's parts are let go of once they are joined.
func (l *loader) joined() (arrow.Record, error) {
	if len(l.batches) <= 1 {
		defer l.drop()
		return vector.ConcatRecords(l.s.env.Mem, l.schema, l.batches)
	}
	rows := int(l.rows)
	parts := make([][]arrow.Array, len(l.schema.Fields))
	for i := range parts {
		for _, rec := range l.batches {
			c := rec.Column(i)
			c.Retain()
			parts[i] = append(parts[i], c)
		}
	}
	l.drop()
	defer func() {
		for _, p := range parts {
			releaseArrays(p)
		}
	}()
	cols := make([]arrow.Array, len(parts))
	defer func() { releaseArrays(cols) }()
	for i := range parts {
		var err error
		if cols[i], err = vector.Concat(l.s.env.Mem, parts[i]); err != nil {
			return nil, fmt.Errorf("column %s: %w", l.schema.Fields[i].Name, err)
		}
		releaseArrays(parts[i])
		parts[i] = nil
	}
	return vector.NewRecord(l.schema, cols, rows), nil
}

// buildSide is build rows with an index over their keys.
type buildSide struct {
	rec     arrow.Record
	index   *group.Multimap
	matched []bool // full, right semi and anti: rows that found a partner
	keySeen []bool // right semi and anti without a condition: keys that did

	published int64 // bytes of what the join has published

	// Of a null-aware join: the rows with a NULL among the compared keys, and both sets of rows by the other keys.
	withNull arrow.Record
	nullsBy  *group.Multimap
	allBy    *group.Multimap // nil before it is needed
}

func (b *buildSide) bytes() int64 {
	n := vector.Size(b.rec) + grown(b.index.Bytes()) + int64(len(b.matched)+len(b.keySeen)) + b.published
	if b.withNull != nil {
		n += vector.Size(b.withNull) + grown(b.nullsBy.Bytes())
	}
	if b.allBy != nil {
		n += grown(b.allBy.Bytes())
	}
	return n
}

func (b *buildSide) release() {
	if b == nil {
		return
	}
	b.rec.Release()
	if b.withNull != nil {
		b.withNull.Release()
	}
}
