package shuffle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/partition"
	"github.com/quern-engine/quern/shuffle/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = plan.Schema{Fields: []plan.Field{{Name: "id", Type: plan.Int64}, {Name: "text", Type: plan.String, Nullable: true}}}

// batch has the rows numbered from first, with a text of about size bytes each.
func batch(mem memory.Allocator, first, rows, size int) arrow.Record {
	ids, texts := array.NewInt64Builder(mem), array.NewStringBuilder(mem)
	defer ids.Release()
	defer texts.Release()
	for i := first; i < first+rows; i++ {
		ids.Append(int64(i))
		if i%11 == 0 {
			texts.AppendNull()
		} else {
			texts.Append(fmt.Sprintf("%d %s", i, strings.Repeat(string(rune('a'+i%26)), size)))
		}
	}
	cols := []arrow.Array{ids.NewArray(), texts.NewArray()}
	defer cols[0].Release()
	defer cols[1].Release()
	return vector.NewRecord(schema, cols, rows)
}

func sink(partitions int) plan.Sink {
	return plan.Sink{Kind: plan.SinkShuffle, Partitions: partitions, Keys: []int{0}, Hash: plan.HashExchange}
}

// cluster is some workers with stores, served by real HTTP/2 servers, and a stage whose map outputs they hold.
type cluster struct {
	stores  []*Store
	servers []*httptest.Server
	dirs    []string
	client  *http.Client
	outputs api.StageOutputs
	want    [][]int64 // ids by partition, in map order
}

