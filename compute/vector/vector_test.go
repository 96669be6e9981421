package vector

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

var everyType = []plan.Type{
	plan.Null, plan.Boolean, plan.Int8, plan.Int16, plan.Int32, plan.Int64, plan.Float32, plan.Float64,
	plan.Decimal(20, 2), plan.String, plan.Binary, plan.Date, plan.Timestamp,
	plan.TimestampNTZ, plan.YearMonthInterval, plan.DayTimeInterval, plan.Interval,
	plan.Array(plan.Int32, true), plan.Array(plan.Null, true), plan.Array(plan.Array(plan.String, true), true),
	plan.Map(plan.String, plan.Float64, true), plan.Map(plan.Int32, plan.Array(plan.Boolean, true), true),
	plan.Struct(plan.Field{Name: "a", Type: plan.Int64, Nullable: true}, plan.Field{Name: "b", Type: plan.String, Nullable: true}),
	plan.Array(plan.Struct(
		plan.Field{Name: "m", Type: plan.Map(plan.Date, plan.Decimal(10, 1), true), Nullable: true},
		plan.Field{Name: "v", Type: plan.Null, Nullable: true}), true),
}

// column is an array and, as the oracle, the literals it should hold.
type column struct {
	arr  arrow.Array
	want []plan.Literal
}

func drawLiteral(t *rapid.T, typ plan.Type) plan.Literal {
	if typ.Kind == plan.KindNull || rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return plan.Literal{Null: true}
	}
	v := rapid.Int64Range(-100, 100).Draw(t, "value")
	switch typ.Kind {
	case plan.KindBoolean:
		return plan.Literal{Int: v & 1}
	case plan.KindFloat32, plan.KindFloat64:
		return plan.Literal{Bits: math.Float64bits(float64(v) / 4)}
	case plan.KindDecimal:
		d := decimal128.FromI64(v)
		return plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()}
	case plan.KindString, plan.KindBinary:
		return plan.Literal{Bytes: []byte(fmt.Sprint("s", v%5))}
	case plan.KindInterval:
		return plan.Literal{Int: v, High: v<<32 | int64(uint32(v/2))}
	case plan.KindArray, plan.KindMap, plan.KindStruct:
		return plan.Literal{Items: drawItems(t, typ)}
	}
	return plan.Literal{Int: v}
}

func drawItems(t *rapid.T, typ plan.Type) []plan.Literal {
	items := []plan.Literal{}
	switch typ.Kind {
	case plan.KindStruct:
		for _, f := range typ.Children {
			items = append(items, drawLiteral(t, f.Type))
		}
	case plan.KindArray:
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			items = append(items, drawLiteral(t, typ.Element().Type))
		}
	case plan.KindMap:
		for k := range rapid.IntRange(0, 3).Draw(t, "entries") {
			key := plan.Literal{Int: int64(k)}
			if typ.MapKey().Type.Kind == plan.KindString {
				key = plan.Literal{Bytes: []byte{byte('a' + k)}}
			}
			items = append(items, key, drawLiteral(t, typ.MapValue().Type))
		}
	}
	return items
}

// drawColumn makes a column row by row from constants, then maybe encodes it, then maybe slices it.
func drawColumn(t *rapid.T, mem memory.Allocator, typ plan.Type, rows int) column {
	before := rapid.IntRange(0, 9).Draw(t, "before")
	c := column{}
	var parts []arrow.Array
	for range before + rows {
		lit := drawLiteral(t, typ)
		c.want = append(c.want, lit)
		parts = append(parts, FromLiteral(mem, typ, lit, 1))
	}
	if len(parts) == 0 {
		parts = append(parts, FromLiteral(mem, typ, plan.Literal{Null: true}, 0))
	}
	whole, err := Concat(mem, parts)
	releaseAll(parts)
	if err != nil {
		t.Fatal(err)
	}
	if (typ.Kind == plan.KindString || typ.Kind == plan.KindBinary) && rapid.Bool().Draw(t, "dictionary") {
		encoded := encode(mem, whole)
		whole.Release()
		whole = encoded
	}
	c.arr = array.NewSlice(whole, int64(before), int64(before+rows))
	c.want = c.want[before:]
	whole.Release()
	return c
}

// encode is a naive dictionary encoding: every row that is not NULL gets an entry.
func encode(mem memory.Allocator, arr arrow.Array) arrow.Array {
	codes := array.NewInt32Builder(mem)
	defer codes.Release()
	var entries []int32
	for i := range arr.Len() {
		if arr.IsNull(i) {
			codes.AppendNull()
			continue
		}
		codes.Append(int32(len(entries)))
		entries = append(entries, int32(i))
	}
	dict, idx := Take(mem, arr, entries), codes.NewArray()
	defer dict.Release()
	defer idx.Release()
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arr.DataType()}
	return array.NewDictionaryArray(dt, idx, dict)
}

