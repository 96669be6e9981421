package logical

import (
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// TestSelectGolden analyses the statements of testdata/select/*.txt and compares the plans, or the errors, with those written
// there. A file begins with its tables, a column a line; a case is
//
//	=== what it is about
//	SELECT …
//	---
//	the plan, or "error: " and the error
func TestSelectGolden(t *testing.T) {
	golden.Files(t, "testdata/select/*.txt", func(t *testing.T, text string) string {
		header, rest, _ := strings.Cut("\n"+text, "\n=== ")
		relations := parseTables(t, header)
		var out strings.Builder
		out.WriteString(strings.TrimPrefix(header, "\n"))
		for _, part := range strings.Split(rest, "\n=== ") {
			title, body, _ := strings.Cut(part, "\n")
			statement, _, _ := strings.Cut(body, "\n---\n")
			statement = strings.TrimRight(statement, "\n")
			out.WriteString("\n=== " + title + "\n" + statement + "\n---\n" + analysed(statement, relations) + "\n")
		}
		return out.String()
	})
}

// analysed is the verified plan of a statement as text, or its error.
func analysed(text string, relations []Relation) string {
	src := &source.Text{Body: text}
	tree, err := sql.Parse(src)
	if err != nil {
		return "error: " + err.Error()
	}
	env := &Environment{Relations: relations, IDs: &IDs{}, Session: plan.Session{TimeZone: "America/Los_Angeles"}}
	n, err := Analyse(src, tree, env)
	if err != nil {
		return "error: " + err.Error()
	}
	if err := Verify(n); err != nil {
		return "DEFECT: " + err.Error() + "\n" + Format(n)
	}
	return strings.TrimRight(Format(n), "\n")
}

// parseTables reads "table t" and, for each of its columns, "column a type [null]".
func parseTables(t *testing.T, text string) []Relation {
	var out []Relation
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "table":
			out = append(out, Relation{Name: words[1], Table: &plan.Table{}})
		default:
			nullable := words[len(words)-1] == "null"
			if nullable {
				words = words[:len(words)-1]
			}
			table := out[len(out)-1].Table
			table.Schema.Fields = append(table.Schema.Fields, plan.Field{
				Name: words[1], Type: parseType(t, strings.Join(words[2:], " ")), Nullable: nullable,
			})
		}
	}
	return out
}

func parseType(t *testing.T, name string) plan.Type {
	src := &source.Text{Body: "SELECT CAST(NULL AS " + name + ")"}
	tree, err := sql.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Analyse(src, tree, &Environment{IDs: &IDs{}})
	if err != nil {
		t.Fatal(err)
	}
	return n.Columns()[0].Type
}
