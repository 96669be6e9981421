package parquetio_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// drawType draws a type that Parquet has a form for.
func drawType(t *rapid.T, depth int) plan.Type {
	kinds := append([]plan.Type{plan.TimestampNTZ}, allTypes...)
	n := rapid.IntRange(0, len(kinds)+2+2*depth).Draw(t, "type")
	if depth == 0 || n < len(kinds) {
		return kinds[n%len(kinds)]
	}
	part := func() plan.Type { return drawType(t, depth-1) }
	nullable := rapid.Bool().Draw(t, "nullable")
	switch n % 3 {
	case 0:
		return plan.Array(part(), nullable)
	case 1:
		return plan.Map(part(), part(), nullable)
	}
	var fields []plan.Field
	for i := range rapid.IntRange(1, 3).Draw(t, "fields") {
		fields = append(fields, plan.Field{Name: fmt.Sprintf("f%d", 9-i), Type: part(), Nullable: rapid.Bool().Draw(t, "nullable")})
	}
	return plan.Struct(fields...)
}

func drawLiteral(t *rapid.T, f plan.Field) plan.Literal {
	if f.Nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return plan.Literal{Null: true}
	}
	n := rapid.Int64Range(-9, 99).Draw(t, "value")
	var l plan.Literal
	switch f.Type.Kind {
	case plan.KindArray, plan.KindMap:
		for range rapid.IntRange(0, 3).Draw(t, "size") {
			for _, c := range f.Type.Children {
				l.Items = append(l.Items, drawLiteral(t, c))
			}
		}
	case plan.KindStruct:
		for _, c := range f.Type.Children {
			l.Items = append(l.Items, drawLiteral(t, c))
		}
	case plan.KindBoolean:
		l.Int = n & 1
	case plan.KindFloat32, plan.KindFloat64:
		e, _ := plan.LiteralExpr(f.Type, float64(n)/4)
		l = e.Value
	case plan.KindString, plan.KindBinary:
		l.Bytes = fmt.Appendf(nil, "v%d", n)
	case plan.KindDecimal:
		l.Int, l.High = n, n>>63
	default:
		l.Int = n
	}
	return l
}

// drawRecord draws rows of a schema, and says them in text as well.
func drawRecord(t *rapid.T, schema plan.Schema, rows int) (arrow.Record, [][]string) {
	var cols []arrow.Array
	for _, f := range schema.Fields {
		b := vector.NewBuilder(memory.DefaultAllocator, f.Type)
		for range rows {
			b.AppendLiteral(drawLiteral(t, f))
		}
		col, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		cols = append(cols, col)
	}
	rec := vector.NewRecord(schema, cols, rows)
	return rec, texts(rec)
}

func drawSchema(t *rapid.T) plan.Schema {
	var schema plan.Schema
	for i := range rapid.IntRange(1, 3).Draw(t, "columns") {
		schema.Fields = append(schema.Fields, plan.Field{
			Name: fmt.Sprintf("c%d", i), Type: drawType(t, 3), Nullable: rapid.Bool().Draw(t, "nullable"),
		})
	}
	return schema
}

// TestNestedRoundTrip writes rows of any type and reads them back, however they are cut.
func TestNestedRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		schema := drawSchema(rt)
		rows := rapid.IntRange(1, 30).Draw(rt, "rows")
		rec, want := drawRecord(rt, schema, rows)
		opts := parquetio.WriterOptions{
			GroupRows: int64(rapid.IntRange(1, 40).Draw(rt, "group")), PageBytes: 1 << 10,
			NoDictionary: rapid.Bool().Draw(rt, "plain"),
			Compression:  rapid.SampledFrom([]string{"none", "zstd", "brotli"}).Draw(rt, "codec"),
		}
		path := filepath.Join(dir, "x.parquet")
		if err := os.WriteFile(path, write(t, schema, opts, rapid.IntRange(1, rows).Draw(rt, "cut"), rec), 0o600); err != nil {
			rt.Fatal(err)
		}
		got, gotSchema := readBack(t, path, rapid.IntRange(1, 40).Draw(rt, "batch"))
		for i, f := range schema.Fields {
			if g := gotSchema.Fields[i]; g.Type.String() != f.Type.String() {
				rt.Fatalf("column %d is %s, want %s", i, g.Type, f.Type)
			}
		}
		for c := range want {
			for r := range want[c] {
				if got[c][r] != want[c][r] {
					rt.Fatalf("%s, row %d: got %s, want %s", schema, r, got[c][r], want[c][r])
				}
			}
		}
	})
}

// TestNestedBytesDoNotDependOnBatches writes the same nested rows cut differently.
func TestNestedBytesDoNotDependOnBatches(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		schema := drawSchema(rt)
		rec, _ := drawRecord(rt, schema, 20)
		opts := parquetio.WriterOptions{GroupRows: 13}
		whole := write(t, schema, opts, 20, rec)
		if string(whole) != string(write(t, schema, opts, rapid.IntRange(1, 19).Draw(rt, "cut"), rec)) {
			rt.Fatal("rows cut differently give another file")
		}
	})
}

// scanText reads a file's columns with predicates to prune by, as text.
func scanText(path string, node *plan.Scan, schema plan.Schema, opts parquetio.ScanOptions) (rows []string, counts parquetio.Counts, err error) {
	ctx, store := context.Background(), storage.New()
	defer store.Close()
	url, err := storage.URL("/", path)
	if err != nil {
		return nil, counts, err
	}
	table, err := parquetio.NewCatalog(store).Table(ctx, plan.Source{Name: "t", Path: url})
	if err != nil {
		return nil, counts, err
	}
	files, err := parquetio.NewCatalog(store).Statistics(ctx, table, table.Files)
	if err != nil {
		return nil, counts, err
	}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	opts.Mem = mem
	splits := []plan.Split{{URL: files[0].URL, Size: files[0].Size, ETag: files[0].ETag, RowGroupEnd: len(files[0].RowGroups)}}
	s, err := parquetio.OpenScan(ctx, store, node, schema, splits, opts)
	if err != nil {
		return nil, counts, err
	}
	defer func() {
		s.Close()
		if mem.CurrentAlloc() != 0 {
			panic("memory is left")
		}
	}()
	rows, err = columns.ReadAll(ctx, validated{s}, "|")
	return rows, s.Counts(), err
}
