package output_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/output"
	"github.com/quern-engine/quern/storage/scan"
)

// written is the bytes of a file with the batches.
func written(t testing.TB, out plan.Output, batches ...arrow.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := output.New(&b, &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range batches {
		if err := w.Write(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readBack reads a file of an output with the source options that undo the output's.
func readBack(t testing.TB, out plan.Output, data []byte, options map[string]string) []string {
	t.Helper()
	path := filepath.Join(t.(interface{ TempDir() string }).TempDir(), "x."+output.Extension(&out))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, store := context.Background(), storage.New()
	defer store.Close()
	declared := out.Schema
	source := plan.Source{Name: "t", Path: path, Options: options, Schema: &declared}
	if out.Format == "parquet" {
		source.Schema = nil
	}
	catalog := scan.NewCatalog(store)
	table, err := catalog.Table(ctx, source)
	if err != nil {
		t.Fatal(err)
	}
	if table.Source.Format != out.Format {
		t.Fatalf("a file named %s is read as %s", filepath.Base(path), table.Source.Format)
	}
	files, err := catalog.Statistics(ctx, table, table.Files)
	if err != nil {
		t.Fatal(err)
	}
	node := &plan.Scan{Source: "t", Format: out.Format, Options: table.Source.Options, Fields: table.Schema.Fields}
	for _, f := range out.Schema.Fields {
		node.Columns = append(node.Columns, plan.ScanColumn{Name: f.Name})
	}
	var splits []plan.Split
	for _, f := range files {
		splits = append(splits, plan.Split{URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupEnd: len(f.RowGroups)})
	}
	s, err := scan.Open(ctx, store, node, out.Schema, splits, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := columns.ReadAll(ctx, s, "|")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// shown is what reading batches back should show.
func shown(batches ...arrow.Record) (rows []string) {
	for _, rec := range batches {
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				cells[c] = vector.Format(col, i)
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
	}
	return rows
}

// formats are the outputs tried: every format with every compression.
func formats() (all []plan.Output) {
	for format, compressions := range map[string][]string{
		"parquet": {"zstd", "snappy", "gzip", "lz4", "brotli", "none"}, "csv": {"none", "gzip", "zstd"}, "json": {"none", "gzip", "zstd"},
		"arrow": {"none", "lz4", "zstd"},
	} {
		for _, c := range compressions {
			all = append(all, plan.Output{Name: "o", Format: format, Compression: c})
		}
	}
	slices.SortFunc(all, func(a, b plan.Output) int { return strings.Compare(a.Format+a.Compression, b.Format+b.Compression) })
	return all
}

// holds reports whether a format has a form for a type that reading gives back.
func holds(format string, typ plan.Type) bool {
	check := plan.Output{Name: "o", Format: format, Schema: plan.Schema{Fields: []plan.Field{{Name: "c", Type: typ}}}}
	return typ.Kind != plan.KindNull && output.Check(check) == nil
}

// everyType lists the types that a format has and gives back: JSON reads the keys of maps as strings.
func everyType(format string) (types []plan.Type) {
	for _, typ := range slices.Concat(columns.EveryType(), columns.MoreTypes(), []plan.Type{plan.Map(plan.String, plan.Int64, true)}) {
		if holds(format, typ) && (format != "json" || typ.Kind != plan.KindMap || typ.MapKey().Type.Kind == plan.KindString) {
			types = append(types, typ)
		}
	}
	return types
}

// rowsOf are rows of every type that a format has: NULLs, extremes, texts that formats have to guard.
func rowsOf(format string) (plan.Schema, [][]plan.Literal) {
	texts := []string{"", "a", "a,b", `say "no"`, `back\slash`, `\"`, "two\nlines", "cr\r\nlf", " blanks ", "#", "NULL", "é€😀", "\t", "{\"a\":1}", strings.Repeat("long ", 100)}
	ints := []int64{0, 1, -1, 42, 127, -128}
	const rows = 16
	schema, cols := plan.Schema{}, [][]plan.Literal(nil)
	for _, typ := range everyType(format) {
		var value func(typ plan.Type, i int) plan.Literal
		value = func(typ plan.Type, i int) plan.Literal {
			v := plan.Literal{Int: ints[i%len(ints)]}
			switch typ.Kind {
			case plan.KindString, plan.KindBinary:
				v = plan.Literal{Bytes: []byte(texts[i%len(texts)])}
			case plan.KindFloat32, plan.KindFloat64:
				e, _ := plan.LiteralExpr(typ, []float64{0, 1.5, -1e-7, 3.25e30, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0.1, 12345678.9}[i%10])
				v = e.Value
			case plan.KindBoolean:
				v = plan.Literal{Int: int64(i & 1)}
			case plan.KindDecimal:
				if v.Int < 0 {
					v.High = -1
				}
			case plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
				v = plan.Literal{Int: []int64{0, 1, -1, 1_600_000_000_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999}[i%6]}
			case plan.KindArray:
				v = plan.Literal{Items: []plan.Literal{}}
				for k := range i % 3 {
					v.Items = append(v.Items, value(typ.Element().Type, i+k))
				}
			case plan.KindMap:
				v = plan.Literal{Items: []plan.Literal{}}
				for k := range i % 3 {
					v.Items = append(v.Items, value(typ.MapKey().Type, k+1), value(typ.MapValue().Type, i+k))
				}
			case plan.KindStruct:
				v = plan.Literal{}
				for k, f := range typ.Children {
					v.Items = append(v.Items, value(f.Type, i+k))
				}
			}
			return v
		}
		col := make([]plan.Literal, rows)
		for i := range col {
			if col[i] = value(typ, i); i == 5 {
				col[i] = plan.Literal{Null: true}
			}
		}
		schema.Fields = append(schema.Fields, plan.Field{Name: fmt.Sprintf("c%d", len(cols)), Type: typ, Nullable: true})
		cols = append(cols, col)
	}
	return schema, cols
}

func record(schema plan.Schema, cols [][]plan.Literal) arrow.Record {
	arrays := make([]arrow.Array, len(cols))
	for i, f := range schema.Fields {
		arrays[i] = columns.Build(memory.DefaultAllocator, f.Type, cols[i])
	}
	return vector.NewRecord(schema, arrays, len(cols[0]))
}

// reading is the source options that read what an output's options wrote.
func reading(out plan.Output) map[string]string {
	options := map[string]string{}
	for name, v := range out.Options {
		options[name] = v
	}
	delete(options, "quoteAll")
	delete(options, "ignoreNullFields")
	delete(options, "compressionLevel")
	if out.Format == "csv" {
		options["multiLine"], options["lineSep"] = "true", "\n" // values may hold line ends, of every kind
	}
	return options
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d:\n got %q\nwant %q", i, got[i], want[i])
		}
	}
}

// TestRoundTrip writes every type in every format and compression, and reads the same rows back.
func TestRoundTrip(t *testing.T) {
	for _, out := range formats() {
		t.Run(out.Format+" "+out.Compression, func(t *testing.T) {
			schema, cols := rowsOf(out.Format)
			if out.Schema = schema; out.Format == "csv" {
				out.Options = map[string]string{"header": "true", "nullValue": `\N`}
			}
			rec := record(schema, cols)
			defer rec.Release()
			data := written(t, out, rec)
			compare(t, readBack(t, out, data, reading(out)), shown(rec))
		})
	}
}

// TestOptionsRoundTrip has text with one option each.
func TestOptionsRoundTrip(t *testing.T) {
	for _, c := range []struct{ format, options string }{
		{"csv", "sep=; nullValue=NA"}, {"csv", "sep=|| nullValue=NA"}, {"csv", `sep=\t nullValue=NA`}, {"csv", "quote=' nullValue=NA"},
		{"csv", `escape=" nullValue=NA`}, {"csv", "quoteAll=true nullValue=NA"},
		{"csv", "dateFormat=dd.MM.yyyy timestampFormat=yyyy/MM/dd_HH:mm:ss.SSSSSS nullValue=NA"}, {"csv", "timeZone=Asia/Tokyo nullValue=NA"},
		{"json", "ignoreNullFields=false"}, {"json", "ignoreNullFields=true"}, {"json", "timeZone=America/New_York"}, {"json", "dateFormat=dd/MM/yyyy"},
	} {
		out := plan.Output{Name: "o", Format: c.format, Compression: "none", Options: map[string]string{}}
		for _, word := range strings.Fields(c.options) {
			name, value, _ := strings.Cut(word, "=")
			out.Options[name] = value
		}
		schema, cols := rowsOf(c.format)
		out.Schema = schema
		rec := record(schema, cols)
		t.Run(c.format+" "+c.options, func(t *testing.T) {
			compare(t, readBack(t, out, written(t, out, rec), reading(out)), shown(rec))
		})
		rec.Release()
	}
}

// TestNoRowIsLost has the CSV of one column whose rows look like blank lines.
func TestNoRowIsLost(t *testing.T) {
	schema := plan.Schema{Fields: []plan.Field{{Name: "c", Type: plan.String, Nullable: true}}}
	rec := record(schema, [][]plan.Literal{{{Null: true}, {Bytes: []byte("")}, {Bytes: []byte("  ")}, {Bytes: []byte("x")}}})
	defer rec.Release()
	out := plan.Output{Name: "o", Format: "csv", Schema: schema}
	want := []string{"NULL", "NULL", "  ", "x"} // an empty string is NULL again, as in Spark, unless one of the two has a text of its own
	if got := readBack(t, out, written(t, out, rec), nil); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestBytesDoNotDependOnBatches cuts the same rows in batches at random, dictionary-encoded and with offsets.
func TestBytesDoNotDependOnBatches(t *testing.T) {
	for _, out := range formats() {
		if out.Format == "parquet" && out.Compression != "zstd" { // all the same but for the codec
			continue
		}
		t.Run(out.Format+" "+out.Compression, func(t *testing.T) {
			schema, cols := rowsOf(out.Format)
			if out.Schema = schema; out.Format == "arrow" {
				out.Options = map[string]string{"batchRows": "5"}
			}
			rec := record(schema, cols)
			defer rec.Release()
			want := written(t, out, rec)
			rapid.Check(t, func(rt *rapid.T) {
				var batches []arrow.Record
				for from := 0; from < int(rec.NumRows()); {
					n := rapid.IntRange(1, int(rec.NumRows())-from).Draw(rt, "rows")
					arrays := make([]arrow.Array, len(cols))
					for i, f := range schema.Fields {
						arrays[i] = columns.Build(memory.DefaultAllocator, f.Type, cols[i][from:from+n])
						if rapid.Bool().Draw(rt, "dictionary") {
							arrays[i] = columns.Encode(memory.DefaultAllocator, arrays[i])
						}
						if rapid.Bool().Draw(rt, "offset") {
							arrays[i] = columns.Offset(memory.DefaultAllocator, arrays[i])
						}
					}
					batches = append(batches, vector.NewRecord(schema, arrays, n))
					from += n
				}
				if !bytes.Equal(written(t, out, batches...), want) {
					rt.Errorf("other bytes in %d batches", len(batches))
				}
			})
		})
	}
}

// TestEmptyFile has no rows; its columns are known all the same where the format says them.
func TestEmptyFile(t *testing.T) {
	for _, out := range formats() {
		out.Schema = plan.Schema{Fields: []plan.Field{{Name: "c", Type: plan.Int64, Nullable: true}}}
		if rows := readBack(t, out, written(t, out), nil); len(rows) != 0 {
			t.Errorf("%s %s: %q", out.Format, out.Compression, rows)
		}
	}
}

func TestRefused(t *testing.T) {
	field := func(typ plan.Type) plan.Schema {
		return plan.Schema{Fields: []plan.Field{{Name: "c", Type: typ}}}
	}
	for _, c := range []struct {
		out  plan.Output
		want string
	}{
		{plan.Output{Format: "orc"}, "there are parquet, csv, json and arrow"},
		{plan.Output{Format: "csv", Compression: "snappy"}, "none, gzip or zstd, not snappy"},
		{plan.Output{Format: "arrow", Compression: "gzip"}, "none, lz4 or zstd, not gzip"},
		{plan.Output{Format: "csv", Schema: field(plan.Binary)}, "doesn't support the column `c` of the type \"BINARY\": use base64"},
		{plan.Output{Format: "csv", Schema: field(plan.Array(plan.Int32, true))}, "use to_json"},
		{plan.Output{Format: "json", Schema: field(plan.Array(plan.Interval, true))}, "write its parts as numbers"},
		{plan.Output{Format: "csv", Options: map[string]string{"mode": "FAILFAST"}}, "option mode of CSV: [UNSUPPORTED_FEATURE]"},
		{plan.Output{Format: "csv", Options: map[string]string{"quote": ""}}, "without quotes"},
		{plan.Output{Format: "csv", Options: map[string]string{"compressionLevel": "3"}}, "the compression is none, which has no level"},
		{plan.Output{Format: "csv", Compression: "gzip", Options: map[string]string{"compressionLevel": "10"}}, "no whole number from 1 to 9"},
		{plan.Output{Format: "json", Options: map[string]string{"header": "true"}}, "option header of JSON: [UNSUPPORTED_FEATURE]"},
		{plan.Output{Format: "json", Options: map[string]string{"timeZone": "Moon/Crater"}}, "INVALID_TIMEZONE"},
		{plan.Output{Format: "arrow", Options: map[string]string{"batchRows": "0"}}, "no whole number from 1"},
		{plan.Output{Format: "arrow", Options: map[string]string{"header": "true"}}, "option header of Arrow"},
	} {
		c.out.Name = "o"
		if err := output.Check(c.out); err == nil || plan.AsFailure(err).Kind != plan.FailureUser || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s", c.out, err, c.want)
		}
	}
}

func TestExtension(t *testing.T) {
	for want, out := range map[string]plan.Output{
		"zstd.parquet": {Format: "parquet", Compression: "zstd"}, "gz.parquet": {Format: "parquet", Compression: "gzip"},
		"parquet": {Format: "parquet", Compression: "none"}, "csv": {Format: "csv"}, "csv.gz": {Format: "csv", Compression: "gzip"},
		"json.zst": {Format: "json", Compression: "zstd"}, "arrow": {Format: "arrow", Compression: "none"}, "lz4.arrow": {Format: "arrow", Compression: "lz4"},
	} {
		if got := output.Extension(&out); got != want {
			t.Errorf("%+v: %q, want %q", out, got, want)
		}
	}
}
