package hash

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func record(cols ...arrow.Array) arrow.Record {
	schema := plan.Schema{Fields: make([]plan.Field, len(cols))}
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	return vector.NewRecord(schema, cols, cols[0].Len())
}

func ints(values ...int64) arrow.Array {
	return vector.FromInt64s(memory.DefaultAllocator, values)
}

func stringsOf(values ...string) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(values, nil)
	return b.NewArray()
}

func literal(t plan.Type, v plan.Literal) arrow.Array {
	return vector.FromLiteral(memory.DefaultAllocator, t, v, 1)
}

// The values are those of the design's semantics document; they never change.
func TestCanonicalGolden(t *testing.T) {
	null := literal(plan.Int64, plan.Literal{Null: true})
	for _, c := range []struct {
		name string
		rec  arrow.Record
		want uint64
	}{
		{"1", record(ints(1)), 0xdc67919512e1fe81},
		{"2", record(ints(2)), 0x353818076d488408},
		{"3", record(ints(3)), 0x515c330021740d34},
		{"42", record(ints(42)), 0x2cd2949f714eaa40},
		{"2^40", record(ints(1 << 40)), 0xe2f95a778059f6f1},
		{"(1,x)", record(ints(1), stringsOf("x")), 0x6a50ff0d85c661c5},
		{"NULL", record(null), 0x534a47113c3fbc04},
	} {
		cols := []int{0, 1}[:c.rec.NumCols()]
		if got := Canonical("split", "v1", c.rec, cols, nil)[0]; got != c.want {
			t.Errorf("%s: %016x, want %016x", c.name, got, c.want)
		}
		c.rec.Release()
	}
	for h, want := range map[uint64]int{0xdc67919512e1fe81: 8609, 0x353818076d488408: 2078, 0xe2f95a778059f6f1: 8866} {
		if got := Bucket(h, 10000); got != want {
			t.Errorf("bucket of %x: %d, want %d", h, got, want)
		}
	}
}

func TestCanonicalSplitOfAMillion(t *testing.T) {
	ids := make([]int64, 1_000_000)
	for i := range ids {
		ids[i] = int64(i)
	}
	rec := record(ints(ids...))
	defer rec.Release()
	var counts [3]int
	for _, h := range Canonical("split", "v1", rec, []int{0}, nil) {
		switch b := Bucket(h, 10000); {
		case b < 500:
			counts[0]++
		case b < 1000:
			counts[1]++
		default:
			counts[2]++
		}
	}
	if counts != [3]int{49900, 49892, 900208} {
		t.Errorf("split 5/5/90 of ids 0…999999: %v", counts)
	}
}

func TestCanonicalKinds(t *testing.T) {
	one := Canonical("part", "", record(ints(1)), []int{0}, nil)[0]
	for _, kind := range []plan.Type{plan.Boolean, plan.Int8, plan.Int16, plan.Int32, plan.Date, plan.Timestamp} {
		if got := Canonical("part", "", record(literal(kind, plan.Literal{Int: 1})), []int{0}, nil)[0]; got != one {
			t.Errorf("1 of type %s hashes to %x, bigint 1 to %x", kind, got, one)
		}
	}
	dec := func(scale int32, v int64) uint64 {
		d := decimal128.FromI64(v)
		lit := plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()}
		return Canonical("part", "", record(literal(plan.Decimal(20, scale), lit)), []int{0}, nil)[0]
	}
	text := func(s string) uint64 { return Canonical("part", "", record(stringsOf(s)), []int{0}, nil)[0] }
	for _, c := range []struct {
		got  uint64
		want string
	}{{dec(2, 1250), "12.5"}, {dec(1, 125), "12.5"}, {dec(0, 100), "100"}, {dec(2, -300), "-3"}, {dec(3, 0), "0"}} {
		if c.got != text(c.want) {
			t.Errorf("decimal does not hash as its text %q", c.want)
		}
	}
	if text("ab") == Canonical("part", "", record(stringsOf("a"), stringsOf("b")), []int{0, 1}, nil)[0] {
		t.Error("(a, b) hashes as ab")
	}
}

