package planner

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/step"
)

func TestSchemaInDocs(t *testing.T) {
	text, err := JobSchema()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../docs/job.schema.json", string(text))
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := JobSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("job.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a job file as an editor sees it: YAML's dates are texts.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(datesAsText(doc))
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func datesAsText(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.RFC3339)
	case map[string]any:
		for k := range v {
			v[k] = datesAsText(v[k])
		}
	case []any:
		for i := range v {
			v[i] = datesAsText(v[i])
		}
	}
	return v
}

// Every job that the strict reader and the steps take, the schema takes: those of the golden tests, those that run, and the
// examples of the steps.
func TestSchemaTakesGoodJobs(t *testing.T) {
	s := compiledSchema(t)
	jobs := map[string]string{}
	for _, pattern := range []string{"testdata/jobs/*.yaml", "../testdata/jobs/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pattern, err)
		}
		for _, file := range files {
			jobs[file] = readText(t, file)
		}
	}
	for _, file := range []string{"jobfile/testdata/good.txt", "testdata/check.txt"} {
		for _, block := range strings.Split(readText(t, file), "==== ")[1:] {
			head, _, _ := strings.Cut(block, "\n----\n")
			title, body, _ := strings.Cut(head, "\n")
			jobs[file+": "+title] = body
		}
	}
	for _, k := range step.Kinds() {
		jobs["the example of "+k.Name] = "name: j\nparams: {ds: date}\nsteps:\n" + k.Example + "\noutputs: [{name: o}]\n"
	}
	for _, k := range step.CheckKinds() {
		jobs["the example of "+k.Name] = "name: j\noutputs: [{name: examples}]\nchecks:\n" + k.Example + "\n"
	}
	taken := 0
	for name, text := range jobs {
		if !readable(text) && !strings.HasPrefix(name, "the example") {
			continue
		}
		taken++
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if taken < 15 {
		t.Errorf("only %d jobs are good", taken)
	}
}

// readable reports that the reader takes a job, and the steps their options.
func readable(text string) bool {
	file, err := jobfile.Parse("job.yaml", text)
	if err != nil {
		return false
	}
	params, _, _ := file.Check(nil)
	for i := range file.Steps {
		if s := &file.Steps[i]; s.SQL == nil {
			if _, err := step.Parse(file, s, params); err != nil {
				return false
			}
		}
	}
	for i := range file.Checks {
		if _, err := step.ParseOutputCheck(file, &file.Checks[i], params); err != nil {
			return false
		}
	}
	return true
}

func TestSchemaRefuses(t *testing.T) {
	s := compiledSchema(t)
	for _, text := range []string{
		"name: j",
		"name: j\noutputs: []",
		"name: j\nsorces: {}\noutputs: [{name: a}]",
		"name: j\noutputs: [{name: a, shards: 0}]",
		"name: j\noutputs: [{name: a, format: xml}]",
		"name: j\nparams: {ds: {default: 3}}\noutputs: [{name: a}]",
		"name: j\nsteps: [{name: a}]\noutputs: [{name: a}]",
		"name: j\nsteps: [{name: a, sql: SELECT 1, dedupe: {from: b, keys: c}}]\noutputs: [{name: a}]",
		"name: j\nsteps: [{name: a, dedupe: {from: b, key: c}}]\noutputs: [{name: a}]",
		"name: j\nsteps: [{name: a, dedupe: {from: b}}]\noutputs: [{name: a}]",
		"name: j\nsteps: [{name: a, dedupe: {from: b, keys: c, keep: none}}]\noutputs: [{name: a}]",
		"name: j\nsteps: [{name: a, sessionize: {from: b, keys: c, time: t, gap: 30 minutes}}]\noutputs: [{name: a}]",
		"name: j\nsteps: [{name: a, sample: {from: b, rates: [{where: x, rat: 1}]}}]\noutputs: [{name: a}]",
		"name: j\noutputs: [{name: a}]\nsources: {a: x}\nchecks: [{output: a}]",
		"name: j\noutputs: [{name: a}]\nsources: {a: x}\nchecks: [{rows: {min: 1}, unique: [b]}]",
		"name: j\noutputs: [{name: a}]\nsources: {a: x}\nchecks: [{rows: {min: 1}, severity: fatal}]",
		"name: j\noutputs: [{name: a}]\nsources: {a: x}\nchecks: [{rows: 5}]",
		"name: j\noutputs: [{name: a}]\nsources: {a: x}\nchecks: [{rows: {vs_median: {mim: 1}}}]",
		"name: j\noutputs: [{name: a}]\nsources: {a: x}\nchecks: [{nulls: {max: 1}}]",
	} {
		if err := s.Validate(asJSON(t, text)); err == nil {
			t.Errorf("taken:\n%s", text)
		}
		if readable(text) {
			t.Errorf("the reader takes:\n%s", text)
		}
	}
}

// The fields of the schema are those that the reader knows: it lists them when it is given one of no known name.
func TestSchemaHasTheReadersFields(t *testing.T) {
	var frame struct {
		Properties  map[string]any
		Definitions map[string]struct{ Properties map[string]any }
	}
	if err := json.Unmarshal(jobFrame, &frame); err != nil {
		t.Fatal(err)
	}
	const unknown = "qqqqqqqqqqqq: 1"
	for part, text := range map[string]string{
		"":         unknown,
		"param":    "params: {p: {" + unknown + "}}",
		"source":   "sources: {s: {" + unknown + "}}",
		"function": "functions: {f: {" + unknown + "}}",
		"output":   "outputs: [{" + unknown + "}]",
	} {
		_, err := jobfile.Parse("job.yaml", "name: j\n"+text+"\n")
		var e *source.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Hint, "the fields are ") {
			t.Fatalf("%q: %v", part, err)
		}
		known := strings.Split(strings.TrimPrefix(e.Hint, "the fields are "), ", ")
		slices.Sort(known)
		fields := frame.Properties
		if part != "" {
			fields = frame.Definitions[part].Properties
		}
		if got := sortedKeys(fields); !slices.Equal(got, known) {
			t.Errorf("%q: the schema (planner/jobschema.json) has the fields %q, the reader %q", part, got, known)
		}
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
