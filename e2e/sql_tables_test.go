package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/parquetio"
)

// sqlTables writes the tables of testdata/sql/tables as Parquet and returns the path of each table by its name, the
// real flights included.
//
// A table is a text file. "columns: name type [not null], …" comes first; "rows per group: n" sets the size of row
// groups; each "file: path" begins a file, whose rows follow with their values between bars. Text may be quoted as in
// Go, binaries are hexadecimal.
func sqlTables(t *testing.T) map[string]string {
	t.Helper()
	flights, err := filepath.Abs("../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{"flights": flights}
	files, err := filepath.Glob("../testdata/sql/tables/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("tables: %v, %v", files, err)
	}
	dir := t.TempDir()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		tables[name] = filepath.Join(dir, name)
		if err := writeTable(file, tables[name]); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return tables
}

// tableFile is a Parquet file being described.
type tableFile struct {
	schema plan.Schema
	path   string
	group  int64
	rows   [][]plan.Literal
}

func writeTable(textFile, dir string) error {
	text, err := os.ReadFile(textFile)
	if err != nil {
		return err
	}
	var f tableFile
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := f.line(line, dir); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return f.write()
}

func (f *tableFile) line(line, dir string) (err error) {
	key, rest, _ := strings.Cut(line, ": ")
	switch key {
	case "columns":
		f.schema, err = tableSchema(rest)
		return err
	case "rows per group":
		f.group, err = strconv.ParseInt(rest, 10, 64)
		return err
	case "file":
		err = f.write()
		f.path, f.rows = filepath.Join(dir, rest), nil
		return err
	}
	cells := strings.Split(line, " | ")
	if len(cells) != len(f.schema.Fields) {
		return fmt.Errorf("%d values for %d columns", len(cells), len(f.schema.Fields))
	}
	row := make([]plan.Literal, len(cells))
	for i, cell := range cells {
		if row[i], err = tableValue(f.schema.Fields[i].Type, strings.TrimSpace(cell)); err != nil {
			return fmt.Errorf("column %s: %w", f.schema.Fields[i].Name, err)
		}
	}
	f.rows = append(f.rows, row)
	return nil
}

func tableSchema(text string) (s plan.Schema, err error) {
	for _, column := range strings.Split(text, ", ") {
		column, required := strings.CutSuffix(column, " not null")
		name, kind, _ := strings.Cut(column, " ")
		t, ok := plan.ParseTypeName(kind)
		if digits, found := strings.CutPrefix(kind, "decimal("); found {
			t, ok = plan.Type{Kind: plan.KindDecimal}, true
			if _, err := fmt.Sscanf(digits, "%d,%d)", &t.Precision, &t.Scale); err != nil {
				return s, fmt.Errorf("type %s: %w", kind, err)
			}
		}
		if !ok {
			return s, fmt.Errorf("type %q of column %s", kind, name)
		}
		s.Fields = append(s.Fields, plan.Field{Name: name, Type: t, Nullable: !required})
	}
	return s, nil
}

// tableValue reads a value by other means than the engine's own casts.
func tableValue(t plan.Type, text string) (l plan.Literal, err error) {
	if text == "NULL" {
		return plan.Literal{Null: true}, nil
	}
	switch t.Kind {
	case plan.KindBoolean:
		if text == "true" {
			l.Int = 1
		}
	case plan.KindFloat32, plan.KindFloat64:
		var v float64
		bits := 64
		if t.Kind == plan.KindFloat32 {
			bits = 32
		}
		v, err = strconv.ParseFloat(text, bits)
		l.Bits = math.Float64bits(v)
	case plan.KindDecimal:
		whole, fraction, _ := strings.Cut(text, ".")
		unscaled, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", int(t.Scale)-len(fraction)), 10)
		if !ok {
			return l, fmt.Errorf("not a decimal: %q", text)
		}
		d := decimal128.FromBigInt(unscaled)
		l.Int, l.High = int64(d.LowBits()), d.HighBits()
	case plan.KindString, plan.KindBinary:
		if strings.HasPrefix(text, `"`) {
			text, err = strconv.Unquote(text)
		}
		l.Bytes = []byte(text)
		if t.Kind == plan.KindBinary && err == nil {
			l.Bytes, err = hex.DecodeString(text)
		}
	case plan.KindDate:
		var day time.Time
		day, err = time.Parse("2006-01-02", text)
		l.Int = day.Unix() / 86400
	case plan.KindTimestamp:
		var at time.Time
		at, err = time.Parse("2006-01-02 15:04:05.999999", text)
		l.Int = at.UnixMicro()
	default:
		l.Int, err = strconv.ParseInt(text, 10, 64)
	}
	return l, err
}

// write writes the file that is complete, if there is one.
func (f *tableFile) write() (err error) {
	if f.path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	out, err := os.Create(f.path)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	w, err := parquetio.NewWriter(out, f.schema, parquetio.WriterOptions{GroupRows: f.group})
	if err != nil {
		return err
	}
	cols := make([]arrow.Array, len(f.schema.Fields))
	for c, field := range f.schema.Fields {
		values := make([]plan.Literal, len(f.rows))
		for i, row := range f.rows {
			values[i] = row[c]
		}
		cols[c] = columns.Build(memory.DefaultAllocator, field.Type, values)
		defer cols[c].Release()
	}
	rec := vector.NewRecord(f.schema, cols, len(f.rows))
	defer rec.Release()
	if err := w.Write(context.Background(), rec); err != nil {
		return err
	}
	return w.Close()
}
