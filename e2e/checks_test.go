package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/internal/testutil/golden"
)

// TestChecks writes the rows of each block of testdata/checks, and looks at its checks. A block is "==== title", a query,
// "earlier QUERY" for each version that is there before, checks, and behind "----" what came of them.
func TestChecks(t *testing.T) {
	for _, w := range []struct{ workers, slots int }{{1, 1}, {2, 2}} {
		t.Run(fmt.Sprintf("%dx%d", w.workers, w.slots), func(t *testing.T) {
			c := startWorld(t, nil, w.workers, w.slots)
			golden.Files(t, "../testdata/checks/*.txt", func(t *testing.T, text string) string {
				var out strings.Builder
				for _, block := range strings.Split("\n"+text, "\n==== ")[1:] {
					head, _, _ := strings.Cut(block, "\n----")
					fmt.Fprintf(&out, "==== %s\n----\n%s\n", head, c.checks(t, head))
				}
				return strings.TrimRight(out.String(), "\n") + "\n"
			})
		})
	}
}

// checks runs the jobs of a block, and says what came of the checks of the last.
func (w *world) checks(t *testing.T, block string) string {
	lines := strings.Split(block, "\n")
	var queries, checks []string
	for _, line := range lines[2:] {
		if query, earlier := strings.CutPrefix(line, "earlier "); earlier {
			queries = append(queries, query)
		} else {
			checks = append(checks, "  "+line)
		}
	}
	dir := filepath.Join(t.TempDir(), "out")
	var status *api.RunStatus
	prefix := fmt.Sprintf("checked-%d-", w.runs.Add(1))
	for i, query := range append(queries, lines[1]) {
		status = w.check(t, fmt.Sprint(prefix, i), dir, query, strings.Join(checks, "\n"))
		if i < len(queries) && status.State == api.RunBlocked {
			status = w.publish(t, status.RunID)
		}
	}
	var out strings.Builder
	for _, c := range status.Checks {
		fmt.Fprintf(&out, "%s %s %s: %s\n", c.Severity, c.Outcome, c.Name, strings.ReplaceAll(c.Message, prefix, "run "))
	}
	fmt.Fprintf(&out, "%s\n", status.State)
	return out.String()
}

// check runs a job that writes a query's rows in two shards, and waits until it rests.
func (w *world) check(t *testing.T, id, dir, query, checks string) *api.RunStatus {
	t.Helper()
	job := fmt.Sprintf("name: checked\nsteps:\n  - {name: other, sql: \"SELECT * FROM VALUES (1, 'a'), (2, 'x'), (3, 'c') AS t(id, k)\"}\n"+
		"  - name: rows\n    sql: |\n      %s\noutputs:\n  - {name: out, from: rows, path: %q, shards: 2}\nchecks:\n%s\n", query, dir, checks)
	request := api.SubmitRequest{RunID: id, Job: &api.Job{File: "job.yaml", Dir: t.TempDir(), Work: dir, Text: job}}
	if _, err := w.cluster.Client.Submit(t.Context(), request); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return w.rest(t, id)
}

// What is checked is what the files hold, whatever their format, and in whichever folders and pieces they lie.
func TestChecksOfFormats(t *testing.T) {
	w := startWorld(t, nil, 1, 2)
	for i, layout := range []string{
		"format: csv, options: {header: true, sep: '|', nullValue: NA, timestampFormat: 'dd.MM.yyyy HH:mm'}", "format: csv, compression: gzip", "format: json", "format: arrow, compression: none",
		"format: parquet, options: {pageSize: 65536}", "partition_by: [day, k]", "format: csv, partition_by: [k]", "rows_per_file: 7", "partition_by: [day], rows_per_file: 3, sort_by: [id]",
	} {
		dir := filepath.Join(t.TempDir(), "out")
		for n, rows := range []int{0, 40} { // the other way round, drift would tell
			query := fmt.Sprintf("SELECT id, date_add(DATE'2001-01-10', CAST(id %% 3 AS INT)) AS day, CASE WHEN id %% 4 > 0 THEN concat('v', id %% 4) END AS k, "+
				"timestamp_seconds(id * 60) AS t FROM range(%d) AS t(id)", rows)
			job := fmt.Sprintf("name: formats\nsteps: [{name: rows, sql: \"%s\"}]\noutputs: [{name: out, from: rows, path: %q, shards: 2, %s}]\nchecks:\n"+
				"  - rows: {min: %d, max: %d}\n  - nulls: {column: k, max: 0.25}\n  - unique: id\n  - range: {column: day, min: 2001-01-10, max: 2001-01-12}\n"+
				"  - accepted: {column: k, values: [v1, v2, v3]}\n  - where: t = timestamp_seconds(id * 60)\n  - drift: {columns: [id, day, t], ks: 1}\n",
				query, dir, layout, rows, rows)
			id := fmt.Sprintf("format-%d-%d", i, n)
			request := api.SubmitRequest{RunID: id, Job: &api.Job{File: "job.yaml", Dir: t.TempDir(), Work: dir, Text: job}}
			if _, err := w.cluster.Client.Submit(t.Context(), request); err != nil {
				t.Fatalf("%s: %v", layout, err)
			}
			if s := w.rest(t, id); s.State != api.RunSucceeded {
				t.Errorf("%s, %d rows: %s: %+v", layout, rows, s.State, s.Checks)
			}
		}
	}
}

