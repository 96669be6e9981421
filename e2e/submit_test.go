package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/quern-engine/quern/api"
	apiclient "github.com/quern-engine/quern/api/client"
)

const numbersJob = `name: numbers
sources:
  rows: {path: rows.parquet}
steps:
  - {name: out, sql: "SELECT id, id * 2 AS twice FROM rows"}
outputs:
  - {name: out, shards: 2, shard_by: [id]}
`

// TestIdenticalSubmits has a hundred callers ask for one job at once through all coordinators, then processes that are
// killed while they wait and others that come after them: there is one run, and who lives gets its answer.
func TestIdenticalSubmits(t *testing.T) {
	long(t)
	dir := t.TempDir()
	if p := startIn(t, dir, "rows", "sql", "SELECT id FROM range(0, 10000)", "--format", "parquet", "--out", "rows.parquet"); p.wait(t, deadline) != 0 {
		t.Fatal(p.log)
	}
	if err := os.WriteFile(filepath.Join(dir, "numbers.yaml"), []byte(numbersJob), 0o644); err != nil {
		t.Fatal(err)
	}
	c := startCoordinators(t, 3)

	calls := c.submitAtOnce(t, 100, api.Job{File: "numbers.yaml", Dir: dir, Work: dir, Text: numbersJob})
	if len(calls) != 1 {
		t.Fatalf("100 equal requests became %v", calls)
	}
	submit := func(name string) *process {
		return startIn(t, dir, name, "submit", "numbers.yaml", "-o", "json", "--wait", "--coordinator", c.urls())
	}
	// Nobody works yet, so each of these is killed while it waits. It says why it waits once the run is known to it.
	for i := range 5 {
		p := submit(fmt.Sprintf("impatient %d", i))
		eventually(t, "a submit to wait", func() bool { return strings.Contains(p.log.String(), "waiting: no worker has joined yet") })
		p.kill()
	}
	patient := []*process{submit("patient 1"), submit("patient 2")}
	c.startWorkers(t, 2)
	for _, p := range patient {
		if status := p.wait(t, deadline); status != 0 {
			t.Fatalf("%s ended with status %d: %s", p.name, status, p.log)
		}
		var r result
		if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
			t.Fatalf("%q: %v", p.out, err)
		}
		if calls[r.RunID] != 100 {
			t.Errorf("%s got run %s; the requests became %v", p.name, r.RunID, calls)
		}
		digests(t, r.Outputs["out"])
	}
	var list api.RunList
	if status := c.get(c.waitLeader(t), "/v1/runs", &list); status != http.StatusOK || len(list.Runs) != 1 {
		t.Errorf("status %d, %d runs: %+v", status, len(list.Runs), list.Runs)
	}
}

// submitAtOnce makes equal requests under different ids, and counts the runs that the callers got.
func (c *cluster) submitAtOnce(t *testing.T, n int, job api.Job) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var mu sync.Mutex
	got := map[string]int{}
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() {
			cl := apiclient.New([]string{c.addresses[i%len(c.addresses)]}, apiclient.Options{})
			defer cl.Close()
			s, err := cl.Submit(ctx, api.SubmitRequest{RunID: fmt.Sprintf("mine-%d", i), Job: &job, Attach: true})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				got["error: "+err.Error()]++
				return
			}
			got[s.RunID]++
		})
	}
	asking.Wait()
	return got
}
