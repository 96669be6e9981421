package planner

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
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
