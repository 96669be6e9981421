package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/storage"
)

// blobJob reads the first days of the flights; only where they are and where the output goes differs.
const blobJob = `name: blobs
sources:
  flights:
    path: %q
    partitions: {day: date}
steps:
  - name: routes
    sql: |
      SELECT day, origin, destination, count(*) AS flights, avg(delay) AS mean_delay
      FROM flights
      WHERE day <= DATE '2001-01-03'
      GROUP BY day, origin, destination
outputs:
  - name: routes
    path: %q
    shards: 3
    shard_by: [origin, destination]
`

// TestBlobStores runs one job over every way to name its source and output: paths, globs, file:// and s3://. The shards
// have the same bytes everywhere.
func TestBlobStores(t *testing.T) {
	local, err := filepath.Abs("../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	store := storage.New()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	bucket := fakeBucket(t, nil)
	upload(t, store, local, bucket("raw/flights"))

	reference := runBlobJob(t, local, filepath.Join(t.TempDir(), "out"))
	want := digests(t, reference)
	if len(want) != 3+1 || reference.Rows < 1000 {
		t.Fatalf("%d shards with %d rows are no basis", len(want)-1, reference.Rows)
	}
	fileURL := (&url.URL{Scheme: "file", Path: local}).String()
	for _, c := range []struct{ name, source, output string }{
		{"file URLs", fileURL, "file://" + filepath.ToSlash(filepath.Join(t.TempDir(), "out"))},
		{"glob", filepath.Join(local, "day=2001-01-0[1-3]", "*.parquet"), filepath.Join(t.TempDir(), "out")},
		{"file URL with a glob", fileURL + "/day=2001-01-0*/flights.parquet", filepath.Join(t.TempDir(), "out")},
		{"from S3", bucket("raw/flights"), filepath.Join(t.TempDir(), "out")},
		{"glob on S3", bucket("raw/flights/day=2001-01-0[1-3]/*.parquet"), filepath.Join(t.TempDir(), "out")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := digests(t, runBlobJob(t, c.source, c.output)); !slices.Equal(got, want) {
				t.Errorf("other bytes:\n got %v\nwant %v", got, want)
			}
		})
	}
	for _, c := range []struct{ name, source, output string }{
		{"to S3", local, "train/a"},
		{"from S3 to S3", bucket("raw/flights"), "train/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := runBlobJob(t, c.source, bucket(c.output))
			if out.Rows != reference.Rows || out.Shards != reference.Shards || out.Path != "s3://lake/"+c.output {
				t.Errorf("status is %+v, want %d rows in %d shards at s3://lake/%s", out, reference.Rows, reference.Shards, c.output)
			}
			if got := blobDigests(t, store, bucket(c.output)); !slices.Equal(got, want) {
				t.Errorf("other bytes:\n got %v\nwant %v", got, want)
			}
		})
	}
	t.Run("missing on S3", func(t *testing.T) { missingBlob(t, bucket) })
}

// fakeBucket serves the bucket "lake" on loopback as S3 would, and returns a function that makes URLs in it. before, if there
// is one, stands before the store.
func fakeBucket(t *testing.T, before func(http.Handler) http.Handler) func(key string) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	if before != nil {
		handler = before(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return func(key string) string {
		return "s3://lake/" + key + "?endpoint=" + server.URL + "&region=us-east-1&use_path_style=true"
	}
}

// upload copies the files of a folder to below a URL.
func upload(t *testing.T, store *storage.Store, dir, to string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return store.Put(t.Context(), storage.Join(to, filepath.ToSlash(below)), data)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func writeBlobJob(t *testing.T, source, output string) string {
	t.Helper()
	job := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(job, fmt.Appendf(nil, blobJob, source, output), 0o644); err != nil {
		t.Fatal(err)
	}
	return job
}

func runBlobJob(t *testing.T, source, output string) api.OutputStatus {
	t.Helper()
	job := writeBlobJob(t, source, output)
	r := quern(t, t.TempDir(), "run", job, "-q", "-o", "json", "--workers", "2", "--memory", "512MiB")
	if r.State != "succeeded" {
		t.Fatalf("run ended as %+v", r)
	}
	return r.Outputs["routes"]
}

// blobDigests is [digests] of an output in a bucket: it checks the pointer, the marker, the manifest and the shards.
func blobDigests(t *testing.T, store *storage.Store, output string) []string {
	t.Helper()
	get := func(u string) []byte {
		data, err := store.Get(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	version := storage.Join(output, strings.TrimSpace(string(get(storage.Join(output, "_LATEST")))))
	get(storage.Join(version, "_SUCCESS"))
	var manifest struct {
		Shards []struct{ Key, SHA256 string }
		Steps  json.RawMessage
	}
	if err := json.Unmarshal(get(storage.Join(version, "manifest.json")), &manifest); err != nil {
		t.Fatal(err)
	}
	var sums []string
	for _, s := range manifest.Shards {
		sum := sha256.Sum256(get(storage.Join(version, s.Key)))
		sums = append(sums, hex.EncodeToString(sum[:]))
		if sums[len(sums)-1] != s.SHA256 {
			t.Errorf("%s has SHA-256 %s, but the manifest says %s", s.Key, sums[len(sums)-1], s.SHA256)
		}
	}
	listed, err := store.List(context.WithoutCancel(t.Context()), output)
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) != len(manifest.Shards)+1 {
		t.Errorf("%d files besides markers, want %d shards and the manifest: %v", len(listed), len(manifest.Shards), listed)
	}
	return append(sums, string(manifest.Steps))
}

// missingBlob expects a clear word about a source that is not there.
func missingBlob(t *testing.T, bucket func(string) string) {
	t.Helper()
	cmd := exec.Command(binary(t), "run", writeBlobJob(t, bucket("raw/flihgts"), filepath.Join(t.TempDir(), "out")), "-q")
	cmd.Dir = t.TempDir()
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(said), "source flights: ") {
		t.Errorf("%v, want exit status 2 and a word about the source; said:\n%s", err, said)
	}
}
