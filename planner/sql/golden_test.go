package sql

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/source"
)

var rewrite = flag.Bool("rewrite", false, "write the results into the files of testdata")

// TestGolden reads testdata/*.txt: blocks of a directive line ("query", "expr" or "name"), the SQL, a line "----" and
// what comes of it: the canonical SQL and the tree, the column's name, or the error.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runGolden(t, file) })
	}
}

func runGolden(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		if strings.HasPrefix(block, "#") {
			out = append(out, block)
			continue
		}
		head, want, _ := strings.Cut(block, "\n----")
		directive, body, _ := strings.Cut(head, "\n")
		got := strings.TrimRight(runDirective(t, directive, body), "\n")
		if want = strings.TrimPrefix(want, "\n"); got != want && !*rewrite {
			t.Errorf("%s\n%s\ngot:\n%s\nwant:\n%s", directive, body, got, want)
		}
		out = append(out, head+"\n----\n"+got)
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func runDirective(t *testing.T, directive, body string) string {
	text := &source.Text{File: "q.sql", Body: body}
	switch directive {
	case "query":
		q, err := Parse(text)
		if err != nil {
			return "error: " + err.Error()
		}
		checkQuery(t, q)
		return Format(q) + "\n" + dump(q)
	case "canonical":
		q, err := Parse(text)
		if err != nil {
			return "error: " + err.Error()
		}
		checkQuery(t, q)
		return Format(q)
	case "expr", "name":
		e, err := ParseExpr(text)
		if err != nil {
			return "error: " + err.Error()
		}
		checkExpr(t, e)
		if directive == "name" {
			return ColumnName(e)
		}
		return FormatExpr(e) + "\n" + dump(e)
	}
	t.Fatalf("unknown directive %q", directive)
	return ""
}

// failer is what the checks need of *testing.T and *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkQuery makes sure that a query survives printing.
func checkQuery(t failer, q *Query) {
	t.Helper()
	printed := Format(q)
	again, err := Parse(&source.Text{Body: printed})
	if err != nil {
		t.Fatalf("%s\ndoes not parse again: %v", printed, err)
	}
	if a, b := dump(q), dump(again); a != b {
		t.Fatalf("%s\nparses to another tree:\n%s\nthan:\n%s", printed, b, a)
	}
}

// checkExpr makes sure that an expression survives printing.
func checkExpr(t failer, e Expr) {
	t.Helper()
	printed := FormatExpr(e)
	again, err := ParseExpr(&source.Text{Body: printed})
	if err != nil {
		t.Fatalf("%s\ndoes not parse again: %v", printed, err)
	}
	if a, b := dump(e), dump(again); a != b {
		t.Fatalf("%s\nparses to another tree:\n%s\nthan:\n%s", printed, b, a)
	}
}
