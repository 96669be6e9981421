package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	fastjson "github.com/go-json-experiment/json/v1"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// maxBody bounds a JSON request: a job file with its parameters, or reports with a line per partition.
const maxBody = 64 << 20

// soon is how long a coordinator that is alone may take to lead, with a long log to read.
const soon = 5 * time.Second

// maxWait bounds how long a request may ask to wait.
const maxWait = time.Minute

// routes is all that a coordinator serves, and to whom: the guard knows nothing else.
func (c *Coordinator) routes() []secure.Route {
	const (
		users   = secure.Callers | secure.Coordinators
		workers = secure.Workers
		all     = secure.Callers | secure.Members
	)
	return []secure.Route{
		{Pattern: "GET /healthz", For: secure.Anyone, Handler: c.counted(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })},
		{Pattern: "GET /readyz", For: secure.Anyone, Handler: c.counted(c.handleReady)},
		{Pattern: "GET /metrics", For: users | secure.Monitors, Handler: c.counted(c.handleMetrics)},
		{Pattern: "PUT /v1/blobs/{digest}", For: users, Body: maxBlob, Handler: c.handle(c.putBlob)},
		{Pattern: "GET /v1/blobs/{digest}", For: all, Handler: c.handle(c.getBlob)}, // and HEAD

		{Pattern: "POST /v1/runs", For: users, Body: maxBody, Handler: c.leaderOnly(c.whileRoom(c.submit))},
		{Pattern: "GET /v1/runs", For: users, Handler: c.leaderOnly(c.runs)},
		{Pattern: "GET /v1/runs/{run}", For: users, Handler: c.leaderOnly(c.status)},
		{Pattern: "POST /v1/runs/{run}/cancel", For: users, Handler: c.leaderOnly(c.cancel)},
		{Pattern: "POST /v1/runs/{run}/retry", For: users, Handler: c.leaderOnly(c.whileRoom(c.retry))},
		{Pattern: "POST /v1/runs/{run}/release", For: users, Handler: c.leaderOnly(c.release)},
		{Pattern: "POST /v1/runs/{run}/publish", For: users, Handler: c.leaderOnly(c.publishBlocked)},
		{Pattern: "GET /v1/runs/{run}/profile", For: users, Handler: c.leaderOnly(c.profile)},
		{Pattern: "GET /v1/runs/{run}/stages/{stage}/outputs", For: all, Handler: c.leaderOnly(c.outputs)},
		{Pattern: "DELETE /v1/runs/{run}", For: users, Handler: c.leaderOnly(c.purge)},
		{Pattern: "GET /v1/runs/{run}/logs", For: users, Handler: c.leaderOnly(c.logs)},
		{Pattern: "GET /v1/dataset", For: users, Handler: c.handle(c.dataset)},
		{Pattern: "GET /v1/cluster", For: users, Handler: c.handle(c.cluster)},
		{Pattern: "POST /v1/cluster/members", For: users, Handler: c.leaderOnly(c.addMember)},
		{Pattern: "DELETE /v1/cluster/members/{id}", For: users, Handler: c.leaderOnly(c.removeMember)},
		{Pattern: "POST /v1/cluster/transfer", For: users, Handler: c.leaderOnly(c.transfer)},
		{Pattern: "GET /v1/workers", For: users, Handler: c.leaderOnly(c.workers)},

		{Pattern: "POST /v1/workers/register", For: workers, Handler: c.forWorkers(c.register)},
		{Pattern: "POST /v1/workers/leave", For: workers, Handler: c.forWorkers(c.leave)},
		{Pattern: "POST /v1/workers/lease", For: workers, Handler: c.forWorkers(c.lease)},
		{Pattern: "POST /v1/workers/report", For: workers, Body: maxBody, Handler: c.forWorkers(c.report)},
		{Pattern: "POST /v1/workers/logs", For: workers, Body: maxBody, Handler: c.forWorkers(c.takeLogs)},
		{Pattern: "POST /v1/workers/heartbeat", For: workers, Body: maxBody, Handler: c.forWorkers(c.heartbeat)},

		// Raft's connections are raft's, and not counted: they live as long as it does, and shutting down needs them.
		{Pattern: "GET " + consensus.Path, For: secure.Coordinators, Handler: http.HandlerFunc(c.serveRaft)},
	}
}

// serveRaft hands a peer's connection to raft, which is there once the coordinator has started.
func (c *Coordinator) serveRaft(w http.ResponseWriter, r *http.Request) { c.node.ServeHTTP(w, r) }

// counted lets shutting down refuse requests and wait for those that are being answered.
func (c *Coordinator) counted(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.work.join() {
			writeError(w, api.Errorf(api.CodeUnavailable, "coordinator %s is shutting down", c.options.ID))
			return
		}
		defer c.work.leave()
		f(w, r)
	})
}

func (c *Coordinator) handle(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return c.counted(func(w http.ResponseWriter, r *http.Request) {
		if others := c.peerAddresses(); len(others) > 0 {
			w.Header().Set(api.CoordinatorsHeader, strings.Join(append(others, c.address), ","))
		}
		if err := f(w, r); err != nil {
			writeError(w, c.explain(err))
		}
	})
}

