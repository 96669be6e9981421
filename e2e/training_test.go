package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/cmd/quern/datagen"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/storage"
)

// TestTrainingData makes the training sets of testdata/jobs/ranking from generated events, on 1, 3 and 8 workers, in large and
// small tasks and batches, with memory and without: the shards must be the same, byte for byte, and so
// must be what is counted of each step.
func TestTrainingData(t *testing.T) {
	dir := t.TempDir()
	makeEvents(t, filepath.Join(dir, "events"), 2000)
	worlds := []assembly.Options{
		{Workers: 1, Slots: 1, Memory: 1 << 30},
		{Workers: 3, Slots: 2, Memory: 1 << 30, BatchRows: 100, Allocator: recycle.Poison()},
		{Workers: 8, Slots: 1, Memory: 1, Plain: true},
	}
	var want map[string][]string
	for i, opts := range worlds {
		if i > 0 {
			opts.Planner.Stage.MinSplit = 1 // a task for every row group
		}
		own := t.TempDir() // to write to, beside a link to what is read
		if err := os.Symlink(filepath.Join(dir, "events"), filepath.Join(own, "events")); err != nil {
			t.Fatal(err)
		}
		got := trainingSets(t, opts, own)
		if i == 0 {
			want = got
			continue
		}
		for output, shards := range want {
			if !slices.Equal(got[output], shards) {
				t.Errorf("%d workers: the shards of %s are %v, and on one worker %v", opts.Workers, output, got[output], shards)
			}
		}
	}
}

func makeEvents(t *testing.T, dir string, impressions int64) {
	t.Helper()
	store := storage.New()
	defer store.Close()
	url, err := storage.URL(dir, ".")
	if err != nil {
		t.Fatal(err)
	}
	_, err = datagen.Events(context.Background(), store, datagen.Options{
		Out: url, Seed: 1, Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Days: 5, Impressions: impressions, Users: impressions / 10, Items: impressions / 20,
		Late: 0.1, Hot: 0.1, Duplicates: 0.02, Files: 2, Parallel: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// trainingSets runs the jobs one after the other, and gives the digests of each output's shards.
func trainingSets(t *testing.T, opts assembly.Options, dir string) map[string][]string {
	t.Helper()
	e, err := assembly.StartEmbedded(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	sets := map[string][]string{}
	for _, file := range rankingJobs {
		text, err := os.ReadFile(filepath.Join("../testdata/jobs/ranking", file))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(sets, shardsOf(t, e, dir, file, string(text), rankingDay))
	}
	return sets
}

// rankingJobs are those of testdata/jobs/ranking, in the order in which they run.
var rankingJobs = []string{"labels.yaml", "training.yaml", "retrieval.yaml"}

// rankingDay is the day that they are run for.
var rankingDay = map[string]string{"ds": "2024-01-02"}

// shardsOf runs a job in a folder, and gives rows and digest of each output's shards, and what is counted of the steps.
func shardsOf(t *testing.T, e *assembly.Embedded, dir, id, text string, params map[string]string) map[string][]string {
	t.Helper()
	job := &api.Job{File: id, Dir: dir, Work: dir, Text: text, Params: params}
	if _, err := e.Client.Submit(t.Context(), api.SubmitRequest{RunID: id, Job: job}); err != nil {
		t.Fatal(err)
	}
	status, err := assembly.Wait(t.Context(), e.Client, id, nil)
	if err != nil || status.Failure != nil {
		t.Fatalf("%s: %v, %v", id, err, status)
	}
	sets := map[string][]string{}
	for name, o := range status.Outputs {
		var manifest outputsManifest
		data, err := os.ReadFile(storage.Display(o.Manifest))
		if err == nil {
			err = json.Unmarshal(data, &manifest)
		}
		if err != nil || manifest.Rows == 0 {
			t.Fatalf("%s: %d rows, %v", name, manifest.Rows, err)
		}
		for _, s := range manifest.Shards {
			sets[name] = append(sets[name], fmt.Sprintf("%d rows %s", s.Rows, s.SHA256))
		}
		sets["steps of "+name] = []string{string(manifest.Steps)}
	}
	return sets
}
