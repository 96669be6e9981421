package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
)

// What tasks had to say is there when their workers and the leader are dead, and so is why a run has failed.
func TestLogsOutliveProcesses(t *testing.T) {
	c := startCoordinators(t, 3)
	c.startWorkers(t, 2)
	dir := t.TempDir()
	const files = 4
	for f := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("rows-%d.csv", f)), fmt.Appendf(nil, "id\n%d\n", 10+f), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	submit := func(run, function string) *process {
		job := filepath.Join(dir, run+".yaml")
		text := fmt.Sprintf(`name: %s
sources:
  rows: {path: rows-*.csv, format: csv, options: {header: true}, columns: {id: bigint}}
functions:
  f: {plugin: %q, export: %s}
steps:
  - {name: kept, sql: "SELECT id, f(id) AS same FROM rows"}
outputs:
  - {name: kept, shards: %d, path: out-%s}
`, run, pluginPath(t, "panicky"), function, files, run)
		if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return startIn(t, dir, "submit "+run, "submit", job, "--run-id", run, "--wait", "--coordinator", c.urls())
	}
	logs := func(args ...string) (list []api.LogLine) {
		t.Helper()
		out, err := exec.Command(binary(t), append([]string{"logs", "-o", "json", "--coordinator", c.urls()}, args...)...).Output()
		if err != nil {
			t.Fatalf("quern logs %v: %v", args, err)
		}
		for text := range strings.Lines(string(out)) {
			var l api.LogLine
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			list = append(list, l)
		}
		return list
	}
	if p := submit("says", "says"); p.wait(t, deadline) != 0 {
		t.Fatal(p.log)
	}
	p := submit("dies", "exits_on_13")
	if status := p.wait(t, deadline); status != 1 || !strings.Contains(p.log.String(), "quern logs dies") {
		t.Fatalf("status %d: %s", status, p.log)
	}
	before := logs("says")
	killAll(c.workers...)
	leader := c.waitLeader(t)
	c.coordinators[leader].kill()
	delete(c.coordinators, leader)
	c.waitLeader(t)
	after := logs("says")
	if len(after) != len(before) {
		t.Errorf("%d lines, and %d before the leader died", len(after), len(before))
	}
	printed, logged := map[string]int{}, 0
	for _, l := range after {
		switch l.Message {
		case "plugin says":
			printed[l.Text]++
		case "plugin logs":
			logged++
		}
		if l.Number > 0 && (l.Stage == nil || l.Worker == "" || l.Time.IsZero()) {
			t.Errorf("%+v does not say where and when", l)
		}
	}
	for f := range files {
		if text := fmt.Sprintf("this is row %d", 10+f); printed[text] != 1 {
			t.Errorf("%q was printed %d times", text, printed[text])
		}
	}
	if len(printed) != files || logged != files {
		t.Errorf("%d lines were printed and %d logged", len(printed), logged)
	}
	if first, last := after[0], after[len(after)-1]; first.Message != "run submitted" || last.Message != "run ended" {
		t.Errorf("from %q to %q", first.Message, last.Message)
	}
	words, failed := false, false
	for _, l := range logs("dies", "--follow") {
		words = words || l.Message == "plugin says" && l.Text == "thirteen is too much for me"
		failed = failed || l.Message == "attempt failed" && strings.Contains(l.Text, "for (13)")
	}
	if !words || !failed {
		t.Errorf("the last words are there: %v; the row: %v", words, failed)
	}
	// All of them start anew.
	for a, p := range c.coordinators {
		p.kill()
		c.startCoordinator(t, a)
	}
	c.waitLeader(t)
	if again := logs("says"); len(again) != len(before) {
		t.Errorf("%d lines after all were started again, and %d before", len(again), len(before))
	}
}
