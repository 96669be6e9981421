package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// serve starts a coordinator that is a handler.
func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewUnstartedServer(h)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	s.Config.Protocols = &p
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func newClient(t *testing.T, o Options, endpoints ...string) *Client {
	c := New(endpoints, o)
	t.Cleanup(c.Close)
	return c
}

func answer(t *testing.T, w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		t.Error(err)
	}
}

func TestFollowsTheLeaderAndStaysWithIt(t *testing.T) {
	ctx := testContext(t)
	leader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.FormValue("since") != "7" || r.FormValue("wait") != "1s" {
			t.Errorf("%s %s", r.Proto, r.URL)
		}
		answer(t, w, 200, api.RunStatus{RunID: "r"})
	})
	var asked atomic.Int32
	follower := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		answer(t, w, 421, api.Error{Code: api.CodeNotLeader, Message: "not me", Leader: leader})
	})
	c := newClient(t, Options{}, "http://"+follower+"/")
	for range 3 {
		s, err := c.Status(ctx, "r", 7, time.Second)
		if err != nil || s.RunID != "r" {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the follower was asked %d times", n)
	}
}

func TestTriesOthersUntilOneAnswers(t *testing.T) {
	ctx := testContext(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	var calls atomic.Int32
	late := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var request api.ReportRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.WorkerID != "w" {
			t.Errorf("body of try %d: %+v, %v", calls.Load(), request, err)
		}
		if calls.Add(1) < 4 {
			answer(t, w, 503, api.Error{Code: api.CodeUnavailable, Message: "no leader"})
			return
		}
		answer(t, w, 200, api.ReportReply{Accepted: []bool{true}})
	})
	c := newClient(t, Options{Patience: 20 * time.Second}, gone.URL, late)
	reply, err := c.Report(ctx, api.ReportRequest{WorkerID: "w"})
	if err != nil || len(reply.Accepted) != 1 {
		t.Errorf("%+v, %v", reply, err)
	}
}

// A leader that dies between the head of an answer and its body has not answered.
func TestBrokenAnswerIsAskedForAgain(t *testing.T) {
	ctx := testContext(t)
	var asked atomic.Int32
	dies := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(200)
		io.WriteString(w, `{"run_id": "r`)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	next := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, 200, api.RunStatus{RunID: "r"}) })
	s, err := newClient(t, Options{}, dies, next).Status(ctx, "r", 7, time.Second)
	if err != nil || s.RunID != "r" || asked.Load() != 1 {
		t.Fatalf("%+v, %v, after %d broken answers", s, err, asked.Load())
	}
}

func TestUnreachable(t *testing.T) {
	ctx := testContext(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	c := newClient(t, Options{Unreachable: 30 * time.Millisecond}, gone.URL)
	if _, err := c.Runs(ctx); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := newClient(t, Options{}).Runs(ctx); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no endpoints: %v", err)
	}
	busy := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, 503, api.Error{Code: api.CodeUnavailable, Message: "no leader"})
	})
	c = newClient(t, Options{Patience: 50 * time.Millisecond}, busy)
	var told *api.Error
	if _, err := c.Runs(ctx); errors.Is(err, ErrUnreachable) || !errors.As(err, &told) || told.Message != "no leader" {
		t.Errorf("there, but no leader: %v", err)
	}
}

// A coordinator that was there is waited for, though its connections are lost again and again for longer than an address that leads nowhere is
// tried.
func TestLostConnectionsAreNotAMistypedAddress(t *testing.T) {
	ctx := testContext(t)
	var asked atomic.Int32
	stalls := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := asked.Add(1); n > 1 && n < 8 {
			panic(http.ErrAbortHandler)
		}
		answer(t, w, 200, api.RunList{})
	})
	c := newClient(t, Options{Unreachable: time.Millisecond}, stalls)
	for range 2 {
		if _, err := c.Runs(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 8 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestErrorsAreNotRetried(t *testing.T) {
	ctx := testContext(t)
	var calls atomic.Int32
	a := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		answer(t, w, 400, api.Error{Code: api.CodeInvalid, Message: "line 1\nline 2"})
	})
	_, err := newClient(t, Options{}, a).Submit(ctx, api.SubmitRequest{})
	var told *api.Error
	if !errors.As(err, &told) || told.Code != api.CodeInvalid || told.Message != "line 1\nline 2" || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

func TestContextEndsACall(t *testing.T) {
	ctx, cancel := context.WithCancel(testContext(t))
	a := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := newClient(t, Options{}, a).Lease(ctx, api.LeaseRequest{Wait: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestBlobsAreVerified(t *testing.T) {
	ctx := testContext(t)
	digest := plan.Digest([]byte("right"))
	content := atomic.Pointer[string]{}
	a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/v1/blobs/"+digest:
			t.Errorf("path %s", r.URL.Path)
		case r.Method == http.MethodPut:
			data, err := io.ReadAll(r.Body)
			if err != nil || r.ContentLength != int64(len(data)) {
				t.Errorf("put %d bytes of %d: %v", len(data), r.ContentLength, err)
			}
			text := string(data)
			content.Store(&text)
		case content.Load() == nil:
			answer(t, w, 404, api.Error{Code: api.CodeNotFound, Message: "no"})
		default:
			if _, err := io.WriteString(w, *content.Load()); err != nil {
				t.Error(err)
			}
		}
	})
	c := newClient(t, Options{}, a)
	if err := c.PutBlob(ctx, digest, strings.NewReader("right")); err != nil {
		t.Fatal(err)
	}
	if got, err := read(ctx, c, digest); err != nil || got != "right" {
		t.Errorf("got %q, %v", got, err)
	}
	wrong := "wrong"
	content.Store(&wrong)
	if got, err := read(ctx, c, digest); err == nil {
		t.Errorf("accepted %q", got)
	}
}

func read(ctx context.Context, c *Client, digest string) (string, error) {
	body, err := c.GetBlob(ctx, digest)
	if err != nil {
		return "", err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return string(data), err
}
