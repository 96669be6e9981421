package step

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/planner/jobfile"
)

// TestDocs keeps the page about steps in step with the registry.
func TestDocs(t *testing.T) { golden.Check(t, "../../docs/steps.md", page()) }

func page() string {
	var out strings.Builder
	out.WriteString(`# Training-data steps

Generated from the registry by ` + "`go test ./planner/step -run TestDocs -rewrite`" + `. A step of a [job file](jobs.md) is a query (` + "`sql`" + `) or one of
these operators. Each reads sources and earlier steps by name, and is read by its own name.

- What an operator gives follows from its rows and options alone: not from files, tasks, workers, retries or the clock.
- **Columns** are named, letters' case aside. **Times** are columns of type timestamp. **Durations** are ` + "`7d`, `36h`, `1h30m`, `10s`, `250ms`" + `; the units are
  ` + "`w`, `d`, `h`, `m`, `s`, `ms`, `us`" + `. **Expressions** and **conditions** are SQL over the columns of ` + "`from`" + `; ` + "`${name}`" + ` in them is a parameter.
- Where rows are put in an order and the columns named for it are equal, the other columns decide: only rows that are equal
  in all columns are left to chance, and those cannot be told apart.
- What is drawn at random (` + "`sample`, `split`, `shuffle`" + `) is a hash of the salt and the row's key, another one for each purpose: see ` + "`stable_hash`" + ` in
  [functions.md](functions.md). The same key is drawn the same way every night.
- What is said of each mistake is in [errors.md](errors.md).
`)
	for _, k := range kinds {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n```yaml\n%s\n```\n\n| option | value | meaning |\n|---|---|---|\n", k.Name, k.Summary, k.Example)
		fields(&out, "", k.Fields)
		if k.Notes != "" {
			fmt.Fprintf(&out, "\n%s\n", k.Notes)
		}
	}
	return out.String()
}

// TestCheckDocs keeps the page about checks in step with the registry.
func TestCheckDocs(t *testing.T) { golden.Check(t, "../../docs/checks.md", checksPage()) }

func checksPage() string {
	var out strings.Builder
	out.WriteString(checksHead)
	for _, k := range checkKinds {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n```yaml\n%s\n```\n\n| option | value | meaning |\n|---|---|---|\n", k.Name, k.Summary, k.Example)
		fields(&out, "", k.Fields)
		fmt.Fprintf(&out, "\n%s\n", k.Notes)
	}
	return out.String()
}

func fields(out *strings.Builder, prefix string, list []Field) {
	for _, f := range list {
		doc := f.Doc
		if f.Required {
			doc += " (required)"
		}
		fmt.Fprintf(out, "| `%s%s` | %s | %s |\n", prefix, f.Name, f.Type, strings.ReplaceAll(doc, "|", `\|`))
		fields(out, prefix+f.Name+".", f.Fields)
	}
}

// The examples of the page about checks can be read.
func TestCheckExamples(t *testing.T) {
	for _, k := range checkKinds {
		text := "name: j\nsources: {s: x}\noutputs: [{name: examples, from: s}]\nchecks:\n" + k.Example + "\n"
		f, err := jobfile.Parse("job.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseOutputCheck(f, &f.Checks[0], jobfile.Params{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Kind != k {
			t.Errorf("the example of %s is one of %s", k.Name, c.Kind.Name)
		}
	}
}

// The examples of the page can be read.
func TestExamples(t *testing.T) {
	for _, k := range kinds {
		text := "name: j\nparams: {ds: {type: date, default: 2001-01-10}}\nsources: {s: x}\nsteps:\n" + k.Example + "\noutputs: [{name: o, from: s}]\n"
		f, err := jobfile.Parse("job.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		params, err := f.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(f, &f.Steps[0], params)
		if err != nil {
			t.Fatal(err)
		}
		if s.Kind != k {
			t.Errorf("the example of %s is one of %s", k.Name, s.Kind.Name)
		}
	}
}
