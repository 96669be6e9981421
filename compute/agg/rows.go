package agg

import (
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// heap serves copies that an accumulator keeps: the garbage collector takes them with it.
var heap = memory.NewGoAllocator()

// rowStore keeps rows of several columns and the group of each, and gives them back by group in the order in which they
// came.
type rowStore struct {
	types  []plan.Type
	groups []uint32
	chunks [][]arrow.Array // by column
	size   int64

	// Of sealed rows: the rows of group g are order[starts[g]:starts[g+1]], each a row of columns.
	columns []arrow.Array
	order   []int32
	starts  []int32
}

func newRowStore(types []plan.Type) rowStore {
	return rowStore{types: types, chunks: make([][]arrow.Array, len(types))}
}

// add keeps some rows of a batch.
func (s *rowStore) add(b Batch, args []arrow.Array, rows []int32) {
	if len(rows) == 0 {
		return
	}
	s.columns = nil
	for _, r := range rows {
		g := uint32(0)
		if b.Groups != nil {
			g = b.Groups[r]
		}
		s.groups = append(s.groups, g)
	}
	for i, a := range args {
		plain := vector.Decode(heap, a)
		kept := vector.Take(heap, plain, rows)
		plain.Release()
		s.chunks[i] = append(s.chunks[i], kept)
		s.size += vector.ArraySize(kept)
	}
}

// seal makes the rows ready to be read by group; there are so many groups.
func (s *rowStore) seal(groups int) error {
	if s.columns != nil && len(s.starts) > groups {
		return nil
	}
	if len(s.groups) > math.MaxInt32 {
		return plan.Failf(plan.FailureOutOfMemory, "aggregate: more than %d rows kept in one task: use more partitions", math.MaxInt32)
	}
	if s.columns == nil {
		if err := s.join(); err != nil {
			return err
		}
	}
	// Counting sort by group, which is stable.
	for _, g := range s.groups {
		groups = max(groups, int(g)+1)
	}
	s.starts = make([]int32, groups+1)
	for _, g := range s.groups {
		s.starts[g+1]++
	}
	for g := range groups {
		s.starts[g+1] += s.starts[g]
	}
	next := slices.Clone(s.starts)
	s.order = make([]int32, len(s.groups))
	for i, g := range s.groups {
		s.order[next[g]] = int32(i)
		next[g]++
	}
	return nil
}

func (s *rowStore) join() error {
	s.columns = make([]arrow.Array, len(s.types))
	for i, t := range s.types {
		if len(s.chunks[i]) == 0 {
			s.columns[i] = vector.FromLiteral(heap, t, plan.Literal{Null: true}, 0)
			continue
		}
		joined, err := vector.Concat(heap, s.chunks[i])
		if err != nil {
			return fmt.Errorf("join rows: %w", err)
		}
		s.columns[i], s.chunks[i] = joined, []arrow.Array{joined}
	}
	return nil
}

// span is where the rows of the groups from up to, not including, to lie in the order.
func (s *rowStore) span(from, to int) []int32 { return s.order[s.starts[from]:s.starts[to]] }

// rows is the rows of one group.
func (s *rowStore) rows(g int) []int32 { return s.span(g, g+1) }

// lists is an array column of each group's values in the first column.
func (s *rowStore) lists(mem memory.Allocator, dt arrow.DataType, from, to int) (arrow.Array, error) {
	values := vector.Take(mem, s.columns[0], s.span(from, to))
	return listColumn(mem, dt, s.offsets(from, to), values)
}

func (s *rowStore) offsets(from, to int) []int32 {
	out := make([]int32, to-from+1)
	for i := range out {
		out[i] = s.starts[from+i] - s.starts[from]
	}
	return out
}

// listColumn makes an array column; it takes over the values.
func listColumn(mem memory.Allocator, dt arrow.DataType, offsets []int32, values arrow.Array) (arrow.Array, error) {
	plain := vector.Decode(mem, values)
	values.Release()
	element := dt.(*arrow.ListType).Elem()
	if plain.DataType().ID() != element.ID() {
		plain.Release()
		return nil, plan.Failf(plan.FailureOutOfMemory, "aggregate: the text of one batch of results exceeds 2 GiB")
	}
	labelled := vector.Relabel(plain, element)
	plain.Release()
	buf, out := vector.Alloc[int32](mem, len(offsets))
	copy(out, offsets)
	return vector.MakeList(dt, len(offsets)-1, nil, buf, labelled), nil
}

// rowsType is the state of a store: an array of its rows, structs where there are several columns.
func rowsType(types []plan.Type) plan.Type {
	if len(types) == 1 {
		return plan.Array(types[0], true)
	}
	fields := make([]plan.Field, len(types))
	for i, t := range types {
		fields[i] = plan.Field{Name: fmt.Sprintf("c%d", i), Type: t, Nullable: true}
	}
	return plan.Array(plan.Struct(fields...), true)
}

// state is the store's rows in the type of rowsType.
func (s *rowStore) state(mem memory.Allocator, from, to int) (arrow.Array, error) {
	if err := s.seal(to); err != nil {
		return nil, err
	}
	span := s.span(from, to)
	cols := make([]arrow.Array, len(s.columns))
	for i, c := range s.columns {
		cols[i] = vector.Take(mem, c, span)
	}
	return rowsColumn(mem, s.types, s.offsets(from, to), cols, len(span))
}

// rowsColumn makes a column of rowsType; it takes over the columns.
func rowsColumn(mem memory.Allocator, types []plan.Type, offsets []int32, cols []arrow.Array, rows int) (arrow.Array, error) {
	t := rowsType(types)
	if len(types) == 1 {
		return listColumn(mem, t.Arrow(), offsets, cols[0])
	}
	for i, c := range cols {
		cols[i] = vector.Relabel(c, types[i].Arrow())
		c.Release()
	}
	values := vector.MakeStruct(t.Element().Type.Arrow(), rows, nil, cols...)
	return listColumn(mem, t.Arrow(), offsets, values)
}

// unpack gives the rows of states, with the group of each. The caller releases the columns.
func unpack(mem memory.Allocator, b Batch, state arrow.Array, types []plan.Type) (Batch, []arrow.Array) {
	offsets, elements := vector.ListsOf(state).Flatten(mem)
	defer elements.Release()
	out := Batch{Rows: elements.Len(), Len: b.Len}
	if b.Groups != nil {
		out.Groups = make([]uint32, 0, out.Rows)
		for i, g := range b.Groups {
			for range offsets[i+1] - offsets[i] {
				out.Groups = append(out.Groups, g)
			}
		}
	}
	if len(types) == 1 {
		elements.Retain()
		return out, []arrow.Array{elements}
	}
	fields := elements.(*array.Struct)
	cols := make([]arrow.Array, len(types))
	for i := range cols {
		cols[i] = fields.Field(i)
		cols[i].Retain()
	}
	return out, cols
}

func (s *rowStore) bytes() int64 {
	return s.size + int64(cap(s.groups)+cap(s.order)+cap(s.starts))*4
}
