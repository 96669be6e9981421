package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/otlp"
)

const tracedJob = `name: traced
sources:
  flights: {path: %s, partitions: {day: date}}
steps:
  - {name: routes, sql: "SELECT origin, destination, count(*) AS n FROM flights GROUP BY origin, destination"}
  - {name: ranked, sql: "SELECT *, row_number() OVER (PARTITION BY origin ORDER BY n DESC, destination) AS place FROM routes"}
outputs:
  - {name: ranked, from: ranked, shards: 16}
`

// A run that one leader has begun and another ends is one trace, of which every span has its parent.
func TestTraceOutlivesTheLeader(t *testing.T) {
	traces := &otlp.Collector{}
	server := httptest.NewServer(traces)
	t.Cleanup(server.Close) // after the processes
	c := newCluster(t, freeAddresses(t, 3))
	c.flags = []string{"--otlp-endpoint", server.URL}
	c.workerFlags = c.flags
	c.begin(t)
	c.startWorkers(t, 2)
	const run = "traced"
	flights, err := filepath.Abs("../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	job := fmt.Sprintf(tracedJob, flights)
	if err := os.WriteFile(filepath.Join(dir, "job.yaml"), []byte(job), 0o644); err != nil {
		t.Fatal(err)
	}
	submit := startIn(t, dir, "submit", "submit", "job.yaml", "--run-id", run, "--wait", "--quiet", "--coordinator", c.urls())
	eventually(t, "some tasks to be done", func() bool { return c.done(run) > 0 })
	leader := c.waitLeader(t)
	c.coordinators[leader].kill()
	delete(c.coordinators, leader)
	if status := submit.wait(t, deadline); status != 0 {
		t.Fatalf("the run ended with status %d: %s", status, submit.log)
	}
	ends := c.workers
	for _, p := range c.coordinators {
		ends = append(ends, p)
	}
	for _, p := range ends { // the workers first: they drain
		p.signal(syscall.SIGTERM)
		if status := p.wait(t, deadline); status != 0 {
			t.Errorf("%s ended with status %d", p.name, status)
		}
	}
	checkTrace(t, run, traces.Spans())
}

// checkTrace wants one trace: a run, its stages, and for each of their tasks an attempt that succeeded.
func checkTrace(t *testing.T, run string, spans []otlp.Span) {
	t.Helper()
	known := map[string]otlp.Span{}
	for _, s := range spans {
		known[s.ID] = s
	}
	done := map[string]map[string]bool{} // tasks by stage
	var runs, stages int
	for _, s := range known {
		parent, ok := known[s.Parent]
		switch {
		case s.Trace != spans[0].Trace || s.Attributes["quern.run.id"] != run:
			t.Errorf("%s of run %s is in trace %s, others in %s", s.Name, s.Attributes["quern.run.id"], s.Trace, spans[0].Trace)
		case s.Parent == "":
			runs++
			if s.Attributes["quern.run.state"] != "succeeded" {
				t.Errorf("the run is %v", s.Attributes)
			}
		case !ok:
			t.Errorf("the parent of %s has not come", s.Name)
		case s.Attributes["quern.task"] == "":
			stages++
		case s.Failure == "":
			stage := parent.ID
			if done[stage] == nil {
				done[stage] = map[string]bool{}
			}
			done[stage][s.Attributes["quern.task"]] = true
		}
	}
	for id, tasks := range done {
		if want := known[id].Attributes["quern.stage.tasks"]; want != strconv.Itoa(len(tasks)) {
			t.Errorf("of %s, %d tasks of %s have spans", known[id].Name, len(tasks), want)
		}
	}
	if runs != 1 || stages < 2 || len(done) != stages || t.Failed() {
		t.Errorf("%d runs, %d stages, %d with tasks:\n%s", runs, stages, len(done), otlp.Tree(spans))
	}
}
