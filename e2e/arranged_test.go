package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/cmd/quern/assembly"
)

// stepsJob has every operator for training data over the logs of datagen, in which rows come twice. Its outputs are sorted: what is promised
// is their rows. Those of the ranking jobs that shuffle have an order, too.
const stepsJob = `name: all_steps
params: {ds: {type: date}}
sources:
  impressions: {path: events/impressions, partitions: {day: date}}
  clicks: {path: events/clicks, partitions: {day: date}}
  item_features: {path: events/item_features, partitions: {day: date}}
steps:
  - name: shown
    sql: SELECT * EXCEPT (day, session_id) FROM impressions WHERE day = ${ds}
  - name: clicked
    sql: SELECT * EXCEPT (day) FROM clicks WHERE day <= ${ds} + 1
  - name: popularity
    sql: SELECT item_id, count(*) AS n FROM impressions GROUP BY item_id
  - {name: dedupe, dedupe: {from: shown, keys: [request_id, device]}}
  - {name: sessionize, sessionize: {from: shown, keys: [user_id], time: event_time, gap: 20m, max_length: 1h}}
  - name: as_of_join
    as_of_join:
      from: shown
      by: [item_id]
      time: event_time
      tables:
        - {from: item_features, time: feature_time, available_at: available_at, prefix: known_, columns: [ctr, price]}
        - {from: item_features, time: feature_time, direction: nearest, prefix: near_, columns: [ctr], skip_nulls: [ctr]}
        - {from: clicked, by: [user_id], time: event_time, direction: forward, strict: true, columns: [event_id, item_id], prefix: next_}
  - name: windows
    windows:
      from: shown
      by: [user_id]
      time: event_time
      preset: sql_range
      events: {from: clicked, time: event_time, available_at: available_at}
      windows: [10m, 1d]
      features: {n: count(*), items: count(DISTINCT item_id), last: last(item_id), lasts: "last_k(impression_id, 3)", mean: avg(item_id), fresh: "decayed_sum(item_id, INTERVAL '1' HOUR)", top: "top_k(item_id, event_id, 2)"}
  - {name: sequence, sequence: {from: shown, by: [user_id], time: event_time, events: {from: clicked, time: event_time}, columns: [item_id, impression_id], last: 5, dedupe_by: [item_id], prefix: past_}}
  - name: label
    label:
      from: shown
      by: [user_id, item_id]
      time: event_time
      watermark: ${ds} + 2
      labels:
        last: {from: clicked, time: event_time, within: 1d, credit: last_touch}
        shared: {from: clicked, time: event_time, within: 1d, credit: shared}
  - {name: sample, sample: {from: shown, rate: 0.3}}
  - {name: few, sample: {from: shown, per_group: 2, by: [user_id]}}
  - {name: negatives, negatives: {from: dedupe, key: [event_id], item: item_id, n: 3, catalogue: popularity, frequency: n, positives_of: [user_id]}}
  - {name: split, split: {from: shown, by: [user_id], shares: {train: 0.8, test: 0.2}}}
  - {name: shuffle, shuffle: {from: shown, seed: 3, exact: true}}
outputs:
`

// stepsOutputs are the steps of stepsJob whose rows are sorted; that of the shuffle are in an order.
var stepsOutputs = []string{"dedupe", "sessionize", "as_of_join", "windows", "sequence", "label", "sample", "few", "negatives", "split"}

// arrangements has a cluster, events, and what jobs make of them as they are.
type arrangements struct {
	*testing.T
	cluster *assembly.Embedded
	dir     string // has events
	runs    int
}

