package worker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
	"github.com/quern-engine/quern/storage"
)

// Raft leaves some futures unanswered when a coordinator shuts down.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*deferError).Error"))
}

// running is a worker that runs for the length of a test.
type running struct {
	*Worker
	scratch string
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
	once    sync.Once
}

// startWorker runs a worker for the fake; the test's end stops it and checks that it left nothing.
func startWorker(t *testing.T, f *fakeCoordinator, opts Options) *running {
	t.Helper()
	if opts.Scratch == "" {
		opts.Scratch = t.TempDir()
	}
	if opts.Store == nil {
		opts.Store = storage.New()
		t.Cleanup(func() { _ = opts.Store.Close() })
	}
	opts.Coordinators = []string{f.url()}
	w, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Worker: w, scratch: filepath.Join(opts.Scratch, w.ID()), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = w.Run(ctx)
	}()
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends the worker and checks the end.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.once.Do(func() {
		r.cancel()
		select {
		case <-r.done:
		case <-time.After(testPatience):
			t.Fatal("the worker does not end")
		}
		if r.err != nil {
			t.Errorf("run: %v", r.err)
		}
		for _, path := range []string{r.scratch, r.scratch + lockSuffix} {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there: %v", path, err)
			}
		}
	})
}

func TestWorkerServesHealth(t *testing.T) {
	w := startWorker(t, startFake(t), Options{})
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Get("http://" + w.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK || string(body) != "ok\n" {
		t.Fatalf("%s: %q, %v", response.Status, body, err)
	}
}

func TestWorkerRegistersWhatItHas(t *testing.T) {
	f := startFake(t)
	w := startWorker(t, f, Options{ID: "w7", Slots: 3, Memory: 5 << 20})
	f.wait("a lease request", func() bool { return len(f.leases) > 0 })
	f.mu.Lock()
	defer f.mu.Unlock()
	want := api.RegisterRequest{WorkerID: "w7", Address: w.Addr(), Slots: 3, Memory: 5 << 20}
	if f.workers["w7"] != want {
		t.Errorf("registered %+v, want %+v", f.workers["w7"], want)
	}
	if l := f.leases[0]; l.WorkerID != "w7" || l.Free != 3 || l.Wait != 5*time.Second {
		t.Errorf("asked %+v", l)
	}
}

func TestWorkerStopsAttemptThatHeartbeatNames(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{})
	a := f.hangingTask("r1")
	f.grant(a)
	f.wait("the attempt in a heartbeat", func() bool {
		return f.hanging == 1 && len(f.beats) > 0 && slices.Contains(f.beats[len(f.beats)-1].Running, a.AttemptID)
	})
	f.change(func() { f.stop = []plan.AttemptID{a.AttemptID} })
	r := f.await(a.AttemptID)
	if r.Failure == nil || r.Failure.Kind != plan.FailureCancelled || !strings.Contains(r.Failure.Message, errStopped.Error()) {
		t.Fatalf("reported %+v", r.Failure)
	}
	beats := 0
	f.change(func() { beats = len(f.beats) })
	f.wait("heartbeats without the attempt, its fetch to end, and its slot to be offered", func() bool {
		return len(f.beats) > beats+1 && len(f.beats[len(f.beats)-1].Running) == 0 && f.hanging == 0 && len(f.leases) == 2
	})
}

func TestWorkerForgetsRun(t *testing.T) {
	f := startFake(t)
	w := startWorker(t, f, Options{})
	a := f.hangingTask("r1")
	f.grant(a)
	f.wait("the attempt to hang", func() bool { return f.hanging == 1 })
	earlier := attemptID("r1", 7, 0, 0) // the output of an attempt that ended before
	sw, err := w.segments.Create(earlier, 1, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Commit(); err != nil {
		t.Fatal(err)
	}
	r, err := w.segments.Open(earlier)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	f.change(func() { f.forget = []string{"r1", "other"} })
	f.await(a.AttemptID)
	f.wait("the freed slot to be offered", func() bool { return len(f.leases) == 2 })
	if _, err := w.segments.Open(earlier); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("segments of a forgotten run: %v", err)
	}
}

// An attempt ends while nobody leads, and the next leader has never heard of the worker: the report still arrives.
func TestWorkerKeepsReportForTheNextLeader(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{})
	a := api.Assignment{AttemptID: attemptID("r1", 0, 0, 0), Plan: strings.Repeat("0", 64)}
	f.change(func() { f.onBlob = func() { f.silent = true } })
	f.grant(a)
	f.wait("a report to be turned away", func() bool { return f.denied["/v1/workers/report"] > 0 })
	f.change(func() {
		f.silent, f.onBlob = false, nil
		clear(f.workers)
	})
	r := f.await(a.AttemptID)
	if r.Failure == nil || !strings.Contains(r.Failure.Message, "no such blob") {
		t.Fatalf("reported %+v", r.Failure)
	}
	f.wait("the worker to be back at work", func() bool {
		return f.registrations == 2 && len(f.beats) > 0 && len(f.beats[len(f.beats)-1].Running) == 0
	})
}

