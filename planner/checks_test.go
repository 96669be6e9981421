package planner

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
)

// TestChecks plans the checks of each block of testdata/checks.txt for an output of all columns of flights, over the catalog
// of testdata/jobs: what is to be checked, or what is wrong with them, stands behind "----".
func TestChecks(t *testing.T) {
	catalog, err := os.ReadFile("testdata/jobs/catalog.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden.Files(t, "testdata/checks/*.txt", func(t *testing.T, text string) string {
		var out strings.Builder
		for _, block := range strings.Split("\n"+text, "\n==== ")[1:] {
			head, _, _ := strings.Cut(block, "\n----")
			_, checks, _ := strings.Cut(head, "\n")
			req := jobRequest("job.yaml", checkedJob(checks))
			fmt.Fprintf(&out, "==== %s\n----\n%s\n\n", head, strings.TrimRight(checksText(t, req, string(catalog)), "\n"))
		}
		return strings.TrimRight(out.String(), "\n") + "\n"
	})
}

func checkedJob(checks string) string {
	return "name: j\nparams: {ds: date}\nsources: {flights: flights}\nsteps:\n  - {name: origins, sql: \"SELECT DISTINCT origin, 'x' AS distance FROM flights\"}\n  - {name: far, sql: SELECT destination FROM flights WHERE distance > 1000}\n" +
		"  - {name: sampled, sample: {from: flights, keep: delay > 15, rate: 0.5}}\n  - {name: few, sample: {from: flights, by: [origin], per_group: 3}}\n" +
		"outputs:\n  - {name: out, from: flights, shards: 2}\n  - {name: origins}\nchecks:\n" + checks + "\n"
}

func checksText(t *testing.T, req Request, catalog string) string {
	cat := parseCatalog(t, catalog)
	job, err := Plan(t.Context(), req, cat)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, c := range job.Checks {
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n", data)
	}
	var written []Written
	for _, o := range job.Outputs {
		// The catalog goes by names, and outputs of flights look as flights do.
		cat.tables[o.Name] = &plan.Table{Schema: o.Schema, Files: []plan.File{{URL: "file:///out/" + o.Name, RowGroups: []plan.RowGroup{{
			Rows: 1000, Bytes: 10000, Columns: make([]plan.ColumnStats, len(o.Schema.Fields)),
		}}}}}
		written = append(written, Written{Output: o, URL: "file:///out/" + o.Name, Files: []string{"part"}})
	}
	measuring, err := PlanChecks(t.Context(), req, written, cat)
	if err != nil {
		t.Fatalf("the checks of a good job cannot be planned: %v", err)
	}
	if sink := measuring.Stages[len(measuring.Stages)-1]; sink.Sink.Kind != plan.SinkReport || sink.Tasks != 1 {
		t.Errorf("the rows go into a %s of %d tasks", sink.Sink.Kind, sink.Tasks)
	}
	scans := map[string]int{}
	for _, s := range measuring.Stages {
		s.Root.Walk(func(n *plan.Node) {
			if n.Scan != nil {
				scans[n.Scan.Source]++
			}
		})
	}
	fmt.Fprintf(&out, "passes: %v\n", scans)
	return out.String()
}
