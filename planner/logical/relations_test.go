package logical

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/planner/sql"
)

var viewLine = regexp.MustCompile(`(?s)^view (\w+) as (.*)$`)

// Each file of testdata is: views ("view name as query;"), then cases: a title, a query, and behind --- what the plan
// says, or its rows as the interpreter gives them, or the error. Plans come where the title begins with "plan:".
func TestRelations(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split("\n"+string(data), "\n=== ")
			env := viewsOf(t, parts[0])
			for i, part := range parts[1:] {
				title, rest, _ := strings.Cut(part, "\n")
				query, want, _ := strings.Cut(rest, "\n---\n")
				want = strings.TrimRight(want, "\n")
				got := outcomeOf(query, env, strings.HasPrefix(title, "plan:"))
				if golden.Rewriting() {
					parts[i+1] = title + "\n" + query + "\n---\n" + got + "\n"
				} else if got != want {
					t.Errorf("%s\n%s\ngot:\n%s\nwant:\n%s", title, query, got, want)
				}
			}
			if golden.Rewriting() {
				if err := os.WriteFile(path, []byte(strings.TrimPrefix(strings.Join(parts, "\n=== "), "\n")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func viewsOf(t *testing.T, text string) *Environment {
	t.Helper()
	env := &Environment{IDs: &IDs{}}
	for _, line := range strings.Split(text, ";") {
		m := viewLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		n, err := analyseText(m[2], env)
		if err != nil {
			t.Fatal(err)
		}
		env.Relations = append(env.Relations, Relation{Name: m[1], Plan: n})
	}
	return env
}

func analyseText(query string, env *Environment) (Node, error) {
	text := &source.Text{Body: query}
	tree, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	return Analyse(text, tree, env)
}

// outcomeOf gives a query's plan, or its rows: the names and types of the columns, then a line for each row, sorted
// unless the query says how.
func outcomeOf(query string, env *Environment, wantPlan bool) string {
	env = &Environment{IDs: &IDs{last: env.IDs.last}, Relations: env.Relations}
	n, err := analyseText(query, env)
	if err != nil {
		return "error: " + errorLine(err)
	}
	if err := Verify(n); err != nil {
		return "invalid: " + err.Error() + "\n" + Format(n)
	}
	if wantPlan {
		canon, _ := refreshed(n, &IDs{})
		return strings.TrimRight(Format(canon), "\n")
	}
	r, err := (interpreter{}).run(n)
	if err != nil {
		return "fails: " + errorLine(err)
	}
	var lines []string
	for _, row := range r.rows {
		lines = append(lines, strings.ReplaceAll(rowKey(row), "\x00", " "))
	}
	if !strings.Contains(strings.ToLower(query), "order by") {
		slices.Sort(lines)
	}
	var names []string
	for _, c := range r.cols {
		names = append(names, c.Name+" "+c.Type.String())
	}
	return strings.Join(append([]string{"(" + strings.Join(names, ", ") + ")"}, lines...), "\n")
}

func errorLine(err error) string {
	var at *source.Error
	if errors.As(err, &at) {
		return "[" + at.Class + "] " + at.Message
	}
	return err.Error()
}
