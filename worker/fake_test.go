package worker

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle"
	"github.com/quern-engine/quern/worker/internal/jobtest"
)

// testPatience bounds every wait of a test.
const testPatience = 20 * time.Second

// fakeCoordinator speaks a coordinator's side of the API, as a test tells it to.
type fakeCoordinator struct {
	t    *testing.T
	addr string
	quit chan struct{}

	mu            sync.Mutex
	changed       chan struct{} // closed and replaced at every change
	epoch         uint64
	silent        bool           // answers workers with 503
	denied        map[string]int // how often it did, by path
	workers       map[string]api.RegisterRequest
	left          []string // workers that said so
	registrations int
	queue         []api.Assignment
	leases        []api.LeaseRequest
	waiting       []*int // lease requests being answered, oldest first: work goes to whoever waited longest
	reports       []received
	beats         []api.HeartbeatRequest
	stop          []plan.AttemptID
	drained       bool // what heartbeats of workers that drain are told
	forget        []string
	refuse        func(api.Report) bool // reports that are called invalid
	blobs         map[string][]byte
	onBlob        func()         // called under mu
	fetches       map[string]int // of blobs and locations, by path
	outputs       map[string]api.StageOutputs
	hanging       int // shuffle fetches that wait for ever
}

// received is a report and who sent it.
type received struct {
	worker string
	api.Report
}

func startFake(t *testing.T) *fakeCoordinator {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeCoordinator{
		t: t, addr: listener.Addr().String(), quit: make(chan struct{}), changed: make(chan struct{}), epoch: 1,
		workers: map[string]api.RegisterRequest{}, blobs: map[string][]byte{}, fetches: map[string]int{},
		outputs: map[string]api.StageOutputs{}, denied: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/workers/register", answer(f, f.register))
	mux.HandleFunc("POST /v1/workers/leave", answer(f, f.leave))
	mux.HandleFunc("POST /v1/workers/lease", answer(f, f.lease))
	mux.HandleFunc("POST /v1/workers/report", answer(f, f.report))
	mux.HandleFunc("POST /v1/workers/heartbeat", answer(f, f.heartbeat))
	mux.HandleFunc("GET /v1/blobs/{digest}", f.blob)
	mux.HandleFunc("GET /v1/runs/{run}/stages/{stage}/outputs", f.stageOutputs)
	mux.HandleFunc("POST "+shuffle.FetchPath, f.hang)
	server := &http.Server{Handler: mux, Protocols: (*secure.Identity)(nil).Protocols(true)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		close(f.quit)
		_ = server.Close()
		<-done
	})
	return f
}

func (f *fakeCoordinator) url() string { return "http://" + f.addr }

// answer decodes a request and encodes what handle says.
func answer[Q, R any](f *fakeCoordinator, handle func(context.Context, Q) (R, *api.Error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var q Q
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			sendError(rw, http.StatusBadRequest, api.Errorf(api.CodeInvalid, "%v", err))
			return
		}
		if f.deny(r.URL.Path) {
			sendError(rw, http.StatusServiceUnavailable, api.Errorf(api.CodeUnavailable, "no leader"))
			return
		}
		reply, apiErr := handle(r.Context(), q)
		if apiErr != nil {
			status := http.StatusConflict
			if apiErr.Code == api.CodeInvalid {
				status = http.StatusBadRequest
			}
			sendError(rw, status, apiErr)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(reply)
	}
}

func (f *fakeCoordinator) deny(path string) bool {
	f.mu.Lock()
	silent := f.silent
	f.mu.Unlock()
	if silent {
		f.change(func() { f.denied[path]++ })
	}
	return silent
}

func sendError(rw http.ResponseWriter, status int, e *api.Error) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(e)
}

// change runs f under the lock and wakes whoever waits.
func (f *fakeCoordinator) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.changed)
	f.changed = make(chan struct{})
}

