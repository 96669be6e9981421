package planner

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/planner/step"
)

// TestStepErrors plans the steps of each block of testdata/steps.txt, over the catalog of testdata/jobs: what is wrong with
// them stands behind "----". A title may go on with the fields of the output.
func TestStepErrors(t *testing.T) {
	catalog, err := os.ReadFile("testdata/jobs/catalog.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden.Files(t, "testdata/steps.txt", func(t *testing.T, text string) string {
		var out strings.Builder
		for _, block := range strings.Split("\n"+text, "\n==== ")[1:] {
			head, _, _ := strings.Cut(block, "\n----")
			title, steps, _ := strings.Cut(head, "\n")
			_, fields, _ := strings.Cut(title, " output: ")
			job := "name: j\nparams: {ds: date}\nsources: {flights: flights}\nsteps:\n" + steps + "\noutputs:\n  - {name: out" + fields + "}\n"
			made := "planned"
			if _, err := Plan(t.Context(), jobRequest("job.yaml", job), parseCatalog(t, string(catalog))); err != nil {
				made = strings.TrimRight(err.Error(), "\n")
			}
			fmt.Fprintf(&out, "==== %s\n----\n%s\n\n", head, made)
		}
		return strings.TrimRight(out.String(), "\n") + "\n"
	})
}

// TestErrorsPage makes docs/errors.md of the blocks of testdata/steps.txt and testdata/checks/bad.txt.
func TestErrorsPage(t *testing.T) { golden.Check(t, "../docs/errors.md", errorsPage(t)) }

const errorsHead = `# Mistakes in steps and checks

Generated from planner/testdata/steps.txt and planner/testdata/checks/bad.txt by ` + "`go test ./planner -run TestErrorsPage -rewrite`" + `. What is
said of each mistake that a [step](steps.md) or a [check](checks.md) can have. All of it is found before anything runs: ` + "`quern validate`" + ` says it,
too. ` + "`job.yaml:6:3`" + ` is the file, line and column; of the job file only the steps, or the checks, are shown here. A mistake within SQL is told
the same way, under Spark's name for it.
`

func errorsPage(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(errorsHead)
	for _, part := range []struct{ file, what string }{{"steps.txt", "operator"}, {"checks/bad.txt", "check"}} {
		text, err := os.ReadFile("testdata/" + part.file)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		sections := map[string]string{}
		for _, block := range strings.Split("\n"+string(text), "\n==== ")[1:] {
			head, message, _ := strings.Cut(block, "\n----\n")
			title, body, _ := strings.Cut(head, "\n")
			title, _, _ = strings.Cut(title, " output: ")
			name := "Steps"
			if part.what == "check" {
				name = "Checks of outputs"
			} else if m := operatorPattern.FindAllStringSubmatch(body, -1); m != nil && knownOperator(m[len(m)-1][1]) {
				name = m[len(m)-1][1]
			}
			if message = strings.TrimSpace(message); message == "planned" {
				continue
			}
			if sections[name] == "" {
				names = append(names, name)
			}
			sections[name] += fmt.Sprintf("\n**%s**\n\n```yaml\n%s\n```\n\n```\n%s\n```\n", title, body, message)
		}
		for _, name := range names {
			fmt.Fprintf(&out, "\n## %s\n%s", name, sections[name])
		}
	}
	return out.String()
}

var operatorPattern = regexp.MustCompile(`(?m)^  (\w+):`)

func knownOperator(name string) bool {
	return slices.ContainsFunc(step.Kinds(), func(k *step.Kind) bool { return k.Name == name })
}
