package planner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
)

// Job files under testdata/jobs go with the catalog there; what planning makes of each is in the file of the same name
// that ends in .out.
func TestJobFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/jobs/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no job files: %v", err)
	}
	catalog, err := os.ReadFile("testdata/jobs/catalog.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			cat := parseCatalog(t, string(catalog))
			made := jobText(jobRequest(filepath.Base(path), string(text)), cat) + "\n"
			golden.Check(t, strings.TrimSuffix(path, ".yaml")+".out", made)
		})
	}
}

func jobRequest(file, text string) Request {
	return Request{
		JobFile:   &JobRequest{File: file, Dir: "/jobs", Work: "/home/me", Text: text, Params: map[string]string{"ds": "2001-01-10"}},
		Functions: testFunctions(),
	}
}

func jobText(req Request, cat *textCatalog) string {
	ctx := context.Background()
	e, err := Explain(ctx, req, cat)
	if err != nil {
		return "error: " + strings.TrimRight(err.Error(), "\n")
	}
	job, err := Plan(ctx, req, cat)
	if err != nil {
		return "error: " + err.Error()
	}
	var b strings.Builder
	b.WriteString(e.String() + "\n== Around the plan ==\n")
	for _, p := range job.Params {
		b.WriteString("param " + p.Name + " " + p.Type.String() + " = " + p.Value + "\n")
	}
	for _, f := range job.Functions {
		b.WriteString("function " + f.Name + " " + f.SHA256 + "\n")
	}
	for _, in := range job.Inputs {
		b.WriteString("input " + in.Source + " " + in.URL + "\n")
	}
	for _, o := range job.Outputs {
		b.WriteString("output " + o.Name + " " + o.URL + "\n")
	}
	for _, name := range sortedKeys(cat.asked) {
		// Explain and Plan each ask once.
		b.WriteString("statistics of " + name + ": " + strings.Join(cat.asked[name][:len(cat.asked[name])/2], " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func TestFunctionsWanted(t *testing.T) {
	text, err := os.ReadFile("testdata/jobs/delay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	refs, err := FunctionsWanted("delay.yaml", "/jobs", string(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(refs) != 1 || refs[0].Name != "bucket" || refs[0].Plugin != "../plugins/distance" || refs[0].Export != "Bucket" || refs[0].Options != "" {
		t.Errorf("got %+v", refs)
	}
}

func TestFunctionOptions(t *testing.T) {
	const job = `name: j
params: {ds: date, n: int}
functions:
  f:
    plugin: ./p
    options: {b: [1, 0x10, 2.5, true, null], a: {day: "${ds}", text: "1"}}
    files: {model: "models/${ds}.bin", words: /w}
outputs: [{name: o, from: o}]
steps: [{name: o, sql: SELECT 1 AS a}]
`
	takes, err := FunctionsTakeParams("j.yaml", job)
	if !takes || err != nil {
		t.Errorf("the functions take no parameters: %v", err)
	}
	refs, err := FunctionsWanted("j.yaml", "/jobs", job, map[string]string{"ds": "2001-01-10", "n": "1"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":{"day":"2001-01-10","text":"1"},"b":[1,16,2.5,true,null]}`; refs[0].Options != want {
		t.Errorf("options %s, want %s", refs[0].Options, want)
	}
	if f := refs[0].Files; f["model"] != "/jobs/models/2001-01-10.bin" || f["words"] != "/w" {
		t.Errorf("files %v", f)
	}
	for _, c := range []struct{ option, file, place string }{
		{"/a/text", "", ":6:64:"}, {"/c", "", ":6:14:"}, {"", "words", ":7:47:"}, {"", "none", ":4:3:"},
	} {
		if err := refs[0].Refused(c.option, c.file, "no"); !strings.Contains(err.Error(), c.place) {
			t.Errorf("%s%s: %s; want it at %s", c.option, c.file, err, c.place)
		}
	}
	if _, err := FunctionsWanted("j.yaml", "/jobs", job, map[string]string{"n": "1"}); err == nil || !strings.Contains(err.Error(), `"ds" has no value`) {
		t.Errorf("without a parameter: %v", err)
	}
	for _, bad := range []string{"options: 1", "options: {a: .inf}", "files: [a]", "files: {a: 1}", "files: {a: '${x}'}"} {
		text := "name: j\nfunctions:\n  f: {plugin: p, " + bad + "}\noutputs: [{name: o, from: o}]\nsteps: [{name: o, sql: SELECT 1 AS a}]\n"
		var mistake *source.Error
		if _, err := FunctionsWanted("j.yaml", "/", text, nil); !errors.As(err, &mistake) || mistake.Line != 3 {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Mistakes of the user's must be of the types that become exit status 2.
func TestErrorTypes(t *testing.T) {
	cat := parseCatalog(t, "table t\n  column a int\n  file rows=1 bytes=10\n")
	var mistake *source.Error
	if _, err := Plan(context.Background(), queryRequest(cat, "SELECT b FROM t"), cat); !errors.As(err, &mistake) {
		t.Errorf("unknown column: %T", err)
	}
	var failure *plan.Failure
	req := queryRequest(cat, "SELECT a FROM t")
	req.Query.Tables = append(req.Query.Tables, plan.Source{Name: "gone", Path: "/gone"})
	if _, err := Plan(context.Background(), req, cat); !errors.As(err, &failure) || failure.Kind != plan.FailureUser {
		t.Errorf("missing table: %v", err)
	}
	req = queryRequest(cat, "SELECT a FROM t")
	req.Functions[0].Name = "upper"
	if _, err := Plan(context.Background(), req, cat); !errors.As(err, &failure) || failure.Kind != plan.FailureUser {
		t.Errorf("function that is built in: %v", err)
	}
}
