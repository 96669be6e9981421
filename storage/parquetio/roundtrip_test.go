package parquetio_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/parquetio"
)

var allTypes = []plan.Type{plan.Boolean, plan.Int8, plan.Int16, plan.Int32, plan.Int64, plan.Float32, plan.Float64, plan.String,
	plan.Binary, plan.Date, plan.Timestamp, plan.Decimal(9, 2), plan.Decimal(18, 3), plan.Decimal(38, 10)}

// allColumns has each type twice: nullable and not.
func allColumns() plan.Schema {
	var s plan.Schema
	for i, t := range allTypes {
		s.Fields = append(s.Fields, plan.Field{Name: fmt.Sprintf("z%d", 99-i), Type: t}, // not in order of names
			plan.Field{Name: fmt.Sprintf("Null_%d", i), Type: t, Nullable: true})
	}
	return s
}

// randomColumn makes a column of few or many distinct values; strings come as a dictionary if asked.
func randomColumn(rng *rand.Rand, f plan.Field, rows int, encoded bool) arrow.Array {
	var dt arrow.DataType = f.Type.Arrow()
	if encoded && (f.Type.Kind == plan.KindString || f.Type.Kind == plan.KindBinary) {
		dt = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: dt}
	}
	b := array.NewBuilder(memory.DefaultAllocator, dt)
	defer b.Release()
	for range rows {
		n := rng.Int64N(20) - 10
		if rng.IntN(3) == 0 {
			n = int64(rng.Uint64())
		}
		if f.Nullable && rng.IntN(4) == 0 {
			b.AppendNull()
			continue
		}
		appendValue(b, n)
	}
	return b.NewArray()
}

func appendValue(b array.Builder, n int64) {
	text := fmt.Sprintf("value-%d", n)
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(n%2 == 0)
	case *array.Int8Builder:
		b.Append(int8(n))
	case *array.Int16Builder:
		b.Append(int16(n))
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Int64Builder:
		b.Append(n)
	case *array.Float32Builder:
		b.Append(float32(n) / 3)
	case *array.Float64Builder:
		if n == 7 {
			b.Append(math.NaN())
			return
		}
		b.Append(float64(n) / 3)
	case *array.StringBuilder:
		b.Append(text)
	case *array.BinaryBuilder:
		b.Append([]byte{0, byte(n), 0xff})
	case *array.Date32Builder:
		b.Append(arrow.Date32(int32(n) % 1_000_000))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(n % 1e15))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(n % 1e8))
	case *array.BinaryDictionaryBuilder:
		value := []byte(text)
		if b.Type().(*arrow.DictionaryType).ValueType.ID() == arrow.BINARY {
			value = []byte{0, byte(n), 0xff}
		}
		if err := b.Append(value); err != nil {
			panic(err)
		}
	default:
		panic(fmt.Sprintf("builder %T", b))
	}
}

func randomRecord(seed uint64, schema plan.Schema, rows int, encoded bool) arrow.Record {
	rng := rand.New(rand.NewPCG(seed, 1))
	var cols []arrow.Array
	for _, f := range schema.Fields {
		cols = append(cols, randomColumn(rng, f, rows, encoded))
	}
	rec := vector.NewRecord(schema, cols, rows)
	for _, c := range cols {
		c.Release()
	}
	return rec
}

