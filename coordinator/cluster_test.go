package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Raft leaves some futures unanswered when it shuts down.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*deferError).Error"))
}

// deadline is how long a condition may take to come true before a test fails.
const deadline = 30 * time.Second

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// testJob is a job of two map tasks and two reduce tasks that write shards to out.
func testJob(name, out string) *plan.Job {
	schema := plan.Schema{Fields: []plan.Field{{Name: "origin", Type: plan.String}, {Name: "n", Type: plan.Int64, Nullable: true}}}
	scan := &plan.Node{Op: plan.NodeScan, Schema: schema, Scan: &plan.Scan{Source: "flights", Format: "parquet"}}
	read := &plan.Node{Op: plan.NodeShuffleRead, Schema: schema, ShuffleRead: &plan.ShuffleRead{Stage: 0}}
	job := &plan.Job{
		Version: plan.JobVersion, Name: name,
		Stages: []*plan.Stage{
			{ID: 0, Root: scan, Tasks: 2, Splits: make([][]plan.Split, 2), Sink: plan.Sink{Kind: plan.SinkShuffle, Partitions: 2, Hash: plan.HashExchange, Keys: []int{0}}},
			{ID: 1, Root: read, Tasks: 2, Inputs: []int{0}, Sink: plan.Sink{Kind: plan.SinkFile, Output: "examples"}},
		},
		Params: []plan.Param{{Name: "ds", Type: plan.Date, Value: "2001-01-10"}},
		Inputs: []plan.Input{{Source: "flights", URL: "file:///f.parquet", Size: 9, ETag: "e"}},
	}
	if out == "" {
		job.Stages[1].Sink = plan.Sink{Kind: plan.SinkResult}
		return job
	}
	job.Outputs = []plan.Output{{Name: "examples", URL: out, Format: "parquet", Compression: "zstd", Schema: schema, Shards: 2, Stage: 1}}
	return job
}

// planner plans by the text of a request: "query" gives a result, a *plan.Failure stands for itself, all else is the
// folder of the output.
func planner(_ context.Context, r api.SubmitRequest) (*plan.Job, error) {
	switch {
	case r.Query != nil && r.Query.SQL == "bad":
		return nil, plan.Failf(plan.FailureUser, "bad.sql:1:1: this is\nover two lines")
	case r.Query != nil && r.Query.SQL == "no store":
		return nil, plan.Failf(plan.FailureStorage, "the bucket does not answer")
	case r.Query != nil:
		return testJob("query", ""), nil
	}
	return testJob("job", r.Job.Text), nil
}

// cluster is some coordinators in this process.
type cluster struct {
	t     *testing.T
	dir   string
	store Store
	peers map[string]string
	nodes map[string]*Coordinator
	ports map[string]*net.TCPListener // of nodes that run
	held  map[string]*heldPort        // of nodes that were killed
	tune  func(*Options)
	real  *storage.Store
}

