package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/quern-engine/quern/storage"
)

// windowsJob reads the seven days before a date.
const windowsJob = `name: windows
params: {ds: date}
sources:
  flights: {path: %q, partitions: {day: date}}
steps:
  - name: routes
    sql: |
      SELECT origin, destination, count(*) AS flights, avg(delay) AS mean_delay
      FROM flights
      WHERE day >= ${ds} - 7 AND day < ${ds}
      GROUP BY origin, destination
outputs:
  - {name: routes, path: "out/ds=${ds}", shards: 2, shard_by: [origin]}
`

// objectReads counts what of each object of a bucket was sent.
type objectReads struct {
	mu    sync.Mutex
	bytes map[string]int64 // guarded by mu
	gets  int              // guarded by mu
	lists int              // guarded by mu
}

func (o *objectReads) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted := &countedBody{ResponseWriter: w}
		next.ServeHTTP(counted, r)
		if r.Method != http.MethodGet {
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if !strings.HasSuffix(r.URL.Path, ".parquet") {
			o.lists++
			return
		}
		o.gets++
		o.bytes[r.URL.Path] += counted.n
	})
}

type countedBody struct {
	http.ResponseWriter
	n int64
}

func (c *countedBody) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

// take gives what was counted since the last time: requests for objects, listings, and for the object that was read most how
// often as many bytes as it has were sent.
func (o *objectReads) take(sizes map[string]int64) (gets, lists int, most float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for path, n := range o.bytes {
		most = max(most, float64(n)/float64(sizes[path]))
	}
	gets, lists = o.gets, o.lists
	o.bytes, o.gets, o.lists = map[string]int64{}, 0, 0
	return gets, lists, most
}

// countedBucket is fakeBucket with a count.
func countedBucket(t *testing.T) (func(key string) string, *objectReads) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	reads := &objectReads{bytes: map[string]int64{}}
	server := httptest.NewServer(reads.wrap(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()))
	t.Cleanup(server.Close)
	return func(key string) string {
		return "s3://lake/" + key + "?endpoint=" + server.URL + "&region=us-east-1&use_path_style=true"
	}, reads
}

// TestBackfillReadsOnce fills thirty dates, each of which reads seven days that it shares with its neighbours. No byte of an
// object is sent twice; filling them again runs nothing.
func TestBackfillReadsOnce(t *testing.T) {
	bucket, reads := countedBucket(t)
	store := storage.New()
	t.Cleanup(func() { store.Close() })
	sizes := map[string]int64{}
	first := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 37 {
		data, err := os.ReadFile(filepath.Join("../testdata/flights", "day="+first.AddDate(0, 0, i%14).Format(time.DateOnly), "flights.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		key := "raw/day=" + first.AddDate(0, 0, i).Format(time.DateOnly) + "/flights.parquet"
		if err := store.Put(t.Context(), bucket(key), data); err != nil {
			t.Fatal(err)
		}
		sizes["/lake/"+key] = int64(len(data))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "job.yaml"), fmt.Appendf(nil, windowsJob, bucket("raw")), 0o644); err != nil {
		t.Fatal(err)
	}
	reads.take(sizes)
	for _, pass := range []struct{ name, state string }{{"first", "succeeded"}, {"second", "published"}} {
		states := backfillStates(t, dir, "job.yaml", "--from", "2001-01-08", "--to", "2001-02-06", "--parallel", "2")
		if states[pass.state] != 30 {
			t.Fatalf("%s backfill: %v", pass.name, states)
		}
		gets, lists, most := reads.take(sizes)
		t.Logf("%s backfill: %d requests for objects, %d listings; most of an object: %.2f times its size", pass.name, gets, lists, most)
		// The second reads footers alone, to plan. These files are so small that a footer is read with all that is before it.
		if most > 1 || gets > len(sizes) {
			t.Errorf("%s backfill: an object was read %.2f times", pass.name, most)
		}
	}
}

// backfillStates runs a backfill and counts its dates by state.
func backfillStates(t *testing.T, dir string, args ...string) map[string]int {
	t.Helper()
	cmd := exec.Command(binary(t), append([]string{"backfill", "-q", "-o", "json"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("backfill: %v\n%s", err, out)
	}
	var result struct{ Dates []struct{ State string } }
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for _, d := range result.Dates {
		states[d.State]++
	}
	return states
}
