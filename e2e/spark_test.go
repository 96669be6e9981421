package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	sparkCase  = regexp.MustCompile(`(?s)-- !query\n(.*?)\n-- !query schema\n(.*?)\n-- !query output\n(.*?)(?:\n\n\n|\n*\z)`)
	sparkView  = regexp.MustCompile(`(?is)^create\s+(?:or\s+replace\s+)?(?:global\s+)?temp(?:orary)?\s+view\s+(\w+(?:\s*\([^)]*\))?)\s+as\s+(.*)$`)
	sparkTable = regexp.MustCompile(`(?i)^create\s+(?:temporary\s+)?(?:table|function|view)\s+(\w+)`)
	sparkClass = regexp.MustCompile(`"errorClass" : "(.*?)"`)
	// What is refused, and a WITH of a view's name, which cannot be put behind the view, leave nothing to compare.
	absent = regexp.MustCompile(`\[(UNSUPPORTED_[A-Z]+|UNRESOLVED_ROUTINE|DUPLICATED_CTE_NAMES)`)
	with   = regexp.MustCompile(`(?i)^with\s`)
)

// TestSparkQueries runs those of Spark's recorded queries that read views through the whole engine, the views as WITH.
// What is known to differ stands in testdata/sql/spark-differences.list, by reason.
func TestSparkQueries(t *testing.T) {
	files, err := filepath.Glob("../../shared/data/spark-golden/*.sql.out")
	if err != nil || len(files) == 0 {
		t.Skip("Spark's recorded results are not at ../shared/data/spark-golden")
	}
	known := sparkDifferences(t)
	w := startWorld(t, nil, 2, 2)
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var views, tables []string // tables that INSERT fills cannot be had
		for _, m := range sparkCase.FindAllStringSubmatch(string(text), -1) {
			query, output := strings.TrimSpace(m[1]), m[3]
			if v := sparkView.FindStringSubmatch(query); v != nil {
				views = append(views, v[1]+" AS ("+v[2]+")")
				continue
			}
			if m := sparkTable.FindStringSubmatch(query); m != nil {
				tables = append(tables, strings.ToLower(m[1]))
			}
			if strings.HasPrefix(strings.ToLower(query), "set spark.") {
				break // the rest of the file is about settings that do not exist here
			}
			if len(views) == 0 || !reads(query) || slices.ContainsFunc(namesIn(query), func(n string) bool { return slices.Contains(tables, n) }) {
				continue
			}
			switch got := w.sparkOutcome(t.Context(), views, query); {
			case absent.MatchString(got):
			case known[oneLine(query)]:
				delete(known, oneLine(query))
			default:
				ran++
				if want := sparkExpected(query, output); got != want {
					t.Errorf("%s: %s\n got:\n%s\nwant:\n%s", filepath.Base(file), oneLine(query), indent(got), indent(want))
				}
			}
		}
	}
	for q := range known {
		t.Errorf("listed as a difference, but not met: %s", q)
	}
	if ran < 100 {
		t.Errorf("only %d queries could be compared", ran)
	}
	t.Logf("%d queries compared", ran)
}

func reads(query string) bool { return slices.Contains(namesIn(query), "from") }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func sparkDifferences(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../testdata/sql/spark-differences.list")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			known[line] = true
		}
	}
	return known
}

// sparkOutcome runs a query with the views in front of it.
func (w *world) sparkOutcome(ctx context.Context, views []string, query string) string {
	text := "WITH " + strings.Join(views, ",\n") + "\n" + query
	if with.MatchString(query) {
		text = "WITH " + strings.Join(views, ",\n") + ",\n" + query[len("with "):]
	}
	_, rows, err := w.run(ctx, text)
	if err != nil {
		said := firstLine(err.Error())
		if absent.MatchString(said) {
			return said
		}
		if _, rest, ok := strings.Cut(said, "["); ok {
			class, _, _ := strings.Cut(rest, "]")
			return "error: " + family(class)
		}
		return said
	}
	for i := range rows {
		rows[i] = strings.ReplaceAll(rows[i], `""`, "")
	}
	if !ordered(query) {
		slices.Sort(rows)
	}
	return strings.TrimSpace(strings.Join(rows, "\n"))
}

// family is an error class without its subclass, which carries advice about settings.
func family(class string) string {
	class, _, _ = strings.Cut(class, ".")
	return class
}

// sparkExpected is a recorded outcome in the same form.
func sparkExpected(query, output string) string {
	if strings.HasPrefix(output, "org.apache") || strings.HasPrefix(output, "java.") {
		if m := sparkClass.FindStringSubmatch(output); m != nil {
			return "error: " + family(m[1])
		}
		return "error"
	}
	rows := strings.Split(strings.ReplaceAll(output, "\t", " | "), "\n")
	if !ordered(query) {
		slices.Sort(rows)
	}
	return strings.TrimSpace(strings.Join(rows, "\n"))
}