func check(t *rapid.T, what string, arr arrow.Array, want []plan.Literal) {
	t.Helper()
	if arr.Len() != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, arr.Len(), len(want))
	}
	nulls := 0
	for i, w := range want {
		got := LiteralAt(arr, i)
		if !got.Equal(w) {
			t.Fatalf("%s: row %d is %+v, want %+v", what, i, got, w)
		}
		if w.Null {
			nulls++
		}
	}
	if arr.NullN() != nulls {
		t.Fatalf("%s: NullN %d, want %d", what, arr.NullN(), nulls)
	}
}

func TestColumnMoves(t *testing.T) {
	for _, typ := range everyType {
		t.Run(typ.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				mem := memory.NewCheckedAllocator(recycle.Poison())
				c := drawColumn(t, mem, typ, rapid.IntRange(0, 20).Draw(t, "rows"))
				d := drawColumn(t, mem, typ, rapid.IntRange(0, 20).Draw(t, "more rows"))
				check(t, "column", c.arr, c.want)
				checkTake(t, mem, c)
				checkConcat(t, mem, c, d)
				checkBuilder(t, mem, typ, c)
				checkCompare(t, typ, c, d)
				if ArraySize(c.arr) < 0 {
					t.Fatal("negative size")
				}
				plain := Decode(mem, c.arr)
				check(t, "decoded", plain, c.want)
				if plain.DataType().ID() == arrow.DICTIONARY {
					t.Fatal("decoded column is dictionary-encoded")
				}
				plain.Release()
				c.arr.Release()
				d.arr.Release()
				if n := mem.CurrentAlloc(); n != 0 {
					t.Fatalf("%d bytes leaked", n)
				}
			})
		})
	}
}

func checkTake(t *rapid.T, mem memory.Allocator, c column) {
	idx := rapid.SliceOf(rapid.Int32Range(-1, int32(c.arr.Len())-1)).Draw(t, "idx")
	want := make([]plan.Literal, len(idx))
	for i, x := range idx {
		if want[i] = (plan.Literal{Null: true}); x >= 0 {
			want[i] = c.want[x]
		}
	}
	got := Take(mem, c.arr, idx)
	defer got.Release()
	check(t, "taken", got, want)
	if got.DataType().ID() != c.arr.DataType().ID() {
		t.Fatalf("taking changed the layout from %s to %s", c.arr.DataType(), got.DataType())
	}
	if v, ok := c.arr.(*array.String); ok {
		alt := takeAsDictionary(mem, v, idx, takeNulls(mem, v, idx))
		defer alt.Release()
		check(t, "taken as a dictionary", alt, want)
	}
}

func checkConcat(t *rapid.T, mem memory.Allocator, c, d column) {
	got, err := Concat(mem, []arrow.Array{c.arr, d.arr, c.arr})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	check(t, "concatenated", got, slices.Concat(c.want, d.want, c.want))
	same, err := Concat(mem, []arrow.Array{c.arr, c.arr})
	if err != nil {
		t.Fatal(err)
	}
	defer same.Release()
	check(t, "concatenated with itself", same, slices.Concat(c.want, c.want))
	if same.DataType().ID() != c.arr.DataType().ID() {
		t.Fatal("one shared dictionary did not stay")
	}
}

func TestFromLiteral(t *testing.T) {
	for _, typ := range everyType {
		for _, n := range []int{0, 1, 9} {
			mem := memory.NewCheckedAllocator(recycle.Poison())
			lit := plan.Literal{Null: true}
			arr := FromLiteral(mem, typ, lit, n)
			if arr.Len() != n || arr.NullN() != n {
				t.Errorf("%s: %d times NULL has %d rows, %d NULL", typ, n, arr.Len(), arr.NullN())
			}
			arr.Release()
			mem.AssertSize(t, 0)
		}
	}
	arr := FromLiteral(memory.DefaultAllocator, plan.String, plan.Literal{Bytes: []byte("x")}, 3)
	if Format(arr, 2) != "x" || arr.DataType().ID() != arrow.DICTIONARY {
		t.Errorf("three times 'x' is %s of %s", arr, arr.DataType())
	}
}

