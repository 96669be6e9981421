package arrowipc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/recycle"
)

// sample has a column of strings and a dictionary-encoded one.
func sample(mem memory.Allocator) arrow.Record {
	texts := array.NewStringBuilder(mem)
	defer texts.Release()
	texts.AppendValues([]string{"a", "", "long enough", "d"}, []bool{true, false, true, true})
	plain := texts.NewArray()
	defer plain.Release()
	coded := dictionary(mem, []int32{1, 0, 1, 2}, []string{"x", "y", "z"})
	defer coded.Release()
	return record(plain, coded)
}

func record(cols ...arrow.Array) arrow.Record {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: "c", Type: c.DataType(), Nullable: true}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(cols[0].Len()))
}

func dictionary(mem memory.Allocator, codes []int32, values []string) arrow.Array {
	ib, vb := array.NewInt32Builder(mem), array.NewStringBuilder(mem)
	defer ib.Release()
	defer vb.Release()
	ib.AppendValues(codes, nil)
	vb.AppendValues(values, nil)
	indices, dict := ib.NewArray(), vb.NewArray()
	defer indices.Release()
	defer dict.Release()
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	return array.NewDictionaryArray(dt, indices, dict)
}

func TestRoundTrip(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	rec := sample(mem)
	defer rec.Release()
	part := rec.NewSlice(1, 3)
	defer part.Release()
	for _, want := range []arrow.Record{rec, part} {
		payload, err := Append([]byte("before"), want)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(payload, []byte("before")) {
			t.Error("what was there is gone")
		}
		got, err := Decode(mem, payload[len("before"):])
		if err != nil {
			t.Fatal(err)
		}
		if !array.RecordEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		got.Release()
	}
}

func TestNoBatch(t *testing.T) {
	for _, payload := range []string{"", "\xff\xff\xff\xff\x00\x00\x00\x00", "ARROW1\x00\x00", "\xff\xff\xff\xff"} {
		if _, err := Decode(memory.NewGoAllocator(), []byte(payload)); err == nil {
			t.Errorf("%q was accepted", payload)
		}
	}
}

// A message that claims gigabytes is refused before anything is allocated.
func TestClaimedSizes(t *testing.T) {
	payload, err := Append(nil, sample(memory.NewGoAllocator()))
	if err != nil {
		t.Fatal(err)
	}
	meta := bytes.Clone(payload)
	binary.LittleEndian.PutUint32(meta[4:], 0x7fffffff)
	if _, err := Decode(memory.NewGoAllocator(), meta); err == nil || !strings.Contains(err.Error(), "ends early") {
		t.Errorf("2 GiB of metadata: %v", err)
	}
	for _, size := range []uint64{1 << 40, 1 << 63, 1<<32 + 8} {
		for at := 8; at+8 <= len(payload); at += 8 { // one of these words is a body's or a buffer's length
			body := bytes.Clone(payload)
			binary.LittleEndian.PutUint64(body[at:], size)
			if rec, err := Decode(memory.NewGoAllocator(), body); err == nil {
				_ = rec.Columns()[0].String()
				rec.Release()
			}
		}
	}
}

func TestMalformedArrays(t *testing.T) {
	buf := func(v ...int32) *memory.Buffer {
		return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(v))
	}
	text := memory.NewBufferBytes([]byte("hello"))
	plain := func(dt arrow.DataType, n, nulls int, buffers ...*memory.Buffer) func() arrow.Array {
		return func() arrow.Array { return array.MakeFromData(array.NewData(dt, n, buffers, nil, nulls, 0)) }
	}
	coded := func(codes ...int32) func() arrow.Array {
		return func() arrow.Array {
			return dictionary(memory.NewGoAllocator(), codes, []string{"a", "b", "c"})
		}
	}
	str, i32 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32
	for name, build := range map[string]func() arrow.Array{
		"offsets out of order":   plain(str, 2, 0, nil, buf(0, 4, 2), text),
		"negative offset":        plain(str, 1, 0, nil, buf(-1, 2), text),
		"slice bounds":           plain(i32, 3, 0, nil, buf(1, 2)), // Arrow's constructors find some themselves
		"null count 2, but 1":    plain(i32, 2, 2, memory.NewBufferBytes([]byte{1}), buf(1, 2)),
		"null count 1, but 0":    plain(i32, 2, 1, nil, buf(1, 2)),
		"code 3 in row 1":        coded(0, 3),
		"code -1 in row 0":       coded(-1, 2),
		"not used between":       plain(arrow.PrimitiveTypes.Uint16, 1, 0, nil, buf(1)),
		"dictionary: null count": badDictionary,
	} {
		if err := validate(build); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func validate(build func() arrow.Array) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return ValidateArray(build())
}

// badDictionary has values that lie about their NULLs.
func badDictionary() arrow.Array {
	values := array.NewData(arrow.BinaryTypes.String, 1,
		[]*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 8)), nil}, nil, 1, 0)
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	return array.MakeFromData(array.NewDataWithDictionary(dt, 1, []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 4))}, 0, 0, values))
}

// TestRandomDamage checks that no damage leads past Decode to a batch that cannot be used.
func TestRandomDamage(t *testing.T) {
	good, err := Append(nil, sample(memory.NewGoAllocator()))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for range 20_000 {
		bad := bytes.Clone(good)
		for range 1 + rng.IntN(4) {
			bad[rng.IntN(len(bad))] = byte(rng.Uint32())
		}
		if !use(bad) {
			refused++
		}
	}
	if refused < 1000 {
		t.Errorf("only %d payloads were refused", refused)
	}
}

// use decodes and touches every value.
func use(payload []byte) bool {
	rec, err := Decode(memory.NewGoAllocator(), payload)
	if err != nil {
		return false
	}
	defer rec.Release()
	for _, col := range rec.Columns() {
		for i := range col.Len() {
			if col.IsValid(i) {
				_ = col.ValueStr(i)
			}
		}
	}
	return true
}

func FuzzDecode(f *testing.F) {
	good, err := Append(nil, sample(memory.NewGoAllocator()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(_ *testing.T, payload []byte) { use(payload) })
}
