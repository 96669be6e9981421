package sql

import (
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/testutil/golden"
)

// TestGolden reads testdata/*.txt: blocks of a directive line ("query", "canonical", "script",
// "expr" or "name"), the SQL, a line "----" and
// what comes of it: the canonical SQL and the tree, the column's name, or the error.
func TestGolden(t *testing.T) {
	golden.Files(t, "testdata/*.txt", func(t *testing.T, text string) string {
		var out []string
		for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
			if !strings.HasPrefix(block, "#") {
				head, _, _ := strings.Cut(block, "\n----")
				directive, body, _ := strings.Cut(head, "\n")
				block = head + "\n----\n" + strings.TrimRight(runDirective(t, directive, body), "\n")
			}
			out = append(out, block)
		}
		return strings.Join(out, "\n\n") + "\n"
	})
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
	case "script":
		return runScript(t, text)
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

// runScript shows the statements of a script, each by itself: a mistake in one does not hide the others.
func runScript(t *testing.T, text *source.Text) string {
	var out []string
	for _, part := range SplitStatements(text) {
		s, err := ParseStatement(text, part)
		if err != nil {
			out = append(out, "error: "+err.Error())
			continue
		}
		if s.Where() != part {
			t.Fatalf("%q is read as %v, not %v", text.Body, s.Where(), part)
		}
		checkStatement(t, s)
		out = append(out, FormatStatement(s)+"\n"+dump(s))
	}
	return strings.Join(out, "\n")
}

// checkStatement makes sure that a statement survives printing.
func checkStatement(t failer, s Statement) {
	t.Helper()
	printed := FormatStatement(s)
	again, err := ParseScript(&source.Text{Body: printed})
	if err != nil || len(again) != 1 {
		t.Fatalf("%s\ndoes not parse again to one statement: %d, %v", printed, len(again), err)
	}
	if a, b := dump(s), dump(again[0]); a != b {
		t.Fatalf("%s\nparses to another tree:\n%s\nthan:\n%s", printed, b, a)
	}
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
