package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
)

// TestSlices joins in time where nine left rows in ten are of one key. Done in slices the join gives the rows that it gives in one
// piece, in the same order, whatever the direction.
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
		for name, q := range queries {
			id := "slices-" + strings.ReplaceAll(name, " ", "-")
			if _, err := e.Client.Submit(t.Context(), api.SubmitRequest{RunID: id, Query: &api.Query{SQL: rows + q, Tables: tables}}); err != nil {
				t.Fatal(err)
			}
			status, err := assembly.Wait(t.Context(), e.Client, id, nil)
			if err != nil || status.Failure != nil {
				t.Fatalf("%s: %v, %v", name, err, status.Failure)
			}
			if out[name], err = w.lines(t.Context(), status); err != nil {
				t.Fatal(err)
			}
			for _, s := range status.Stages {
				if s.Adapted != "" {
					notes = append(notes, fmt.Sprintf("%s: %s", name, s.Adapted))
				}
			}
		}
		return out, notes
	}
	whole, notes := run(8 << 20) // too large for the partitions to be cut, too small for them to be read together
	if len(notes) > 0 {
		t.Fatalf("the tasks were divided anew: %q", notes)
	}
	cut, notes := run(1 << 10)
	if strings.Count(strings.Join(notes, ""), "slices") != len(queries) {
		t.Fatalf("of %d joins these were done in slices: %q", len(queries), notes)
	}
	t.Log(strings.Join(notes, "\n"))
	for name, want := range whole {
		if !slices.Equal(cut[name], want) {
			t.Errorf("%s: %d rows in slices are not the %d of the whole", name, len(cut[name]), len(want))
		}
	}
}
