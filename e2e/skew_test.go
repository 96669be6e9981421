package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
)

// skewed are jobs over six million events, four in ten of which are of one user, and how their large partition is divided. The
// slowest task may take twice the median. On a busy machine windows do not get there: their slices each read all of a partition
// that is much larger than the others.
var skewed = []struct{ name, steps, how string }{
	{"join", `
  - name: out
    sql: |
      SELECT age, what, count(*) AS n, sum(value) AS s, max(name) AS name, max(secret) AS secret, max(a) AS a, max(b) AS b
      FROM events JOIN users USING (user) GROUP BY age, what`, "cut in"},
	{"asof", `
  - name: joined
    as_of_join: {from: events, by: [user], time: t, tables: [{from: prices, time: t, columns: [price]}]}
  - name: out
    sql: SELECT what, count(*) AS n, max(price) AS p, count(price) AS m, min(t) AS t FROM joined GROUP BY what`, "slices"},
	{"windows", `
  - name: wide
    windows:
      from: events
      by: [user]
      time: t
      events: {from: events, time: t}
      windows: [10m, 1h, 1d]
      features: {n: count(*), total: sum(value), mean: avg(value), least: min(value), most: max(value), spread: stddev_pop(value), last: last(what), kinds: count(DISTINCT what)}
  - name: out
    sql: |
      SELECT what, count(*) AS n, max(n_1h) AS n1, max(n_1d) AS n2, max(total_10m) AS t1, max(total_1d) AS t2, max(mean_10m) AS m1, max(mean_1d) AS m2,
        min(least_10m) AS l1, min(least_1d) AS l2, max(most_10m) AS x1, max(most_1d) AS x2, max(spread_1h) AS s1, max(spread_1d) AS s2,
        max(last_1h) AS a1, max(last_1d) AS a2, max(kinds_1h) AS k1, max(kinds_1d) AS k2
      FROM wide GROUP BY what`, "slices"},
	{"sql", `
  - name: wide
    sql: |
      SELECT what, count(*) OVER near AS n, max(value) OVER near AS v, sum(event) OVER near AS s FROM events
      WINDOW near AS (PARTITION BY user ORDER BY t RANGE BETWEEN INTERVAL 10 MINUTES PRECEDING AND CURRENT ROW)
  - name: out
    sql: SELECT what, count(*) AS rows, max(n) AS n, max(v) AS v, max(s) AS s FROM wide GROUP BY what`, "slices"},
}

// TestSkew has two workers do what a frequent key makes uneven. No task of the stage that has the key may take many times the
// median for that. Where the leader dies in the middle of the stage, the next one goes on with the same tasks, and the
// bytes are the same.
func TestSkew(t *testing.T) {
	if os.Getenv("QUERN_SKEW") == "" {
		t.Skip("QUERN_SKEW is not set: jobs with a skewed key take minutes (make skew)")
	}
	dir := t.TempDir()
	for name, query := range map[string]string{
		"events.parquet": "SELECT id AS event, CASE WHEN id % 10 < 4 THEN 7 ELSE hash(id) % 1000000 END AS user, concat('event-', id % 977) AS what, id * 1.5D AS value, timestamp_seconds(1700000000 + hash(id, 5) % 10000000) AS t FROM range(0, 6000000)",
		"prices.parquet": "SELECT CASE WHEN id % 10 < 4 THEN 7 ELSE hash(id, 8) % 1000000 END AS user, id % 1009 AS price, timestamp_seconds(1700000000 + hash(id, 6) % 10000000) AS t FROM range(0, 3000000)",
		"users.parquet":  "SELECT id AS user, concat('user number ', id, ' of many') AS name, concat(hash(id, 9), '-', hash(id, 10), '-', hash(id, 11)) AS secret, id % 31 AS age, hash(id, 3) AS a, hash(id, 4) AS b FROM range(-1000000, 1000000)",
	} {
		if p := startIn(t, dir, name, "sql", query, "--format", "parquet", "--out", name); p.wait(t, deadline) != 0 {
			t.Fatalf("make %s: %s", name, p.log)
		}
	}
	for _, job := range skewed {
		t.Run(job.name, func(t *testing.T) {
			c := startCoordinators(t, 3)
			c.startWorkers(t, 2)
			file := job.name + ".yaml"
			text := "name: " + job.name + "\nsources:\n  events: {path: events.parquet}\n"
			for _, other := range []string{"users", "prices"} {
				if strings.Contains(job.steps, other) {
					text += "  " + other + ": {path: " + other + ".parquet}\n"
				}
			}
			text += "steps:" + job.steps + "\noutputs:\n  - {name: out, from: out, shards: 2}\n"
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			quiet := c.skewedRun(t, dir, file, job.name, job.how, false)
			uneven := divided(quiet, job.how)
			t.Logf("%s: %s; %d tasks, median %.2f s at most, slowest %.2f s", uneven.Label, uneven.Adapted, uneven.Tasks, uneven.Median, uneven.Slowest)
			if uneven.Slowest > 2*uneven.Median {
				t.Errorf("the slowest task took %.2f s, the median %.2f s: more than twice", uneven.Slowest, uneven.Median)
			}
			again := c.skewedRun(t, dir, file, job.name+"-failover", job.how, true)
			if got, want := digests(t, again.Outputs["out"]), digests(t, quiet.Outputs["out"]); !slices.Equal(got, want) {
				t.Errorf("after the leader's death the shards are %q, in quiet they are %q", got, want)
			}
			for i, s := range again.Stages {
				if q := quiet.Stages[i]; s.Adapted != q.Adapted || s.Tasks != q.Tasks {
					t.Errorf("stage %d: %d tasks (%s) after the leader's death, %d (%s) in quiet", i, s.Tasks, s.Adapted, q.Tasks, q.Adapted)
				}
			}
		})
	}
}

// divided is the stage of a run that was divided somehow, nil for none.
func divided(s api.RunStatus, how string) *api.StageStatus {
	for i := range s.Stages {
		if strings.Contains(s.Stages[i].Adapted, how) {
			return &s.Stages[i]
		}
	}
	return nil
}

// skewedRun runs a job. If asked to, it kills the leader when some tasks of the divided stage are done, and others not.
func (c *cluster) skewedRun(t *testing.T, dir, file, run, how string, kill bool) api.RunStatus {
	t.Helper()
	p := startIn(t, dir, run, "submit", file, "--wait", "--run-id", run, "--coordinator", c.urls(), "-o", "json")
	if kill {
		var at *api.StageStatus
		eventually(t, "the stage to be under way", func() bool {
			s, _ := c.status(run)
			at = divided(s, how)
			return at != nil && at.Done > 0
		})
		if at.Done == at.Tasks {
			t.Errorf("all %d tasks were done before the leader could die", at.Tasks)
		}
		leader := c.waitLeader(t)
		c.coordinators[leader].kill()
		delete(c.coordinators, leader)
		c.startCoordinator(t, leader)
	}
	if status := p.wait(t, deadline); status != 0 {
		t.Fatalf("status %d: %s", status, p.log)
	}
	s, ok := c.status(run)
	if !ok || divided(s, how) == nil {
		text, _ := json.Marshal(s.Stages)
		t.Fatalf("no stage of %s was divided: %s", run, text)
	}
	return s
}