// write writes records, cut into batches of a size.
func write(t testing.TB, schema plan.Schema, opts parquetio.WriterOptions, batch int, recs ...arrow.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := parquetio.NewWriter(&out, schema, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range recs {
		for from := 0; from < int(rec.NumRows()); from += batch {
			part := vector.Slice(rec, from, min(from+batch, int(rec.NumRows())))
			if err := w.Write(context.Background(), part); err != nil {
				t.Fatal(err)
			}
			part.Release()
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func saved(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.parquet")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// texts are all values of records in text form, column by column.
func texts(recs ...arrow.Record) [][]string {
	out := make([][]string, recs[0].NumCols())
	for _, rec := range recs {
		for c := range out {
			for r := range int(rec.NumRows()) {
				out[c] = append(out[c], vector.Format(rec.Column(c), r))
			}
		}
	}
	return out
}

func readBack(t testing.TB, path string, batch int) (out [][]string, schema plan.Schema) {
	t.Helper()
	_, err := scanAll(path, batch, func(s plan.Schema, rec arrow.Record) {
		schema = s
		for c, col := range texts(rec) {
			if c == len(out) {
				out = append(out, nil)
			}
			out[c] = append(out[c], col...)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, schema
}

func TestRoundTrip(t *testing.T) {
	schema := allColumns()
	for _, codec := range []string{"", "snappy", "gzip", "lz4", "none"} {
		for _, rows := range []int{1, 400, 2501} {
			t.Run(fmt.Sprintf("%s/%d", codec, rows), func(t *testing.T) {
				rec := randomRecord(uint64(rows), schema, rows, rows%2 == 0)
				defer rec.Release()
				path := saved(t, write(t, schema, parquetio.WriterOptions{Compression: codec, GroupRows: 1000}, 77, rec))
				got, gotSchema := readBack(t, path, 300)
				for i, f := range schema.Fields {
					if g := gotSchema.Fields[i]; g.Name != f.Name || !g.Type.Equal(f.Type) {
						t.Errorf("column %d is %s %s, want %s %s", i, g.Name, g.Type, f.Name, f.Type)
					}
				}
				compare(t, schema, got, texts(rec))
				if codec != "lz4" { // whose pages parquet-go's own reader mixes up when it has to grow its buffer
					readByRows(t, path, rows)
				}
			})
		}
	}
}

func compare(t testing.TB, schema plan.Schema, got, want [][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d columns, want %d", len(got), len(want))
	}
	for c := range want {
		if len(got[c]) != len(want[c]) {
			t.Fatalf("column %s: %d rows, want %d", schema.Fields[c].Name, len(got[c]), len(want[c]))
		}
		for r := range want[c] {
			if got[c][r] != want[c][r] {
				t.Fatalf("column %s, row %d: got %s, want %s", schema.Fields[c].Name, r, got[c][r], want[c][r])
			}
		}
	}
}

// readByRows reads the file the other way, through parquet-go's own reader.
func readByRows(t testing.TB, path string, rows int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := parquet.NewGenericReader[any](bytes.NewReader(data))
	defer r.Close()
	buf, n := make([]parquet.Row, 100), 0
	for {
		k, err := r.ReadRows(buf)
		n += k
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != rows {
		t.Errorf("parquet-go reads %d rows, want %d", n, rows)
	}
}

// TestBytesDoNotDependOnBatches writes the same rows cut, encoded and allocated differently.
func TestBytesDoNotDependOnBatches(t *testing.T) {
	schema, rows := allColumns(), 9000
	plain, encoded := randomRecord(3, schema, rows, false), randomRecord(3, schema, rows, true)
	defer plain.Release()
	defer encoded.Release()
	opts := parquetio.WriterOptions{GroupRows: 5000}
	want := sha256.Sum256(write(t, schema, opts, rows, plain))
	for _, batch := range []int{100, 4096, 4097, 4999} {
		for name, rec := range map[string]arrow.Record{"plain": plain, "encoded": encoded} {
			if got := sha256.Sum256(write(t, schema, opts, batch, rec)); got != want {
				t.Errorf("%s rows in batches of %d give another file", name, batch)
			}
		}
	}
}

// TestDictionaryFallback has a column whose dictionary outgrows its limit, so that the reader meets both kinds of pages
// in one chunk, and in one batch.
func TestDictionaryFallback(t *testing.T) {
	schema := plan.Schema{Fields: []plan.Field{{Name: "s", Type: plan.String, Nullable: true}, {Name: "n", Type: plan.Int64}}}
	rng := rand.New(rand.NewPCG(1, 2))
	s, n := array.NewStringBuilder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	const rows = 120_000
	for i := range rows {
		if i%7 == 0 {
			s.AppendNull()
		} else {
			s.Append(fmt.Sprintf("%0120d", rng.IntN(i/4+1))) // repeats enough for a dictionary to pay
		}
		n.Append(rng.Int64())
	}
	cols := []arrow.Array{s.NewArray(), n.NewArray()}
	rec := vector.NewRecord(schema, cols, rows)
	defer rec.Release()
	path := saved(t, write(t, schema, parquetio.WriterOptions{}, 50_000, rec))
	layouts := map[string]int{}
	var got [][]string
	if _, err := scanAll(path, 10_000, func(_ plan.Schema, rec arrow.Record) {
		layouts[rec.Column(0).DataType().Name()]++
		for c, col := range texts(rec) {
			if c == len(got) {
				got = append(got, nil)
			}
			got[c] = append(got[c], col...)
		}
	}); err != nil {
		t.Fatal(err)
	}
	compare(t, schema, got, texts(rec))
	if layouts["dictionary"] == 0 || layouts["utf8"] == 0 {
		t.Errorf("layouts of batches: %v; want both", layouts)
	}
}

// TestPlainColumns has the writer make no dictionary of one column, whose batches are plain then.
func TestPlainColumns(t *testing.T) {
	schema := plan.Schema{Fields: []plan.Field{{Name: "a", Type: plan.String}, {Name: "b", Type: plan.String}}}
	rec := randomRecord(3, schema, 1000, false)
	defer rec.Release()
	path := saved(t, write(t, schema, parquetio.WriterOptions{Plain: []string{"A"}}, 1000, rec))
	if _, err := scanAll(path, 1000, func(_ plan.Schema, got arrow.Record) {
		compare(t, schema, texts(got), texts(rec))
		if a, b := got.Column(0).DataType().Name(), got.Column(1).DataType().Name(); a != "utf8" || b != "dictionary" {
			t.Errorf("layouts %s and %s; want utf8 and dictionary", a, b)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestWriterRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields []plan.Field
		opts   parquetio.WriterOptions
	}{
		{"no columns", nil, parquetio.WriterOptions{}},
		{"same name", []plan.Field{{Name: "a", Type: plan.Int64}, {Name: "a", Type: plan.Int64}}, parquetio.WriterOptions{}},
		{"void", []plan.Field{{Name: "a", Type: plan.Null}}, parquetio.WriterOptions{}},
		{"codec", []plan.Field{{Name: "a", Type: plan.Int64}}, parquetio.WriterOptions{Compression: "rar"}},
	} {
		if _, err := parquetio.NewWriter(io.Discard, plan.Schema{Fields: c.fields}, c.opts); plan.AsFailure(err).Kind != plan.FailureUser {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	schema := plan.Schema{Fields: []plan.Field{{Name: "a", Type: plan.Int64}}}
	w, err := parquetio.NewWriter(io.Discard, schema, parquetio.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendNull()
	rec := vector.NewRecord(schema, []arrow.Array{b.NewArray()}, 1)
	if err := w.Write(context.Background(), rec); err == nil {
		t.Error("NULL in a NOT NULL column was written")
	}
	if err := w.Close(); err == nil {
		t.Error("Close succeeded after an error")
	}
}

func TestEmptyFile(t *testing.T) {
	schema := plan.Schema{Fields: []plan.Field{{Name: "a", Type: plan.Int64, Nullable: true}}}
	path := saved(t, write(t, schema, parquetio.WriterOptions{}, 1))
	rows, err := scanAll(path, 0, nil)
	if err != nil || rows != 0 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