// exchange-v1 is part of no file format, but every worker of a run must agree: a change needs a new name in
// plan.HashFunction.
func TestExchangeGolden(t *testing.T) {
	d := decimal128.New(1, 2)
	for _, c := range []struct {
		name string
		rec  arrow.Record
		want uint64
	}{
		{"0", record(ints(0)), 0x4b3e2461487720fb},
		{"1", record(ints(1)), 0xe623defdaa076b52},
		{"true", record(literal(plan.Boolean, plan.Literal{Int: 1})), 0xe623defdaa076b52},
		{"JFK", record(stringsOf("JFK")), 0xda4ed3dedfe320ac},
		{"(1,JFK)", record(ints(1), stringsOf("JFK")), 0x37cdacf8353c279e},
		{"(JFK,1)", record(stringsOf("JFK"), ints(1)), 0x393a475fea5878e9},
		{"1.5", record(literal(plan.Float64, plan.Literal{Bits: math.Float64bits(1.5)})), 0x397d71dfd648fa60},
		{"decimal", record(literal(plan.Decimal(38, 2), plan.Literal{Int: int64(d.LowBits()), High: d.HighBits()})), 0x52b66172be1b9231},
		{"NULL", record(literal(plan.String, plan.Literal{Null: true})), 0x0c49ef2af949f540},
		{"void", record(literal(plan.Null, plan.Literal{Null: true})), 0x0c49ef2af949f540},
	} {
		if got := Columns(c.rec, []int{0, 1}[:c.rec.NumCols()], 7, nil)[0]; got != c.want {
			t.Errorf("%s: %#016x, want %#016x", c.name, got, c.want)
		}
		c.rec.Release()
	}
}

func TestEqualValuesHashEqual(t *testing.T) {
	f := func(v float64) arrow.Array { return literal(plan.Float64, plan.Literal{Bits: math.Float64bits(v)}) }
	otherNaN := literal(plan.Float64, plan.Literal{Bits: 0xfff8000000000123})
	pairs := [][2]arrow.Record{
		{record(f(0)), record(f(math.Copysign(0, -1)))},
		{record(f(math.NaN())), record(otherNaN)},
		{record(ints(-5)), record(literal(plan.Int8, plan.Literal{Int: -5}))},
	}
	for i, p := range pairs {
		if Columns(p[0], []int{0}, 1, nil)[0] != Columns(p[1], []int{0}, 1, nil)[0] {
			t.Errorf("exchange: pair %d differs", i)
		}
		if Canonical("part", "s", p[0], []int{0}, nil)[0] != Canonical("part", "s", p[1], []int{0}, nil)[0] {
			t.Errorf("canonical: pair %d differs", i)
		}
	}
}

// Any batching, slicing and encoding of the same rows gives the same hashes and, as a set, the same row sums.
func TestLayoutDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.DefaultAllocator
		words := []string{"", "a", "b", "JFK", "LAX", "a longer value of some more bytes than sixteen"}
		n := rapid.IntRange(1, 40).Draw(t, "rows")
		idx := make([]int32, n)
		for i := range idx {
			idx[i] = rapid.Int32Range(-1, int32(len(words))-1).Draw(t, "word")
		}
		base := stringsOf(words...)
		defer base.Release()
		plain := vector.Take(mem, base, idx)
		defer plain.Release()
		dict := dictionary(mem, base, idx)
		defer dict.Release()

		a, b := vector.NewRecord(oneString, []arrow.Array{plain}, n), vector.NewRecord(oneString, []arrow.Array{dict}, n)
		defer a.Release()
		defer b.Release()
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		b1, b2 := vector.Slice(b, 0, cut), vector.Slice(b, cut, n)
		defer b1.Release()
		defer b2.Release()
		for name, f := range map[string]func(arrow.Record) []uint64{
			"exchange":  func(r arrow.Record) []uint64 { return Columns(r, []int{0}, 3, nil) },
			"canonical": func(r arrow.Record) []uint64 { return Canonical("part", "", r, []int{0}, nil) },
		} {
			whole := fmt.Sprint(f(a))
			if got := fmt.Sprint(f(b)); got != whole {
				t.Fatalf("%s: dictionary %s, plain %s", name, got, whole)
			}
			if got := fmt.Sprint(append(f(b1), f(b2)...)); got != whole {
				t.Fatalf("%s: slices %s, whole %s", name, got, whole)
			}
		}
		s, s1, s2 := RowSums(a), RowSums(b1), RowSums(b2)
		if s != [2]uint64{s1[0] + s2[0], s1[1] + s2[1]} {
			t.Fatalf("row sums %x of the whole, %x and %x of its slices", s, s1, s2)
		}
	})
}

var oneString = plan.Schema{Fields: []plan.Field{{Name: "s", Type: plan.String, Nullable: true}}}

