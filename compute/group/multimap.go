package group

import (
	"math"

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
	groups, err := m.table.Assign(cols, rows, nil)
	if err != nil {
		return nil, err
	}
	// Counting sort by group: stable, and one group's rows end up side by side.
	m.starts = make([]int32, m.table.Len()+1)
	for _, g := range groups {
		m.starts[g+1]++
	}
	for g := range m.table.Len() {
		m.starts[g+1] += m.starts[g]
	}
	m.rows = make([]int32, rows)
	next := append([]int32(nil), m.starts...)
	for i, g := range groups {
		m.rows[next[g]] = int32(i)
		next[g]++
	}
	return m, nil
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

// Bytes estimates the memory that the index holds.
func (m *Multimap) Bytes() int64 {
	return m.table.Bytes() + int64(len(m.starts)+len(m.rows))*4
}
