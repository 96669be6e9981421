package vector

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

// checkBuilder rebuilds a column from its rows and from its constants.
func checkBuilder(t *rapid.T, mem memory.Allocator, typ plan.Type, c column) {
	b := NewBuilder(mem, typ)
	defer b.Release()
	for i := range c.arr.Len() {
		b.AppendRow(c.arr, i)
	}
	b.AppendNull()
	b.AppendRows(c.arr, 0, c.arr.Len())
	for _, lit := range c.want {
		b.AppendLiteral(lit)
	}
	got, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	check(t, "built", got, slices.Concat(c.want, []plan.Literal{{Null: true}}, c.want, c.want))
	if back, err := plan.TypeOf(got.DataType()); err != nil || !back.Equal(typ) {
		t.Fatalf("built a %s for %s: %v", back, typ, err)
	}
}

// checkCompare compares rows with a naive order of constants.
func checkCompare(t *rapid.T, typ plan.Type, c, d column) {
	compare := NewComparer(c.arr, d.arr)
	for i, a := range c.want {
		for j, b := range d.want {
			if got, want := sign(compare(i, j)), sign(naiveCompare(typ, a, b)); got != want {
				t.Fatalf("%s beside %s: %d, want %d", Format(c.arr, i), Format(d.arr, j), got, want)
			}
		}
	}
}

func sign(c int) int { return cmp.Compare(c, 0) }

