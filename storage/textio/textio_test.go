package textio_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/textio"
)

// read reads a table: its schema and its rows in text form.
func read(src plan.Source, batchRows int) (schema string, rows []string, err error) {
	ctx, store := context.Background(), storage.New()
	defer store.Close()
	catalog := textio.NewCatalog(store)
	table, err := catalog.Table(ctx, src)
	if err != nil {
		return "", nil, err
	}
	schema = plan.Struct(table.Schema.Fields...).String()
	files, err := catalog.Statistics(ctx, table, table.Files)
	if err != nil {
		return schema, nil, err
	}
	scan := &plan.Scan{Source: "t", Format: src.Format, Options: src.Options, Fields: table.Schema.Fields}
	for _, f := range table.Schema.Fields {
		scan.Columns = append(scan.Columns, plan.ScanColumn{Name: f.Name})
	}
	var splits []plan.Split
	for _, f := range files {
		for g := range f.RowGroups {
			splits = append(splits, plan.Split{URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupStart: g, RowGroupEnd: g + 1})
		}
	}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	s, err := textio.OpenScan(ctx, store, scan, table.Schema, splits, textio.ScanOptions{BatchRows: batchRows, Mem: mem})
	if err != nil {
		return schema, nil, err
	}
	defer func() {
		s.Close()
		if mem.CurrentAlloc() != 0 {
			panic("memory is left")
		}
	}()
	rows, err = columns.ReadAll(ctx, s, "\t")
	for i := range rows {
		rows[i] = strings.ReplaceAll(rows[i], "\n", "⏎")
	}
	return schema, rows, err
}

// source is a source of a file, with declared columns if there are any.
func source(t testing.TB, path, ddl string, options map[string]string) plan.Source {
	t.Helper()
	src := plan.Source{Name: "t", Path: path, Options: options}
	src.Format, _ = storage.FormatOf(path)
	if ddl != "" {
		row, err := compute.ParseSchema(ddl)
		if err != nil {
			t.Fatal(err)
		}
		src.Schema = &plan.Schema{Fields: row.Children}
	}
	return src
}

func parseOptions(line string) map[string]string {
	out := map[string]string{}
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		out[strings.ToLower(name)] = value
	}
	return out
}

func TestReads(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "reads.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(golden), "\n-- ")[1:] {
		lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
		name, options, ddl, want := lines[0], parseOptions(lines[1]), lines[2], lines[3:]
		path, err := filepath.Abs(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range []int{0, 1, 3} {
			schema, rows, err := read(source(t, path, ddl, options), batch)
			if schema != want[0] {
				t.Errorf("%s %s: schema %s, want %s", name, lines[1], schema, want[0])
			}
			if wantErr, fails := strings.CutPrefix(want[1], "error "); fails {
				if err == nil || !strings.Contains(err.Error(), wantErr) || !strings.Contains(err.Error(), strings.TrimPrefix(want[2], "error ")) {
					t.Errorf("%s %s: %v, want %v", name, lines[1], err, want[1:])
				}
				continue
			}
			if err != nil {
				t.Errorf("%s %s: %v", name, lines[1], err)
			}
			if got := strings.Join(rows, "\n"); got != strings.Join(want[1:], "\n") {
				t.Errorf("%s %s, batches of %d:\n%s\nwant\n%s", name, lines[1], batch, got, strings.Join(want[1:], "\n"))
			}
		}
	}
}