func dictionary(mem memory.Allocator, values arrow.Array, idx []int32) arrow.Array {
	b := array.NewInt32Builder(mem)
	defer b.Release()
	for _, x := range idx {
		if x < 0 {
			b.AppendNull()
		} else {
			b.Append(x)
		}
	}
	codes := b.NewArray()
	defer codes.Release()
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: values.DataType()}
	return array.NewDictionaryArray(dt, codes, values)
}

func TestRowSumsCountDuplicates(t *testing.T) {
	once, twice := RowSums(record(ints(1))), RowSums(record(ints(1, 1)))
	if once == twice || twice != [2]uint64{2 * once[0], 2 * once[1]} {
		t.Errorf("one row %x, the row twice %x", once, twice)
	}
}

// Changes that leave the sum of a column as it is are seen in both sums.
func TestRowSumsSeeExchangedValues(t *testing.T) {
	a, b := RowSums(record(ints(1, 2, 3, 6))), RowSums(record(ints(1, 2, 4, 5)))
	if a[0] == b[0] || a[1] == b[1] {
		t.Errorf("different rows: %x and %x", a, b)
	}
}

func BenchmarkColumns(b *testing.B) {
	ids := make([]int64, 16384)
	for i := range ids {
		ids[i] = int64(i)
	}
	rec := record(ints(ids...))
	var dst []uint64
	b.SetBytes(16384 * 8)
	for b.Loop() {
		dst = Columns(rec, []int{0}, 1, dst)
	}
}

// A nested value hashes by its parts: not by its place in the column, nor by the order of a map's entries.
func TestNestedHashes(t *testing.T) {
	entries := plan.Map(plan.Int32, plan.Array(plan.String, true), true)
	text := func(s string) plan.Literal {
		return plan.Literal{Items: []plan.Literal{{Bytes: []byte(s)}, {Null: true}}}
	}
	one, two := plan.Literal{Int: 1}, plan.Literal{Int: 2}
	ab := literal(entries, plan.Literal{Items: []plan.Literal{one, text("a"), two, text("b")}})
	ba := literal(entries, plan.Literal{Items: []plan.Literal{two, text("b"), one, text("a")}})
	other := literal(entries, plan.Literal{Items: []plan.Literal{one, text("b"), two, text("a")}})
	hashes := func(arr arrow.Array) [2]uint64 {
		rec := record(arr)
		return [2]uint64{Columns(rec, []int{0}, 7, nil)[0], Canonical("part", "", rec, []int{0}, nil)[0]}
	}
	a, b, c := hashes(ab), hashes(ba), hashes(other)
	if a != b {
		t.Errorf("the order of entries matters: %x, %x", a, b)
	}
	if a[0] == c[0] || a[1] == c[1] {
		t.Errorf("other values, same hash: %x, %x", a, c)
	}
}

// The hashes are those of Spark's xxhash64.
func TestXX64(t *testing.T) {
	for _, c := range []struct {
		arr  arrow.Array
		want int64
	}{
		{stringsOf("Spark"), -4294468057691064905},
		{ints(1), -7001672635703045582},
		{literal(plan.Int32, plan.Literal{Int: 1}), -6698625589789238999},
		{literal(plan.Float64, plan.Literal{Bits: math.Float64bits(math.Copysign(0, -1))}), -5252525462095825812},
		{literal(plan.Decimal(30, 2), plan.Literal{Int: -100, High: -1}), 6412485201787246618},
		{literal(plan.Boolean, plan.Literal{Null: true}), 42},
	} {
		got := []uint64{XX64Seed}
		XX64(c.arr, got)
		if int64(got[0]) != c.want {
			t.Errorf("%s: %d, want %d", vector.Format(c.arr, 0), int64(got[0]), c.want)
		}
	}
}

// A NULL among numbers is as long as a NULL.
func TestCanonicalNulls(t *testing.T) {
	null, five := plan.Literal{Null: true}, plan.Literal{Int: 5}
	rec := record(literal(plan.Int64, null), literal(plan.Int32, five))
	defer rec.Release()
	key := appendBytes(appendBytes(nil, []byte("part")), nil)
	key = binary.LittleEndian.AppendUint64(append(key, tagNull, tagInt), 5)
	if got, want := Canonical("part", "", rec, []int{0, 1}, nil)[0], xxh3.Hash(key); got != want {
		t.Errorf("%#x, want %#x", got, want)
	}
}
