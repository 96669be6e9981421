package ipcio_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
)

// TestPyarrow reads files that pyarrow wrote (testdata/make.py), of every type that is read: whole batches and cut ones,
// files and streams, compressed or not, give the same.
func TestPyarrow(t *testing.T) {
	var text strings.Builder
	columns := map[string]string{} // as the plain files have them
	for _, name := range []string{"numbers.arrow", "texts.arrow", "nested.arrow", "deltas.arrows", "replaced.arrows"} {
		fmt.Fprintf(&text, "=== %s\n", name)
		for _, line := range transposed(t, name, 0) {
			column, _, _ := strings.Cut(line, ":")
			columns[column] = line
			fmt.Fprintln(&text, line)
		}
	}
	golden.Check(t, "testdata/pyarrow.txt", text.String())
	for _, name := range []string{"lz4.arrow", "zstd.arrows"} {
		for _, batch := range []int{0, 1, 2} {
			for _, line := range transposed(t, name, batch) {
				if column, _, _ := strings.Cut(line, ":"); line != columns[column] {
					t.Errorf("%s in batches of %d: %s, but %s", name, batch, line, columns[column])
				}
			}
		}
	}
	if schema, rows, err := read(testdata(t, "empty.arrow"), 0, nil); err != nil || len(rows) > 0 || !strings.Contains(schema, "u8 smallint") {
		t.Errorf("%s: %q, %v", schema, rows, err)
	}
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// transposed is a line for each column of a file: its name, its type, and its values.
func transposed(t *testing.T, name string, batch int) []string {
	t.Helper()
	schema, rows, err := read(testdata(t, name), batch, nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	lines := strings.Split(schema, ", ")
	for i := range lines {
		column, typ, _ := strings.Cut(lines[i], " ")
		lines[i] = column + ": " + typ
		for _, row := range rows {
			cell := strings.Split(row, "|")[i]
			if cell == "" || strings.Contains(cell, "\x00") {
				cell = fmt.Sprintf("%q", cell)
			}
			lines[i] += " | " + cell
		}
	}
	return lines
}

// TestUnreadColumns has a file with columns that have no type in SQL: the others can be read all the same.
func TestUnreadColumns(t *testing.T) {
	path := testdata(t, "unread.arrow")
	_, rows, err := read(path, 0, &plan.Schema{Fields: []plan.Field{{Name: "id", Type: plan.Int64}, {Name: "name", Type: plan.String}}})
	if err != nil || strings.Join(rows, " ") != "1|a|0 NULL|NULL|1 3|c|2" {
		t.Errorf("%q, %v", rows, err)
	}
	for column, want := range map[string]string{
		"time32": "time32[s]", "time64": "time64[ns]", "wide": "decimal256(39, 0)", "negative": "decimal(5, -2)",
		"union": "sparse_union", "times": "list<item: time32[ms]", "late": "a value is out of range",
	} {
		_, _, err := read(path, 0, &plan.Schema{Fields: []plan.Field{{Name: column, Type: plan.TimestampNTZ}}})
		if err == nil || !strings.Contains(err.Error(), "unread.arrow: column "+column) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", column, err)
		}
	}
}

// TestDamagedForeignColumns changes bytes of the files: nothing panics, and what fails is the user's.
func TestDamagedForeignColumns(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, name := range []string{"numbers.arrow", "texts.arrow", "nested.arrow", "deltas.arrows"} {
		good, err := os.ReadFile(testdata(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			bad := bytes.Clone(good)
			for range 1 + rng.IntN(4) {
				bad[rng.IntN(len(bad))] = byte(rng.Uint32())
			}
			if _, _, err := read(saved(t, name, bad), 0, nil); err != nil && plan.AsFailure(err).Kind != plan.FailureUser {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