// newCluster has map task t write rows of size bytes on worker t modulo workers. wrap, if not nil, goes around each
// worker's handler.
func newCluster(t testing.TB, workers, maps, partitions, rows, size int, wrap func(http.Handler) http.Handler) *cluster {
	t.Helper()
	c := &cluster{outputs: api.StageOutputs{Run: "run-1", Stage: 4}, want: make([][]int64, partitions)}
	for range workers {
		dir := t.TempDir()
		store, err := NewStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		h := Handler(store)
		if wrap != nil {
			h = wrap(h)
		}
		mux := http.NewServeMux()
		mux.Handle(FetchPath, h)
		srv := httptest.NewUnstartedServer(mux)
		ConfigureServer(srv.Config)
		srv.Config.Protocols = (*secure.Identity)(nil).Protocols(true)
		srv.Start()
		c.stores, c.servers, c.dirs = append(c.stores, store), append(c.servers, srv), append(c.dirs, dir)
		c.outputs.Workers = append(c.outputs.Workers, srv.Listener.Addr().String())
		t.Cleanup(func() {
			srv.CloseClientConnections()
			srv.Close()
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	transport := NewTransport(nil)
	c.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	for m := range maps {
		c.addMap(t, m, m%workers, m%3, partitions, rows, size)
	}
	return c
}

// addMap runs map task m as an attempt on a worker.
func (c *cluster) addMap(t testing.TB, m, worker, attempt, partitions, rows, size int) {
	t.Helper()
	id := plan.AttemptID{TaskID: plan.TaskID{Run: "run-1", Stage: 4, Task: m}, Attempt: attempt}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	w, err := NewWriter(c.stores[worker], id, sink(partitions), schema, WriterOptions{Mem: mem, BlockRows: 64, Plain: m%2 == 0})
	if err != nil {
		t.Fatal(err)
	}
	split, err := partition.New(plan.HashExchange, []int{0}, partitions)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < rows; at += 100 {
		rec := batch(mem, m*1_000_000+at, min(100, rows-at), size)
		if err := w.Write(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		ids, err := split.Assign(rec)
		if err != nil {
			t.Fatal(err)
		}
		for row, p := range ids {
			c.want[p] = append(c.want[p], rec.Column(0).(*array.Int64).Value(row))
		}
		rec.Release()
	}
	infos, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, info := range infos {
		total += info.Rows
	}
	if total != int64(rows) {
		t.Fatalf("map %d wrote %d rows of %d", m, total, rows)
	}
	mem.AssertSize(t, 0)
	c.outputs.Tasks = append(c.outputs.Tasks, api.TaskLocation{Worker: worker, Attempt: attempt, Rows: total})
}

// drain reads a stream to its end and gives the ids in order.
func drain(ctx context.Context, s *Stream) ([]int64, error) {
	var ids []int64
	for {
		rec, err := s.Next(ctx)
		if err == io.EOF {
			return ids, nil
		}
		if err != nil {
			return ids, err
		}
		ids = append(ids, rec.Column(0).(*array.Int64).Int64Values()...)
		rec.Release()
	}
}

func equal(a, b []int64) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// lost is the failure of a fetch, which must name a map output.
func lost(t *testing.T, err error, task, attempt int, says string) {
	t.Helper()
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureFetch {
		t.Fatalf("got %v, not a fetch failure", err)
	}
	if f.LostStage != 4 || f.LostTask != task || f.LostAttempt != attempt || !strings.Contains(f.Message, says) {
		t.Errorf("lost %d/%d.%d, want 4/%d.%d: %s", f.LostStage, f.LostTask, f.LostAttempt, task, attempt, f.Message)
	}
}

func TestManyMapsManyPartitions(t *testing.T) {
	c := newCluster(t, 3, 200, 5, 300, 10, nil)
	c.outputs.Tasks = append(c.outputs.Tasks, api.TaskLocation{Worker: 0}) // no rows, no segment
	for p := range 5 {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		client := NewClient(c.client, ClientOptions{Mem: mem})
		s := client.Fetch(c.outputs, api.Partition(p), schema, c.outputs.Workers[1], c.stores[1])
		ids, err := drain(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if !equal(ids, c.want[p]) {
			t.Errorf("partition %d: %d rows, %d wanted, or another order", p, len(ids), len(c.want[p]))
		}
		if n := s.Counts(); n.Rows != int64(len(ids)) || n.RemoteBytes == 0 || n.RemoteBytes >= n.Bytes {
			t.Errorf("counts %+v", n)
		}
		if _, err := s.Next(t.Context()); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		mem.AssertSize(t, 0)
	}
}

// Many streams with more data than their windows hold, most of them standing still, share one connection.
func TestStreamsThatStandStillDoNotBlockOthers(t *testing.T) {
	c := newCluster(t, 1, 2, 1, 4000, 4000, nil) // 32 MB in all, half of it incompressible only by being stored plain
	client := NewClient(c.client, ClientOptions{})
	var standing []*Stream
	for range 40 {
		s := client.Fetch(c.outputs, api.Partition(0), schema, "", nil)
		rec, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rec.Release()
		standing = append(standing, s)
	}
	ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	if err != nil || !equal(ids, c.want[0]) {
		t.Errorf("%d rows of %d, %v", len(ids), len(c.want[0]), err)
	}
	for _, s := range standing {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestConcurrentReducers(t *testing.T) {
	c := newCluster(t, 2, 10, 8, 800, 100, nil)
	client := NewClient(c.client, ClientOptions{})
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(p), schema, "", nil))
			if err != nil || !equal(ids, c.want[p]) {
				t.Errorf("partition %d: %d rows of %d, %v", p, len(ids), len(c.want[p]), err)
			}
		})
	}
	wg.Wait()
}

// breaker cuts answers off after some bytes, at first; budget counts how often.
type breaker struct {
	http.ResponseWriter
	left int
}

func (b *breaker) Write(p []byte) (int, error) {
	if len(p) > b.left {
		if _, err := b.ResponseWriter.Write(p[:b.left]); err != nil {
			return 0, err
		}
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}

func TestBrokenStreamsAreTakenUpAgain(t *testing.T) {
	var breaks atomic.Int64
	c := newCluster(t, 2, 6, 2, 1000, 50, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Each answer gets a little further than the last.
			if n := breaks.Add(1); n < 40 {
				w = &breaker{ResponseWriter: w, left: int(1000 + n*300)}
			}
			h.ServeHTTP(w, r)
		})
	})
	client := NewClient(c.client, ClientOptions{Backoff: time.Millisecond, Attempts: 50})
	ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(1), schema, "", nil))
	if err != nil || !equal(ids, c.want[1]) {
		t.Errorf("%d rows of %d, %v", len(ids), len(c.want[1]), err)
	}
	if breaks.Load() < 3 {
		t.Errorf("the streams were broken %d times: the test tests nothing", breaks.Load())
	}
}

