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

// isQuery reports a statement that reads.
func (q sparkQuery) isQuery() bool {
	s := strings.ToUpper(strings.TrimLeft(q.sql, "( \n"))
	for strings.HasPrefix(s, "--") {
		_, s, _ = strings.Cut(s, "\n")
		s = strings.TrimSpace(s)
	}
	for _, k := range []string{"SELECT", "WITH", "VALUES", "TABLE", "/*"} {
		if strings.HasPrefix(s, k) {
			return true
		}
	}
	return false
}

// TestSparkQueries parses every query that Spark can run. Those that are refused must be refused as unsupported, or be
// few; what is accepted must survive printing.
func TestSparkQueries(t *testing.T) {
	total, parsed, unsupported := 0, 0, map[string]int{}
	var refused []string
	for _, q := range sparkQueries(t) {
		if !q.isQuery() || q.schema == "struct<>" {
			continue
		}
		total++
		tree, err := Parse(&source.Text{File: q.file, Body: q.sql})
		if err == nil {
			parsed++
			checkQuery(t, tree)
			continue
		}
		var e *source.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: error of type %T", q.sql, err)
		}
		if e.Class == "UNSUPPORTED_FEATURE" {
			unsupported[e.Message]++
			continue
		}
		refused = append(refused, err.Error())
	}
	t.Logf("%d of %d queries parse; %d need what is not supported: %v", parsed, total, total-parsed-len(refused), unsupported)
	for _, r := range refused {
		t.Log(r)
	}
	if parsed*100 < total*75 {
		t.Errorf("%d of %d parse", parsed, total)
	}
	if len(refused)*100 > total {
		t.Errorf("%d of %d queries of Spark's are refused as mistakes", len(refused), total)
	}
}

// TestSparkMistakes makes sure that what Spark's parser refuses is refused here. Spark's parser also refuses values and
// types that are the analyser's business in this engine.
func TestSparkMistakes(t *testing.T) {
	checked := 0
	for _, q := range sparkQueries(t) {
		if !q.isQuery() || !strings.Contains(q.output, "parser.ParseException") || containsAny(q.output,
			`"INVALID_TYPED_LITERAL"`, `"UNSUPPORTED_DATATYPE"`, `"_LEGACY_ERROR_TEMP_0029"`, `"INVALID_PARAMETER_VALUE`,
			`"INVALID_INLINE_TABLE`) {
			continue
		}
		checked++
		if _, err := Parse(&source.Text{File: q.file, Body: q.sql}); err == nil {
			t.Errorf("%s: accepted, against Spark: %s\n%s", q.file, q.sql, q.output)
		}
	}
	if checked == 0 {
		t.Error("no mistakes found")
	}
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// TestSparkColumnNames compares derived names with the schemas of Spark's golden files.
func TestSparkColumnNames(t *testing.T) {
	same, total := 0, 0
	for _, q := range sparkQueries(t) {
		if !q.isQuery() || q.schema == "struct<>" || strings.Contains(q.schema, "struct<struct") {
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
	if total == 0 || same*100 < total*80 {
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
		for _, item := range b.Items {
			if _, star := item.Expr.(*Star); star {
				return nil, false
			}
			if item.Alias != nil {
				names = append(names, item.Alias.Name)
			} else {
				names = append(names, ColumnName(item.Expr))
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