func (c *Coordinator) leaderOnly(f func(http.ResponseWriter, *http.Request, *term) error) http.Handler {
	return c.handle(func(w http.ResponseWriter, r *http.Request) error {
		t := c.leading(r.Context())
		if t == nil {
			return consensus.ErrNotLeader
		}
		return f(w, r, t)
	})
}

// forWorkers is leaderOnly, and remembers when workers have come here in vain.
func (c *Coordinator) forWorkers(f func(http.ResponseWriter, *http.Request, *term) error) http.Handler {
	asked := c.leaderOnly(f)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.term.Load() == nil {
			c.node.SoughtByWorker()
		}
		asked.ServeHTTP(w, r)
	})
}

// leading is the term, if this coordinator leads. One that is alone and has just started is about to: whoever asks
// waits for that rather than ask again and again.
func (c *Coordinator) leading(ctx context.Context) *term {
	t := c.term.Load()
	if t == nil && c.node.Alone() {
		timer := time.NewTimer(soon)
		defer timer.Stop()
		select {
		case <-c.leads:
			t = c.term.Load()
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return t
}

// handleReady answers 200 when this coordinator can be of use: it leads, or knows who does.
func (c *Coordinator) handleReady(w http.ResponseWriter, _ *http.Request) {
	if c.term.Load() == nil && c.leaderAddress() == "" {
		http.Error(w, "there is no leader", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (c *Coordinator) handleMetrics(w http.ResponseWriter, r *http.Request) {
	c.measures.set.ServeHTTP(w, r)
}

// leaderAddress is host:port of another coordinator that leads, or empty.
func (c *Coordinator) leaderAddress() string {
	id, address := c.node.Leader()
	if id == c.options.ID {
		return ""
	}
	return address
}

// explain makes any error one for callers.
func (c *Coordinator) explain(err error) *api.Error {
	var (
		answer  *api.Error
		mistake *source.Error
		failure *plan.Failure
		refusal consensus.RefusedError
	)
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &refusal):
		return api.Errorf(api.CodeConflict, "%s", refusal)
	case errors.Is(err, consensus.ErrNotLeader):
		if leader := c.leaderAddress(); leader != "" {
			e := api.Errorf(api.CodeNotLeader, "coordinator %s does not lead; ask %s", c.options.ID, leader)
			e.Leader = leader
			return e
		}
		return api.Errorf(api.CodeUnavailable, "there is no leader at the moment; try again")
	case errors.Is(err, consensus.ErrUnknownOutcome), errors.Is(err, consensus.ErrClosed):
		return api.Errorf(api.CodeUnavailable, "leadership has just changed; try again")
	case errors.Is(err, consensus.ErrNoSpace):
		return api.Errorf(api.CodeUnavailable, "%s", err)
	case errors.As(err, &mistake):
		return api.Errorf(api.CodeInvalid, "%s", err)
	case errors.As(err, &failure):
		switch failure.Kind {
		case plan.FailureUser:
			return api.Errorf(api.CodeInvalid, "%s", err)
		case plan.FailureStorage:
			return api.Errorf(api.CodeStorage, "%s", err)
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return api.Errorf(api.CodeUnavailable, "the request ended before its answer; try again")
	}
	c.log.Error("a request failed", "error", err)
	return api.Errorf(api.CodeInternal, "%s", err)
}

// httpStatus goes with a code.
func httpStatus(code api.Code) int {
	switch code {
	case api.CodeInvalid:
		return http.StatusBadRequest
	case api.CodeUnauthorized:
		return http.StatusUnauthorized
	case api.CodeForbidden:
		return http.StatusForbidden
	case api.CodeNotFound:
		return http.StatusNotFound
	case api.CodeConflict, api.CodeUnknownWorker:
		return http.StatusConflict
	case api.CodeNotLeader:
		return http.StatusMisdirectedRequest
	case api.CodeBusy:
		return http.StatusTooManyRequests
	case api.CodeUnavailable:
		return http.StatusServiceUnavailable
	case api.CodeStorage:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

func writeError(w http.ResponseWriter, e *api.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Round(time.Second).Seconds())))
	}
	writeJSON(w, httpStatus(e.Code), e)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"code":"internal","message":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(data, '\n')) // an error means that the caller has gone
}

func readJSON(r *http.Request, v any) error {
	if err := fastjson.NewDecoder(r.Body).Decode(v); err != nil { // the guard bounds the body
		return api.Errorf(api.CodeInvalid, "the request is not valid JSON: %v", err)
	}
	return nil
}

// waitParameter reads a duration; none is zero.
func waitParameter(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, api.Errorf(api.CodeInvalid, "wait=%q is not a duration such as 10s", text)
	}
	return min(d, maxWait), nil
}

func numberParameter(name, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, api.Errorf(api.CodeInvalid, "%s=%q is not a number", name, text)
	}
	return n, nil
}

// await calls look, again after each applied entry, until it is content, d has passed or ctx is done.
func (c *Coordinator) await(ctx context.Context, d time.Duration, look func(*state.Machine) (content bool)) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		changed := c.node.Changed()
		content := false
		c.node.Read(func(m *state.Machine) { content = look(m) })
		if content || d <= 0 {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			d = 0 // one last look
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