func (w *world) rest(t *testing.T, id string) *api.RunStatus {
	t.Helper()
	status, err := assembly.Wait(t.Context(), w.cluster.Client, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status.Failure != nil && status.State != api.RunCancelled {
		t.Fatalf("run %s: %v", id, status.Failure)
	}
	return status
}

func (w *world) publish(t *testing.T, id string) *api.RunStatus {
	t.Helper()
	if _, err := w.cluster.Client.Publish(t.Context(), id, api.PublishRequest{Because: "it is right", By: "ada"}); err != nil {
		t.Fatal(err)
	}
	return w.rest(t, id)
}

// Nothing of a blocked run is to be seen by readers, until it is released; then all of it is, with who and why.
func TestBlocked(t *testing.T) {
	w := startWorld(t, nil, 1, 2)
	dir := filepath.Join(t.TempDir(), "out")
	run := func(id string, rows int) *api.RunStatus {
		return w.check(t, id, dir, fmt.Sprintf("SELECT id FROM range(%d) AS t(id)", rows), "  - rows: {min: 5}\n  - {nulls: id, severity: warn}")
	}
	latest := func() string { return strings.TrimSpace(readFile(t, filepath.Join(dir, "_LATEST"))) }
	if s := run("first", 10); s.State != api.RunSucceeded || latest() != "first" {
		t.Fatalf("the first run is %s, and the latest is %s", s.State, latest())
	}
	s := run("second", 3)
	if s.State != api.RunBlocked || s.Outputs != nil || !strings.Contains(s.Reason, "1 of 2 checks not met") {
		t.Fatalf("the second run is %s (%s) with %v", s.State, s.Reason, s.Outputs)
	}
	version := filepath.Join(dir, "second")
	var shards []string
	for _, name := range names(version) {
		if strings.HasSuffix(name, ".parquet") {
			shards = append(shards, name)
		} else if !api.IsList(name) {
			t.Errorf("the blocked version has %s", name)
		}
	}
	if latest() != "first" || len(shards) != 2 {
		t.Errorf("while the second is blocked, the latest is %s and it has %v", latest(), shards)
	}
	if s := run("third", 7); s.State != api.RunSucceeded || latest() != "third" {
		t.Fatalf("the third run is %s, and the latest is %s", s.State, latest())
	}
	if s := w.publish(t, "second"); s.State != api.RunSucceeded || s.Override == nil || latest() != "second" {
		t.Fatalf("the released run is %s, and the latest is %s", s.State, latest())
	}
	var manifest struct {
		Parent   string
		Rows     int64
		Checks   []api.CheckResult
		Override api.Override
	}
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(version, "manifest.json"))), &manifest); err != nil {
		t.Fatal(err)
	}
	o := manifest.Override
	if manifest.Parent != "first" || manifest.Rows != 3 || len(manifest.Checks) != 2 || o.By != "ada" || o.Because != "it is right" || o.At.IsZero() {
		t.Errorf("manifest %+v", manifest)
	}
	if want := append([]string{"_SUCCESS", "_job.json", "manifest.json"}, shards...); !slices.Equal(names(version), want) {
		t.Errorf("the released version has %v, not %v", names(version), want)
	}
	for _, id := range []string{"second", "third", "fourth"} {
		if _, err := w.cluster.Client.Publish(t.Context(), id, api.PublishRequest{Because: "again"}); id != "second" && err == nil {
			t.Errorf("run %s could be released", id)
		}
	}
}

