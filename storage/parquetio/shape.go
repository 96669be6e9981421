package parquetio

import (
	"errors"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// shape is how a column, or a part of a nested one, comes from a file that may have been written before or after the
// table's columns were what they are: parts go by name, those that the file does not have are NULL, and narrower
// numbers are widened.
type shape struct {
	typ      plan.Type
	field    *field // nil: not in the file
	children []*shape
	leaf     *leafReader // whose levels tell of the part; of a leaf, whose values it has
}

// errNoWay says that a stored type does not become the wanted one.
var errNoWay = errors.New("types do not agree")

// newShape binds a field to a type that it fits, and adds the leaves to read to the reader.
func (r *columnReader) newShape(f *field, t plan.Type) (*shape, error) {
	s := &shape{typ: t, field: f}
	if f == nil {
		return s, nil
	}
	if f.column != nil {
		leaf, err := r.newLeaf(f.column)
		s.leaf = leaf
		return s, err
	}
	for i, want := range t.Children {
		part := f.children[min(i, len(f.children)-1)]
		if t.Kind == plan.KindStruct {
			part = lookup(f.children, want.Name)
		}
		child, err := r.newShape(part, want.Type)
		if err != nil {
			return nil, err
		}
		s.children = append(s.children, child)
		if s.leaf == nil {
			s.leaf = child.leaf
		}
	}
	if s.leaf == nil { // no part of it is read: one leaf still tells where it is NULL
		leaf, err := r.newLeaf(f.first())
		s.leaf = leaf
		return s, err
	}
	return s, nil
}

// columnReader delivers a column of the scan from one row group after another.
type columnReader struct {
	name   string
	mem    memory.Allocator
	codecs *codecs
	nested bool // its leaves are parts
	shape  *shape
	leaves []*leafReader
}

// newColumnReader binds a column of the file, which may be nil for one that it does not have.
func newColumnReader(mem memory.Allocator, codecs *codecs, f *field, want plan.Field) (*columnReader, error) {
	r := &columnReader{name: want.Name, mem: mem, codecs: codecs, nested: f != nil && f.column == nil}
	var err error
	if r.shape, err = r.newShape(f, want.Type); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

func (r *columnReader) newLeaf(c *column) (*leafReader, error) {
	fill, err := newFiller(c, r.nested)
	if err != nil {
		return nil, err
	}
	leaf := &leafReader{col: c, fill: fill, chunk: newUnwrapper(r.mem, r.codecs)}
	r.leaves = append(r.leaves, leaf)
	return leaf, nil
}

// start begins a row group of which ahead bytes of a column are read at once; index gives each leaf's pages, if they
// are known.
func (r *columnReader) start(f *file, group int, src io.ReaderAt, index func(*column) pageIndex, ahead int64) {
	for _, l := range r.leaves {
		l.start(f, group, src, index(l.col), ahead)
	}
}

func (r *columnReader) stop() {
	for _, l := range r.leaves {
		l.stop()
	}
}

func (r *columnReader) release() {
	for _, l := range r.leaves {
		l.chunk.release()
	}
}

// bytesRead and pagesPruned are of the current row group.
func (r *columnReader) bytesRead() (n int64) {
	for _, l := range r.leaves {
		n += l.chunk.read
	}
	return n
}

func (r *columnReader) pagesPruned() (n int64) {
	for _, l := range r.leaves {
		n += l.chunk.pruned
	}
	return n
}

// pagesUnread is how many pages of the current row group are left, as far as that is known.
func (r *columnReader) pagesUnread() (n int64) {
	for _, l := range r.leaves {
		n += l.chunk.unread()
	}
	return n
}

// read makes an array of rows, so many in all.
func (r *columnReader) read(spans []span, rows int) (arrow.Array, error) {
	if f := r.shape.field; f != nil && f.flat() {
		arr, err := r.leaves[0].readFlat(r.mem, spans)
		if err != nil {
			return nil, err
		}
		return widen(r.mem, arr, f.typ, r.shape.typ)
	}
	a := assembler{mem: r.mem, arrays: make(map[*leafReader]arrow.Array, len(r.leaves))}
	defer a.release()
	for _, l := range r.leaves {
		arr, err := l.readNested(r.mem, spans)
		if err != nil {
			return nil, err
		}
		a.arrays[l] = arr
	}
	return a.assemble(r.shape, rows)
}

// assembler puts nested arrays together from those of their leaves.
type assembler struct {
	mem    memory.Allocator
	arrays map[*leafReader]arrow.Array
}

func (a *assembler) release() {
	for _, arr := range a.arrays {
		arr.Release()
	}
}

// errLeaves says that the leaves of a nested column tell different things of what is around them.
var errLeaves = errors.New("the columns of a nested value do not agree in length")

// assemble makes the array of a part that has n places.
func (a *assembler) assemble(s *shape, n int) (arrow.Array, error) {
	switch {
	case s.field == nil:
		return nullArray(a.mem, s.typ, n), nil
	case s.field.column != nil:
		arr := a.arrays[s.leaf]
		if arr.Len() != n {
			return nil, errLeaves
		}
		arr.Retain()
		return widen(a.mem, arr, s.field.typ, s.typ)
	case s.typ.Kind == plan.KindStruct:
		return a.structs(s, n)
	}
	return a.lists(s, n)
}

// nullArray is n times NULL, in the plain layout.
func nullArray(mem memory.Allocator, t plan.Type, n int) arrow.Array {
	return vector.FromLiteral(mem, t, plan.Literal{Null: true}, n)
}

func (a *assembler) structs(s *shape, n int) (arrow.Array, error) {
	nulls := &vector.Nulls{Mem: a.mem, Rows: n}
	if f := s.field; f.def > f.slot {
		if err := structNulls(nulls, s.leaf, f); err != nil {
			nulls.Release()
			return nil, err
		}
	}
	children := make([]arrow.Array, 0, len(s.children))
	for _, c := range s.children {
		child, err := a.assemble(c, n)
		if err != nil {
			nulls.Release()
			releaseAll(children)
			return nil, err
		}
		children = append(children, child)
	}
	return vector.MakeStruct(s.typ.Arrow(), n, nulls, children...), nil
}

// structNulls finds where a struct is NULL from the levels of a leaf in it.
func structNulls(nulls *vector.Nulls, l *leafReader, f *field) error {
	places := 0
	for i, d := range l.defs {
		if d < f.slot || l.reps != nil && l.reps[i] > f.rep {
			continue
		}
		if d < f.def {
			if places >= nulls.Rows {
				return errLeaves
			}
			nulls.Set(places)
		}
		places++
	}
	if places != nulls.Rows {
		return errLeaves
	}
	return nil
}

// lists assembles an array or a map.
func (a *assembler) lists(s *shape, n int) (arrow.Array, error) {
	nulls := &vector.Nulls{Mem: a.mem, Rows: n}
	buf, offsets := vector.Alloc[int32](a.mem, n+1)
	fail := func(err error) (arrow.Array, error) {
		nulls.Release()
		buf.Release()
		return nil, err
	}
	count, err := listOffsets(offsets, nulls, s.leaf, s.field)
	if err != nil {
		return fail(err)
	}
	first, err := a.assemble(s.children[0], count)
	if err != nil {
		return fail(err)
	}
	if s.typ.Kind == plan.KindArray {
		return vector.MakeList(s.typ.Arrow(), n, nulls, buf, first), nil
	}
	values, err := a.assemble(s.children[1], count)
	if err == nil && first.NullN() > 0 {
		values.Release()
		err = errors.New("a map has a key that is NULL")
	}
	if err != nil {
		first.Release()
		return fail(err)
	}
	return vector.MakeMap(s.typ.Arrow(), n, nulls, buf, first, values), nil
}

// listOffsets finds where lists begin, and which are NULL, from the levels of a leaf in them; it returns how many
// elements they have in all.
func listOffsets(offsets []int32, nulls *vector.Nulls, l *leafReader, f *field) (int, error) {
	rows, row, count := len(offsets)-1, 0, int32(0)
	for i, d := range l.defs {
		switch r := l.reps[i]; {
		case r > f.rep:
			continue // inside of an element
		case r == f.rep:
			if d <= f.def || row == 0 {
				return 0, errors.New("a list goes on that is empty")
			}
			count++
			continue
		case d < f.slot:
			continue
		}
		if row == rows || count == math.MaxInt32 {
			return 0, errLeaves
		}
		offsets[row] = count
		if d < f.def {
			nulls.Set(row)
		}
		if d > f.def {
			count++
		}
		row++
	}
	if row != rows {
		return 0, errLeaves
	}
	offsets[rows] = count
	return int(count), nil
}

func releaseAll(arrs []arrow.Array) {
	for _, a := range arrs {
		a.Release()
	}
}
