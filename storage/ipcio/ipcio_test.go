package ipcio_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/ipcio"
)

// sampleRecord has a dictionary, nested columns and timestamps of every unit, three rows.
func sampleRecord(t testing.TB) arrow.Record {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, Nullable: true},
		{Name: "ns", Type: arrow.FixedWidthTypes.Timestamp_ns, Nullable: true},
		{Name: "s", Type: &arrow.TimestampType{Unit: arrow.Second}, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64), Nullable: true},
		{Name: "p", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.FixedWidthTypes.Date32}), Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, row := range []string{
		`{"id":1,"name":"a","ns":1500,"s":2,"tags":["x",null],"m":[{"key":"k","value":1.5}],"p":{"x":"2020-01-02"}}`,
		`{"id":2,"name":null,"ns":null,"s":null,"tags":null,"m":null,"p":null}`,
		`{"id":3,"name":"a","ns":-1,"s":-2,"tags":[],"m":[],"p":{"x":"1969-12-31"}}`,
	} {
		if err := b.UnmarshalJSON([]byte(row)); err != nil {
			t.Fatal(err)
		}
	}
	return b.NewRecord()
}

// encode writes the record twice.
func encode(t testing.TB, file bool, opts ...ipc.Option) []byte {
	t.Helper()
	rec := sampleRecord(t)
	var out bytes.Buffer
	opts = append(opts, ipc.WithSchema(rec.Schema()))
	var w interface {
		Write(arrow.Record) error
		Close() error
	} = ipc.NewWriter(&out, opts...)
	if file {
		var err error
		if w, err = ipc.NewFileWriter(&seeker{&out}, opts...); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// seeker lets a writer ask where it is.
type seeker struct{ *bytes.Buffer }

func (s *seeker) Seek(int64, int) (int64, error) { return int64(s.Len()), nil }

func saved(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(path string, batchRows int, declared *plan.Schema) (schema string, rows []string, err error) {
	ctx, store := context.Background(), storage.New()
	defer store.Close()
	catalog := ipcio.NewCatalog(store)
	table, err := catalog.Table(ctx, plan.Source{Name: "t", Path: path, Format: "arrow", Schema: declared})
	if err != nil {
		return "", nil, err
	}
	files, err := catalog.Statistics(ctx, table, table.Files)
	if err != nil {
		return "", nil, err
	}
	scan := &plan.Scan{Source: "t", Format: "arrow"}
	for _, f := range table.Schema.Fields {
		scan.Columns = append(scan.Columns, plan.ScanColumn{Name: f.Name})
	}
	scan.Columns = append(scan.Columns, plan.ScanColumn{Virtual: plan.VirtualRow})
	out := table.Schema
	out.Fields = append(out.Fields[:len(out.Fields):len(out.Fields)], plan.Field{Name: "row", Type: plan.Int64})
	splits := []plan.Split{{URL: files[0].URL, Size: files[0].Size, ETag: files[0].ETag, RowGroupEnd: 1}}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	s, err := ipcio.OpenScan(ctx, store, scan, out, splits, ipcio.ScanOptions{BatchRows: batchRows, Mem: mem})
	if err != nil {
		return "", nil, err
	}
	defer func() {
		s.Close()
		if err == nil && mem.CurrentAlloc() != 0 { // what a decoder that panics has taken is the garbage collector's
			panic("memory is left")
		}
	}()
	rows, err = columns.ReadAll(ctx, s, "|")
	return table.Schema.String(), rows, err
}

func TestRead(t *testing.T) {
	want := []string{
		`1|a|1970-01-01 00:00:00.000001|1970-01-01 00:00:02|["x",null]|{"k":1.5}|{"x":2020-01-02}|0`,
		`2|NULL|NULL|NULL|NULL|NULL|NULL|1`,
		`3|a|1969-12-31 23:59:59.999999|1969-12-31 23:59:58|[]|{}|{"x":1969-12-31}|2`,
		`1|a|1970-01-01 00:00:00.000001|1970-01-01 00:00:02|["x",null]|{"k":1.5}|{"x":2020-01-02}|3`,
		`2|NULL|NULL|NULL|NULL|NULL|NULL|4`,
		`3|a|1969-12-31 23:59:59.999999|1969-12-31 23:59:58|[]|{}|{"x":1969-12-31}|5`,
	}
	for name, data := range map[string][]byte{
		"stream": encode(t, false), "file": encode(t, true), "lz4": encode(t, true, ipc.WithLZ4()), "zstd": encode(t, false, ipc.WithZstd()),
	} {
		for _, batch := range []int{0, 2} {
			schema, rows, err := read(saved(t, "x.arrow", data), batch, nil)
			if err != nil || strings.Join(rows, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s: %v\n%s", name, err, strings.Join(rows, "\n"))
			}
			const types = "id bigint, name string, ns timestamp, s timestamp_ntz, tags array<string>, m map<string,double>, p struct<x:date>"
			if schema != types {
				t.Errorf("%s: schema %s", name, schema)
			}
		}
	}
}

func TestDeclaredColumns(t *testing.T) {
	path := saved(t, "x.arrow", encode(t, true))
	_, rows, err := read(path, 0, &plan.Schema{Fields: []plan.Field{{Name: "new", Type: plan.String}, {Name: "ID", Type: plan.Int64}}})
	if err != nil || rows[0] != "NULL|1|0" {
		t.Errorf("%q, %v", rows, err)
	}
	_, _, err = read(path, 0, &plan.Schema{Fields: []plan.Field{{Name: "id", Type: plan.String}}})
	if err == nil || !strings.Contains(err.Error(), "column id has type int64, but the table has string") {
		t.Error(err)
	}
}

// TestDamaged cuts files everywhere: all fail, but for a stream that ends between batches, which may do so.
func TestDamaged(t *testing.T) {
	for name, data := range map[string][]byte{"x.arrow": encode(t, true, ipc.WithZstd()), "x.arrows": encode(t, false)} {
		for n := 0; n < len(data); n += 7 {
			_, rows, err := read(saved(t, name, data[:n]), 0, nil)
			if err == nil && len(rows)%3 != 0 || err != nil && plan.AsFailure(err).Kind != plan.FailureUser {
				t.Errorf("%d of %d bytes: %d rows, %v", n, len(data), len(rows), err)
			}
		}
	}
}

// FuzzRead mutates a file; nothing may panic or hang, and what is wrong is the user's.
func FuzzRead(f *testing.F) {
	f.Add(encode(f, true))
	f.Add(encode(f, false, ipc.WithLZ4()))
	for _, name := range []string{"numbers.arrow", "texts.arrow", "nested.arrow", "deltas.arrows"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := read(saved(t, "x.arrow", data), 0, nil); err != nil && plan.AsFailure(err).Kind != plan.FailureUser {
			t.Errorf("%T %v", err, err)
		}
	})
}
