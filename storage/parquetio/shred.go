package parquetio

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// shredder takes a column apart into those that Parquet stores: the leaves, each value with its levels.
type shredder struct {
	field    plan.Field
	rep      uint8 // of an array or map: the level of elements after the first
	children []*shredder
	leaf     *leafWriter // of a leaf

	// Of the batch being written.
	valid vector.Validity
	lists vector.Lists
}

// newShredder takes the leaves below a field off the beginning of leaves.
func newShredder(f plan.Field, rep uint8, leaves []*leafWriter) (*shredder, []*leafWriter) {
	s := &shredder{field: f, rep: rep}
	if !f.Type.IsNested() {
		s.leaf = leaves[0]
		return s, leaves[1:]
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
		s.leaf.open(arr, from, to)
		return s.leaf.addRows(from, to)
	}
	s.open(arr, from, to)
	for i := from; i < to; i++ {
		if err := s.put(i, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// open lays open the rows from up to to of a column; they are called the same below.
func (s *shredder) open(arr arrow.Array, from, to int) {
	s.valid = vector.ValidityOf(arr)
	switch s.field.Type.Kind {
	case plan.KindStruct:
		for i, f := range vector.FieldsOf(arr) {
			s.children[i].open(f, from, to)
		}
	case plan.KindArray:
		s.lists = vector.ListsOf(arr)
		s.children[0].open(s.lists.Elements, int(s.lists.Offsets[from]), int(s.lists.Offsets[to]))
	case plan.KindMap:
		m := vector.MapsOf(arr)
		s.lists = m.Lists
		begin, end := int(m.Offsets[from]), int(m.Offsets[to])
		s.children[0].open(m.Keys, begin, end)
		s.children[1].open(m.Values, begin, end)
	default:
		s.leaf.open(arr, from, to)
	}
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
		s.leaf.put(rep, def, i)
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
		s.leaf.put(rep, def, -1)
		return
	}
	for _, c := range s.children {
		c.putNothing(rep, def)
	}
}
