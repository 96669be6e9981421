package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/internal/testutil/golden"
)

// TestSteps runs the jobs of testdata/steps through the whole engine, on a cluster where nothing happens at the same
// time and on one where much does; both must write what is there.
//
// A file is a list of blocks: "==== title", the steps of a job, whose last is written; and, behind "----", its rows, sorted
// as text. The steps before the first block are those that all jobs begin with. With "shards: n" behind the title there are n shards, each shown with its rows in their order. Instead of
// rows there may be an error.
func TestSteps(t *testing.T) {
	for _, w := range []struct{ workers, slots int }{{1, 1}, {2, 2}} {
		t.Run(fmt.Sprintf("%dx%d", w.workers, w.slots), func(t *testing.T) {
			c := startWorld(t, nil, w.workers, w.slots)
			golden.Files(t, "../testdata/steps/*.txt", func(t *testing.T, text string) string {
				var out strings.Builder
				common, rest, _ := strings.Cut(text, "==== ")
				out.WriteString(common)
				for _, block := range strings.Split(rest, "\n==== ") {
					head, _, _ := strings.Cut(block, "\n----\n")
					fmt.Fprintf(&out, "==== %s\n----\n%s\n\n", strings.TrimRight(head, "\n"), c.steps(t, common, head))
				}
				return strings.TrimRight(out.String(), "\n") + "\n"
			})
		})
	}
}

// steps runs the job of a block.
func (w *world) steps(t *testing.T, common, block string) string {
	title, steps, _ := strings.Cut(block, "\n")
	steps = common + steps
	_, shards, sharded := strings.Cut(title, " shards: ")
	if !sharded {
		shards = "1"
	}
	last := steps[strings.LastIndex(steps, "- name: ")+len("- name: "):]
	last, _, _ = strings.Cut(last, "\n")
	dir := filepath.Join(t.TempDir(), "out")
	job := fmt.Sprintf("name: steps\nsteps:\n%s\noutputs:\n  - {name: out, from: %s, path: %q, shards: %s}\n", steps, last, dir, shards)
	id := fmt.Sprintf("q%d", w.runs.Add(1))
	ctx := t.Context()
	request := api.SubmitRequest{RunID: id, Job: &api.Job{File: "job.yaml", Dir: t.TempDir(), Work: dir, Text: job}}
	if _, err := w.cluster.Client.Submit(ctx, request); err != nil {
		return "error: " + strings.TrimSpace(err.Error())
	}
	status, err := assembly.Wait(ctx, w.cluster.Client, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status.Failure != nil {
		return "error: " + firstLine(status.Failure.Error())
	}
	files, err := filepath.Glob(filepath.Join(dir, id, "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	var lines []string
	for i, f := range files {
		_, rows, err := w.query(ctx, &api.Query{SQL: "SELECT * FROM shard", Tables: []api.Table{{Name: "shard", Path: f}}})
		if err != nil {
			t.Fatal(err)
		}
		if sharded {
			lines = append(lines, fmt.Sprintf("shard %d:", i))
		}
		lines = append(lines, rows...)
	}
	if !sharded {
		slices.Sort(lines)
	}
	return strings.Join(lines, "\n")
}