func naiveCompare(typ plan.Type, a, b plan.Literal) int {
	if a.Null || b.Null {
		return cmp.Compare(truth(!a.Null), truth(!b.Null))
	}
	switch typ.Kind {
	case plan.KindFloat32, plan.KindFloat64:
		return cmp.Compare(a.Float(), b.Float())
	case plan.KindString, plan.KindBinary:
		return bytes.Compare(a.Bytes, b.Bytes)
	case plan.KindInterval:
		return cmp.Or(cmp.Compare(a.High>>32, b.High>>32), cmp.Compare(int32(a.High), int32(b.High)), cmp.Compare(a.Int, b.Int))
	case plan.KindDecimal:
		return a.Decimal().Cmp(b.Decimal())
	case plan.KindArray, plan.KindMap, plan.KindStruct:
		for i := range min(len(a.Items), len(b.Items)) {
			child := typ.Children[0]
			if typ.Kind != plan.KindArray {
				child = typ.Children[i%len(typ.Children)]
			}
			if c := naiveCompare(child.Type, a.Items[i], b.Items[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(a.Items), len(b.Items))
	}
	return cmp.Compare(a.Int, b.Int)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestCompareSpecials has what the property cannot draw: NaN, -0.0, and maps in another order.
func TestCompareSpecials(t *testing.T) {
	mem := memory.DefaultAllocator
	b := array.NewFloat64Builder(mem)
	b.AppendValues([]float64{math.NaN(), math.NaN(), math.Inf(1), 0, math.Copysign(0, -1)}, nil)
	f := b.NewArray()
	for _, c := range []struct{ i, j, want int }{{0, 1, 0}, {0, 2, 1}, {2, 0, -1}, {3, 4, 0}, {4, 3, 0}} {
		if got := CompareAt(f, c.i, f, c.j); got != c.want {
			t.Errorf("row %d beside row %d: %d, want %d", c.i, c.j, got, c.want)
		}
	}
	typ := plan.Map(plan.Int32, plan.Int32, true)
	m := func(items ...int64) arrow.Array {
		v := plan.Literal{}
		for _, x := range items {
			v.Items = append(v.Items, plan.Literal{Int: x})
		}
		return FromLiteral(mem, typ, v, 1)
	}
	if c := CompareAt(m(1, 10, 2, 20), 0, m(2, 20, 1, 10), 0); c != 0 {
		t.Errorf("the same entries in another order differ by %d", c)
	}
	if c := CompareAt(m(1, 10, 2, 20), 0, m(2, 20, 1, 11), 0); c >= 0 {
		t.Errorf("a smaller value gives %d", c)
	}
}

// TestFlatten has NULLs that cover elements, and elements that nothing covers.
func TestFlatten(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	buf, offsets := Alloc[int32](mem, 5)
	copy(offsets, []int32{1, 2, 4, 4, 6})
	nulls := &Nulls{Mem: mem, Rows: 4}
	nulls.Set(1)
	list := MakeList(arrow.ListOf(arrow.PrimitiveTypes.Int64), 4, nulls, buf, FromInt64s(mem, []int64{0, 1, 2, 3, 4, 5, 6}))
	defer list.Release()
	for _, c := range []struct {
		from, to int64
		offsets  []int32
		elements []int64
	}{
		{0, 4, []int32{0, 1, 1, 1, 3}, []int64{1, 4, 5}},
		{2, 4, []int32{0, 0, 2}, []int64{4, 5}},
		{1, 2, []int32{0, 0}, nil},
		{0, 0, []int32{0}, nil},
	} {
		part := array.NewSlice(list, c.from, c.to)
		starts, elements := ListsOf(part).Flatten(mem)
		if !slices.Equal(starts, c.offsets) || !slices.Equal(Int64s(elements), c.elements) || ListsOf(part).Total() != len(c.elements) {
			t.Errorf("rows %d to %d: %v of %v, want %v of %v", c.from, c.to, starts, Int64s(elements), c.offsets, c.elements)
		}
		elements.Release()
		part.Release()
	}
}

func TestFormatNested(t *testing.T) {
	field := func(name string, typ plan.Type) plan.Field { return plan.Field{Name: name, Type: typ, Nullable: true} }
	n, null := func(v int64) plan.Literal { return plan.Literal{Int: v} }, plan.Literal{Null: true}
	s := func(v string) plan.Literal { return plan.Literal{Bytes: []byte(v)} }
	all := func(v ...plan.Literal) plan.Literal { return plan.Literal{Items: v} }
	for _, c := range []struct {
		typ  plan.Type
		lit  plan.Literal
		want string
	}{
		{plan.Array(plan.Int32, true), all(n(1), null, n(3)), "[1,null,3]"},
		{plan.Array(plan.String, true), all(s("a"), null, s(`it"s`)), `["a",null,"it"s"]`},
		{plan.Array(plan.Binary, true), all(s("AB")), "[AB]"},
		{plan.Array(plan.Null, true), all(null), "[null]"},
		{plan.Map(plan.Int32, plan.String, true), all(n(2), s("x"), n(10), s("y")), `{10:"y",2:"x"}`},
		{plan.Map(plan.Null, plan.Null, true), all(), "{}"},
		{plan.Struct(field("a", plan.Int32), field("b", plan.String), field("c", plan.Null)), all(n(1), s("x"), null), `{"a":1,"b":"x","c":null}`},
		{plan.Array(plan.Date, true), all(n(18262)), "[2020-01-01]"},
		{plan.Array(plan.Timestamp, true), all(n(1577836800500000)), "[2019-12-31 16:00:00.5]"},
		{plan.Array(plan.TimestampNTZ, true), all(n(1577836800500000)), "[2020-01-01 00:00:00.5]"},
		{plan.YearMonthInterval, n(14), "1-2"},
		{plan.YearMonthInterval, n(-14), "-1-2"},
		{plan.DayTimeInterval, n(93784_500000), "1 02:03:04.500000000"},
		{plan.DayTimeInterval, n(-93784_500000), "-1 02:03:04.500000000"},
		{plan.DayTimeInterval, n(-1 << 63), "-106751991 04:00:54.775808000"},
		{plan.Interval, n(0), "0 seconds"},
		{plan.Interval, n(-500000), "-0.5 seconds"},
		{plan.Interval, plan.Literal{High: 14<<32 | 25, Int: 18367500000}, "1 years 2 months 25 days 5 hours 6 minutes 7.5 seconds"},
		{plan.Interval, plan.Literal{High: -13<<32 | 0xfffffffd, Int: -14706_789000}, "-1 years -1 months -3 days -4 hours -5 minutes -6.789 seconds"},
	} {
		arr := FromLiteral(memory.DefaultAllocator, c.typ, c.lit, 1)
		zone := time.FixedZone("", -8*3600)
		if got := FormatIn(arr, 0, zone); got != c.want {
			t.Errorf("%s: %s, want %s", c.typ, got, c.want)
		}
	}
}

func TestRelabel(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	strict, lax := plan.Array(plan.Map(plan.Int32, plan.String, false), false), plan.Array(plan.Map(plan.Int32, plan.String, true), true)
	lit := plan.Literal{Items: []plan.Literal{{Items: []plan.Literal{{Int: 7}, {Bytes: []byte("x")}}}}}
	arr := FromLiteral(mem, strict, lit, 3)
	part := array.NewSlice(arr, 1, 3)
	out := Relabel(part, lax.Arrow())
	if got, _ := plan.TypeOf(out.DataType()); !got.Equal(lax) || Format(out, 1) != `[{7:"x"}]` || out.Len() != 2 {
		t.Errorf("relabelled: %s of %s", out, got)
	}
	out.Release()
	part.Release()
	arr.Release()
}

func TestSizeOfNested(t *testing.T) {
	mem := memory.DefaultAllocator
	typ := plan.Array(plan.String, true)
	lit := plan.Literal{Items: []plan.Literal{{Bytes: make([]byte, 1000)}}}
	arr := FromLiteral(mem, typ, lit, 10)
	if n := ArraySize(arr); n < 10_000 || n > 11_000 {
		t.Errorf("ten arrays of one string of 1000 bytes: %d", n)
	}
	half := array.NewSlice(arr, 5, 10)
	if n := ArraySize(half); n < 5_000 || n > 5_600 {
		t.Errorf("half of them: %d", n)
	}
}