func TestWorkerWaitsForACoordinator(t *testing.T) {
	f := startFake(t)
	f.change(func() { f.silent = true })
	startWorker(t, f, Options{})
	f.wait("a registration to be turned away", func() bool { return f.denied["/v1/workers/register"] > 1 })
	f.change(func() { f.silent = false })
	f.wait("the registration", func() bool { return f.registrations == 1 && len(f.leases) == 1 })
}

func TestWorkerHandsBackAssignmentOfAnEarlierLeader(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{Slots: 2})
	current := f.hangingTask("r1")
	current.Epoch = 5
	f.grant(current)
	f.wait("the attempt to hang", func() bool { return f.hanging == 1 })
	stale := f.hangingTask("r2")
	stale.Epoch = 4
	f.grant(stale)
	r := f.await(stale.AttemptID)
	if r.Failure == nil || r.Failure.Kind != plan.FailureLostWorker || r.Failure.Stage != 1 {
		t.Fatalf("reported %+v", r.Failure)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fetches[outputsPath("r2", 0, 1)] != 0 || f.hanging != 1 {
		t.Error("the stale attempt was begun")
	}
}

func TestWorkerRunsARepeatedAssignmentOnce(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{Slots: 4, LeaseWait: 50 * time.Millisecond})
	a := f.hangingTask("r1")
	f.grant(a, a)
	f.grant(a)
	f.wait("the assignments to be taken", func() bool { return len(f.queue) == 0 && f.hanging == 1 && len(f.leases) >= 2 })
	f.change(func() { f.stop = []plan.AttemptID{a.AttemptID} })
	f.await(a.AttemptID)
	f.wait("all slots to be free", func() bool { return f.leases[len(f.leases)-1].Free == 4 && len(f.leases) > 2 })
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.reports) != 1 {
		t.Errorf("%d reports", len(f.reports))
	}
}

func TestWorkerReportsTheRestWhenOneReportIsRefused(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{Slots: 8})
	bad := attemptID("r1", 0, 3, 0)
	f.change(func() {
		f.refuse = func(r api.Report) bool {
			return r.AttemptID == bad && !strings.Contains(r.Failure.Message, "refused the attempt's report")
		}
	})
	var all []api.Assignment
	for task := range 8 {
		all = append(all, api.Assignment{AttemptID: attemptID("r1", 0, task, 0), Plan: strings.Repeat("0", 64)})
	}
	f.grant(all...)
	for _, a := range all {
		r := f.await(a.AttemptID)
		if replaced := r.Failure.Kind == plan.FailureInternal && strings.Contains(r.Failure.Message, "refused"); replaced != (a.AttemptID == bad) {
			t.Errorf("task %d reported %+v", a.Task, r.Failure)
		}
	}
}

// Stopping cancels what runs, reports nothing more, says goodbye, and leaves nothing.
func TestWorkerStops(t *testing.T) {
	f := startFake(t)
	w := startWorker(t, f, Options{Slots: 2})
	f.grant(f.hangingTask("r1"), f.hangingTask("r2"))
	f.wait("the attempts to hang", func() bool { return f.hanging == 2 })
	w.stop(t)
	f.wait("the fetches to end", func() bool { return f.hanging == 0 })
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.reports) != 0 {
		t.Errorf("reported %+v while stopping", f.reports)
	}
	if len(f.left) != 1 {
		t.Errorf("said goodbye as %q", f.left)
	}
}

// A plan that is damaged where it is kept stays so: the attempt fails rather than ask for ever.
func TestWorkerReportsADamagedPlan(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{})
	a := f.hangingTask("r1")
	f.change(func() { f.blobs[a.Plan] = []byte("{}") })
	f.grant(a)
	r := f.await(a.AttemptID)
	if r.Failure == nil || r.Failure.Kind != plan.FailureStorage || !strings.Contains(r.Failure.Message, "has the digest") {
		t.Fatalf("reported %+v", r.Failure)
	}
}

func TestWorkerMovedLocationsAreAFailedFetch(t *testing.T) {
	f := startFake(t)
	startWorker(t, f, Options{})
	a := f.hangingTask("r1")
	a.Inputs[0].Version = 9
	f.grant(a)
	r := f.await(a.AttemptID)
	if r.Failure == nil || r.Failure.Kind != plan.FailureFetch || r.Failure.LostStage != -1 {
		t.Fatalf("reported %+v", r.Failure)
	}
}

func TestWorkerThatNeverRunsCloses(t *testing.T) {
	store := storage.New()
	defer store.Close()
	w, err := New(Options{Coordinators: []string{"127.0.0.1:1"}, Scratch: t.TempDir(), Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err == nil {
		t.Fatal("ran after close")
	}
}

func TestOptionsRefuseNonsense(t *testing.T) {
	store := storage.New()
	defer store.Close()
	good := Options{Coordinators: []string{"c"}, Scratch: "s", Store: store}
	for name, spoil := range map[string]func(*Options){
		"no coordinator":    func(o *Options) { o.Coordinators = nil },
		"no scratch folder": func(o *Options) { o.Scratch = "" },
		"no store":          func(o *Options) { o.Store = nil },
		"-1 slots":          func(o *Options) { o.Slots = -1 },
		"-5 bytes":          func(o *Options) { o.Memory = -5 },
		"worker id":         func(o *Options) { o.ID = "../up" },
	} {
		opts := good
		spoil(&opts)
		if _, err := New(opts); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
