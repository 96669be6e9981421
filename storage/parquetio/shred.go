package parquetio

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/parquet-go/parquet-go"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// shredder takes a column apart into those that Parquet stores: the leaves, each value with its levels.
type shredder struct {
	field    plan.Field
	rep      uint8 // of an array or map: the level of elements after the first
	children []*shredder
	leaf     *valueColumn // of a leaf

	// Of the batch being written.
	valid vector.Validity
	lists vector.Lists
	cells []parquet.Value
}

// newShredder lists the leaves below a field behind leaves.
func newShredder(f plan.Field, rep uint8, leaves []*valueColumn) (*shredder, []*valueColumn) {
	s := &shredder{field: f, rep: rep}
	if !f.Type.IsNested() {
		s.leaf = newValueColumn(f, len(leaves))
		return s, append(leaves, s.leaf)
	}
	if f.Type.Kind != plan.KindStruct {
		s.rep++
	}
	for _, c := range f.Type.Children {
		var child *shredder
		child, leaves = newShredder(c, s.rep, leaves)
		s.children = append(s.children, child)
	}
	return s, leaves
}

// add appends rows from up to to of arr.
func (s *shredder) add(arr arrow.Array, from, to int) error {
	if s.leaf != nil {
		return s.leaf.add(arr, from, to)
	}
	if err := s.open(arr, from, to); err != nil {
		return err
	}
	for i := from; i < to; i++ {
		if err := s.put(i, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// open lays open the rows from up to to of a column; they are called the same below.
func (s *shredder) open(arr arrow.Array, from, to int) error {
	s.valid = vector.ValidityOf(arr)
	switch s.field.Type.Kind {
	case plan.KindStruct:
		for i, f := range vector.FieldsOf(arr) {
			if err := s.children[i].open(f, from, to); err != nil {
				return err
			}
		}
	case plan.KindArray:
		s.lists = vector.ListsOf(arr)
		return s.children[0].open(s.lists.Elements, int(s.lists.Offsets[from]), int(s.lists.Offsets[to]))
	case plan.KindMap:
		m := vector.MapsOf(arr)
		s.lists = m.Lists
		begin, end := int(m.Offsets[from]), int(m.Offsets[to])
		if err := s.children[0].open(m.Keys, begin, end); err != nil {
			return err
		}
		return s.children[1].open(m.Values, begin, end)
	default:
		return s.openLeaf(arr, from, to)
	}
	return nil
}

// openLeaf makes the values of a leaf, without levels.
func (s *shredder) openLeaf(arr arrow.Array, from, to int) error {
	c := s.leaf
	pending := c.values
	c.values = append(s.cells[:0], make([]parquet.Value, from)...) // so that a row's value stands at its number
	err := c.addPlain(arr, from, to)
	s.cells, c.values = c.values, pending
	return err
}

// put appends value i, which repeats at level rep, in something that is there up to level def.
func (s *shredder) put(i int, rep, def uint8) error {
	if s.valid.IsNull(i) {
		if !s.field.Nullable {
			return plan.Failf(plan.FailureInternal, "%s is declared NOT NULL but holds NULL", s.field.Name)
		}
		s.putNothing(rep, def)
		return nil
	}
	if s.field.Nullable {
		def++
	}
	switch {
	case s.leaf != nil:
		s.leaf.values = append(s.leaf.values, s.cells[i].Level(int(rep), int(def), s.leaf.index))
		return nil
	case s.field.Type.Kind == plan.KindStruct:
		for _, c := range s.children {
			if err := c.put(i, rep, def); err != nil {
				return err
			}
		}
		return nil
	}
	from, to := int(s.lists.Offsets[i]), int(s.lists.Offsets[i+1])
	if from == to {
		s.putNothing(rep, def)
	}
	for ; from < to; from++ {
		for _, c := range s.children {
			if err := c.put(from, rep, def+1); err != nil {
				return err
			}
		}
		rep = s.rep
	}
	return nil
}

// putNothing says in every leaf up to which level there is something.
func (s *shredder) putNothing(rep, def uint8) {
	if s.leaf != nil {
		s.leaf.values = append(s.leaf.values, parquet.NullValue().Level(int(rep), int(def), s.leaf.index))
		return
	}
	for _, c := range s.children {
		c.putNothing(rep, def)
	}
}
