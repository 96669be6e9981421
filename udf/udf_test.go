package udf

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/udf/udfpb"
)

func roundTrip[T Value](t *testing.T, want Type, values ...T) {
	t.Helper()
	c := codecOf[T]()
	if c.typ != want {
		t.Errorf("%T is %s, want %s", values, c.typ, want)
	}
	null := make([]bool, len(values))
	null[1] = true
	arr := c.build(nil, values, null)
	defer arr.Release()
	if !arrow.TypeEqual(arr.DataType(), want.Arrow()) || arr.NullN() != 1 || arr.IsValid(1) {
		t.Errorf("%s: built %s of %s", want, arr, arr.DataType())
	}
	part := array.NewSlice(arr, 1, int64(len(values)))
	defer part.Release()
	got, err := c.read(part)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(got); i++ {
		if fmt.Sprint(got[i]) != fmt.Sprint(values[i+1]) {
			t.Errorf("%s: row %d is %v, not %v", want, i, got[i], values[i+1])
		}
	}
	other := Type("double")
	if want == Double {
		other = BigInt
	}
	wrong := array.MakeArrayOfNull(memory.DefaultAllocator, other.Arrow(), 3)
	defer wrong.Release()
	if _, err := c.read(wrong); err == nil {
		t.Errorf("%s: a column of %s was accepted", want, other)
	}
}

func TestCodecs(t *testing.T) {
	day := time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC)
	roundTrip(t, Boolean, true, true, false, true)
	roundTrip[int8](t, TinyInt, 1, 0, -3)
	roundTrip[int16](t, SmallInt, 1, 0, -3)
	roundTrip[int32](t, Int, 1, 0, -3)
	roundTrip[int64](t, BigInt, 1, 0, -3)
	roundTrip[float32](t, Float, 1, 0, -3.5)
	roundTrip(t, Double, 1, 0, -3.5)
	roundTrip(t, String, "a", "", "long")
	roundTrip(t, Binary, []byte("a"), nil, []byte("\x00\xff"))
	roundTrip(t, DateType, DateOf(day), 0, 1)
	roundTrip(t, Timestamp, day, day, time.UnixMicro(5).UTC())
	if s := DateOf(day).String(); s != "1969-12-31" {
		t.Errorf("the last day of the sixties is %s", s)
	}
}

// ask calls a function through the server, as a worker does.
func ask(t *testing.T, f Function, cols ...arrow.Array) (arrow.Array, *udfpb.Failure) {
	t.Helper()
	s, err := newServer([]Function{f})
	if err != nil {
		t.Fatal(err)
	}
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: "a", Type: c.DataType(), Nullable: true}
	}
	rec := array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(cols[0].Len()))
	payload, err := udfpb.NewPayload(rec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), &udfpb.OpenRequest{Instance: 1, Function: f.describe.Name}); err != nil {
		t.Fatal(err)
	}
	reply, err := s.Call(t.Context(), &udfpb.CallRequest{Instance: 1, Args: payload})
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.GetFailures()) > 0 {
		return nil, reply.GetFailures()[0]
	}
	out, err := reply.GetColumn().Record(memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return out.Column(0), nil
}

func bigints(valid []bool, v ...int64) arrow.Array {
	return fixed[int64](BigInt).build(nil, v, invert(valid))
}

func invert(valid []bool) []bool {
	if valid == nil {
		return nil
	}
	out := make([]bool, len(valid))
	for i := range valid {
		out[i] = !valid[i]
	}
	return out
}

func TestNullArgumentsGiveNull(t *testing.T) {
	add := Scalar2("add", func(a, b int64) int64 { return a + b })
	col, failed := ask(t, add, bigints([]bool{true, false, true}, 1, 2, 3), bigints([]bool{true, true, false}, 10, 20, 30))
	if failed != nil || col.String() != "[11 (null) (null)]" {
		t.Errorf("got %v, %v", col, failed)
	}
	add3 := Scalar3("add3", func(a, b, c int64) int64 { return a + b + c })
	col, failed = ask(t, add3, bigints(nil, 1), bigints(nil, 2), bigints(nil, 3))
	if failed != nil || col.String() != "[6]" {
		t.Errorf("got %v, %v", col, failed)
	}
}

func TestPointersTakeAndGiveNull(t *testing.T) {
	orNothing := Scalar2E("or_nothing", func(a *int64, b int64) (*int64, error) {
		if a == nil {
			return &b, nil
		}
		if *a == b {
			return nil, nil
		}
		return a, nil
	})
	if !orNothing.describe.Nullable {
		t.Error("a pointer result is not described as nullable")
	}
	col, failed := ask(t, orNothing, bigints([]bool{false, true, true, true}, 0, 7, 8, 9), bigints([]bool{true, true, true, false}, 5, 7, 1, 0))
	if failed != nil || col.String() != "[5 (null) 8 (null)]" {
		t.Errorf("got %v, %v", col, failed)
	}
}

