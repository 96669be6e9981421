package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/planner/optimize"
)

// TestWorlds runs a choice of statements under settings that must not show: batches of 1 and 3 rows, 1 to 7 partitions
// of every shuffle, a task for every row group, no memory so that everything spills, no dictionary codes, and each rule
// of the optimiser off. Rows must be the same; their order too where the statement gives one.
func TestWorlds(t *testing.T) {
	statements := worldStatements(t)
	want := runWorld(t, assembly.Options{Workers: 1, Slots: 1, Memory: 1 << 30}, statements)
	for _, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			w.opts.Workers, w.opts.Slots = 1, 2
			w.opts.Allocator = recycle.Poison()
			if w.opts.Memory == 0 {
				w.opts.Memory = 1 << 30
			}
			chosen, expected := statements, want
			if w.opts.BatchRows == 1 { // as slow as it gets: without the larger tables
				chosen, expected = small(statements, want)
			}
			for i, got := range runWorld(t, w.opts, chosen) {
				if got != expected[i] {
					t.Errorf("%s\n got:\n%s\nwant:\n%s", chosen[i], indent(got), indent(expected[i]))
				}
			}
		})
	}
}

// tpchQueries is how many queries TPC-H has; they come first among the statements.
const tpchQueries = 22

// small leaves out the statements that read much.
func small(statements, want []string) (chosen, expected []string) {
	for i := tpchQueries; i < len(statements); i++ {
		if !strings.Contains(statements[i], "flights") {
			chosen, expected = append(chosen, statements[i]), append(expected, want[i])
		}
	}
	return chosen, expected
}

type namedWorld struct {
	name string
	opts assembly.Options
}

func worlds() []namedWorld {
	all := []namedWorld{
		{"batch of 1", assembly.Options{BatchRows: 1}},
		{"batch of 3", assembly.Options{BatchRows: 3}},
		{"no dictionaries", assembly.Options{Plain: true}},
		{"no memory", assembly.Options{Memory: 1}},
	}
	for n := 1; n <= 7; n += 2 {
		w := namedWorld{name: fmt.Sprintf("%d partitions", n)}
		w.opts.Planner.Stage.MinSplit, w.opts.Planner.Stage.Partitions = 1, n
		w.opts.Planner.Optimize.BroadcastBytes = -1 // so that joins are shuffled too
		all = append(all, w)
	}
	for _, rule := range slices.Concat(optimize.Structure(), optimize.Statistics()) {
		w := namedWorld{name: "without " + rule.Name}
		w.opts.Planner.Optimize.Skip = []string{rule.Name}
		all = append(all, w)
	}
	return all
}

// worldStatements are the queries of TPC-H and a tenth of the statements of testdata/sql.
func worldStatements(t *testing.T) []string {
	t.Helper()
	var statements []string
	queries, err := filepath.Glob("../testdata/tpch/queries/*.sql")
	if err != nil || len(queries) != tpchQueries {
		t.Fatalf("%d queries, %v", len(queries), err)
	}
	for _, file := range queries {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, strings.TrimSpace(string(text)))
	}
	files, err := filepath.Glob("../testdata/sql/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := sqlBlocks(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if n++; n%10 == 0 && !strings.HasPrefix(b.want, "error") {
				statements = append(statements, b.statement)
			}
		}
	}
	return statements
}

func runWorld(t *testing.T, opts assembly.Options, statements []string) []string {
	t.Helper()
	tables := sqlTables(t)
	e, err := assembly.StartEmbedded(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := &world{cluster: e}
	all := tpchTables(t)
	for name, path := range tables {
		all = append(all, api.Table{Name: name, Path: path})
	}
	session := assembly.NewSession(assembly.SessionOptions{Run: w.runQuery, Plan: e.Plan, Tables: all})
	out := make([]string, len(statements))
	for i, s := range statements {
		block, err := session.Golden(t.Context(), e, &source.Text{Body: s}, source.Span{End: len(s)})
		if err != nil {
			t.Fatal(err)
		}
		out[i] = block.Schema + "\n" + block.Output
	}
	return out
}
