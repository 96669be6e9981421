package planner

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/optimize"
)

// golden is a file of cases:
//
//	table … (the catalog)
//	=== what the case is about
//	SELECT …
//	---
//	what planning says, at each level, or the error
type goldenFile struct {
	path    string
	catalog string
	cases   []goldenCase
}

type goldenCase struct{ title, sql, want string }

func readGolden(t testing.TB, path string) goldenFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split("\n"+string(data), "\n=== ")
	g := goldenFile{path: path, catalog: strings.TrimPrefix(parts[0], "\n")}
	for _, part := range parts[1:] {
		title, rest, _ := strings.Cut(part, "\n")
		sql, want, _ := strings.Cut(rest, "\n---\n")
		g.cases = append(g.cases, goldenCase{title, strings.TrimRight(sql, "\n"), strings.TrimRight(want, "\n")})
	}
	return g
}

func (g goldenFile) write(t testing.TB) {
	t.Helper()
	var b strings.Builder
	b.WriteString(g.catalog)
	for _, c := range g.cases {
		b.WriteString("\n=== " + c.title + "\n" + c.sql + "\n---\n" + c.want + "\n")
	}
	if err := os.WriteFile(g.path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func goldenFiles(t testing.TB) []goldenFile {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var out []goldenFile
	for _, p := range paths {
		out = append(out, readGolden(t, p))
	}
	return out
}

// testFunctions are the plugin functions that golden queries can call.
func testFunctions() []plan.Function {
	return []plan.Function{
		{Name: "bucket", Export: "Bucket", Args: []plan.Type{plan.Int64}, Returns: plan.String, SHA256: "aa"},
		{Name: "unused", Export: "Unused", Args: []plan.Type{plan.Int64}, Returns: plan.String, SHA256: "bb"},
		{
			Name: "sketch", Export: "Sketch", Kind: plan.FunctionAggregate, Args: []plan.Type{plan.Int64}, Returns: plan.Float64, Nullable: true,
			State: []plan.Field{field("state", plan.Binary)}, SHA256: "bb",
		},
		{
			Name: "sessions", Export: "Sessions", Kind: plan.FunctionTable, Per: plan.PerGroup, Input: []plan.Field{field("a", plan.Int64), field("ts", plan.Timestamp)},
			Output: []plan.Field{field("session", plan.Int64), field("since", plan.Timestamp)}, SHA256: "bb",
		},
		{
			Name: "scored", Export: "Scored", Kind: plan.FunctionTable, Per: plan.PerPartition, Input: []plan.Field{field("d", plan.Float64)},
			Output: []plan.Field{field("score", plan.Float64)}, SHA256: "bb",
		},
		{
			Name: "words", Export: "Words", Kind: plan.FunctionTable, Per: plan.PerBatch, Input: []plan.Field{field("c", plan.String)},
			Output: []plan.Field{field("word", plan.String)}, SHA256: "bb",
		},
		{
			Name: "calendar", Export: "Calendar", Kind: plan.FunctionSource, Output: []plan.Field{field("day", plan.Date), field("weekend", plan.Boolean)},
			Tasks: []plan.FunctionTask{{Payload: []byte("1"), Rows: 31}, {Payload: []byte("2")}}, SHA256: "bb",
		},
	}
}

func field(name string, t plan.Type) plan.Field { return plan.Field{Name: name, Type: t} }

func queryRequest(cat *textCatalog, sql string, skip ...string) Request {
	return Request{
		Query:     &QueryRequest{SQL: sql, Tables: cat.sources()},
		Functions: testFunctions(),
		Options:   Options{Optimize: optimize.Options{Skip: skip}},
	}
}

func TestGolden(t *testing.T) {
	for _, g := range goldenFiles(t) {
		t.Run(filepath.Base(g.path), func(t *testing.T) {
			for i, c := range g.cases {
				cat := parseCatalog(t, g.catalog)
				got := explainText(queryRequest(cat, c.sql), cat)
				if golden.Rewriting() {
					g.cases[i].want = got
				} else if got != c.want {
					t.Errorf("%s\n%s\ngot:\n%s\nwant:\n%s", c.title, c.sql, got, c.want)
				}
			}
			if golden.Rewriting() {
				g.write(t)
			}
		})
	}
}

func explainText(req Request, cat Catalog) string {
	e, err := Explain(context.Background(), req, cat)
	if err != nil {
		return "error: " + strings.TrimRight(err.Error(), "\n")
	}
	// The physical plan says what the stages say; TestExplainPhysical looks at one.
	e.Levels = slices.DeleteFunc(e.Levels, func(l Level) bool { return strings.HasPrefix(l.Title, "Physical") })
	return strings.TrimRight(e.String(), "\n")
}

func TestExplainPhysical(t *testing.T) {
	cat := parseCatalog(t, "table big\n  column k bigint\n  file groups=4 rows=1000000 bytes=90000000 k=1..1000000\ntable small\n  column k bigint\n  file rows=10 bytes=100 k=1..10")
	e, err := Explain(context.Background(), queryRequest(cat, "SELECT k, count(*) FROM big JOIN small USING (k) GROUP BY k"), cat)
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	var physical string
	for _, l := range e.Levels {
		titles = append(titles, l.Title)
		if strings.HasPrefix(l.Title, "Physical") {
			physical = l.Text
		}
	}
	if got, want := strings.Join(titles, ", "), "Analysed plan of result, Optimised plan of result, Physical plan of result, Stages"; got != want {
		t.Errorf("levels %s, want %s", got, want)
	}
	want := `aggregate final keys=[k#0] aggs=[count(…)]
  read stage 1
    aggregate partial keys=[k#0] aggs=[count(*)]
      join inner [k#0 = k#0] filter 1 from k#0
        scan big [k] runtime=[k#0 by filter 1]
        read stage 0 whole
          scan small [k]
`
	if physical != want {
		t.Errorf("got\n%swant\n%s", physical, want)
	}
}

// Every plan must verify, validate and keep its schema whichever single rule, and whichever prefix of the rules, is
// left out.
func TestSkippingRules(t *testing.T) {
	var names []string
	for _, r := range slices.Concat(optimize.Structure(), optimize.Statistics()) {
		names = append(names, r.Name)
	}
	skips := [][]string{names}
	for i := range names {
		skips = append(skips, names[i:i+1], names[:i], names[i:])
	}
	for _, g := range goldenFiles(t) {
		for _, c := range g.cases {
			if strings.HasPrefix(c.want, "error: ") {
				continue
			}
			cat := parseCatalog(t, g.catalog)
			all, err := Plan(context.Background(), queryRequest(cat, c.sql), cat)
			if err != nil {
				t.Fatalf("%s: %v", c.title, err)
			}
			for _, skip := range skips {
				job, err := Plan(context.Background(), queryRequest(cat, c.sql, skip...), cat)
				if err != nil {
					t.Errorf("%s, without %v: %v", c.title, skip, err)
					continue
				}
				if got, want := resultNames(job), resultNames(all); got != want {
					t.Errorf("%s, without %v: columns %s, want %s", c.title, skip, got, want)
				}
			}
		}
	}
}

func resultNames(job *plan.Job) string {
	var b strings.Builder
	for _, f := range job.Stages[len(job.Stages)-1].Root.Schema.Fields {
		b.WriteString(f.Name + " " + f.Type.String() + ", ")
	}
	return b.String()
}

func TestPlanIsDeterministic(t *testing.T) {
	for _, g := range goldenFiles(t) {
		for _, c := range g.cases {
			var first []byte
			for range 3 {
				cat := parseCatalog(t, g.catalog)
				job, err := Plan(context.Background(), queryRequest(cat, c.sql), cat)
				if err != nil {
					break
				}
				data, err := job.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = data
				}
				if string(first) != string(data) {
					t.Fatalf("%s: two plans of one query differ", c.title)
				}
				if _, err := plan.DecodeJob(data); err != nil {
					t.Fatalf("%s: %v", c.title, err)
				}
			}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