func TestErrorsAndPanicsNameTheRow(t *testing.T) {
	_, failed := ask(t, ScalarE("f", func(v int64) (int64, error) {
		if v == 3 {
			return 0, errors.New("no threes")
		}
		return v, nil
	}), bigints(nil, 1, 2, 3))
	if failed.GetRow() != 2 || failed.GetMessage() != "no threes" || failed.GetPanicked() {
		t.Errorf("got %v", failed)
	}
	_, failed = ask(t, ScalarE("f", func(v int64) (int64, error) { return 10 / (v - 2), nil }), bigints(nil, 1, 2))
	if failed.GetRow() != 1 || !failed.GetPanicked() || !strings.Contains(failed.GetMessage(), "divide by zero") ||
		!strings.Contains(failed.GetStack(), "udf_test.go") {
		t.Errorf("got %v", failed)
	}
	_, failed = ask(t, Vector("f", []Type{BigInt}, BigInt, func([]arrow.Array) (arrow.Array, error) { return nil, nil }), bigints(nil, 1))
	if failed.GetRow() != -1 || !strings.Contains(failed.GetMessage(), "no column") {
		t.Errorf("got %v", failed)
	}
}

func TestCancelledCallStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	f := ScalarE("f", func(v int64) (int64, error) {
		calls++
		cancel()
		return v, nil
	})
	col := bigints(nil, make([]int64, 100_000)...)
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "a", Type: col.DataType()}}, nil), []arrow.Array{col}, int64(col.Len()))
	in, err := f.start(ctx, newContext("f"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.scalar(&batchCall{ctx: ctx, args: rec}); !errors.Is(err, context.Canceled) || calls > cancelEvery {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

func TestServerRefusesWhatItCannotServe(t *testing.T) {
	id := Scalar("id", func(v int64) int64 { return v })
	for name, fns := range map[string][]Function{
		"no functions":  nil,
		"two functions": {id, id},
		"function name": {Scalar("no spaces", func(v int64) int64 { return v })},
		"no SQL type":   {Vector("v", []Type{"decimal(99,1)"}, BigInt, nil)},
		"zero Function": {{}},
	} {
		if _, err := newServer(fns); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := newServer([]Function{id})
	if err != nil {
		t.Fatal(err)
	}
	rec := array.NewRecord(arrow.NewSchema(nil, nil), nil, 1)
	none, err := udfpb.NewPayload(rec)
	if err != nil {
		t.Fatal(err)
	}
	damaged := &udfpb.Payload{Arrow: none.Arrow, Crc32C: none.Crc32C + 1}
	if _, err := s.Open(t.Context(), &udfpb.OpenRequest{Instance: 1, Function: "other"}); err == nil || !strings.Contains(err.Error(), "no function") {
		t.Errorf("a function that does not exist: %v", err)
	}
	if reply, err := s.Open(t.Context(), &udfpb.OpenRequest{Instance: 1, Function: "id", Options: `{"a":1}`}); err != nil || !strings.Contains(reply.GetRefusal().GetMessage(), "no options") {
		t.Errorf("options: %v, %v", reply, err)
	}
	if _, err := s.Open(t.Context(), &udfpb.OpenRequest{Instance: 1, Function: "id"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), &udfpb.OpenRequest{Instance: 1, Function: "id"}); err == nil || !strings.Contains(err.Error(), "is open") {
		t.Errorf("opened twice: %v", err)
	}
	for says, req := range map[string]*udfpb.CallRequest{
		"not open":        {Instance: 2, Args: none},
		"takes 1 columns": {Instance: 1, Args: none},
		"checksum":        {Instance: 1, Args: damaged},
		"arguments:":      {Instance: 1},
	} {
		if _, err := s.Call(t.Context(), req); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// Columns are made where they are shared, if there is room, and at any rate with the same values.
func TestRoom(t *testing.T) {
	null := []bool{false, true, false}
	inRoom(t, codecOf[int32](), []int32{1, 0, 3}, null, true)
	inRoom(t, codecOf[string](), []string{"one", "", "three"}, null, true)
	inRoom(t, codecOf[time.Time](), []time.Time{time.UnixMicro(1), {}, time.UnixMicro(3)}, null, true)
	three := int64(3)
	inRoom(t, codecOf[*int64](), []*int64{nil, &three, nil}, nil, true)
	inRoom(t, codecOf[bool](), []bool{true, false, true}, null, false)
	inRoom(t, codecOf[string](), nil, nil, false)
}

func inRoom[T any](t *testing.T, c codec[T], values []T, null []bool, there bool) {
	t.Helper()
	want := c.build(nil, values, null)
	for _, room := range [][]byte{make([]byte, 8192)[:4096], make([]byte, 8)[:1]} {
		made := c.values(room, len(values))
		copy(made, values)
		col := c.build(room, made, null)
		at := unsafe.SliceData(room)
		inside := col.Len() > 0 && unsafe.SliceData(col.Data().Buffers()[1].Bytes()) == at
		if inside != (there && len(room) > 8) {
			t.Errorf("%s in a room of %d: made there %t", c.typ, len(room), inside)
		}
		rec := array.NewRecord(schemaOf([]Column{{Name: "c", Type: c.typ}}), []arrow.Array{col}, int64(col.Len()))
		size, _ := udfpb.SharedSize(rec)
		region := room
		if size > len(region) {
			region = make([]byte, size)
		}
		shared, err := udfpb.Share(region, 0, rec).Borrow(region, []arrow.DataType{c.typ.Arrow()})
		if err != nil || !array.Equal(shared.Column(0), want) {
			t.Errorf("%s in a room of %d: %v, %v, not %v", c.typ, len(room), shared, err, want)
		}
	}
}
