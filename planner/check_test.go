package planner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
)

// TestCheck checks the job file of each block of testdata/check.txt: what is said of it stands behind "----".
func TestCheck(t *testing.T) {
	golden.Files(t, "testdata/check.txt", func(t *testing.T, text string) string {
		var out strings.Builder
		for _, block := range strings.Split("\n"+text, "\n==== ")[1:] {
			head, _, _ := strings.Cut(block, "\n----")
			title, job, _ := strings.Cut(head, "\n")
			_, flags, _ := strings.Cut(title, " -p ")
			given := map[string]string{}
			for _, f := range strings.Fields(flags) {
				name, value, _ := strings.Cut(f, "=")
				given[name] = value
			}
			c := CheckJob(t.Context(), JobRequest{File: "job.yaml", Dir: "/jobs", Work: "/home/me", Text: job, Params: given}, &textCatalog{})
			fmt.Fprintf(&out, "==== %s\n----\n", head)
			if c.Name != "" {
				fmt.Fprintf(&out, "%s: sources %d, functions %d, steps %d, outputs %d, missing %q, typed %t\n", c.Name, c.Sources, c.Functions, c.Steps, c.Outputs, c.Missing, c.Typed)
			}
			for _, err := range c.Mistakes {
				out.WriteString(strings.TrimRight(err.Error(), "\n") + "\n")
			}
			out.WriteString("\n")
		}
		return strings.TrimRight(out.String(), "\n") + "\n"
	})
}