func TestRecords(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	schema := plan.Schema{Fields: []plan.Field{{Name: "s", Type: plan.String}, {Name: "n", Type: plan.Int64}}}
	s := FromLiteral(mem, plan.String, plan.Literal{Bytes: []byte("x")}, 2)
	n := FromInt64s(mem, []int64{7, 8})
	rec := NewRecord(schema, []arrow.Array{s, n}, 2)
	s.Release()
	n.Release()
	plain := DecodeRecord(mem, rec)
	taken := TakeRecord(mem, rec, []int32{1, 1, -1})
	joined, err := ConcatRecords(mem, schema, []arrow.Record{rec, plain, taken})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for i := range int(joined.NumRows()) {
		got += Format(joined.Column(0), i) + Format(joined.Column(1), i) + " "
	}
	if want := "x7 x8 x7 x8 x8 x8 NULLNULL "; got != want {
		t.Errorf("rows %q, want %q", got, want)
	}
	if Size(joined) < 7*8 {
		t.Errorf("size %d", Size(joined))
	}
	empty, err := ConcatRecords(mem, schema, nil)
	if err != nil || empty.NumRows() != 0 || empty.NumCols() != 2 {
		t.Errorf("no batches give %v, %v", empty, err)
	}
	none := NewRecord(plan.Schema{}, nil, 5)
	if both, err := ConcatRecords(mem, plan.Schema{}, []arrow.Record{none, none}); err != nil || both.NumRows() != 10 {
		t.Errorf("batches without columns: %v, %v", both, err)
	}
	for _, r := range []arrow.Record{rec, plain, taken, joined, empty} {
		r.Release()
	}
}

func TestFormat(t *testing.T) {
	f := func(v float64) plan.Literal { return plan.Literal{Bits: math.Float64bits(v)} }
	dec := decimal128.FromI64(-1250)
	for _, c := range []struct {
		typ  plan.Type
		lit  plan.Literal
		want string
	}{
		{plan.Int32, plan.Literal{Null: true}, "NULL"},
		{plan.Null, plan.Literal{}, "NULL"},
		{plan.Boolean, plan.Literal{Int: 1}, "true"},
		{plan.Int8, plan.Literal{Int: -128}, "-128"},
		{plan.Float64, f(1), "1.0"},
		{plan.Float64, f(-0.5), "-0.5"},
		{plan.Float64, f(math.Copysign(0, -1)), "-0.0"},
		{plan.Float64, f(1e10), "1.0E10"},
		{plan.Float64, f(1.25e-5), "1.25E-5"},
		{plan.Float64, f(0.001), "0.001"},
		{plan.Float64, f(9999999), "9999999.0"},
		{plan.Float64, f(1e7), "1.0E7"},
		{plan.Float64, f(math.NaN()), "NaN"},
		{plan.Float64, f(math.Inf(-1)), "-Infinity"},
		{plan.Float32, f(float64(float32(0.1))), "0.1"},
		{plan.Decimal(10, 2), plan.Literal{Int: int64(dec.LowBits()), High: dec.HighBits()}, "-12.50"},
		{plan.Decimal(10, 2), plan.Literal{Int: 5}, "0.05"},
		{plan.Decimal(10, 0), plan.Literal{Int: 5}, "5"},
		{plan.String, plan.Literal{Bytes: []byte("é")}, "é"},
		{plan.Date, plan.Literal{Int: 11323}, "2001-01-01"},
		{plan.Date, plan.Literal{Int: -719162}, "0001-01-01"},
		{plan.Date, plan.Literal{Int: 2932897}, "10000-01-01"},
		{plan.Timestamp, plan.Literal{Int: 978307260_000000}, "2001-01-01 00:01:00"},
		{plan.Timestamp, plan.Literal{Int: 978307260_500000}, "2001-01-01 00:01:00.5"},
		{plan.Timestamp, plan.Literal{Int: -1}, "1969-12-31 23:59:59.999999"},
	} {
		arr := FromLiteral(memory.DefaultAllocator, c.typ, c.lit, 1)
		if got := Format(arr, 0); got != c.want {
			t.Errorf("%s: %s, want %s", c.typ, got, c.want)
		}
	}
}

func TestConcatRefusesMixedTypes(t *testing.T) {
	mem := memory.DefaultAllocator
	a, b := FromLiteral(mem, plan.Int64, plan.Literal{}, 1), FromLiteral(mem, plan.Int32, plan.Literal{}, 1)
	if _, err := Concat(mem, []arrow.Array{a, b}); err == nil {
		t.Error("bigint and int were joined")
	}
	if _, err := Concat(mem, nil); err == nil {
		t.Error("nothing was joined")
	}
}