// A blocked run that is cancelled or purged leaves nothing.
func TestBlockedIsGivenUp(t *testing.T) {
	w := startWorld(t, nil, 1, 2)
	dir := filepath.Join(t.TempDir(), "out")
	for i, giveUp := range []func(id string) error{
		func(id string) error { _, err := w.cluster.Client.Cancel(t.Context(), id); return err },
		func(id string) error { return w.cluster.Client.Purge(t.Context(), id) },
	} {
		id := fmt.Sprintf("given-up-%d", i)
		if s := w.check(t, id, dir, "SELECT 1 AS id", "  - rows: {min: 5}"); s.State != api.RunBlocked {
			t.Fatalf("run %s is %s", id, s.State)
		}
		if err := giveUp(id); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an empty folder", func() bool {
			_, err := os.Stat(filepath.Join(dir, id))
			return os.IsNotExist(err)
		})
	}
	if s := w.rest(t, "given-up-0"); s.State != api.RunCancelled {
		t.Errorf("the cancelled run is %s", s.State)
	}
	eventually(t, "the purged run to be forgotten", func() bool {
		_, err := w.cluster.Client.Status(t.Context(), "given-up-1", 0, 0)
		return err != nil && strings.Contains(err.Error(), "there is no run")
	})
}

// What cannot be evaluated blocks, and says why.
func TestChecksThatFail(t *testing.T) {
	w := startWorld(t, nil, 1, 1)
	dir := filepath.Join(t.TempDir(), "out")
	s := w.check(t, "overflow", dir, "SELECT id FROM range(3) AS t(id)", "  - where: 1 DIV id >= 0\n  - rows: {min: 1}")
	if s.State != api.RunBlocked || s.Checks[0].Outcome != api.CheckError || !strings.Contains(s.Checks[0].Message, "DIVIDE_BY_ZERO") {
		t.Errorf("run %s, %+v", s.State, s.Checks)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

// checkingSteps are the failpoints of a leader that a run with checks meets beside the others.
var checkingSteps = []string{"coordinator/measuring", "coordinator/checks-recorded"}

// TestChecksSurvive has leaders die at the steps of a commit with checks, and while these are measured.
func TestChecksSurvive(t *testing.T) {
	l := newLedger(t, shortLedger)
	l.checked(t, "  - rows: {min: 10}\n  - unique: [id]\n  - where: place > 0\n  - drift: {columns: [n], psi: 0.1}\n")
	r := ready(t, l, 3, 2)
	steps := checkingSteps
	if all() {
		steps = append(slices.Clone(leaderSteps[2:]), checkingSteps...)
	}
	for _, step := range steps {
		r.round(step, func(text string) {
			if all() {
				r.armCoordinators(text)
			} else {
				r.arm(r.id(r.waitLeader(t)), text)
			}
		})
	}
	r.agree()
	r.sane()
}

// TestBlockedSurvives has the leader die while a run is blocked: the next one knows, and can release it.
func TestBlockedSurvives(t *testing.T) {
	l := newLedger(t, shortLedger)
	l.checked(t, "  - rows: {max: 10}\n")
	r := ready(t, l, 3, 2)
	s := r.submit()
	if status := s.wait(t, 2*deadline); status != 4 {
		t.Fatalf("the run ended with status %d: %s", status, s.log)
	}
	base := filepath.Join(s.dir, "out", "ledger", "kept")
	for _, path := range []string{filepath.Join(base, "_LATEST"), filepath.Join(base, s.run, "_SUCCESS"), filepath.Join(base, s.run, "manifest.json")} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is there, or %v is not %v", path, err, fs.ErrNotExist)
		}
	}
	r.coordinators[r.waitLeader(t)].kill()
	r.heal()
	out, err := exec.Command(binary(t), "release", s.run, "--because", "it is right", "--coordinator", r.urls()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "it is right") {
		t.Fatalf("release: %v\n%s", err, out)
	}
	s.process = r.resubmit(s)
	r.succeeds(s)
	r.agree()
}
