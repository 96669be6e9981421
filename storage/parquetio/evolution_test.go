package parquetio_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/arrowipc"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// rowsFile is a file of rows that are given as JSON.
func rowsFile(t *testing.T, ddl string, opts parquetio.WriterOptions, rows ...string) []byte {
	t.Helper()
	row, err := compute.ParseSchema(ddl)
	if err != nil {
		t.Fatal(err)
	}
	schema := plan.Schema{Fields: row.Children}
	values, err := compute.NewTextReader(nil, plan.Session{})
	if err != nil {
		t.Fatal(err)
	}
	builders := make([]*vector.Builder, len(schema.Fields))
	for i, f := range schema.Fields {
		builders[i] = vector.NewBuilder(memory.DefaultAllocator, f.Type)
	}
	for _, text := range rows {
		read, ok := values.JSONRows(text, row)
		if !ok {
			t.Fatalf("not %s: %s", ddl, text)
		}
		for i, v := range read[0].Items {
			builders[i].AppendLiteral(v)
		}
	}
	var cols []arrow.Array
	for _, b := range builders {
		col, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		cols = append(cols, col)
	}
	return write(t, schema, opts, len(rows), vector.NewRecord(schema, cols, len(rows)))
}

// readTable reads all files of a table, by way of its catalog.
func readTable(src plan.Source) (schema string, rows []string, err error) {
	ctx, store := context.Background(), storage.New()
	defer store.Close()
	catalog := parquetio.NewCatalog(store)
	table, err := catalog.Table(ctx, src)
	if err != nil {
		return "", nil, err
	}
	files, err := catalog.Statistics(ctx, table, table.Files)
	if err != nil {
		return "", nil, err
	}
	scan := &plan.Scan{Source: "t", Format: "parquet"}
	for _, f := range table.Schema.Fields {
		scan.Columns = append(scan.Columns, plan.ScanColumn{Name: f.Name})
	}
	var splits []plan.Split
	for _, f := range files {
		splits = append(splits, plan.Split{URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupEnd: len(f.RowGroups)})
	}
	s, err := parquetio.OpenScan(ctx, store, scan, table.Schema, splits, parquetio.ScanOptions{})
	if err != nil {
		return "", nil, err
	}
	defer s.Close()
	rows, err = columns.ReadAll(ctx, validated{s}, "|")
	return table.Schema.String(), rows, err
}

// validated is a scan whose batches are in the layouts that kernels take for granted.
type validated struct{ columns.Batches }

func (v validated) Next(ctx context.Context) (arrow.Record, error) {
	rec, err := v.Batches.Next(ctx)
	if err == nil {
		err = arrowipc.Validate(rec)
	}
	return rec, err
}

