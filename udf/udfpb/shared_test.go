package udfpb

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/recycle"
)

// mixed has a column of each type that functions have, with NULLs in every other one.
func mixed(rows int) arrow.Record {
	types := []arrow.DataType{
		arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Date32,
		arrow.FixedWidthTypes.Timestamp_us, &arrow.Decimal128Type{Precision: 20, Scale: 2},
	}
	var fields []arrow.Field
	var cols []arrow.Array
	for round := range 2 {
		for i, t := range types {
			b := array.NewBuilder(memory.DefaultAllocator, t)
			for row := range rows {
				if round == 1 && (row+i)%3 == 0 {
					b.AppendNull()
				} else if d, ok := b.(*array.Decimal128Builder); ok {
					d.Append(decimal128.FromI64(int64(row)))
				} else if err := b.AppendValueFromString(value(t, row)); err != nil {
					panic(err)
				}
			}
			fields = append(fields, arrow.Field{Name: fmt.Sprint("c", len(fields)), Type: t, Nullable: true})
			cols = append(cols, b.NewArray())
		}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(rows))
}

func value(t arrow.DataType, row int) string {
	switch t.ID() {
	case arrow.BOOL:
		return fmt.Sprint(row%2 == 0)
	case arrow.DATE32:
		return fmt.Sprintf("2001-01-%02d", row%28+1)
	case arrow.TIMESTAMP:
		return fmt.Sprintf("2001-01-%02d 00:00:01Z", row%28+1)
	case arrow.BINARY:
		return "YWJj"
	case arrow.STRING:
		return fmt.Sprint("text ", row)[:row%6]
	}
	return fmt.Sprint(row % 100)
}

func typesOf(rec arrow.Record) []arrow.DataType {
	var types []arrow.DataType
	for _, f := range rec.Schema().Fields() {
		types = append(types, f.Type)
	}
	return types
}

func TestSharedRoundTrip(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	whole := mixed(100)
	for _, rec := range []arrow.Record{whole, whole.NewSlice(3, 90), whole.NewSlice(8, 9), whole.NewSlice(5, 5), mixed(0), mixed(1)} {
		size, ok := SharedSize(rec)
		if !ok {
			t.Fatal("not shareable")
		}
		region := make([]byte, 128+size)
		batch := Share(region, 128, rec)
		copied := func(region []byte, types []arrow.DataType) (arrow.Record, error) {
			return batch.Copy(mem, region, types)
		}
		for name, read := range map[string]func([]byte, []arrow.DataType) (arrow.Record, error){"copy": copied, "borrow": batch.Borrow} {
			got, err := read(region, typesOf(rec))
			if err != nil {
				t.Fatalf("%s of %d rows: %v", name, rec.NumRows(), err)
			}
			if !array.RecordEqual(got, rec) {
				t.Errorf("%s of %d rows gave %v, want %v", name, rec.NumRows(), got, rec)
			}
			got.Release()
		}
		kept, err := copied(region, typesOf(rec))
		if err != nil {
			t.Fatal(err)
		}
		clear(region)
		if !array.RecordEqual(kept, rec) {
			t.Error("a copy changes with what it was made of")
		}
		kept.Release()
	}
}

// Whatever a plugin says of shared memory, and writes into it, the host gets a batch that it can use, or an error.
func TestSharedNonsense(t *testing.T) {
	rec := mixed(40)
	size, _ := SharedSize(rec)
	region := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	mem := recycle.Poison() // not checked: what Arrow's constructors hold when they panic, they keep
	for range 5000 {
		batch := Share(region, 0, rec)
		for range 1 + rng.IntN(3) {
			c := batch.Columns[rng.IntN(len(batch.Columns))]
			e := c.Buffers[rng.IntN(len(c.Buffers))]
			strange := []uint64{0, 1, 7, 64, uint64(size), 1 << 31, 1 << 63, ^uint64(0), rng.Uint64()}[rng.IntN(9)]
			switch rng.IntN(6) {
			case 0:
				e.Offset = strange
			case 1:
				e.Length = strange
			case 2:
				c.Nulls = strange
			case 3:
				batch.Rows = strange
			case 4:
				c.Buffers = c.Buffers[1:]
			case 5:
				region[rng.IntN(size)] = byte(rng.Uint32())
			}
		}
		got, err := batch.Copy(mem, region, typesOf(rec))
		if err != nil {
			refused++
			continue
		}
		for _, col := range got.Columns() {
			for i := range col.Len() {
				_ = col.ValueStr(i)
			}
		}
		got.Release()
	}
	if refused < 1000 {
		t.Errorf("only %d batches were refused", refused)
	}
	if _, err := (&SharedBatch{}).Copy(mem, nil, typesOf(rec)); err == nil {
		t.Error("no columns were accepted")
	}
	var none *SharedBatch
	if _, err := none.Borrow(region, typesOf(rec)); err == nil {
		t.Error("nothing was accepted")
	}
}
