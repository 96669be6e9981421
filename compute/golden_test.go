package compute

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/quern-engine/quern/plan"
)

// goldenQuery is a query of Spark's own test suite with its recorded outcome.
type goldenQuery struct{ query, schema, output string }

var (
	goldenRE     = regexp.MustCompile(`(?s)-- !query\n(.*?)\n-- !query schema\n(.*?)\n-- !query output\n(.*?)(?:\n\n\n|\n*\z)`)
	errorClassRE = regexp.MustCompile(`"errorClass" : "(.*?)"`)
	reads        = regexp.MustCompile(`(?i)\s(from|group by)\s`)
	typeRE       = regexp.MustCompile(`:([a-z_]+(?:\(\d+,\d+\))?|interval [a-z ]+)>$`)
)

// goldenSession is the session that Spark's results were recorded in.
var goldenSession = plan.Session{TimeZone: "America/Los_Angeles", Now: 1_600_000_000_000_000}

// TestSparkGolden runs those queries of Spark's recorded results that are a SELECT of expressions this package's test
// reader understands. What is known to differ stands in testdata/spark-differences.list with its reason.
func TestSparkGolden(t *testing.T) {
	files, _ := filepath.Glob("../../shared/data/spark-golden/*.sql.out")
	if len(files) == 0 {
		t.Skip("Spark's recorded results are not at ../shared/data/spark-golden")
	}
	known, met := knownDifferences(t), map[string]bool{}
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range goldenRE.FindAllStringSubmatch(string(text), -1) {
			g := goldenQuery{m[1], m[2], m[3]}
			if strings.HasPrefix(strings.ToLower(g.query), "set spark.sql.decimaloperations.allowprecisionloss=false") {
				break // the rest of the file is about a setting that does not exist here
			}
			if reads.MatchString(g.query) {
				continue
			}
			list, ok := strings.CutPrefix(strings.ToLower(g.query[:min(7, len(g.query))]), "select")
			if !ok || strings.TrimSpace(list) != "" {
				continue
			}
			exprs, err := parseList(strings.TrimSpace(g.query[6:]), goldenSession)
			var syntax syntaxError
			if errors.As(err, &syntax) {
				continue
			}
			ran++
			if known[oneLine(g.query)] {
				met[oneLine(g.query)] = true // a query may stand there twice, under different settings
				continue
			}
			g.check(t, filepath.Base(file), exprs, err)
		}
	}
	for q := range known {
		if met[q] {
			continue
		}
		t.Errorf("listed as a difference, but not met: %s", q)
	}
	if ran < 300 {
		t.Errorf("only %d queries ran", ran)
	}
}

// readable has a replacement character for each byte that is no UTF-8, as the recorded text has.
func readable(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func knownDifferences(t *testing.T) map[string]bool {
	text, err := os.ReadFile("testdata/spark-differences.list")
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

func (g goldenQuery) check(t *testing.T, file string, exprs []*plan.Expr, err error) {
	var got []string
	if err != nil {
		got = []string{errorClass(err)}
	}
	for _, e := range exprs {
		got = append(got, asConstant(e, goldenSession))
	}
	text := strings.Join(got, "\t")
	for _, v := range got {
		if strings.HasPrefix(v, "[") {
			text = v
			break
		}
	}
	if strings.HasPrefix(g.output, "org.apache") || strings.HasPrefix(g.output, "java.") {
		want := "?"
		if m := errorClassRE.FindStringSubmatch(g.output); m != nil {
			want = "[" + m[1] + "]"
		}
		if text != want && !(want == "?" && strings.HasPrefix(text, "[")) {
			t.Errorf("%s: %s\n got %s\nwant %s", file, oneLine(g.query), text, want)
		}
		return
	}
	if strings.TrimSpace(readable(text)) != strings.TrimSpace(g.output) {
		t.Errorf("%s: %s\n got %q\nwant %q", file, oneLine(g.query), text, g.output)
		return
	}
	if len(exprs) != 1 {
		return
	}
	if m := typeRE.FindStringSubmatch(g.schema); m != nil && exprs[0].Type.String() != m[1] {
		t.Errorf("%s: %s\ntype %s, want %s", file, oneLine(g.query), exprs[0].Type, m[1])
	}
	for i, e := range exprs {
		if over := asColumns(t, e, got[i], goldenSession); over != got[i] {
			t.Errorf("%s: %s over columns\n got %q\nwant %q", file, oneLine(g.query), over, got[i])
		}
	}
}
