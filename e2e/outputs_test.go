package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

// outputsJob writes the flights in every format, laid out in files in every way.
const outputsJob = `
name: outputs
sources:
  flights: {path: %s, partitions: {day: date}}
steps:
  - name: rows
    sql: SELECT nullif(origin, 'ATL') AS origin, destination, delay, distance, date, day FROM flights WHERE day < DATE '2001-01-04' AND delay > 10 AND flights.origin < 'BI'
outputs:
  - {name: parquet, from: rows, path: out/parquet, shards: 3, partition_by: [day], time: date}
  - {name: csv, from: rows, path: out/csv, format: csv, compression: gzip, options: {header: true}, shards: 2, partition_by: [origin], rows_per_file: 50}
  - {name: json, from: rows, path: out/json, format: json, compression: zstd, shards: 2, partition_by: [day, origin], sort_by: [delay desc]}
  - {name: arrow, from: rows, path: out/arrow, format: arrow, shards: 3, sort_by: [destination, delay desc], rows_per_file: 1000, time: date}
  - {name: plain, from: rows, path: out/plain, format: csv}
`

// outputsManifest is what the test looks at of a manifest.
type outputsManifest struct {
	Rows    int64
	Shards  []api.ShardInfo
	Steps   json.RawMessage
	Columns []struct {
		Name          string
		Values, Nulls int64
		Distinct      int64
	}
}

// TestOutputs writes all formats, in partitions and in files of a number of rows, on 1 and on 3 workers, in large and small
// batches, with memory and without. Manifests must be the same, byte for byte, files what the manifests say, and rows those
// that were read.
func TestOutputs(t *testing.T) {
	source, err := filepath.Abs("../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	worlds := []assembly.Options{
		{Workers: 1, Slots: 1, Memory: 1 << 30}, {Workers: 3, Slots: 1, Memory: 1 << 30, BatchRows: 100, Allocator: recycle.Poison()},
		{Workers: 2, Slots: 2, Memory: 1, Plain: true},
	}
	var want map[string]string
	for i, opts := range worlds {
		dir := t.TempDir()
		opts.Planner.Stage.MinSplit = 1 // a task for every file
		e, err := assembly.StartEmbedded(opts)
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("r%d", i)
		request := api.SubmitRequest{RunID: id, Job: &api.Job{File: "job.yaml", Dir: dir, Work: dir, Text: fmt.Sprintf(outputsJob, source)}}
		if _, err := e.Client.Submit(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		status, err := assembly.Wait(t.Context(), e.Client, id, nil)
		if err != nil || status.Failure != nil {
			t.Fatal(err, status)
		}
		got := map[string]string{}
		for name, o := range status.Outputs {
			got[name] = checkDataset(t, o)
		}
		if i == 0 {
			want = got
			readDatasets(t, e, source, status.Outputs)
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("world %d: output %s has another manifest:\n%s\nwant\n%s", i, name, got[name], want[name])
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// checkDataset compares the files of a version with its manifest, which it returns without the plan's digest.
func checkDataset(t *testing.T, o api.OutputStatus) string {
	t.Helper()
	data, err := os.ReadFile(o.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	var m outputsManifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	want := []string{"_SUCCESS", "_job.json", "manifest.json"}
	var rows int64
	for _, s := range m.Shards {
		want = append(want, s.Key)
		rows += s.Rows
		content, err := os.ReadFile(filepath.Join(o.VersionPath, s.Key))
		if err != nil || plan.Digest(content) != s.SHA256 || int64(len(content)) != s.Bytes {
			t.Errorf("shard %s is not what the manifest says: %v", s.Key, err)
		}
	}
	if len(m.Shards) != o.Shards || rows != m.Rows || rows != o.Rows {
		t.Errorf("%d shards with %d rows, %d rows in all; the status says %+v", len(m.Shards), rows, m.Rows, o)
	}
	if len(m.Columns) != 6 {
		t.Errorf("statistics of %d columns", len(m.Columns))
	}
	for _, c := range m.Columns {
		if c.Values+c.Nulls != m.Rows || (c.Name == "origin") != (c.Nulls > 0) || c.Distinct < 3 {
			t.Errorf("statistics %+v of %d rows", c, m.Rows)
		}
	}
	var have []string
	err = filepath.WalkDir(o.VersionPath, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(o.VersionPath, path)
			have = append(have, name)
		}
		return err
	})
	slices.Sort(want)
	slices.Sort(have)
	if err != nil || !slices.Equal(have, want) {
		t.Errorf("%s has files that its manifest does not name, or lacks some: %v\n%s\nwant\n%s", o.VersionPath, err, strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	return planDigest.ReplaceAllString(string(data), "")
}

// planDigest is what differs between runs into different folders, since the plan names these.
var planDigest = regexp.MustCompile(`"plan": "[0-9a-f]*"`)

// readDatasets reads every dataset back, partitions and all, and compares its rows with those it was made from.
func readDatasets(t *testing.T, e *assembly.Embedded, source string, outputs map[string]api.OutputStatus) {
	t.Helper()
	if rows := outputs["plain"].Rows; rows < 1000 {
		t.Fatalf("%d rows: the test tests nothing", rows)
	}
	w := &world{cluster: e}
	columns := "cast(origin AS string) AS origin, cast(destination AS string) AS destination, cast(delay AS bigint) AS delay, cast(distance AS bigint) AS distance, " +
		"cast(date AS timestamp) AS date, cast(day AS date) AS day"
	sums := func(table string) string {
		return fmt.Sprintf("SELECT count(*), count(origin), sum(delay), sum(hash(origin, destination, delay, distance, date, day)), min(date), max(day) "+
			"FROM (SELECT %s FROM %s)", columns, table)
	}
	tables := []api.Table{{Name: "flights", Path: source}}
	for name, o := range outputs {
		table := api.Table{Name: name, Path: o.VersionPath + "/part-*"}
		switch name {
		case "parquet":
			table.Path = o.VersionPath + "/day=*/*"
		case "csv":
			table.Path, table.Options = o.VersionPath+"/origin=*/*", map[string]string{"header": "true"}
		case "json":
			table.Path = o.VersionPath + "/day=*/origin=*/*"
		case "plain":
			table.Schema = "origin string, destination string, delay bigint, distance bigint, date timestamp, day date"
		}
		tables = append(tables, table)
	}
	rows := func(sql string) string {
		t.Helper()
		_, lines, err := w.query(t.Context(), &api.Query{SQL: sql, Tables: tables})
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return strings.Join(lines, "\n")
	}
	want := rows(sums("(SELECT nullif(origin, 'ATL') AS origin, destination, delay, distance, date, day FROM flights WHERE day < DATE '2001-01-04' AND delay > 10 AND flights.origin < 'BI')"))
	for name := range outputs {
		if got := rows(sums(name)); got != want {
			t.Errorf("output %s read back: %s, want %s", name, got, want)
		}
	}
}
