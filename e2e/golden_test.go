package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
)

var (
	goldenBlock = regexp.MustCompile(`(?s)-- !query\n(.*?)\n-- !query schema\n(.*?)\n-- !query output\n(.*?)(?:\n\n\n|\n*\z)`)
	errorClass  = regexp.MustCompile(`"(?:errorClass|condition)" : "(.*?)"`)
)

// TestSparkAnswers runs the statements of testdata/spark, which have Spark's own answers beside them. All must agree,
// except those that testdata/spark/differences.list names with a reason.
func TestSparkAnswers(t *testing.T) {
	files, err := filepath.Glob("../testdata/spark/*.sql.out")
	if err != nil || len(files) == 0 {
		t.Fatalf("statements: %v, %v", files, err)
	}
	known := readList(t, "../testdata/spark/differences.list")
	for _, o := range runGolden(t, files) {
		switch {
		case o.agrees && known[o.id()]:
			t.Errorf("%s: listed as a difference, but agrees with Spark", o.id())
		case !o.agrees && !known[o.id()]:
			t.Error(o)
		}
	}
}

// TestSparkGolden runs Spark's own golden files. The statements that agree are listed in
// testdata/spark/golden-passes.list, which may only grow: -rewrite adds to it.
func TestSparkGolden(t *testing.T) {
	const list = "../testdata/spark/golden-passes.list"
	var files []string
	for _, pattern := range []string{"*.sql.out", "*/*.sql.out", "*/*/*.sql.out"} {
		found, err := filepath.Glob("../../shared/data/spark-golden/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("Spark's golden files are not at ../shared/data/spark-golden")
	}
	passed := readList(t, list)
	outcomes := runGolden(t, files)
	agree := 0
	for _, o := range outcomes {
		if o.agrees {
			agree++
			if !passed[o.id()] && !golden.Rewriting() {
				t.Logf("%s agrees now: add it to the list with -rewrite", o.id())
			}
			passed[o.id()] = true
			continue
		}
		if passed[o.id()] {
			t.Errorf("agreed before: %s", o)
		} else if testing.Verbose() {
			t.Log(o)
		}
	}
	t.Logf("%d of %d statements agree with Spark", agree, len(outcomes))
	if golden.Rewriting() {
		var ids []string
		for id := range passed {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		if err := os.WriteFile(list, []byte(strings.Join(ids, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readList reads lines, comments and blank lines left out. A file that is not there is empty.
func readList(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			lines[line] = true
		}
	}
	return lines
}

// goldenOutcome is a statement of a golden file, what Spark says and what we say.
type goldenOutcome struct {
	file      string
	number    int // of the statement in its file, from 1
	want, got assembly.Block
	agrees    bool
}

func (o goldenOutcome) id() string { return fmt.Sprintf("%s#%d", o.file, o.number) }

func (o goldenOutcome) String() string {
	return fmt.Sprintf("%s\n%s\n got: %s\n%s\nwant: %s\n%s", o.id(), indent(o.want.Query),
		o.got.Schema, indent(o.got.Output), o.want.Schema, indent(o.want.Output))
}

// goldenTables are the views that Spark's tests find ready.
var goldenTables = []string{
	`CREATE TEMPORARY VIEW testdata AS SELECT cast(id AS int) AS key, cast(id AS string) AS value FROM range(1, 101)`,
	`CREATE TEMPORARY VIEW arraydata AS SELECT * FROM VALUES (array(1, 2, 3), array(array(1, 2, 3))), (array(2, 3, 4), array(array(2, 3, 4))) AS t(arraycol, nestedarraycol)`,
	`CREATE TEMPORARY VIEW mapdata AS SELECT * FROM VALUES (map(1, 'a1', 2, 'b1', 3, 'c1', 4, 'd1', 5, 'e1')), (map(1, 'a2', 2, 'b2', 3, 'c2', 4, 'd2')),
	  (map(1, 'a3', 2, 'b3', 3, 'c3')), (map(1, 'a4', 2, 'b4')), (map(1, 'a5')) AS t(mapcol)`,
}

// runGolden runs each file in a session of its own, two files at a time.
func runGolden(t *testing.T, files []string) []goldenOutcome {
	t.Helper()
	w := startWorld(t, nil, 1, 2)
	var mu sync.Mutex
	var all []goldenOutcome
	var group errgroup.Group
	group.SetLimit(2)
	for _, file := range files {
		group.Go(func() error {
			outcomes, err := w.goldenFile(t.Context(), file, t.TempDir())
			mu.Lock()
			defer mu.Unlock()
			all = append(all, outcomes...)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b goldenOutcome) int {
		if a.file != b.file {
			return strings.Compare(a.file, b.file)
		}
		return a.number - b.number
	})
	return all
}

func (w *world) goldenFile(ctx context.Context, file, warehouse string) ([]goldenOutcome, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	session := assembly.NewSession(assembly.SessionOptions{
		Run: w.runQuery, Plan: w.cluster.Plan, Explain: w.cluster.Explain, Profile: w.cluster.Client.Profile, Rows: w.cluster.Rows,
		Warehouse: "file://" + warehouse, Session: plan.Session{TimeZone: "America/Los_Angeles", Now: 1767225600_000000},
	})
	for _, s := range goldenTables {
		if _, err := session.Execute(ctx, &source.Text{Body: s}, source.Span{End: len(s)}); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", s, err)
		}
	}
	name := strings.TrimSuffix(filepath.Base(file), ".sql.out")
	var out []goldenOutcome
	for i, m := range goldenBlock.FindAllStringSubmatch(string(text), -1) {
		o := goldenOutcome{file: name, number: i + 1, want: assembly.Block{Query: m[1], Schema: m[2], Output: m[3]}}
		o.got, err = session.Golden(ctx, w.cluster, &source.Text{Body: m[1]}, source.Span{End: len(m[1])})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.id(), err)
		}
		o.agrees = agree(o.got, o.want)
		out = append(out, o)
	}
	return out, nil
}

// runQuery runs a query of a session to its end.
func (w *world) runQuery(ctx context.Context, q *api.Query) (*api.RunStatus, error) {
	id := fmt.Sprintf("r%06d", w.runs.Add(1))
	if _, err := w.cluster.Client.Submit(ctx, api.SubmitRequest{RunID: id, Query: q}); err != nil {
		return nil, err
	}
	status, err := assembly.Wait(ctx, w.cluster.Client, id, nil)
	if err == nil && status.Failure != nil {
		err = status.Failure
	}
	return status, err
}

// agree compares a block with Spark's: the same schema and rows, or an error of the same class. Where Spark's rows do
// not depend on an order that the statement gives, ours may come in another.
func agree(got, want assembly.Block) bool {
	if class := errorClass.FindStringSubmatch(want.Output); class != nil && want.Schema == "struct<>" {
		ours := errorClass.FindStringSubmatch(got.Output)
		return got.Err != nil && ours != nil && ours[1] == class[1]
	}
	got.Schema, got.Output = oneNewline(got.Schema), oneNewline(got.Output)
	want.Schema, want.Output = oneNewline(want.Schema), oneNewline(want.Output)
	return got.Err == nil && got.Schema == want.Schema && (got.Output == strings.TrimRight(want.Output, " \t\n") || sortedLines(got.Output) == sortedLines(want.Output))
}

// oneNewline undoes what tools that read and write text files do to carriage returns.
func oneNewline(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

func sortedLines(s string) string {
	lines := strings.Split(strings.TrimRight(s, " \t\n"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
