package parquetio_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// What planner.Catalog asks for; importing it would turn the house's edges round.
var _ interface {
	Table(ctx context.Context, src plan.Source) (*plan.Table, error)
	Statistics(ctx context.Context, table *plan.Table, files []plan.File) ([]plan.File, error)
} = (*parquetio.Catalog)(nil)

// dataFile finds a real input, which the repository does not carry.
func dataFile(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "data", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("real input %s is not on this machine", name)
	}
	return path
}

// scanAll reads every supported column of a file, checks what a scan promises, and calls visit with each batch.
func scanAll(path string, batchRows int, visit func(plan.Schema, arrow.Record)) (rows int64, err error) {
	ctx, store := context.Background(), storage.New()
	defer store.Close()
	catalog := parquetio.NewCatalog(store)
	table, err := catalog.Table(ctx, plan.Source{Name: "t", Path: path})
	if err != nil {
		return 0, err
	}
	files, err := catalog.Statistics(ctx, table, table.Files)
	if err != nil {
		return 0, err
	}
	scan, splits := &plan.Scan{Source: "t", Format: "parquet"}, []plan.Split{}
	for _, f := range table.Schema.Fields {
		scan.Columns = append(scan.Columns, plan.ScanColumn{Name: f.Name})
	}
	for _, f := range files {
		splits = append(splits, plan.Split{URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupEnd: len(f.RowGroups), Partition: f.Partition})
	}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	s, err := parquetio.OpenScan(ctx, store, scan, table.Schema, splits, parquetio.ScanOptions{BatchRows: batchRows, Mem: mem})
	if err != nil {
		return 0, err
	}
	for {
		rec, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.Close()
			if mem.CurrentAlloc() != 0 {
				panic("memory is left after an error: " + err.Error())
			}
			return rows, err
		}
		rows += rec.NumRows()
		if visit != nil {
			visit(table.Schema, rec)
		}
		rec.Release()
	}
	if err := s.Close(); err != nil {
		return rows, err
	}
	if mem.CurrentAlloc() != 0 {
		panic("memory is left")
	}
	return rows, nil
}

// TestParquetTesting reads all of apache/parquet-testing's readable files: corrupt ones must fail, as user errors that
// name the file; the others must decode.
func TestParquetTesting(t *testing.T) {
	dir := dataFile(t, "parquet-testing")
	paths, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	// Files that are right to fail, though their names do not say so.
	fails := map[string]string{"large_string_map.brotli.parquet": "beyond the limit"}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			for _, batchRows := range []int{0, 3} {
				rows, err := scanAll(path, batchRows, func(schema plan.Schema, rec arrow.Record) { formatAll(rec) })
				t.Logf("%d rows, %v", rows, err)
				bad := strings.Contains(name, "corrupt") || strings.Contains(name, "malformed")
				switch want, listed := fails[name]; {
				case err == nil && (bad || listed):
					t.Error("read without an error")
				case err != nil && !bad && !listed:
					t.Error(err)
				case err != nil:
					var f *plan.Failure
					if !errors.As(err, &f) || f.Kind != plan.FailureUser || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), want) {
						t.Errorf("error is %T %v", err, err)
					}
				}
			}
		})
	}
}

// formatAll touches every value.
func formatAll(rec arrow.Record) {
	for c := range int(rec.NumCols()) {
		for r := range int(rec.NumRows()) {
			vector.Format(rec.Column(c), r)
		}
	}
}

// TestExpectedValues compares with the CSV files that come with some of the test files.
func TestExpectedValues(t *testing.T) {
	dir := dataFile(t, "parquet-testing")
	for _, name := range []string{"delta_binary_packed", "delta_byte_array", "delta_encoding_optional_column", "delta_encoding_required_column"} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(filepath.Join(dir, name+"_expect.csv"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			want, err := csv.NewReader(f).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			row, bad := 1, 0 // after the header
			_, err = scanAll(filepath.Join(dir, name+".parquet"), 7, func(_ plan.Schema, rec arrow.Record) {
				for r := range int(rec.NumRows()) {
					for c := range int(rec.NumCols()) {
						got, text := vector.Format(rec.Column(c), r), want[row][c]
						if got == "NULL" {
							got = ""
						}
						if got != text && bad < 5 {
							bad++
							t.Errorf("row %d, column %s: got %q, want %q", row, rec.ColumnName(c), got, text)
						}
					}
					row++
				}
			})
			if err != nil || row != len(want) {
				t.Errorf("%d rows of %d, %v", row-1, len(want)-1, err)
			}
		})
	}
}

// TestValuesOfParquetTesting compares every value of apache/parquet-testing's files with what another engine reads.
func TestValuesOfParquetTesting(t *testing.T) {
	dir := dataFile(t, "parquet-testing")
	golden, err := os.ReadFile(filepath.Join("testdata", "parquet-testing.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(golden), "\n-- ")[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		want := strings.SplitN(rest, "\n", 3)
		t.Run(name, func(t *testing.T) {
			var lines []string
			types := ""
			_, err := scanAll(filepath.Join(dir, name), 777, func(schema plan.Schema, rec arrow.Record) {
				types = plan.Struct(schema.Fields...).String()
				for r := range int(rec.NumRows()) {
					row := make([]string, rec.NumCols())
					for c := range row {
						row[c] = vector.Format(rec.Column(c), r)
					}
					lines = append(lines, string([]rune(strings.Join(row, "\t")))) // bytes that are no text count as one
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if want[0] != "-" && types != "" && types != want[0] {
				t.Errorf("schema %s\nwant   %s", types, want[0])
			}
			sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
			if got := fmt.Sprintf("%d rows, %x", len(lines), sum[:8]); got != want[1] {
				t.Errorf("%s, want %s\n%s\nwant\n%s", got, want[1], strings.Join(lines[:min(2, len(lines))], "\n"), want[2])
			}
		})
	}
}
