package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
)

// TestSkew joins six million events with two million users on two workers. Four events in ten are of one user; no task of
// the join may take more than twice the median for that.
func TestSkew(t *testing.T) {
	if os.Getenv("QUERN_SKEW") == "" {
		t.Skip("QUERN_SKEW is not set: the join with a skewed key takes half a minute (make skew)")
	}
	dir := t.TempDir()
	for name, query := range map[string]string{
		"events.parquet": "SELECT id AS event, CASE WHEN id % 10 < 4 THEN 7 ELSE hash(id) % 1000000 END AS user, concat('event-', id % 977) AS what, id * 1.5D AS value FROM range(0, 6000000)",
		"users.parquet":  "SELECT id AS user, concat('user number ', id, ' of many') AS name, concat(hash(id, 9), '-', hash(id, 10), '-', hash(id, 11)) AS secret, id % 31 AS age, hash(id, 3) AS a, hash(id, 4) AS b FROM range(-1000000, 1000000)",
	} {
		if p := startIn(t, dir, name, "sql", query, "--format", "parquet", "--out", name); p.wait(t, deadline) != 0 {
			t.Fatalf("make %s: %s", name, p.log)
		}
	}
	job := `name: skewed
sources:
  events: {path: events.parquet}
  users: {path: users.parquet}
steps:
  - name: joined
    sql: |
      SELECT age, what, count(*) AS n, sum(value) AS s, max(name) AS name, max(secret) AS secret, max(a) AS a, max(b) AS b
      FROM events JOIN users USING (user) GROUP BY age, what
outputs:
  - {name: out, from: joined, shards: 2}
`
	if err := os.WriteFile(filepath.Join(dir, "job.yaml"), []byte(job), 0o644); err != nil {
		t.Fatal(err)
	}
	c := startCoordinators(t, 1)
	c.startWorkers(t, 2)
	p := startIn(t, dir, "submit", "submit", "job.yaml", "--wait", "--run-id", "skewed", "--coordinator", c.urls(), "-o", "json")
	if status := p.wait(t, deadline); status != 0 {
		t.Fatalf("status %d: %s", status, p.log)
	}
	var s api.RunStatus
	for a := range c.coordinators {
		c.get(a, "/v1/runs/skewed", &s)
	}
	var join *api.StageStatus
	for i := range s.Stages {
		if strings.Contains(s.Stages[i].Adapted, "cut in") {
			join = &s.Stages[i]
		}
	}
	if join == nil {
		text, _ := json.Marshal(s.Stages)
		t.Fatalf("no stage was cut: %s", text)
	}
	t.Logf("%s: %s; %d tasks, median %.2f s at most, slowest %.2f s", join.Label, join.Adapted, join.Tasks, join.Median, join.Slowest)
	if join.Slowest > 2*join.Median {
		t.Errorf("the slowest task took %.2f s, the median %.2f s", join.Slowest, join.Median)
	}
}
