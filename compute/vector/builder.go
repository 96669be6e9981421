package vector

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// Builder makes a column of any type value by value, from constants or from rows of other columns. It is for values
// that come one at a time; whole rows are moved faster by [Take] and [Concat].
type Builder struct {
	t     plan.Type
	b     array.Builder
	bytes int64 // of text, in all parts
	items int64 // of arrays and maps, in all parts
}

// NewBuilder is an empty builder of a type's plain layout. Whoever makes it releases it.
func NewBuilder(mem memory.Allocator, t plan.Type) *Builder {
	return &Builder{t: t, b: array.NewBuilder(mem, lenient(t).Arrow())}
}

// lenient is a nested type with every map's values nullable: Arrow's builder of maps panics at a NULL among others.
func lenient(t plan.Type) plan.Type {
	if !t.IsNested() {
		return t
	}
	children := append([]plan.Field(nil), t.Children...)
	for i := range children {
		children[i].Type = lenient(children[i].Type)
	}
	if t.Kind == plan.KindMap {
		children[1].Nullable = true
	}
	t.Children = children
	return t
}

// Len is the number of values so far.
func (b *Builder) Len() int { return b.b.Len() }

// Size is an estimate of the memory that the values of arrays, maps and strings take so far.
func (b *Builder) Size() int64 { return b.bytes + 8*(b.items+int64(b.b.Len())) }

// Release gives the memory back that Finish has not handed on.
func (b *Builder) Release() { b.b.Release() }

// Finish is the values as a column, which the caller releases; the builder is empty then. It fails when there is more
// text or more elements than one column holds.
func (b *Builder) Finish() (arrow.Array, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	b.bytes, b.items = 0, 0
	arr := b.b.NewArray()
	if !b.t.IsNested() {
		return arr, nil
	}
	defer arr.Release()
	return Relabel(arr, b.t.Arrow()), nil
}

// Check fails as Finish would. Values past that point are dropped.
func (b *Builder) Check() error {
	switch {
	case b.bytes > math.MaxInt32:
		return plan.Failf(plan.FailureOutOfMemory,
			"a column's text exceeds 2 GiB within one task: use more partitions, or fewer rows per task")
	case b.items > math.MaxInt32:
		return tooManyElements()
	}
	return nil
}

// AppendNull appends NULL.
func (b *Builder) AppendNull() { b.b.AppendNull() }

// AppendLiteral appends a constant of the builder's type.
func (b *Builder) AppendLiteral(v plan.Literal) { b.literal(b.b, b.t, v) }

func (b *Builder) literal(to array.Builder, t plan.Type, v plan.Literal) {
	if v.Null || t.Kind == plan.KindNull {
		to.AppendNull()
		return
	}
	switch to := to.(type) {
	case *array.BooleanBuilder:
		to.Append(v.Int != 0)
	case *array.Int8Builder:
		to.Append(int8(v.Int))
	case *array.Int16Builder:
		to.Append(int16(v.Int))
	case *array.Int32Builder:
		to.Append(int32(v.Int))
	case *array.Int64Builder:
		to.Append(v.Int)
	case *array.Float32Builder:
		to.Append(float32(v.Float()))
	case *array.Float64Builder:
		to.Append(v.Float())
	case *array.Decimal128Builder:
		to.Append(v.Decimal())
	case *array.Date32Builder:
		to.Append(arrow.Date32(v.Int))
	case *array.TimestampBuilder:
		to.Append(arrow.Timestamp(v.Int))
	case *array.MonthIntervalBuilder:
		to.Append(arrow.MonthInterval(v.Int))
	case *array.DurationBuilder:
		to.Append(arrow.Duration(v.Int))
	case *array.MonthDayNanoIntervalBuilder:
		to.Append(literalInterval(v))
	case *array.StringBuilder, *array.BinaryBuilder:
		b.text(to, v.Bytes)
	case *array.ListBuilder:
		to.Append(true)
		b.items += int64(len(v.Items))
		for _, item := range v.Items {
			b.literal(to.ValueBuilder(), t.Element().Type, item)
		}
	case *array.MapBuilder:
		to.Append(true)
		b.items += int64(len(v.Items) / 2)
		for i := 0; i+1 < len(v.Items); i += 2 {
			b.literal(to.KeyBuilder(), t.MapKey().Type, v.Items[i])
			b.literal(to.ItemBuilder(), t.MapValue().Type, v.Items[i+1])
		}
	case *array.StructBuilder:
		to.Append(true)
		for i, f := range t.Children {
			b.literal(to.FieldBuilder(i), f.Type, v.Items[i])
		}
	}
}