func newArrangements(t *testing.T) *arrangements {
	t.Helper()
	e, err := assembly.StartEmbedded(assembly.Options{Workers: 1, Slots: 2, Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	a := &arrangements{T: t, cluster: e, dir: t.TempDir()}
	makeEvents(t, filepath.Join(a.dir, "events"), 2000)
	return a
}

// ranking runs one of the ranking jobs in a folder.
func (a *arrangements) ranking(dir, file string) map[string][]string {
	a.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata/jobs/ranking", file))
	if err != nil {
		a.Fatal(err)
	}
	return a.run(dir, string(text), rankingDay)
}

func (a *arrangements) run(dir, text string, params map[string]string) map[string][]string {
	a.Helper()
	a.runs++
	return shardsOf(a.T, a.cluster, dir, fmt.Sprint("run-", a.runs), text, params)
}

// arranged copies the events in another order of rows, in other files, with other row groups. more is what stands behind
// "SELECT * FROM table" for a table, such as another SELECT whose rows are added.
func (a *arrangements) arranged(seed int, more map[string]string) (events string) {
	a.Helper()
	var sources, steps, outputs strings.Builder
	out := filepath.Join(a.TempDir(), "events")
	for i, table := range []string{"impressions", "clicks", "conversions", "item_features", "user_features", "items", "users"} {
		source, layout := fmt.Sprintf("{path: events/%s, partitions: {day: date}}", table), "partition_by: [day], "
		if table == "items" || table == "users" {
			source, layout = "events/"+table, ""
		}
		fmt.Fprintf(&sources, "  %s: %s\n", table, source)
		fmt.Fprintf(&steps, "  - name: all_%[1]s\n    sql: SELECT * FROM %[1]s %[2]s\n  - {name: other_%[1]s, shuffle: {from: all_%[1]s, seed: %[3]d}}\n", table, more[table], seed)
		fmt.Fprintf(&outputs, "  - {name: %[1]s, from: other_%[1]s, path: %[2]q, %[3]sshards: %[4]d, options: {rowGroupRows: %[5]d}}\n",
			table, filepath.Join(out, table), layout, 1+(seed+i)%4, []int{17, 100_000, 300}[seed%3])
	}
	a.run(a.dir, "name: arranged\nsources:\n"+sources.String()+"steps:\n"+steps.String()+"outputs:\n"+outputs.String(), nil)
	return out
}

// beside is a folder of its own with a link to events, for jobs to write to.
func (a *arrangements) beside(events string) string {
	a.Helper()
	dir := a.TempDir()
	a.link(dir, events)
	return dir
}

func (a *arrangements) link(dir, events string) {
	a.Helper()
	link := filepath.Join(dir, "events")
	os.Remove(link)
	if err := os.Symlink(events, link); err != nil {
		a.Fatal(err)
	}
}

// TestArrangement: what comes out does not depend on how the input lies in files: not on the order of rows, on which file a
// row of a day is in, on files' names and number, on row groups. That is promised of all steps for training data, of their
// rows, and of the bytes of what is shuffled or sorted.
func TestArrangement(t *testing.T) {
	a := newArrangements(t)
	job := stepsJob + "  - {name: unsorted, from: shown, shards: 1}\n  - {name: shuffle, shards: 3}\n"
	for _, name := range stepsOutputs {
		job += fmt.Sprintf("  - {name: %s, shards: 2, shard_by: [event_id], sort_by: [event_id]}\n", name)
	}
	work := func(events string) map[string][]string {
		dir := a.beside(events)
		sets := a.run(dir, job, rankingDay)
		for _, file := range rankingJobs {
			maps.Copy(sets, a.ranking(dir, file))
		}
		return sets
	}
	want := work(filepath.Join(a.dir, "events"))
	for seed := range 3 {
		got := work(a.arranged(seed, nil))
		if slices.Equal(got["unsorted"], want["unsorted"]) {
			t.Errorf("arrangement %d has the rows in the same order: there is nothing to see", seed)
		}
		for output, shards := range got {
			if output != "unsorted" && !slices.Equal(want[output], shards) {
				t.Errorf("arrangement %d: the shards of %s are %v, and were %v", seed, output, shards, want[output])
			}
		}
	}
	if as, shown := want["as_of_join"], want["sessionize"]; rowsOf(as) != rowsOf(shown) {
		t.Errorf("the as-of join gives %d rows for %d", rowsOf(as), rowsOf(shown))
	}
}

// rowsOf adds up the rows of shards as shardsOf tells them.
func rowsOf(shards []string) (sum int) {
	for _, s := range shards {
		var n int
		fmt.Sscan(s, &n)
		sum += n
	}
	return sum
}

// TestLateCorrections: to the logs and features is added, for each row, one that says something else about the same moment and that became known
// only when the last example had been shown. The training set keeps its bytes. Had it been known at once, it would not.
func TestLateCorrections(t *testing.T) {
	a := newArrangements(t)
	events := filepath.Join(a.dir, "events")
	corrected := func(seed int, features, logs string) string {
		return a.arranged(seed, map[string]string{
			"item_features": "UNION ALL SELECT item_id, feature_time, " + features + ", ctr * 2, impressions_7d + 1, price, day FROM item_features",
			"user_features": "UNION ALL SELECT user_id, feature_time, " + features + ", ctr * 2, impressions_7d + 1, day FROM user_features",
			"clicks":        "UNION ALL SELECT event_id + 1000000000, impression_id, request_id, user_id, item_id + 1, event_time, " + logs + ", day FROM clicks",
			"impressions": "UNION ALL SELECT event_id + 1000000000, request_id, session_id, user_id, item_id, position, device, event_time, " + logs +
				", day FROM impressions",
		})
	}
	dir := a.beside(events)
	a.ranking(dir, "labels.yaml")
	want := a.ranking(dir, "training.yaml")["training"]
	const after = "TIMESTAMP '2024-01-03 00:00:00'" // no example is of that day
	for seed := range 2 {
		a.link(dir, corrected(seed, after, after))
		if got := a.ranking(dir, "training.yaml")["training"]; !slices.Equal(got, want) {
			t.Errorf("something of later was seen: the shards are %v, and were %v", got, want)
		}
	}
	a.link(dir, corrected(0, "feature_time", "event_time"))
	if got := a.ranking(dir, "training.yaml")["training"]; slices.Equal(got, want) || rowsOf(got) != rowsOf(want) {
		t.Errorf("what was known in time was not seen, or rows were lost: the shards are %v, and were %v", got, want)
	}
}
