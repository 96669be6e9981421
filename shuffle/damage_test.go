package shuffle

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// flipper turns bits over in flight, at most as many answers' as it has left. at is a byte of each answer.
type flipper struct {
	at, left atomic.Int64
	times    atomic.Int64
}

func (f *flipper) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.left.Add(-1) >= 0 {
			w = &flipping{ResponseWriter: w, flipper: f, at: int(f.at.Load())}
		}
		h.ServeHTTP(w, r)
	})
}

type flipping struct {
	http.ResponseWriter
	*flipper
	at int
}

func (f *flipping) Write(p []byte) (int, error) {
	if f.at >= 0 && f.at < len(p) {
		p = append([]byte(nil), p...)
		p[f.at] ^= 1 << (f.at % 8)
		f.times.Add(1)
	}
	f.at -= len(p)
	return f.ResponseWriter.Write(p)
}

// damaged is a worker with segments whose bytes a test turns over.
type damaged struct {
	*cluster
	flips  flipper
	log    bytes.Buffer
	client *Client
	path   string // of the segment of map 1
	sound  []byte // what is in it
}

func newDamaged(t *testing.T, rows int) *damaged {
	d := &damaged{}
	d.cluster = newCluster(t, 1, 3, 1, rows, 20, d.flips.wrap)
	d.stores[0].LogTo(slog.New(slog.NewTextHandler(&d.log, nil)))
	d.client = NewClient(d.cluster.client, ClientOptions{Backoff: time.Nanosecond})
	d.path = filepath.Join(d.dirs[0], "shuffle", "run-1", "4-1-1.seg")
	var err error
	if d.sound, err = os.ReadFile(d.path); err != nil {
		t.Fatal(err)
	}
	return d
}

// spoil turns one bit of the segment over, on disk.
func (d *damaged) spoil(t *testing.T, bit int) {
	t.Helper()
	data := bytes.Clone(d.sound)
	data[bit/8] ^= 1 << (bit % 8)
	d.stores[0].indexes.drop("")
	if err := os.WriteFile(d.path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *damaged) read(t *testing.T, self string) ([]int64, error) {
	return drain(t.Context(), d.client.Fetch(d.outputs, api.Partition(0), schema, self, d.stores[0]))
}

// manyFlips, three times over, is more than ten thousand.
func manyFlips() int {
	if testing.Short() {
		return 400
	}
	return 4000
}

// TestDamageOnDisk is FAULTS F31: of thousands of bits turned over anywhere in a segment, none reaches a reader. The map output is
// lost, with the disk to blame, and the segment is gone.
func TestDamageOnDisk(t *testing.T) {
	t.Parallel()
	flips := manyFlips()
	for _, local := range []bool{false, true} {
		d := newDamaged(t, 150)
		self := ""
		if local {
			self = d.outputs.Workers[0]
		}
		random := rand.New(rand.NewPCG(1, 2))
		for range flips {
			bit := random.IntN(8 * len(d.sound))
			d.spoil(t, bit)
			ids, err := d.read(t, self)
			lost(t, err, 1, 1, "disk: ")
			if !equal(ids, d.want[0][:len(ids)]) || len(ids) < 150 || len(ids) >= 300 {
				t.Fatalf("bit %d: %d rows, or wrong ones", bit, len(ids))
			}
			if _, err := os.Stat(d.path); !os.IsNotExist(err) {
				t.Fatalf("bit %d: the segment is still there (%v)", bit, err)
			}
		}
		if n := strings.Count(d.log.String(), "damaged on disk"); n != flips || !strings.Contains(d.log.String(), d.path) {
			t.Errorf("%d of %d told of: %.300s", n, flips, d.log.String())
		}
		if _, err := d.read(t, self); plan.AsFailure(err).Kind != plan.FailureFetch || !strings.Contains(err.Error(), "disk: ") {
			t.Errorf("after the segment was removed: %v", err)
		}
	}
}

// TestDamageInFlight is FAULTS F32: of thousands of bits turned over in answers, none reaches a reader, and what is sound
// where it is kept arrives in the end.
func TestDamageInFlight(t *testing.T) {
	t.Parallel()
	d := newDamaged(t, 150)
	size := 3*len(d.sound) + 500
	random := rand.New(rand.NewPCG(3, 4))
	flips := manyFlips()
	for range flips {
		d.flips.at.Store(random.Int64N(int64(size)))
		d.flips.left.Store(1 + random.Int64N(2))
		ids, err := d.read(t, "")
		if err != nil || !equal(ids, d.want[0]) {
			t.Fatalf("byte %d: %d rows of %d, %v", d.flips.at.Load(), len(ids), len(d.want[0]), err)
		}
	}
	if d.flips.times.Load() < int64(flips*3/4) {
		t.Errorf("only %d bits were turned over", d.flips.times.Load())
	}
	if d.log.Len() > 0 {
		t.Errorf("the disk is blamed: %s", d.log.String())
	}
}

// A network that damages all that comes is named, after a bounded number of tries.
func TestDamageInEveryAnswer(t *testing.T) {
	d := newDamaged(t, 150)
	d.flips.at.Store(200)
	d.flips.left.Store(1 << 30)
	ids, err := d.read(t, "")
	lost(t, err, 0, 0, "network: it arrived damaged 5 times, though it was sound when it left the worker")
	if len(ids) != 0 || d.flips.times.Load() != 5 {
		t.Errorf("%d rows after %d answers", len(ids), d.flips.times.Load())
	}
	if _, err := os.Stat(d.path); err != nil {
		t.Errorf("a sound segment was removed: %v", err)
	}
}

// TestUnfinishedSegment: what is being written is not there for anybody, and whoever asks for it does it no harm.
func TestUnfinishedSegment(t *testing.T) {
	c := newCluster(t, 1, 0, 1, 0, 0, nil)
	c.outputs.Tasks = []api.TaskLocation{{Rows: 100}}
	w, err := NewWriter(c.stores[0], plan.AttemptID{TaskID: plan.TaskID{Run: "run-1", Stage: 4}}, sink(1), schema, WriterOptions{BlockRows: 10})
	if err != nil {
		t.Fatal(err)
	}
	rec := batch(memory.DefaultAllocator, 0, 100, 10)
	defer rec.Release()
	if err := w.Write(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	client := NewClient(c.client, ClientOptions{})
	for _, self := range []string{"", c.outputs.Workers[0]} {
		_, err = drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, self, c.stores[0]))
		lost(t, err, 0, 0, "no such file")
	}
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	if err != nil || len(ids) != 100 {
		t.Errorf("%d rows, %v", len(ids), err)
	}
}
