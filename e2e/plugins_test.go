package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
)

// pluginPath is the folder of a plugin of testdata.
func pluginPath(t *testing.T, name string) string {
	path, err := filepath.Abs(filepath.Join("..", "testdata", "plugins", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A plugin panics on one row, where nothing can catch it: the run ends with that row in the rejects and all others published. QUERN_ROWS is how
// many there are; `make rejects` has ten million.
func TestOneBadRow(t *testing.T) {
	rows := 300_000
	if text := os.Getenv("QUERN_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rows = n
	}
	dir := t.TempDir()
	const files = 4
	for f := range files { // ids from 0, of which 13 is the bad one, in the middle of the third file
		out, err := os.Create(filepath.Join(dir, fmt.Sprintf("rows-%d.csv", f)))
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriter(out)
		fmt.Fprintln(w, "id")
		for i := range rows / files {
			id := f*(rows/files) + i
			switch { // 13 changes places with another
			case id == 13:
				id = rows / files * 5 / 2
			case id == rows/files*5/2:
				id = 13
			}
			fmt.Fprintln(w, id)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	rows = rows / files * files
	job := filepath.Join(dir, "job.yaml")
	text := fmt.Sprintf(`name: onebadrow
sources:
  rows: {path: rows-*.csv, format: csv, options: {header: true}, columns: {id: bigint}}
functions:
  dies_on_13: {plugin: %q, on_error: quarantine}
steps:
  - {name: kept, sql: "SELECT id, dies_on_13(id) AS same FROM rows"}
outputs:
  - {name: kept, shards: 4, path: out}
`, pluginPath(t, "panicky"))
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r := quern(t, t.TempDir(), "run", job, "-q", "-o", "json", "--workers", "2")
	kept := r.Outputs["kept"]
	if kept.Rows != int64(rows-1) {
		t.Errorf("%d rows of %d are published", kept.Rows, rows)
	}
	out, err := exec.Command(binary(t), "sql", "SELECT count(DISTINCT id), sum(id), sum(same), count(CASE WHEN id = 13 THEN 1 END) FROM t",
		"--table", "t="+filepath.Join(kept.VersionPath, "*.parquet"), "--format", "csv").Output()
	if err != nil {
		t.Fatal(err)
	}
	sum := rows*(rows-1)/2 - 13
	if lines := strings.Fields(string(out)); lines[len(lines)-1] != fmt.Sprintf("%d,%d,%d,0", rows-1, sum, sum) {
		t.Errorf("published are %s", out)
	}
	var m struct {
		Rejects struct {
			Rows  int64
			Files []struct{ Name string }
		}
	}
	data, err := os.ReadFile(kept.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	if m.Rejects.Rows != 1 || len(m.Rejects.Files) != 1 {
		t.Fatalf("the manifest has %+v", m.Rejects)
	}
	rejected, err := os.ReadFile(filepath.Join(kept.VersionPath, m.Rejects.Files[0].Name))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"function":"dies_on_13"`, `"args":["13"]`, "panic: thirteen, out of reach"} {
		if !strings.Contains(string(rejected), want) {
			t.Errorf("%q does not say %q", rejected, want)
		}
	}
}

// A function that answers differently when its rows are computed again, after map outputs were lost (F21), ends the run, with its
// name. Until then nobody can tell.
func TestF47(t *testing.T) {
	long(t)
	l := newLedger(t, longLedger)
	text, err := os.ReadFile(l.job)
	if err != nil {
		t.Fatal(err)
	}
	job := strings.Replace(string(text), "steps:\n", fmt.Sprintf("functions:\n  random: {plugin: %q}\n  harmless: {plugin: %q, export: same_bigint}\nsteps:\n",
		pluginPath(t, "hostile"), pluginPath(t, "panicky")), 1)
	job = strings.Replace(job, "SELECT r.id, ", "SELECT r.id, harmless(random(r.id)) AS noise, ", 1)
	if err := os.WriteFile(l.job, []byte(job), 0o644); err != nil {
		t.Fatal(err)
	}
	r := ready(t, l, 1, 2)
	s := r.submit()
	eventually(t, "an output of the function", func() bool {
		got, _ := r.status(s.run)
		return slices.ContainsFunc(got.Stages, func(stage api.StageStatus) bool { return strings.Contains(stage.Label, "plugin") && stage.Done > 0 })
	})
	killAll(r.workers...)
	if got, _ := r.status(s.run); got.State.Terminal() {
		t.Fatal("the run was over before its workers could be killed")
	}
	if err := os.RemoveAll(r.scratch); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(r.scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	r.heal()
	if status := s.wait(t, 2*deadline); status != 1 {
		t.Fatalf("status %d: %s", status, s.log)
	}
	got, _ := r.status(s.run)
	if got.Failure == nil || !strings.Contains(got.Failure.Message, "plugin function random has answered differently for the same rows, and so have harmless") {
		t.Errorf("the failure is %+v", got.Failure)
	}
	t.Log(got.Failure)
}