// text drops what would overflow the layout; Finish fails then.
func (b *Builder) text(to array.Builder, v []byte) {
	if b.bytes += int64(len(v)); b.bytes > math.MaxInt32 {
		v = nil
	}
	switch to := to.(type) {
	case *array.StringBuilder:
		to.BinaryBuilder.Append(v)
	case *array.BinaryBuilder:
		to.Append(v)
	}
}

// AppendRow appends row i of a column of the builder's type, in whatever layout.
func (b *Builder) AppendRow(arr arrow.Array, i int) { b.row(b.b, arr, i, ValidityOf(arr)) }

// AppendRows appends the rows from up to, not including, to.
func (b *Builder) AppendRows(arr arrow.Array, from, to int) { b.rows(b.b, arr, from, to) }

func (b *Builder) rows(to array.Builder, arr arrow.Array, from, until int) {
	valid := ValidityOf(arr)
	for ; from < until; from++ {
		b.row(to, arr, from, valid)
	}
}

func (b *Builder) row(to array.Builder, arr arrow.Array, i int, valid Validity) {
	if valid.IsNull(i) {
		to.AppendNull()
		return
	}
	switch to := to.(type) {
	case *array.BooleanBuilder:
		to.Append(Bools(arr).At(i))
	case *array.Int8Builder:
		to.Append(Int8s(arr)[i])
	case *array.Int16Builder:
		to.Append(Int16s(arr)[i])
	case *array.Int32Builder:
		to.Append(Int32s(arr)[i])
	case *array.Int64Builder:
		to.Append(Int64s(arr)[i])
	case *array.Float32Builder:
		to.Append(Float32s(arr)[i])
	case *array.Float64Builder:
		to.Append(Float64s(arr)[i])
	case *array.Decimal128Builder:
		to.Append(Values[decimal128.Num](arr)[i])
	case *array.Date32Builder:
		to.Append(arrow.Date32(Int32s(arr)[i]))
	case *array.TimestampBuilder:
		to.Append(arrow.Timestamp(Int64s(arr)[i]))
	case *array.MonthIntervalBuilder:
		to.Append(arrow.MonthInterval(Int32s(arr)[i]))
	case *array.DurationBuilder:
		to.Append(arrow.Duration(Int64s(arr)[i]))
	case *array.MonthDayNanoIntervalBuilder:
		to.Append(Intervals(arr)[i])
	case *array.StringBuilder, *array.BinaryBuilder:
		b.text(to, bytesAt(arr, i))
	default:
		b.nested(to, arr, i)
	}
}

func (b *Builder) nested(to array.Builder, arr arrow.Array, i int) {
	switch to := to.(type) {
	case *array.ListBuilder:
		l := ListsOf(arr)
		from, until := l.Range(i)
		b.items += int64(until - from)
		to.Append(true)
		b.rows(to.ValueBuilder(), l.Elements, from, until)
	case *array.MapBuilder:
		m := MapsOf(arr)
		from, until := m.Range(i)
		b.items += int64(until - from)
		to.Append(true)
		b.rows(to.KeyBuilder(), m.Keys, from, until)
		b.rows(to.ItemBuilder(), m.Values, from, until)
	case *array.StructBuilder:
		s := arr.(*array.Struct)
		to.Append(true)
		for k := range to.NumField() {
			f := s.Field(k)
			b.row(to.FieldBuilder(k), f, i, ValidityOf(f))
		}
	}
}
