package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
)

// TestSlices joins in time, and looks at windows of time, where nine rows in ten are of one key. Done in slices that gives the
// rows that it gives in one piece, in the same order: whatever the direction of joins, whichever windows.
func TestSlices(t *testing.T) {
	const rows = `WITH l AS (SELECT IF(delay % 10 = 0, origin, 'any') AS k, date AS t, delay * 5000 + distance AS n FROM flights WHERE day <= '2001-01-02'),
	r AS (SELECT IF(delay % 10 = 1, destination, 'any') AS k, date AS t, date + make_dt_interval(0, 0, delay) AS av, distance AS v
	      FROM flights WHERE day <= '2001-01-02' AND distance % 3 = 1) `
	queries := map[string]string{
		"backward":       `SELECT n, v, r.t FROM l LEFT ASOF JOIN r MATCH_CONDITION (l.t >= r.t) ON l.k = r.k`,
		"strictly":       `SELECT n, v, r.t FROM l LEFT ASOF JOIN r MATCH_CONDITION (l.t > r.t) ON l.k = r.k TOLERANCE INTERVAL 2 MINUTES`,
		"available":      `SELECT n, v, r.t FROM l LEFT ASOF JOIN r MATCH_CONDITION (l.t >= r.t) ON l.k = r.k AND r.av <= l.t`,
		"forward":        `SELECT n, v, r.t FROM l ASOF JOIN r MATCH_CONDITION (l.t <= r.t) ON l.k = r.k`,
		"by a condition": `SELECT n, v, r.t FROM l LEFT ASOF JOIN r MATCH_CONDITION (l.t >= r.t) ON l.k = r.k AND (l.n + r.v) % 3 = 1 TOLERANCE INTERVAL 5 MINUTES`,
		"twice":          `SELECT n, r.v, s.v, s.av FROM l LEFT ASOF JOIN r MATCH_CONDITION (l.t >= r.t) ON l.k = r.k LEFT ASOF JOIN r s MATCH_CONDITION (l.t >= s.t) ON l.k = s.k AND l.t >= s.av`,
	}
	for name, q := range map[string]string{
		"windows":           `sum(n) OVER (h), count(v) OVER (h), max(v) OVER (h), first(n) OVER (h)`,
		"windows both ways": `count(*) OVER (PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL 3 MINUTES PRECEDING AND INTERVAL 5 MINUTES FOLLOWING), avg(n) OVER (h)`,
	} {
		queries[name] = fmt.Sprintf("SELECT k, t, n, %s FROM (SELECT k, t, n, n %% 100 AS v FROM l) WINDOW h AS (PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND CURRENT ROW)", q)
	}
	queries["windows of windows"] = `SELECT k, t, n, s, max(s) OVER (PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND INTERVAL 1 MINUTE FOLLOWING)
	FROM (SELECT k, t, n, sum(n) OVER (PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL 5 MINUTES PRECEDING AND CURRENT ROW) AS s FROM l) WHERE n % 3 < 2`
	steps := map[string]string{
		"windows of events":      "{from: l, by: [k], time: t, events: {from: r, time: t}, windows: [1m, 10m], features: {c: count(*), s: sum(v), last: last(v)}}",
		"windows of late events": "{from: l, by: [k], time: t, events: {from: r, time: t, available_at: av}, windows: [10m], features: {c: count(*), s: avg(v)}}",
		"windows of themselves":  "{from: l, by: [k], time: t, events: {from: l, time: t}, windows: [10m], features: {c: count(*), s: sum(n), m: min(n)}}",
	}
	// Of these keys none has many rows, but together those of one partition have most: they are divided, and stay whole.
	shared := map[string]string{
		"groups": `SELECT k, count(*), sort_array(collect_list(n)), count(DISTINCT n % 10), percentile(n, 0.3) FROM m GROUP BY k`,
		"ranks":  `SELECT k, n, row_number() OVER (PARTITION BY k ORDER BY n, t), sum(n) OVER (PARTITION BY k ORDER BY n, t) FROM m`,
		"joined": `SELECT m.n, s.n FROM m FULL JOIN (SELECT k, max(n) AS n FROM m WHERE n % 2 = 0 GROUP BY k) s ON m.k = s.k AND m.n > 100`,
	}
	for name, q := range shared {
		queries[name] = ", m AS (SELECT IF(pmod(n, 10) < 9, pmod(n, 8), 9) AS k, t, n FROM l) " + q
	}
	tables := []api.Table{{Name: "flights", Path: sqlTables(t)["flights"]}}
	run := func(bytes int64) (map[string][]string, []string) {
		opts := assembly.Options{Workers: 2, Slots: 1, Memory: 1 << 30}
		opts.Planner.Stage.MinSplit, opts.Planner.Stage.Partitions, opts.Planner.Stage.PartitionBytes = 1, 2, bytes
		e, err := assembly.StartEmbedded(opts)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}()
		w := &world{cluster: e}
		out := map[string][]string{}
		var notes []string
		submit := func(name string, request api.SubmitRequest) *api.RunStatus {
			request.RunID = "slices-" + strings.ReplaceAll(name, " ", "-")
			if _, err := e.Client.Submit(t.Context(), request); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			status := w.rest(t, request.RunID)
			for _, s := range status.Stages {
				if s.Adapted != "" {
					notes = append(notes, fmt.Sprintf("%s: %s", name, s.Adapted))
				}
			}
			return status
		}
		for name, q := range queries {
			status := submit(name, api.SubmitRequest{Query: &api.Query{SQL: rows + q, Tables: tables}})
			if out[name], err = w.lines(t.Context(), status); err != nil {
				t.Fatal(err)
			}
		}
		for name, step := range steps {
			dir := t.TempDir()
			job := fmt.Sprintf("name: sliced\nsources: {flights: {path: %q}}\nsteps:\n- {name: l, sql: \"%s SELECT * FROM l\"}\n- {name: r, sql: \"%s SELECT * FROM r\"}\n"+
				"- {name: w, windows: %s}\noutputs:\n- {name: out, from: w, path: %q, format: csv, compression: none}\n", tables[0].Path, oneLine(rows), oneLine(rows), step, dir)
			submit(name, api.SubmitRequest{Job: &api.Job{File: "job.yaml", Dir: dir, Work: dir, Text: job}})
			files, err := filepath.Glob(filepath.Join(dir, "*", "*.csv"))
			if err != nil || len(files) != 1 {
				t.Fatalf("%s: files %q, %v", name, files, err)
			}
			text, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			out[name] = strings.Split(string(text), "\n")
		}
		return out, notes
	}
	whole, notes := run(8 << 20) // too large for the partitions to be divided
	if text := strings.Join(notes, ""); strings.Contains(text, "slices") || strings.Contains(text, "keys divided") {
		t.Fatalf("the tasks were divided anew: %q", notes)
	}
	cut, notes := run(1 << 10)
	if n := len(queries) + len(steps) - len(shared); strings.Count(strings.Join(notes, ""), "slices") != n || strings.Count(strings.Join(notes, ""), "keys divided") != len(shared) {
		t.Fatalf("of %d these were done in slices, and of %d keys divided: %q", n, len(shared), notes)
	}
	t.Log(strings.Join(notes, "\n"))
	for name, want := range whole {
		if shared[name] != "" { // in the order of the shares
			slices.Sort(want)
			slices.Sort(cut[name])
		}
		if !slices.Equal(cut[name], want) {
			t.Errorf("%s: %d rows in slices are not the %d of the whole", name, len(cut[name]), len(want))
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
