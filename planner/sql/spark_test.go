package sql

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/source"
)

// sparkQuery is a statement of Spark's own SQL tests, with what Spark says of it.
type sparkQuery struct {
	file, sql, schema, output string
}

// sparkQueries reads Spark's golden files, which lie beside the repository; absent ones skip the test.
func sparkQueries(t testing.TB) []sparkQuery {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "data", "spark-golden")
	var list []sparkQuery
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".sql.out") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, block := range strings.Split(string(data), "-- !query\n")[1:] {
			sql, rest, _ := strings.Cut(block, "\n-- !query schema\n")
			schema, output, _ := strings.Cut(rest, "\n-- !query output\n")
			list = append(list, sparkQuery{filepath.Base(path), sql, schema, output})
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("Spark's golden files are not in ../shared/data/spark-golden")
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// errorClass is the class of the error that Spark gives, "" for a statement that it runs.
func (q sparkQuery) errorClass() string {
	_, rest, found := strings.Cut(q.output, `"errorClass" : "`)
	class, _, _ := strings.Cut(rest, `"`)
	if !found || !strings.HasPrefix(q.output, "org.apache.spark.") && !strings.HasPrefix(q.output, "java.") {
		return ""
	}
	return class
}

// parse reads the statement.
func (q sparkQuery) parse(t *testing.T) (Statement, *source.Error) {
	t.Helper()
	text := &source.Text{File: q.file, Body: q.sql}
	list, err := ParseScript(text)
	if err == nil {
		if len(list) != 1 {
			t.Fatalf("%s: %d statements", q.sql, len(list))
		}
		return list[0], nil
	}
	var e *source.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: error of type %T", q.sql, err)
	}
	return nil, e
}

// TestSparkStatements parses every statement that Spark can parse. Those that are refused must be refused for a
// feature that this engine lacks; what is accepted must survive printing.
func TestSparkStatements(t *testing.T) {
	total, parsed, refused := 0, 0, map[string]int{}
	for _, q := range sparkQueries(t) {
		if strings.Contains(q.output, "parser.ParseException") {
			continue
		}
		total++
		s, err := q.parse(t)
		switch {
		case err == nil:
			parsed++
			checkStatement(t, s)
		case err.Class == q.errorClass(): // Spark finds it later
			total--
		case err.Class == "UNSUPPORTED_FEATURE", err.Class == "UNSUPPORTED_TIME_TYPE":
			refused[err.Message]++
		default:
			t.Errorf("%v", err)
		}
	}
	t.Logf("%d of %d statements parse; the others need %v", parsed, total, refused)
	if parsed*100 < total*97 {
		t.Errorf("%d of %d statements parse", parsed, total)
	}
}

// TestSparkMistakes makes sure that what Spark's parser refuses is refused here, with Spark's class. Spark's parser
// also looks at the values of literals, which is the analyser's business in this engine.
func TestSparkMistakes(t *testing.T) {
	checked := 0
	for _, q := range sparkQueries(t) {
		class := q.errorClass()
		if !strings.Contains(q.output, "parser.ParseException") || class == "INVALID_TYPED_LITERAL" {
			continue
		}
		checked++
		if _, err := q.parse(t); err == nil {
			t.Errorf("%s: accepted, against Spark: %s\n%s", q.file, q.sql, q.output)
		} else if err.Class != class {
			t.Errorf("Spark: [%s], here: %v", class, err)
		}
	}
	if checked == 0 {
		t.Error("no mistakes found")
	}
}

// TestSparkNames holds derived names to those that Spark 4 gave for testdata/spark_names.tsv: an expression and its
// name on each line.
func TestSparkNames(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "spark_names.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		body, want, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !found {
			t.Fatalf("no name in %q", line)
		}
		e, err := ParseExpr(&source.Text{Body: body})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if name := ColumnName(e); name != want {
			t.Errorf("%s is called\n  %s\nin Spark\n  %s", body, name, want)
		}
		checkExpr(t, e)
	}
}

// TestSparkColumnNames compares derived names with the schemas of Spark's golden files.
func TestSparkColumnNames(t *testing.T) {
	same, total := 0, 0
	for _, q := range sparkQueries(t) {
		if q.schema == "struct<>" || strings.Contains(q.schema, "struct<struct") {
			continue
		}
		tree, err := Parse(&source.Text{Body: q.sql})
		if err != nil {
			continue
		}
		names, ok := outputNames(tree.Body)
		if !ok {
			continue
		}
		total++
		if schemaHasNames(q.schema, names) {
			same++
		} else if testing.Verbose() {
			t.Logf("%s\n   %q\n   %s", q.sql, names, q.schema)
		}
	}
	t.Logf("%d of %d select lists get Spark's names", same, total)
	if total == 0 || same*100 < total*95 {
		t.Errorf("%d of %d select lists get Spark's names", same, total)
	}
}

// outputNames is the column names of a query without stars.
func outputNames(body SetExpr) ([]string, bool) {
	switch b := body.(type) {
	case *SetOperation:
		return outputNames(b.Left)
	case *Query:
		return outputNames(b.Body)
	case *Select:
		var names []string
		namer := Namer{Windows: b.Windows}
		for _, item := range b.Items {
			if _, star := item.Expr.(*Star); star {
				return nil, false
			}
			if item.Alias != nil {
				names = append(names, item.Alias.Name)
			} else {
				names = append(names, namer.Name(item.Expr))
			}
		}
		return names, true
	}
	return nil, false
}

func schemaHasNames(schema string, names []string) bool {
	rest := strings.TrimPrefix(schema, "struct<")
	for i, n := range names {
		if i > 0 {
			_, after, found := strings.Cut(rest, ","+n+":")
			if !found {
				return false
			}
			rest = after
			continue
		}
		after, found := strings.CutPrefix(rest, n+":")
		if !found {
			return false
		}
		rest = after
	}
	return true
}