// TestRequiredParts has strings in dictionaries that nothing around them makes optional: only on top may they stay there.
func TestRequiredParts(t *testing.T) {
	type part struct {
		X string `parquet:"x,dict"`
	}
	type record struct {
		S part   `parquet:"s"`
		O *part  `parquet:"o,optional"`
		X string `parquet:"x,dict"`
	}
	var out bytes.Buffer
	w := parquet.NewGenericWriter[record](&out)
	if _, err := w.Write([]record{{part{"a"}, &part{"b"}, "c"}, {part{"a"}, &part{"b"}, "c"}, {part{"a"}, nil, "c"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := saved(t, out.Bytes())
	_, rows, err := readTable(plan.Source{Name: "t", Path: path})
	if err != nil || !slices.Equal(rows, []string{`{"x":"a"}|{"x":"b"}|c`, `{"x":"a"}|{"x":"b"}|c`, `{"x":"a"}|NULL|c`}) {
		t.Errorf("%q, %v", rows, err)
	}
}

// TestWideDeltas reads differences of 33 bits between integers of 32, as DuckDB writes them with PARQUET_VERSION 'V2'.
func TestWideDeltas(t *testing.T) {
	path, err := filepath.Abs("testdata/duckdb-deltas.parquet")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, err := readTable(plan.Source{Name: "t", Path: path})
	if err != nil || !slices.Equal(rows, []string{"2147483647|4294967295", "-2147483648|0", "NULL|1", "0|NULL", "1|4294967294", "-5|7"}) {
		t.Errorf("%q, %v", rows, err)
	}
}

func TestSchemaEvolution(t *testing.T) {
	none := parquetio.WriterOptions{}
	old := rowsFile(t, "a int, f float, d decimal(5,2), s struct<x:int,l:array<struct<n:smallint>>>", none,
		`{"a":1,"f":0.5,"d":1.25,"s":{"x":7,"l":[{"n":3},null]}}`, `{"a":null}`)
	recent := rowsFile(t, "s struct<y:string,l:array<struct<m:int,n:int>>,x:bigint>, A bigint, f double, d decimal(12,4), new map<string,int>", none,
		`{"A":5000000000,"f":0.1,"d":12345678.1234,"s":{"y":"q","l":[{"m":1,"n":70000}],"x":8},"new":{"k":1}}`)
	dir := folder(t, map[string][]byte{"down/1": recent, "down/2": old, "up/1": old, "up/2": recent})
	wide := []string{`{"y":null,"l":[{"m":null,"n":3},null],"x":7}|1|0.5|1.2500|NULL`, `NULL|NULL|NULL|NULL|NULL`,
		`{"y":"q","l":[{"m":1,"n":70000}],"x":8}|5000000000|0.1|12345678.1234|{"k":1}`}
	schema, rows, err := readTable(plan.Source{Name: "t", Path: dir + "/down"})
	if err != nil || strings.Join(rows, "\n") != strings.Join([]string{wide[2], wide[0], wide[1]}, "\n") {
		t.Errorf("%s: %v\n%s", schema, err, strings.Join(rows, "\n"))
	}
	_, _, err = readTable(plan.Source{Name: "t", Path: dir + "/up"})
	if err == nil || !strings.Contains(err.Error(), "/up/2: column A has type bigint, but in") || !strings.Contains(err.Error(), "/up/1 it has int") {
		t.Error(err)
	}
	schema, rows, err = readTable(plan.Source{Name: "t", Path: dir + "/up", Options: map[string]string{"mergeschema": "true"}})
	const merged = "a bigint, f double, d decimal(12,4), s struct<x:bigint,l:array<struct<n:int,m:int>>,y:string>, new map<string,int>"
	if err != nil || schema != merged || rows[0] != `1|0.5|1.2500|{"x":7,"l":[{"n":3,"m":null},null],"y":null}|NULL` || len(rows) != 3 {
		t.Errorf("%s, %v\n%s", schema, err, strings.Join(rows, "\n"))
	}
	declared, err := compute.ParseSchema("s struct<z:int>, a decimal(22,1), gone array<int>")
	if err != nil {
		t.Fatal(err)
	}
	_, rows, err = readTable(plan.Source{Name: "t", Path: dir + "/up", Schema: &plan.Schema{Fields: declared.Children}})
	if err != nil || strings.Join(rows, "\n") != "{\"z\":null}|1.0|NULL\nNULL|NULL|NULL\n{\"z\":null}|5000000000.0|NULL" {
		t.Errorf("%v\n%s", err, strings.Join(rows, "\n"))
	}
	wrong, err := compute.ParseSchema("s struct<x:string>")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = readTable(plan.Source{Name: "t", Path: dir + "/up", Schema: &plan.Schema{Fields: wrong.Children}})
	if err == nil || !strings.Contains(err.Error(), "which does not become the declared struct<x:string>") {
		t.Error(err)
	}
}

func TestMergeRefuses(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"1": rowsFile(t, "a int", parquetio.WriterOptions{}, `{"a":1}`), "2": rowsFile(t, "a string", parquetio.WriterOptions{}, `{"a":"x"}`),
	})
	_, _, err := readTable(plan.Source{Name: "t", Path: dir, Options: map[string]string{"mergeschema": "true"}})
	if err == nil || !strings.Contains(err.Error(), "[CANNOT_MERGE_SCHEMAS]") || !strings.Contains(err.Error(), "int in "+dir+"/1, but string in "+dir+"/2") {
		t.Error(err)
	}
}

// TestWriterOptions looks at what options do to a file.
func TestWriterOptions(t *testing.T) {
	opts, err := parquetio.ParseWriterOptions(map[string]string{
		"compression": "GZIP", "compressionLevel": "9", "parquet.page.size": "2048", "parquet.enable.dictionary": "false",
		"rowGroupRows": "3", "parquet.bloom.filter.enabled#a": "true", "sortedBy": "a desc, b nulls last",
	})
	if err != nil {
		t.Fatal(err)
	}
	data := rowsFile(t, "a int, b string, d decimal(30,2)", opts, `{"a":3,"b":"x","d":-1}`, `{"a":2}`, `{"a":1}`, `{"a":0,"b":"y"}`)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	meta := f.Metadata()
	group := meta.RowGroups[0]
	if len(meta.RowGroups) != 2 || group.NumRows != 3 {
		t.Errorf("%d row groups", len(meta.RowGroups))
	}
	if s := group.SortingColumns; len(s) != 2 || !s[0].Descending || s[0].NullsFirst || s[1].ColumnIdx != 1 || s[1].NullsFirst {
		t.Errorf("sorted by %+v", s)
	}
	a := group.Columns[0].MetaData
	if a.Codec.String() != "GZIP" || a.BloomFilterOffset == 0 || a.DictionaryPageOffset != 0 || group.Columns[1].MetaData.BloomFilterOffset != 0 {
		t.Errorf("column a: %+v", a)
	}
	// Readers refuse a page index of another number of pages, or with bounds of another width.
	for i, x := range f.ColumnIndexes() {
		if len(x.NullPages) != len(x.MinValues) || len(x.NullPages) != len(x.MaxValues) {
			t.Errorf("index %d: %+v", i, x)
		}
		for p, null := range x.NullPages {
			if i%3 == 2 && !null && (len(x.MinValues[p]) != 16 || x.MinValues[p][0] != 0xff || x.MaxValues[p][0] != 0) {
				t.Errorf("bounds of a decimal: %x to %x", x.MinValues[p], x.MaxValues[p])
			}
		}
	}
	for name, value := range map[string]string{"codec": "zstd", "compressionLevel": "high", "sortedBy": "a up", "dictionary": "maybe"} {
		if _, err := parquetio.ParseWriterOptions(map[string]string{name: value}); plan.AsFailure(err).Kind != plan.FailureUser {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	schema := plan.Schema{Fields: []plan.Field{{Name: "a", Type: plan.Int64}}}
	for _, bad := range []parquetio.WriterOptions{
		{Compression: "snappy", Level: 3}, {Level: 23}, {PageBytes: 1}, {GroupRows: -1}, {BloomFilters: []string{"b"}},
		{SortedBy: []parquetio.SortedColumn{{Name: "b"}}},
	} {
		if _, err := parquetio.NewWriter(io.Discard, schema, bad); plan.AsFailure(err).Kind != plan.FailureUser {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