// TestTruncatedAnswer is FAULTS F33: an answer that ends well, but early, is not the end of the data.
func TestTruncatedAnswer(t *testing.T) {
	c := newCluster(t, 1, 2, 1, 500, 50, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			body := rec.Body.Bytes()
			_, _ = w.Write(body[:len(body)-1]) // the client's reset is fine
		})
	})
	client := NewClient(c.client, ClientOptions{Backoff: time.Millisecond, Attempts: 3})
	_, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	lost(t, err, 1, 1, "unexpected EOF")
}

func TestServerKilledMidStream(t *testing.T) {
	c := newCluster(t, 1, 3, 1, 5000, 2000, nil)
	client := NewClient(c.client, ClientOptions{Backoff: time.Millisecond, Attempts: 3})
	s := client.Fetch(c.outputs, api.Partition(0), schema, "", nil)
	rec, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec.Release()
	c.servers[0].CloseClientConnections()
	if err := c.servers[0].Listener.Close(); err != nil {
		t.Fatal(err)
	}
	ids, err := drain(t.Context(), s)
	if err == nil {
		t.Fatalf("%d rows from a dead server", len(ids))
	}
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureFetch {
		t.Fatalf("got %v", err)
	}
	if _, again := s.Next(t.Context()); again != err {
		t.Errorf("the error does not repeat: %v", again)
	}
}

func TestMissingSegments(t *testing.T) {
	c := newCluster(t, 2, 4, 1, 50, 5, nil)
	if err := os.Remove(filepath.Join(c.dirs[1], "shuffle", "run-1", "4-3-0.seg")); err != nil {
		t.Fatal(err)
	}
	client := NewClient(c.client, ClientOptions{})
	ids, err := drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	lost(t, err, 3, 0, "no such file")
	if !equal(ids, c.want[0][:150]) {
		t.Errorf("%d rows came before", len(ids))
	}
	_, err = drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, c.outputs.Workers[1], c.stores[1]))
	lost(t, err, 3, 0, "no such file")
	_, err = drain(t.Context(), client.Fetch(c.outputs, api.Partition(7), schema, "", nil))
	lost(t, err, 0, 0, "no partition 7")
}

