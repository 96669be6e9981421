package compute

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// maxElements is how many elements the arrays of one column may have together.
const maxElements = math.MaxInt32

// errTooManyElements is what a batch whose arrays outgrow the layout ends with.
func errTooManyElements() error {
	return plan.Failf(plan.FailureOutOfMemory,
		"an expression's arrays exceed 2^31 elements within one batch: make them shorter")
}

// lists is an array or map argument as kernels see it: span(i) is where the elements of row i stand, for constants too.
type lists struct {
	vector.Lists
	mask int // -1 for a column, 0 for a constant
}

func loadLists(v value) lists {
	l := lists{vector.ListsOf(v.arr), -1}
	if v.constant {
		l.mask = 0
	}
	return l
}

func (l lists) span(i int) (from, to int) { return l.Range(i & l.mask) }

// rowOf is the row of an argument's array that stands for row i of the batch.
func rowOf(v value, i int) int {
	if v.constant {
		return 0
	}
	return i
}

// finishNested builds a nested column that takes over everything given: an array's elements, a map's keys and values, a
// struct's fields. They must be plain.
func finishNested(t plan.Type, n int, valid validity, offsets *memory.Buffer, children ...arrow.Array) arrow.Array {
	dt := t.Arrow()
	if m, ok := dt.(*arrow.MapType); ok {
		entries := nestedOf(m.Elem(), children[0].Len(), validity{}, nil, children)
		return nestedOf(dt, n, valid, offsets, []arrow.Array{entries})
	}
	return nestedOf(dt, n, valid, offsets, children)
}

func nestedOf(dt arrow.DataType, n int, valid validity, offsets *memory.Buffer, children []arrow.Array) arrow.Array {
	bufs := []*memory.Buffer{valid.buf}
	if offsets != nil {
		bufs = append(bufs, offsets)
	}
	nulls := 0
	if valid.buf != nil {
		nulls = n - bitutil.CountSetBits(valid.buf.Bytes(), 0, n)
	}
	data := make([]arrow.ArrayData, len(children))
	for i, c := range children {
		data[i] = c.Data()
	}
	d := array.NewData(dt, n, bufs, data, nulls, 0)
	arr := array.MakeFromData(d)
	d.Release()
	valid.release()
	if offsets != nil {
		offsets.Release()
	}
	releaseArrays(children)
	return arr
}

// plain takes a column over and gives it in plain layout, as it must be inside nested columns.
func plain(mem memory.Allocator, arr arrow.Array) arrow.Array {
	defer arr.Release()
	return vector.Decode(mem, arr)
}

// part is an argument as a plain column of its own reference, to become part of a nested one.
func part(c *context, v value) arrow.Array { return plain(c.mem, wholeColumn(c, v)) }

// copyOffsets is a buffer of offsets.
func copyOffsets(mem memory.Allocator, offsets []int32) *memory.Buffer {
	buf, out := vector.Alloc[int32](mem, len(offsets))
	copy(out, offsets)
	return buf
}

// masked is a column that is NULL also where another one is. It shares the column's values; the caller releases it.
func masked(mem memory.Allocator, arr, other arrow.Array) arrow.Array {
	if vector.ValidityOf(other).AllValid() || arr.DataType().ID() == arrow.NULL {
		arr.Retain()
		return arr
	}
	n, d := arr.Len(), arr.Data()
	valid := both(mem, n, value{arr: arr}, value{arr: other})
	bits := valid.buf
	if d.Offset() > 0 {
		var dst []byte
		bits, dst = vector.AllocBits(mem, d.Offset()+n)
		bitutil.CopyBitmap(valid.buf.Bytes(), 0, n, dst, d.Offset())
		valid.release()
	}
	defer bits.Release()
	bufs := append([]*memory.Buffer{bits}, d.Buffers()[1:]...)
	nulls := n - bitutil.CountSetBits(bits.Bytes(), d.Offset(), n)
	out := array.NewData(arr.DataType(), n, bufs, d.Children(), nulls, d.Offset())
	if dict, ok := d.Dictionary().(*array.Data); ok && dict != nil {
		out.SetDictionary(dict)
	}
	defer out.Release()
	return array.MakeFromData(out)
}

// picks is an array column under construction whose elements are picked out of a column by their places.
type picks struct {
	c    *context
	buf  *memory.Buffer
	ends []int32
	idx  []int32 // -1 picks NULL
	row  int
}

func newPicks(c *context) *picks {
	buf, offsets := vector.Alloc[int32](c.mem, c.n+1)
	offsets[0] = 0
	return &picks{c: c, buf: buf, ends: offsets[1:]}
}

// add picks an element for the row under construction; addRange several in a row.
func (p *picks) add(at int) { p.idx = append(p.idx, int32(at)) }

func (p *picks) addRange(from, to int) {
	for ; from < to; from++ {
		p.idx = append(p.idx, int32(from))
	}
}

// end finishes a row.
func (p *picks) end() {
	p.ends[p.row] = int32(len(p.idx))
	p.row++
}

// start is where the elements of the row under construction begin in idx.
func (p *picks) start() int {
	if p.row == 0 {
		return 0
	}
	return int(p.ends[p.row-1])
}

// room fails where n more elements would be too many.
func (p *picks) room(n int64) error {
	if int64(len(p.idx))+n > maxElements {
		return errTooManyElements()
	}
	return nil
}

// drop gives up.
func (p *picks) drop() { p.buf.Release() }

// list finishes the column; it takes the validity over, not the source.
func (p *picks) list(t plan.Type, valid validity, source arrow.Array) arrow.Array {
	return finishNested(t, p.c.n, valid, p.buf, plain(p.c.mem, vector.Take(p.c.mem, source, p.idx)))
}

// maps finishes a map column of picked entries.
func (p *picks) maps(t plan.Type, valid validity, keys, values arrow.Array) arrow.Array {
	mem := p.c.mem
	return finishNested(t, p.c.n, valid, p.buf, plain(mem, vector.Take(mem, keys, p.idx)), plain(mem, vector.Take(mem, values, p.idx)))
}

// pickLists is a strict kernel that makes of each row an array of picked elements of its first argument.
func pickLists(f func(c *context, args []value, p *picks) (each func(i int) error)) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		p, valid := newPicks(c), both(c.mem, c.n, args...)
		each := f(c, args, p)
		for i := range c.n {
			if valid.has(i) {
				if err := each(i); err != nil {
					p.drop()
					valid.release()
					return nil, err
				}
			}
			p.end()
		}
		return p.list(c.t, valid, vector.ListsOf(args[0].arr).Elements), nil
	}
}

// arrayParam takes arrays; a bare NULL is an array of nothing.
func arrayParam() param {
	return param{`"ARRAY"`, func(a plan.Type) (plan.Type, bool) {
		if a.Kind == plan.KindNull {
			return plan.Array(plan.Null, true), true
		}
		return a, isArray(a)
	}}
}

// mapParam takes maps; a bare NULL is a map of nothing.
func mapParam() param {
	return param{`"MAP"`, func(a plan.Type) (plan.Type, bool) {
		if a.Kind == plan.KindNull {
			return plan.Map(plan.Null, plan.Null, true), true
		}
		return a, isMap(a)
	}}
}

// arrayOf is an array whose elements may be NULL: what functions make, whatever they are given.
func arrayOf(element plan.Type) plan.Type { return plan.Array(element, true) }

// mapOf is a map whose values may be NULL.
func mapOf(key, val plan.Type) plan.Type { return plan.Map(key, val, true) }
