package compute

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// partCast converts a part of a nested column: its elements, keys, values or a field.
type partCast struct {
	from, to plan.Type
	run      kernel // nil: the layouts differ in names and nullability at most
	scratch  *scratch
}

func newPartCast(from, to plan.Type, c caster) (p partCast, mayFail bool) {
	p = partCast{from: from, to: to, scratch: &scratch{}}
	if !sameShape(from, to) && from.Kind != plan.KindNull {
		p.run, mayFail = c.kernel(from, to)
	}
	return p, mayFail
}

// column converts a column; the caller releases both.
func (p partCast) column(mem memory.Allocator, arr arrow.Array) (arrow.Array, error) {
	switch {
	case p.run != nil:
		return p.run(&context{mem, arr.Len(), p.to, p.scratch}, []value{{arr: arr}})
	case p.from.Kind == plan.KindNull:
		return vector.FromLiteral(mem, p.to, plan.Literal{Null: true}, arr.Len()), nil
	}
	return vector.Relabel(arr, p.to.Arrow()), nil
}

// castNested converts arrays, maps and structs part by part, or writes them.
func castNested(from, to plan.Type, c caster) (kernel, bool) {
	if to.Kind == plan.KindString {
		return writeNested(from, c)
	}
	parts, mayFail := make([]partCast, len(from.Children)), false
	for i, f := range from.Children {
		fails := false
		parts[i], fails = newPartCast(f.Type, to.Children[i].Type, c)
		mayFail = mayFail || fails
	}
	if from.Kind == plan.KindStruct {
		return structKernel(parts), mayFail
	}
	return listKernel(parts), mayFail
}

// wholeColumn is an argument as a column of the batch's length; the caller releases it.
func wholeColumn(c *context, v value) arrow.Array {
	v.arr.Retain()
	return v.spread(c.mem, c.n)
}

// nullsIn copies which rows of a column are NULL.
func nullsIn(mem memory.Allocator, arr arrow.Array) *vector.Nulls {
	nulls := &vector.Nulls{Mem: mem, Rows: arr.Len()}
	if valid := vector.ValidityOf(arr); !valid.AllValid() {
		for i := range arr.Len() {
			if valid.IsNull(i) {
				nulls.Set(i)
			}
		}
	}
	return nulls
}

func structKernel(parts []partCast) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		arr := wholeColumn(c, args[0])
		defer arr.Release()
		fields := visibleFields(c.mem, arr)
		defer releaseArrays(fields)
		out := make([]arrow.Array, 0, len(parts))
		for i, p := range parts {
			col, err := p.column(c.mem, fields[i])
			if err != nil {
				releaseArrays(out)
				return nil, err
			}
			out = append(out, col)
		}
		return vector.MakeStruct(c.t.Arrow(), arr.Len(), nullsIn(c.mem, arr), out...), nil
	}
}

// visibleFields is the fields of a struct column, NULL where the struct is. The caller releases them.
func visibleFields(mem memory.Allocator, arr arrow.Array) []arrow.Array {
	fields := vector.FieldsOf(arr)
	valid := vector.ValidityOf(arr)
	if valid.AllValid() {
		for _, f := range fields {
			f.Retain()
		}
		return fields
	}
	idx := make([]int32, arr.Len())
	for i := range idx {
		idx[i] = int32(i)
		if valid.IsNull(i) {
			idx[i] = -1
		}
	}
	for i, f := range fields {
		fields[i] = vector.Take(mem, f, idx)
	}
	return fields
}

func releaseArrays(arrs []arrow.Array) {
	for _, a := range arrs {
		a.Release()
	}
}

// listKernel converts the elements of arrays, or the keys and values of maps.
func listKernel(parts []partCast) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		arr := wholeColumn(c, args[0])
		defer arr.Release()
		offsets, elements := vector.ListsOf(arr).Flatten(c.mem)
		defer elements.Release()
		from := []arrow.Array{elements}
		if c.t.Kind == plan.KindMap {
			from = vector.FieldsOf(elements)
		}
		out := make([]arrow.Array, 0, len(parts))
		for i, p := range parts {
			col, err := p.column(c.mem, from[i])
			if err != nil {
				releaseArrays(out)
				return nil, err
			}
			out = append(out, col)
		}
		buf, rows := vector.Alloc[int32](c.mem, len(offsets))
		copy(rows, offsets)
		if c.t.Kind == plan.KindMap {
			return vector.MakeMap(c.t.Arrow(), arr.Len(), nullsIn(c.mem, arr), buf, out[0], out[1]), nil
		}
		return vector.MakeList(c.t.Arrow(), arr.Len(), nullsIn(c.mem, arr), buf, out[0]), nil
	}
}

// writeNested writes arrays as [1, null], maps as {k -> v} and structs as {1, null}.
func writeNested(from plan.Type, c caster) (kernel, bool) {
	parts := make([]partCast, len(from.Children))
	for i, f := range from.Children {
		parts[i], _ = newPartCast(f.Type, plan.String, c)
	}
	return func(c *context, args []value) (arrow.Array, error) {
		arr := wholeColumn(c, args[0])
		defer arr.Release()
		var offsets []int32
		var from []arrow.Array
		switch arr.DataType().ID() {
		case arrow.STRUCT:
			from = vector.FieldsOf(arr)
		case arrow.MAP:
			m := vector.MapsOf(arr)
			offsets, from = m.Offsets, []arrow.Array{m.Keys, m.Values}
		default:
			l := vector.ListsOf(arr)
			offsets, from = l.Offsets, []arrow.Array{l.Elements}
		}
		texts := make([]textColumn, len(parts))
		for i, p := range parts {
			col, err := p.column(c.mem, from[i])
			if err != nil {
				return nil, err
			}
			defer col.Release()
			texts[i] = newTextColumn(col)
		}
		return fillText(c, []value{{arr: arr}}, func(dst []byte, i int) ([]byte, bool, error) {
			if offsets == nil {
				return appendStruct(dst, texts, i), true, nil
			}
			return appendEntries(dst, texts, int(offsets[i]), int(offsets[i+1])), true, nil
		})
	}, false
}

// textColumn is strings with NULLs, laid open.
type textColumn struct {
	values []string
	valid  vector.Validity
}

func newTextColumn(arr arrow.Array) textColumn {
	t := textColumn{make([]string, arr.Len()), vector.ValidityOf(arr)}
	loadStrings(arr, t.values)
	return t
}

func (t textColumn) append(dst []byte, i int) []byte {
	if t.valid.IsNull(i) {
		return append(dst, "null"...)
	}
	return append(dst, t.values[i]...)
}

func appendStruct(dst []byte, fields []textColumn, i int) []byte {
	dst = append(dst, '{')
	for k, f := range fields {
		if k > 0 {
			dst = append(dst, ", "...)
		}
		dst = f.append(dst, i)
	}
	return append(dst, '}')
}

func appendEntries(dst []byte, parts []textColumn, from, to int) []byte {
	start, end := byte('['), byte(']')
	if len(parts) == 2 {
		start, end = '{', '}'
	}
	dst = append(dst, start)
	for i := from; i < to; i++ {
		if i > from {
			dst = append(dst, ", "...)
		}
		dst = parts[0].append(dst, i)
		if len(parts) == 2 {
			dst = parts[1].append(append(dst, " -> "...), i)
		}
	}
	return append(dst, end)
}