func saved(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOptions reads small texts with one option each.
func TestOptions(t *testing.T) {
	for _, c := range []struct{ name, text, options, ddl, want string }{
		{"bom.csv", "\ufeffa,b\r\n1,2\r\n3,4\r\n", "header=true", "", "1\t2|3\t4"},
		{"cr.csv", "1,2\r3,4\r", "", "", "1\t2|3\t4"},
		{"mixed.csv", "1,2\n3,4\r\n5,6\r7,8", "", "", "1\t2|3\t4|5\t6|7\t8"},
		{"sep.csv", "1;2\n3;4\n", "sep=;", "", "1\t2|3\t4"},
		{"tab.tsv", "1\t2\n", "sep=\\t", "a int, b int", "1\t2"},
		{"long.csv", "1||2\n\"x||y\"||z\n", "sep=||", "", "1\t2|x||y\tz"},
		{"null.csv", "NA,x\n\"NA\",y\n,z\n", "nullValue=NA", "a string, b string", "NULL\tx|NULL\ty|NULL\tz"},
		{"nan.csv", "NaN,Inf\n-Inf,2\n?,0\n", "nanValue=?", "a double, b double", "NaN\tInfinity|-Infinity\t2.0|NaN\t0.0"},
		{"space.csv", " 1 , x \n", "ignoreLeadingWhiteSpace=true ignoreTrailingWhiteSpace=true", "a int, b string", "1\tx"},
		{"kept.csv", "1, x \n", "", "a int, b string", "1\t x "},
		{"quote.csv", "'a,b',\"c\n", "quote='", "", "a,b\t\"c"},
		{"none.csv", "\"a,b\n", "quote=", "", "\"a\tb"},
		{"date.csv", "31/12/2020,2020-12-31 10\n", "dateFormat=dd/MM/yyyy", "a date, b string", "2020-12-31\t2020-12-31 10"},
		{"lines.csv", "1,2;3,4;", "lineSep=;", "", "1\t2|3\t4"},
		{"twice.csv", "a,A,\n1,2,3\n", "header=true", "", "1\t2\t3"},
		{"multi.csv", "\"a\r\nb\",1\n\"c\"\"d\ne\",2\n", "multiLine=true escape=\"", "", "a⏎b\t1|c\"d⏎e\t2"},
		{"decimal.csv", "1.25,1.255\n99.999,\n", "", "a decimal(4,2), b decimal(10,3)", "1.25\t1.255|NULL\tNULL"},
		{"empty.csv", "", "", "a int", ""},
		{"short.json", `{"a":1}`, "", "", "1"},
		{"array.json", "[{\"a\":1},\n {\"a\":2,\"b\":[1]}]", "multiLine=true", "", "1\tNULL|2\t[1]"},
		{"object.json", "{\"a\":\n1}", "multiLine=true", "", "1"},
		{"map.ndjson", "{\"m\":{\"x\":1,\"y\":null}}\n", "", "m map<string,int>", `{"x":1,"y":null}`},
		{"time.jsonl", `{"t":"2020-01-02T03:04:05+01:00","d":"2020-02-03"}`, "", "t timestamp, d date, n timestamp_ntz", "2020-01-02 02:04:05\t2020-02-03\tNULL"},
	} {
		path := saved(t, c.name, []byte(c.text))
		_, rows, err := read(source(t, path, c.ddl, parseOptions(c.options)), 0)
		if got := strings.Join(rows, "|"); err != nil || got != c.want {
			t.Errorf("%s %s: got %q, %v; want %q", c.name, c.options, got, err, c.want)
		}
	}
}

func TestCompression(t *testing.T) {
	const text = "a,b\n1,x\n2,y\n"
	compressed := map[string]func(io.Writer) io.WriteCloser{
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, // as Hadoop has it
		"gz":      func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zst":     func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
		"lz4":     func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
		"sz":      func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) },
	}
	for name, open := range compressed {
		var b bytes.Buffer
		w := open(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		src := source(t, saved(t, "x.csv."+name, b.Bytes()), "", map[string]string{"header": "true"})
		if _, rows, err := read(src, 0); err != nil || strings.Join(rows, "|") != "1\tx|2\ty" {
			t.Errorf("%s: %q, %v", name, rows, err)
		}
		cut := source(t, saved(t, "x.csv."+name, b.Bytes()[:b.Len()/2]), "a string, b string", nil)
		if _, rows, err := read(cut, 0); err == nil || plan.AsFailure(err).Kind != plan.FailureUser || !strings.Contains(err.Error(), "x.csv."+name) {
			t.Errorf("half of %s: %q, %v", name, rows, err)
		}
	}
}

// TestEmptyFiles has a file without a byte before the one that tells the columns.
func TestEmptyFiles(t *testing.T) {
	dir := filepath.Dir(saved(t, "b.csv", []byte("id,name\n1,x\n")))
	if err := os.WriteFile(filepath.Join(dir, "a.csv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	src := source(t, dir+"/*.csv", "", map[string]string{"header": "true"})
	src.Format = "csv"
	if schema, rows, err := read(src, 0); err != nil || strings.Join(rows, "|") != "1\tx" {
		t.Errorf("%s: %q, %v", schema, rows, err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, text, options, ddl, want string }{
		{"x.csv", "1\n", "wholeText=true", "", "option wholetext of CSV: [UNSUPPORTED_FEATURE]"},
		{"x.json", "{}\n", "header=true", "a int", "option header of JSON: [UNSUPPORTED_FEATURE]"},
		{"x.csv", "1\n", "mode=LAX", "", "none of PERMISSIVE"},
		{"x.csv", "1\n", "encoding=EBCDIC", "", "[INVALID_PARAMETER_VALUE.CHARSET] the encoding EBCDIC"},
		{"x.csv", "1\n", "header=perhaps", "", "option header of CSV"},
		{"x.csv", "1\n", "timeZone=Moon/Crater", "", "INVALID_TIMEZONE"},
		{"x.csv", "1\n", "", "a array<int>", "[UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE] The CSV datasource doesn't support the column `a`"},
		{"x.csv.br", "1\n", "", "", "[UNSUPPORTED_FEATURE] text in Brotli"},
		{"x.csv", "", "", "", "[UNABLE_TO_INFER_SCHEMA]"},
		{"x.json", "oops\n", "mode=FAILFAST", "", "[MALFORMED_RECORD_IN_PARSING"},
	} {
		path := saved(t, c.name, []byte(c.text))
		_, _, err := read(source(t, path, c.ddl, parseOptions(c.options)), 0)
		if err == nil || plan.AsFailure(err).Kind != plan.FailureUser || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: got %v, want %s", c.name, c.options, err, c.want)
		}
	}
}

// FuzzCSV and FuzzJSON read any text; nothing may panic, and what is wrong with it is the user's.
func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,\"b\nc\",1\r\n\"x\\\"y\"z,2"), "header=true inferSchema=true multiLine=true")
	f.Add([]byte("1,2,3\n"), "sep=|| comment=# mode=DROPMALFORMED")
	f.Fuzz(func(t *testing.T, data []byte, options string) { fuzz(t, "x.csv", data, options) })
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"\ud83d"}`+"\n[{}]"), "")
	f.Add([]byte("[{\"a\":1.5e3},\n2]"), "multiLine=true")
	f.Fuzz(func(t *testing.T, data []byte, options string) { fuzz(t, "x.json", data, options) })
}

func fuzz(t *testing.T, name string, data []byte, options string) {
	_, _, err := read(source(t, saved(t, name, data), "", parseOptions(options)), 7)
	if err != nil && plan.AsFailure(err).Kind != plan.FailureUser {
		t.Errorf("%T %v", err, err)
	}
}
