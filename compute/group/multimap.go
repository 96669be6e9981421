package group

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Multimap finds the rows of a join's build side by key. It is fixed once built; the rows of one key keep their order.
type Multimap struct {
	table    *Table
	nullSafe []bool
	starts   []int32 // rows of group g: rows[starts[g]:starts[g+1]]
	rows     []int32
}

// NewMultimap indexes rows by their key columns. nullSafe says, per key, whether NULL finds NULL; without it NULL finds
// nothing.
func NewMultimap(types []plan.Type, nullSafe []bool, cols []arrow.Array, rows int) (*Multimap, error) {
	if rows > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory, "join: %d rows on the build side of one task: use more partitions", rows)
	}
	m := &Multimap{table: New(types), nullSafe: nullSafe}
	if err := m.table.check(cols); err != nil {
		return nil, err
	}
	if r := m.table.radix(cols, rows); r != nil {
		m.index(r.assign(m.table), func(i int) int32 { return r.rows[i] })
	} else {
		groups, err := m.table.Assign(cols, rows, nil)
		if err != nil {
			return nil, err
		}
		m.index(groups, func(i int) int32 { return int32(i) })
	}
	if m.table.words != nil && m.table.null == None {
		m.table.words.freeze()
	}
	return m, nil
}

// radix sorts many keys of fixed width; nil where these are not.
func (t *Table) radix(cols []arrow.Array, rows int) *radix {
	if rows < radixRows || t.words == nil && t.rows == nil || slices.ContainsFunc(t.strings, func(s *bytesTable) bool { return s != nil }) {
		return nil
	}
	if !t.loneWord() {
		t.pack(cols, rows, nil)
		if t.words != nil {
			return newRadix(t.keys, 1, func(w []uint64) uint32 { return hashWord(w[0]) })
		}
		return newRadix(t.keys, t.width, t.rows.hash)
	}
	if !vector.ValidityOf(cols[0]).AllValid() {
		return nil // NULL is no word
	}
	return newRadix(t.loneValues(cols[0]), 1, func(w []uint64) uint32 { return hashWord(w[0]) })
}

// index puts the rows of each group side by side, by a counting sort that keeps their order; row is the one at a place.
func (m *Multimap) index(groups []uint32, row func(place int) int32) {
	m.starts = make([]int32, m.table.Len()+1)
	for _, g := range groups {
		m.starts[g+1]++
	}
	for g := range m.table.Len() {
		m.starts[g+1] += m.starts[g]
	}
	m.rows = make([]int32, len(groups))
	next := slices.Clone(m.starts)
	for i, g := range groups {
		m.rows[next[g]] = row(i)
		next[g]++
	}
}

// View is the same index for another goroutine. To take views of an index is safe while nobody looks anything up in it.
func (m *Multimap) View() *Multimap {
	c, t := *m, *m.table
	t.keys, t.ids = nil, nil // scratch
	t.strings = slices.Clone(t.strings)
	for i, s := range t.strings {
		if s != nil {
			own := *s
			own.seen, own.probed = codeCache{}, codeCache{}
			t.strings[i] = &own
		}
	}
	c.table = &t
	return &c
}

// Find gives, for each row of a batch, the number by which Rows knows its matches, or None.
func (m *Multimap) Find(cols []arrow.Array, rows int, dst []uint32) ([]uint32, error) {
	dst, err := m.table.Find(cols, rows, dst)
	if err != nil {
		return nil, err
	}
	for k, c := range cols {
		if k < len(m.nullSafe) && m.nullSafe[k] {
			continue
		}
		if valid := vector.ValidityOf(c); !valid.AllValid() {
			for i := range dst {
				if valid.IsNull(i) {
					dst[i] = None
				}
			}
		}
	}
	return dst, nil
}

// Rows is the build rows of a key, in order; none for None.
func (m *Multimap) Rows(id uint32) []int32 {
	if id == None {
		return nil
	}
	return m.rows[m.starts[id]:m.starts[id+1]]
}

// Unique reports that no two rows have the same key.
func (m *Multimap) Unique() bool { return len(m.rows) == m.table.Len() }

// Keys is how many different keys there are: Find gives numbers below it.
func (m *Multimap) Keys() int { return m.table.Len() }

// Row is the first row of a key that there is.
func (m *Multimap) Row(id uint32) int32 { return m.rows[m.starts[id]] }

// Bytes estimates the memory that the index holds.
func (m *Multimap) Bytes() int64 {
	return m.table.Bytes() + int64(len(m.starts)+len(m.rows))*4
}
