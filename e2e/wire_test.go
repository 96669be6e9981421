package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
)

// wireJob moves every row between workers twice: to its bucket, and to its shard.
const wireJob = `name: moved
sources:
  rows: {path: rows}
steps:
  - name: out
    sql: |
      SELECT id, bucket, payload, row_number() OVER (PARTITION BY bucket ORDER BY id) AS place FROM rows
outputs:
  - {name: out, shards: 4, shard_by: [id]}
`

const wireRows, wireFiles = 40_000, 4

// TestWire has two workers that reach each other only through proxies which damage what passes: FAULTS F32 (bits), F33
// (answers cut short), F35 (latency) and F36 (resets). Every row must come out once, in the bytes of a quiet run.
func TestWire(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "job.yaml"), []byte(wireJob), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "rows"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range wireFiles {
		name := fmt.Sprintf("rows/%d.parquet", i)
		query := fmt.Sprintf("SELECT id, id %% 211 AS bucket, concat(hash(id, 1), '-', hash(id, 2)) AS payload FROM range(%d, %d)", i*wireRows, (i+1)*wireRows)
		if p := startIn(t, dir, name, "sql", query, "--format", "parquet", "--out", name); p.wait(t, deadline) != 0 {
			t.Fatalf("make %s: %s", name, p.log)
		}
	}
	w := &wire{cluster: startCoordinators(t, 1), dir: dir}
	w.want = digests(t, quern(t, t.TempDir(), "run", filepath.Join(dir, "job.yaml"), "-q", "-o", "json").Outputs["out"])
	addresses := freeAddresses(t, 2)
	for i, a := range addresses {
		p := newProxy(t, a)
		w.proxies = append(w.proxies, p)
		name := fmt.Sprintf("w%d", i+1)
		w.workers = append(w.workers, start(t, name, "worker", "--verbose", "--coordinator", w.urls(), "--listen", a, "--advertise", p.address(),
			"--scratch", w.scratch, "--slots", "1", "--memory", "1GiB"))
	}
	t.Run("quiet", func(t *testing.T) { w.run(t, "quiet", wireFault{}, 0) })
	t.Run("F32", func(t *testing.T) { w.run(t, "f32", flipBit, 8) })
	t.Run("F33", func(t *testing.T) { w.run(t, "f33", truncate, 8) })
	t.Run("F35", func(t *testing.T) { w.run(t, "f35", delay, 40) })
	t.Run("F36", func(t *testing.T) { w.run(t, "f36", reset, 8) })
}

type wire struct {
	*cluster
	dir     string
	proxies []*proxy
	want    []string
}

// run submits the job while a fault strikes up to so often at each worker, and looks at what came out.
func (w *wire) run(t *testing.T, id string, f wireFault, times int) {
	before := w.passed()
	for i, p := range w.proxies {
		if times > 0 {
			p.arm(f, times, uint64(i)+1)
		}
	}
	begin := time.Now()
	out := t.TempDir()
	p := startIn(t, out, "submit "+id, "submit", filepath.Join(w.dir, "job.yaml"), "-q", "-o", "json", "--wait", "--run-id", id, "--coordinator", w.urls())
	if status := p.wait(t, 2*deadline); status != 0 {
		t.Fatalf("status %d: %s", status, p.log)
	}
	took := time.Since(begin)
	struck := 0
	for _, p := range w.proxies {
		struck += p.disarm()
	}
	moved := w.passed() - before
	if moved < 1<<20 || times > 0 && struck == 0 {
		t.Fatalf("nothing was tried: %d bytes passed, %d faults", moved, struck)
	}
	var r result
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("%q: %v", p.out, err)
	}
	if got := digests(t, r.Outputs["out"]); !slices.Equal(got, w.want) {
		t.Errorf("other bytes:\n got %v\nwant %v", got, w.want)
	}
	everyRowOnce(t, r.Outputs["out"])
	t.Logf("%d × %s in %d KiB: %v, %d attempts failed", struck, f.name, moved>>10, took.Round(time.Millisecond), w.failures(id))
}

func (w *wire) passed() (n int64) {
	for _, p := range w.proxies {
		n += p.passed.Load()
	}
	return n
}

// everyRowOnce compares count, sum and number of different ids with those of the numbers from 0.
func everyRowOnce(t *testing.T, o api.OutputStatus) {
	t.Helper()
	const n = wireRows * wireFiles
	out, err := exec.Command(binary(t), "sql", "SELECT count(*), sum(id), count(DISTINCT id), min(id), max(id) FROM t",
		"--table", "t="+filepath.Join(o.VersionPath, "*.parquet"), "--format", "csv").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d,%d,%d,0,%d", n, n*(n-1)/2, n, n-1)
	if lines := strings.Fields(string(out)); lines[len(lines)-1] != want {
		t.Errorf("count, sum, number, least and greatest id are %s, not %s", lines[len(lines)-1], want)
	}
}