// newCluster starts n coordinators and waits until all of them vote: one whose state directory is empty does not before it has heard
// from a leader, and without it two of three would not be enough yet.
func newCluster(t *testing.T, n int, tune func(*Options)) *cluster {
	c := &cluster{t: t, dir: t.TempDir(), peers: map[string]string{}, nodes: map[string]*Coordinator{}, tune: tune, real: storage.New()}
	c.ports, c.held = map[string]*net.TCPListener{}, map[string]*heldPort{}
	c.store = c.real
	listeners := map[string]net.Listener{}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("c%d", i+1)
		listeners[id], c.peers[id] = l, l.Addr().String()
	}
	for id, l := range listeners {
		c.start(id, l)
	}
	t.Cleanup(func() {
		for _, node := range c.nodes {
			if err := node.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		for _, h := range c.held {
			if err := h.release().Close(); err != nil {
				t.Errorf("close port: %v", err)
			}
		}
		if err := c.real.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	for id, node := range c.nodes {
		eventually(t, id+" to vote", func() bool { return !node.node.Report(false).Learns })
	}
	return c
}

func (c *cluster) start(id string, l net.Listener) {
	c.t.Helper()
	o := Options{
		ID: id, Listener: l, StateDir: filepath.Join(c.dir, id), Peers: c.peers, Plan: planner, Store: c.store,
		Lease: 5 * time.Second, Heartbeat: 50 * time.Millisecond, Election: 250 * time.Millisecond, Volatile: true,
	}
	if c.tune != nil {
		c.tune(&o)
	}
	node, err := New(o)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := node.Start(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[id], c.ports[id] = node, l.(*net.TCPListener)
}

// restart starts a node that was killed.
func (c *cluster) restart(id string) {
	c.t.Helper()
	h := c.held[id]
	delete(c.held, id)
	c.start(id, h.release())
}

// kill stops a node without a word to the others.
func (c *cluster) kill(id string) {
	c.t.Helper()
	h := holdPort(c.t, c.ports[id])
	c.held[id] = h
	if err := c.nodes[id].close(false); err != nil {
		c.t.Errorf("kill %s: %v", id, err)
	}
	h.cutting.Go(h.cut)
	delete(c.nodes, id)
}

// heldPort is the port of a node that was killed. Until the end of the test, or the next start, it is nobody else's:
// clients would be answered by another test's cluster. The listener stays, and who connects is cut off.
type heldPort struct {
	t        *testing.T
	listener *net.TCPListener
	cutting  sync.WaitGroup
}

// holdPort keeps the port of a listener that is about to be closed.
func holdPort(t *testing.T, l *net.TCPListener) *heldPort {
	t.Helper()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	copied, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return &heldPort{t: t, listener: copied.(*net.TCPListener)}
}

// cut ends connections like a dead process: with RST.
func (h *heldPort) cut() {
	for {
		conn, err := h.listener.AcceptTCP()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			h.t.Errorf("hold port: %v", err)
			return
		}
		conn.SetLinger(0) // an error means that it has ended
		conn.Close()
	}
}

// release ends that, and returns the listener.
func (h *heldPort) release() *net.TCPListener {
	h.t.Helper()
	if err := h.listener.SetDeadline(time.Now()); err != nil {
		h.t.Error(err)
	}
	h.cutting.Wait()
	if err := h.listener.SetDeadline(time.Time{}); err != nil {
		h.t.Error(err)
	}
	return h.listener
}

// leader waits for a node that leads.
func (c *cluster) leader() string {
	var leader string
	eventually(c.t, "a leader", func() bool {
		for id, n := range c.nodes {
			if n.term.Load() != nil {
				leader = id
				return true
			}
		}
		return false
	})
	return leader
}

func (c *cluster) endpoints() []string {
	var list []string
	for _, a := range c.peers {
		list = append(list, a)
	}
	slices.Sort(list)
	return list
}

func (c *cluster) client() *client.Client {
	cl := client.New(c.endpoints(), client.Options{Patience: deadline, Unreachable: deadline})
	c.t.Cleanup(cl.Close)
	return cl
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(deadline); time.Now().Before(end); <-ticker.C {
		if condition() {
			return
		}
	}
	t.Fatalf("waited %v for %s", deadline, what)
}

func jobRequest(id, out string) api.SubmitRequest {
	return api.SubmitRequest{RunID: id, Job: &api.Job{File: "job.yaml", Text: out}}
}

func queryRequest(id, sql string) api.SubmitRequest {
	return api.SubmitRequest{RunID: id, Query: &api.Query{SQL: sql}}
}

// fakeWorker speaks a worker's part of the API and makes up what attempts produce.
type fakeWorker struct {
	id     string
	t      *testing.T
	client *client.Client
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	running []plan.AttemptID
	forgot  []string
	stopped map[plan.AttemptID]chan struct{} // closed when the attempt is to stop
	ran     []api.Assignment

	// work makes the report of an attempt; a nil report is never sent.
	work func(context.Context, api.Assignment) *api.Report
}

func startWorker(c *cluster, id string, slots int, work func(context.Context, api.Assignment) *api.Report) *fakeWorker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &fakeWorker{id: id, t: c.t, client: c.client(), stop: cancel, work: work, stopped: map[plan.AttemptID]chan struct{}{}}
	if w.work == nil {
		w.work = func(_ context.Context, a api.Assignment) *api.Report { return success(a) }
	}
	w.done.Go(func() { w.run(ctx, slots) })
	c.t.Cleanup(w.close)
	return w
}

func (w *fakeWorker) close() {
	w.stop()
	w.done.Wait()
}

func (w *fakeWorker) run(ctx context.Context, slots int) {
	if !w.register(ctx, slots) {
		return
	}
	w.done.Go(func() { w.beat(ctx, slots) })
	free := make(chan struct{}, slots)
	for range slots {
		free <- struct{}{}
	}
	for ctx.Err() == nil {
		<-free
		n := 1 + len(free)
		reply, err := w.client.Lease(ctx, api.LeaseRequest{WorkerID: w.id, Free: n, Wait: 2 * time.Second})
		free <- struct{}{}
		if err != nil {
			if isCode(err, api.CodeUnknownWorker) {
				w.register(ctx, slots)
			}
			continue
		}
		for _, a := range reply.Assignments {
			<-free
			w.begin(a)
			w.done.Go(func() {
				w.attempt(ctx, a)
				free <- struct{}{}
			})
		}
	}
}

func (w *fakeWorker) register(ctx context.Context, slots int) bool {
	for ctx.Err() == nil {
		if _, err := w.client.Register(ctx, api.RegisterRequest{WorkerID: w.id, Address: w.id + ":1", Slots: slots, Memory: 1}); err == nil {
			return true
		}
	}
	return false
}

func (w *fakeWorker) begin(a api.Assignment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = append(w.running, a.AttemptID)
	w.ran = append(w.ran, a)
}

func (w *fakeWorker) attempt(ctx context.Context, a api.Assignment) {
	report := w.work(ctx, a)
	for report != nil && ctx.Err() == nil {
		_, err := w.client.Report(ctx, api.ReportRequest{WorkerID: w.id, Reports: []api.Report{*report}})
		if err == nil {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = slices.DeleteFunc(w.running, func(id plan.AttemptID) bool { return id == a.AttemptID })
}

func (w *fakeWorker) beat(ctx context.Context, slots int) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		running := slices.Clone(w.running)
		w.mu.Unlock()
		reply, err := w.client.Heartbeat(ctx, api.HeartbeatRequest{WorkerID: w.id, Running: running})
		if err != nil {
			continue
		}
		w.mu.Lock()
		w.forgot = append(w.forgot, reply.Forget...)
		for _, id := range reply.Stop {
			stopped := w.stopping(id)
			select {
			case <-stopped:
			default:
				close(stopped)
			}
		}
		w.mu.Unlock()
	}
}

func (w *fakeWorker) has(f func(*fakeWorker) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f(w)
}

func (w *fakeWorker) attempts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, a := range w.ran {
		list = append(list, a.AttemptID.String())
	}
	return list
}

