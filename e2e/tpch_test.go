package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/internal/source"
)

// TestTPCH runs the 22 queries of TPC-H at scale 0.01 and compares with Spark's answers.
func TestTPCH(t *testing.T) {
	for _, size := range []struct {
		name           string
		workers, slots int
	}{{"1x1", 1, 1}, {"2x2", 2, 2}} {
		t.Run(size.name, func(t *testing.T) {
			w := startWorld(t, nil, size.workers, size.slots)
			session := assembly.NewSession(assembly.SessionOptions{Run: w.runQuery, Plan: w.cluster.Plan, Tables: tpchTables(t)})
			queries, err := filepath.Glob("../testdata/tpch/queries/*.sql")
			if err != nil || len(queries) != 22 {
				t.Fatalf("%d queries, %v", len(queries), err)
			}
			for _, file := range queries {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".sql"), func(t *testing.T) {
					query, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					answer, err := os.ReadFile(strings.NewReplacer("queries", "answers", ".sql", ".txt").Replace(file))
					if err != nil {
						t.Fatal(err)
					}
					text := &source.Text{File: filepath.Base(file), Body: string(query)}
					block, err := session.Golden(t.Context(), w.cluster, text, source.Span{End: len(text.Body)})
					if err != nil {
						t.Fatal(err)
					}
					if got := block.Schema + "\n" + block.Output; got != strings.TrimRight(string(answer), "\n") {
						t.Errorf(" got:\n%s\nwant:\n%s", indent(got), indent(string(answer)))
					}
				})
			}
		})
	}
}

// tpchTables are the tables at scale 0.01.
func tpchTables(t *testing.T) []api.Table {
	t.Helper()
	files, err := filepath.Glob("../testdata/tpch/data/*.parquet")
	if err != nil || len(files) != 8 {
		t.Fatalf("%d tables, %v", len(files), err)
	}
	var tables []api.Table
	for _, f := range files {
		path, err := filepath.Abs(f)
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, api.Table{Name: strings.TrimSuffix(filepath.Base(f), ".parquet"), Path: path})
	}
	return tables
}