// wait blocks until the condition, called under the lock, holds.
func (f *fakeCoordinator) wait(what string, condition func() bool) {
	f.t.Helper()
	deadline := time.After(testPatience)
	for {
		f.mu.Lock()
		ok, changed := condition(), f.changed
		f.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			f.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (f *fakeCoordinator) unknown(worker string) *api.Error {
	if _, ok := f.workers[worker]; !ok {
		return api.Errorf(api.CodeUnknownWorker, "worker %s is not registered", worker)
	}
	return nil
}

func (f *fakeCoordinator) register(_ context.Context, q api.RegisterRequest) (reply api.RegisterReply, err *api.Error) {
	f.change(func() {
		f.workers[q.WorkerID] = q
		f.registrations++
	})
	return api.RegisterReply{Lease: 5 * time.Second, Heartbeat: 10 * time.Millisecond}, nil
}

func (f *fakeCoordinator) leave(_ context.Context, q api.LeaveRequest) (reply struct{}, err *api.Error) {
	f.change(func() {
		delete(f.workers, q.WorkerID)
		f.left = append(f.left, q.WorkerID)
	})
	return reply, nil
}

func (f *fakeCoordinator) lease(ctx context.Context, q api.LeaseRequest) (reply api.LeaseReply, err *api.Error) {
	ticket := new(int) // its address tells it apart
	f.change(func() {
		f.leases = append(f.leases, q)
		f.waiting = append(f.waiting, ticket)
	})
	defer f.change(func() { f.waiting = slices.DeleteFunc(f.waiting, func(t *int) bool { return t == ticket }) })
	timeout := time.After(q.Wait)
	for {
		f.mu.Lock()
		changed := f.changed
		if err := f.unknown(q.WorkerID); err != nil {
			f.mu.Unlock()
			return reply, err
		}
		if n := min(len(f.queue), q.Free); n > 0 && f.waiting[0] == ticket {
			reply.Assignments = slices.Clone(f.queue[:n])
			f.queue = f.queue[n:]
			f.mu.Unlock()
			return reply, nil
		}
		f.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			return reply, nil
		case <-ctx.Done():
			return reply, api.Errorf(api.CodeUnavailable, "the caller went away")
		case <-f.quit:
			return reply, api.Errorf(api.CodeUnavailable, "shutting down")
		}
	}
}

func (f *fakeCoordinator) report(_ context.Context, q api.ReportRequest) (reply api.ReportReply, err *api.Error) {
	f.change(func() {
		if err = f.unknown(q.WorkerID); err != nil {
			return
		}
		for _, r := range q.Reports {
			if f.refuse != nil && f.refuse(r) {
				err = api.Errorf(api.CodeInvalid, "report of %s refused", r.AttemptID)
				return
			}
		}
		for _, r := range q.Reports {
			f.reports = append(f.reports, received{q.WorkerID, r})
			reply.Accepted = append(reply.Accepted, true)
		}
	})
	return reply, err
}

func (f *fakeCoordinator) heartbeat(_ context.Context, q api.HeartbeatRequest) (reply api.HeartbeatReply, err *api.Error) {
	f.change(func() {
		if err = f.unknown(q.WorkerID); err == nil {
			f.beats = append(f.beats, q)
			reply = api.HeartbeatReply{Stop: f.stop, Forget: f.forget, Drained: q.Draining && f.drained}
		}
	})
	return reply, err
}

func (f *fakeCoordinator) blob(rw http.ResponseWriter, r *http.Request) {
	var data []byte
	f.change(func() {
		data = f.blobs[r.PathValue("digest")]
		f.fetches[r.URL.RequestURI()]++
		if f.onBlob != nil {
			f.onBlob()
		}
	})
	if data == nil {
		sendError(rw, http.StatusNotFound, api.Errorf(api.CodeNotFound, "no such blob"))
		return
	}
	_, _ = rw.Write(data)
}

func outputsPath(run string, stage int, version uint64) string {
	return "/v1/runs/" + run + "/stages/" + strconv.Itoa(stage) + "/outputs?version=" + strconv.FormatUint(version, 10)
}

func (f *fakeCoordinator) stageOutputs(rw http.ResponseWriter, r *http.Request) {
	var outputs api.StageOutputs
	var ok bool
	f.change(func() {
		outputs, ok = f.outputs[r.URL.RequestURI()]
		f.fetches[r.URL.RequestURI()]++
	})
	if !ok {
		sendError(rw, http.StatusNotFound, api.Errorf(api.CodeNotFound, "no such version"))
		return
	}
	_ = json.NewEncoder(rw).Encode(outputs)
}

// hang is a worker that takes a request for shuffle data and then says nothing.
func (f *fakeCoordinator) hang(rw http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(rw).Flush()
	f.change(func() { f.hanging++ })
	select {
	case <-r.Context().Done():
	case <-f.quit:
	}
	f.change(func() { f.hanging-- })
}

// hangingTask makes an assignment that reads a map output from a worker that hangs, so it goes on until it is stopped.
func (f *fakeCoordinator) hangingTask(run string) api.Assignment {
	schema := jobtest.Events()
	source := &plan.Node{Op: plan.NodeValues, Schema: schema, Values: &plan.Values{}}
	job := &plan.Job{Version: plan.JobVersion, Name: "hang", Stages: []*plan.Stage{
		{ID: 0, Root: source, Tasks: 1, Sink: plan.Sink{Kind: plan.SinkShuffle, Partitions: 1}},
		{ID: 1, Root: jobtest.ReadNode(0, schema), Tasks: 1, Inputs: []int{0}, Sink: plan.Sink{Kind: plan.SinkResult}},
	}}
	f.change(func() {
		f.outputs[outputsPath(run, 0, 1)] = api.StageOutputs{
			Run: run, Stage: 0, Version: 1, Workers: []string{f.addr}, Tasks: []api.TaskLocation{{Rows: 1}},
		}
	})
	return api.Assignment{
		AttemptID: attemptID(run, 1, 0, 0), Plan: f.addPlan(job), Inputs: []api.StageInput{{Stage: 0, Version: 1}},
	}
}

// addPlan stores a plan and returns its digest.
func (f *fakeCoordinator) addPlan(job *plan.Job) string {
	f.t.Helper()
	data, err := job.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	digest := plan.Digest(data)
	f.change(func() { f.blobs[digest] = data })
	return digest
}

// grant queues assignments in the present epoch.
func (f *fakeCoordinator) grant(assignments ...api.Assignment) {
	f.change(func() {
		for _, a := range assignments {
			if a.Epoch == 0 {
				a.Epoch = f.epoch
			}
			f.queue = append(f.queue, a)
		}
	})
}

// await returns the report of an attempt.
func (f *fakeCoordinator) await(id plan.AttemptID) (r received) {
	f.t.Helper()
	f.wait("the report of "+id.String(), func() bool {
		i := slices.IndexFunc(f.reports, func(r received) bool { return r.AttemptID == id })
		if i >= 0 {
			r = f.reports[i]
		}
		return i >= 0
	})
	return r
}

// runJob runs all stages of a job, one after the other, and returns the reports by stage and task.
func (f *fakeCoordinator) runJob(run string, job *plan.Job, outputURL string) [][]received {
	f.t.Helper()
	digest := f.addPlan(job)
	all := make([][]received, len(job.Stages))
	for i, s := range job.Stages {
		var assignments []api.Assignment
		for task := range s.Tasks {
			a := api.Assignment{AttemptID: attemptID(run, i, task, 0), Plan: digest, OutputURL: outputURL}
			for _, in := range s.Inputs {
				a.Inputs = append(a.Inputs, api.StageInput{Stage: in, Version: 1})
			}
			assignments = append(assignments, a)
		}
		f.grant(assignments...)
		for _, a := range assignments {
			r := f.await(a.AttemptID)
			if r.Failure != nil {
				f.t.Fatalf("%s: %s: %s", a.AttemptID, r.Failure.Kind, r.Failure.Message)
			}
			all[i] = append(all[i], r)
		}
		f.locate(run, i, 1, all[i])
	}
	return all
}

// locate makes a version of a stage's locations from the reports of its tasks.
func (f *fakeCoordinator) locate(run string, stage int, version uint64, reports []received) {
	outputs := api.StageOutputs{Run: run, Stage: stage, Version: version}
	f.change(func() {
		for _, r := range reports {
			address := f.workers[r.worker].Address
			w := slices.Index(outputs.Workers, address)
			if w < 0 {
				w = len(outputs.Workers)
				outputs.Workers = append(outputs.Workers, address)
			}
			location := api.TaskLocation{Worker: w, Attempt: r.Attempt}
			for _, p := range r.Partitions {
				location.Rows += p.Rows
			}
			outputs.Tasks = append(outputs.Tasks, location)
		}
		f.outputs[outputsPath(run, stage, version)] = outputs
	})
}