// stopping is closed when the attempt is to stop. REQUIRES: w.mu is held.
func (w *fakeWorker) stopping(id plan.AttemptID) chan struct{} {
	if w.stopped[id] == nil {
		w.stopped[id] = make(chan struct{})
	}
	return w.stopped[id]
}

func isCode(err error, code api.Code) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == code
}

// success is the report of an attempt that made what every attempt at its task makes. It does write shards.
func success(a api.Assignment) *api.Report {
	r := &api.Report{AttemptID: a.AttemptID, Counts: api.Counts{RowsOut: 10}}
	if a.OutputURL == "" {
		parts := 2
		if a.Stage == 1 {
			parts = 1
		}
		for p := range parts {
			r.Partitions = append(r.Partitions, api.PartitionInfo{Rows: 5, Bytes: 100, Checksum: fmt.Sprintf("%d-%d", a.Task, p)})
		}
		return r
	}
	shard := writeShard(a)
	list, err := json.Marshal(api.FileList{Files: []api.ShardInfo{shard}})
	if err == nil {
		r.File = &api.FileInfo{Name: api.ListName(a.Task, 2, a.Attempt), Rows: 10, Bytes: shard.Bytes, SHA256: plan.Digest(list)}
		err = os.WriteFile(filepath.Join(storage.Display(a.OutputURL), r.File.Name), list, 0o644)
	}
	if err != nil {
		r.Failure = plan.Failf(plan.FailureStorage, "%w", err)
	}
	return r
}

// writeShard writes what an attempt at a task with a file sink does.
func writeShard(a api.Assignment) api.ShardInfo {
	name := plan.ShardName(a.Task, 2, a.Attempt, "zstd.parquet")
	dir := storage.Display(a.OutputURL)
	data := []byte(fmt.Sprintf("shard %d", a.Task))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), data, 0o644)); err != nil {
		panic(err)
	}
	return api.ShardInfo{Key: name, Rows: 10, Bytes: int64(len(data)), SHA256: plan.Digest(data)}
}

func waitState(ctx context.Context, t *testing.T, cl *client.Client, id string) *api.RunStatus {
	t.Helper()
	var version uint64
	for {
		s, err := cl.Status(ctx, id, version, 5*time.Second)
		if err != nil {
			t.Fatalf("status of %s: %v", id, err)
		}
		if s.State.Terminal() {
			return s
		}
		version = s.Version
	}
}

// holding is a worker's way to run attempts: they succeed, but those of one stage only once hold is closed.
func holding(stage int, hold <-chan struct{}) func(context.Context, api.Assignment) *api.Report {
	return func(ctx context.Context, a api.Assignment) *api.Report {
		if a.Stage == stage {
			select {
			case <-hold:
			case <-ctx.Done():
			}
		}
		return success(a)
	}
}