func TestUnreachableWorker(t *testing.T) {
	c := newCluster(t, 1, 1, 1, 50, 5, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.outputs.Workers[0] = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	client := NewClient(c.client, ClientOptions{Backoff: time.Millisecond})
	_, err = drain(t.Context(), client.Fetch(c.outputs, api.Partition(0), schema, "", nil))
	lost(t, err, 0, 0, "refused")
}

func TestCancellation(t *testing.T) {
	arrived := make(chan struct{}, 1)
	c := newCluster(t, 1, 1, 1, 10, 5, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = http.NewResponseController(w).Flush()
			arrived <- struct{}{}
			<-r.Context().Done() // never answers
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, err := NewClient(c.client, ClientOptions{}).Fetch(c.outputs, api.Partition(0), schema, "", nil).Next(ctx)
	if !errors.Is(err, context.Canceled) || plan.AsFailure(err).Kind != plan.FailureCancelled {
		t.Errorf("got %v", err)
	}
}

func TestEarlyClose(t *testing.T) {
	c := newCluster(t, 1, 2, 1, 5000, 2000, nil)
	s := NewClient(c.client, ClientOptions{}).Fetch(c.outputs, api.Partition(0), schema, "", nil)
	rec, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Next(t.Context()); err == nil || err == io.EOF {
		t.Errorf("Next after Close: %v", err)
	}
}

func TestHandlerRefuses(t *testing.T) {
	c := newCluster(t, 1, 1, 1, 10, 5, nil)
	url := c.servers[0].URL + FetchPath
	for body, status := range map[string]int{
		`{`: 400, `{"run":"../etc","maps":[]}`: 400, `{"run":"run-1","partition":-1}`: 400,
		`{"run":"run-1","maps":[{"task":-1}]}`: 400, `{"run":"run-1","maps":[]}`: 200,
	} {
		resp, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status {
			t.Errorf("%s: status %d", body, resp.StatusCode)
		}
		resp.Body.Close()
	}
	resp, err := http.Get(url)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Fatalf("GET: %v, %v", resp, err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

func TestWriterIsDeterministic(t *testing.T) {
	var files [2]string
	for i := range files {
		dir := t.TempDir()
		store, err := NewStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		id := plan.AttemptID{TaskID: plan.TaskID{Run: "r"}}
		// So small a buffer that the largest partition is written early.
		w, err := NewWriter(store, id, sink(7), schema, WriterOptions{Buffer: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		for at := range 20 {
			if err := w.Write(t.Context(), batch(memory.DefaultAllocator, at*100, 100, at*7)); err != nil {
				t.Fatal(err)
			}
			if w.bytes > 20_000 {
				t.Errorf("%d bytes buffered", w.bytes)
			}
		}
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "shuffle", "r", "0-0-0.seg"))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = string(data)
	}
	if files[0] != files[1] {
		t.Error("two runs over the same rows wrote different segments")
	}
}

// TestSmallSegments: a store that keeps small segments gives the same rows, small ones from memory and large ones from
// files, and forgets both.
func TestSmallSegments(t *testing.T) {
	dir := t.TempDir()
	store, err := NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	store.KeepSmall()
	files := func() int {
		found, err := filepath.Glob(filepath.Join(dir, storeFolder, "*", "*.seg"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	write := func(task, rows int) plan.AttemptID {
		id := plan.AttemptID{TaskID: plan.TaskID{Run: "r", Task: task}}
		w, err := NewWriter(store, id, sink(3), schema, WriterOptions{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(t.Context(), batch(memory.DefaultAllocator, 0, rows, 10)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	ids := []plan.AttemptID{write(0, 10), write(1, 100_000)}
	if n := files(); n != 1 {
		t.Fatalf("%d segment files, want that of the large segment alone", n)
	}
	for i, rows := range []int64{10, 100_000} {
		r, err := store.Open(ids[i])
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Rows(0) + r.Rows(1) + r.Rows(2); got != rows || r.Attempt() != ids[i] {
			t.Errorf("segment %v has %d rows, want %d", r.Attempt(), got, rows)
		}
		r.Close()
	}
	discarded, err := NewWriter(store, plan.AttemptID{TaskID: plan.TaskID{Run: "r", Task: 2}}, sink(1), schema, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := discarded.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := store.Forget("r"); err != nil {
		t.Fatal(err)
	}
	for _, id := range append(ids, plan.AttemptID{TaskID: plan.TaskID{Run: "r", Task: 2}}) {
		if _, err := store.Open(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("segment %v: %v, want none", id, err)
		}
	}
	if store.small.total != 0 || files() != 0 {
		t.Errorf("%d bytes and %d files left", store.small.total, files())
	}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	store, err := NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, run := range []string{"", "..", "a/b", "../x", "a\x00b", strings.Repeat("x", 200)} {
		id := plan.AttemptID{TaskID: plan.TaskID{Run: run}}
		if _, err := store.Create(id, 1, segment.Options{}); err == nil {
			t.Errorf("run id %q was accepted", run)
		}
		if _, err := store.Open(id); err == nil {
			t.Errorf("run id %q was accepted", run)
		}
		if err := store.Forget(run); err == nil {
			t.Errorf("run id %q was accepted", run)
		}
	}
	made := func(run string) plan.AttemptID {
		id := plan.AttemptID{TaskID: plan.TaskID{Run: run, Stage: 1, Task: 2}, Attempt: 3}
		w, err := store.Create(id, 1, segment.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	a, b := made("a"), made("b")
	if _, err := store.Create(a, 1, segment.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an attempt was started twice: %v", err)
	}
	if err := store.Forget("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(a); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Forget: %v", err)
	}
	r, err := store.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	// A segment under another attempt's name is not taken for it.
	if err := os.Rename(filepath.Join(dir, "shuffle", "b", "1-2-3.seg"), filepath.Join(dir, "shuffle", "b", "1-2-4.seg")); err != nil {
		t.Fatal(err)
	}
	b.Attempt = 4
	if _, err := store.Open(b); !errors.Is(err, segment.ErrCorrupt) {
		t.Errorf("a misnamed segment: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Clean(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "shuffle"))
	if err != nil || len(left) != 0 {
		t.Errorf("after Clean: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "other")); err != nil {
		t.Errorf("Clean took what is not the store's: %v", err)
	}
}
