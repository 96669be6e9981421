package textio_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSpark reads files as Spark does, which has been recorded in testdata/spark: with many options, declared columns
// and inferred ones, and records that cannot be read. Blocks in differences.list differ on purpose.
func TestSpark(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "spark", "spark.txt"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join("testdata", "spark", "differences.list"))
	if err != nil {
		t.Fatal(err)
	}
	differ := map[string]bool{}
	for _, line := range strings.Split(string(list), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			differ[line] = true
		}
	}
	for _, block := range strings.Split(string(golden), "\n-- ")[1:] {
		lines := strings.Split(strings.TrimSuffix(block, "\n"), "\n")
		if len(lines) < 4 {
			t.Fatalf("a block is short: %q", block)
		}
		key, want := strings.Join(lines[:3], " | "), strings.TrimSuffix(strings.Join(lines[3:], "\n"), "\n")
		got := readAsSpark(t, lines[0], lines[1], lines[2])
		switch same := got == want; {
		case !same && !differ[key]:
			t.Errorf("%s\ngot\n%s\nwant\n%s", key, got, want)
		case same && differ[key]:
			t.Errorf("%s is as in Spark now: take it out of differences.list", key)
		}
		delete(differ, key)
	}
	for key := range differ {
		t.Errorf("differences.list names no block: %s", key)
	}
}

// readAsSpark is the schema and the rows of a file in the form of the recording.
func readAsSpark(t *testing.T, name, options, ddl string) string {
	t.Helper()
	given, lower := map[string]string{}, map[string]string{}
	if err := json.Unmarshal([]byte(options), &given); err != nil {
		t.Fatal(err)
	}
	for k, v := range given {
		lower[strings.ToLower(k)] = v
	}
	path, err := filepath.Abs(filepath.Join("testdata", "spark", name))
	if err != nil {
		t.Fatal(err)
	}
	schema, rows, err := read(source(t, path, ddl, lower), 0)
	if err != nil {
		return "error"
	}
	return strings.ReplaceAll(strings.Join(append([]string{schema}, rows...), "\n"), "\r", "␍")
}
