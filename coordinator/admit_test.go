package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
)

// A cluster that has as many runs as it takes sends the next one away, and says when to come again; a run that is there
// already still answers, and when one has ended there is room.
func TestFullQueueSendsAway(t *testing.T) {
	ctx := testContext(t)
	c := newCluster(t, 1, func(o *Options) { o.MaxQueued, o.MaxActive = 2, 1 })
	cl := client.New(c.endpoints(), client.Options{Patience: time.Millisecond})
	defer cl.Close()
	submit(ctx, t, cl, queryRequest("q1", "query"))
	submit(ctx, t, cl, queryRequest("q2", "query"))
	_, err := cl.Submit(ctx, queryRequest("q3", "query"))
	var busy *api.Error
	if !errors.As(err, &busy) || busy.Code != api.CodeBusy || busy.RetryAfter <= 0 {
		t.Fatalf("a third run: %v", err)
	}
	response, err := http.Post("http://"+c.endpoints()[0]+"/v1/runs", "application/json", strings.NewReader(`{"run_id":"q3","query":{"sql":"query"}}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") != "5" {
		t.Errorf("HTTP status %s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
	}
	if s := submit(ctx, t, cl, queryRequest("q2", "query")); s.Reason != "runs before it: 1, of which 1 are served at a time" {
		t.Errorf("the run in line waits because %q", s.Reason)
	}
	if _, err := cl.Cancel(ctx, "q1"); err != nil {
		t.Fatal(err)
	}
	submit(ctx, t, cl, queryRequest("q3", "query"))
}

// However many ask for the same at once, one run comes of it, and all are told of that one.
func TestIdenticalSubmitsAreOneRun(t *testing.T) {
	ctx := testContext(t)
	url, _ := outputURL(t)
	c := newCluster(t, 3, nil)
	cl := c.client()
	var mu sync.Mutex
	got := map[string]int{}
	var callers sync.WaitGroup
	for i := range 100 {
		callers.Go(func() {
			r := jobRequest(fmt.Sprintf("run-%d", i), url)
			r.Attach = true
			s, err := cl.Submit(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				got["error: "+err.Error()]++
				return
			}
			got[s.RunID]++
		})
	}
	callers.Wait()
	if len(got) != 1 {
		t.Fatalf("a hundred submits became %v", got)
	}
	var only string
	for id := range got {
		only = id
	}
	w := startWorker(c, "w1", 2, func(_ context.Context, a api.Assignment) *api.Report { return success(a) })
	defer w.close()
	if s := waitState(ctx, t, cl, only); s.State != api.RunSucceeded {
		t.Fatalf("the run %s", s.State)
	}
	again := jobRequest("later", url)
	again.Attach = true
	if s := submit(ctx, t, cl, again); s.RunID != only {
		t.Errorf("a submit after the end became run %s", s.RunID)
	}
	again.RunID, again.Attach = "its-own", false
	if s := submit(ctx, t, cl, again); s.RunID != "its-own" {
		t.Errorf("a submit that asked for a run of its own became %s", s.RunID)
	}
}

// A task that takes long after the others are done is given to another worker too; the first to commit counts, and the
// file of the other is deleted.
func TestSlowTaskRunsTwice(t *testing.T) {
	ctx := testContext(t)
	url, _ := outputURL(t)
	c := newCluster(t, 1, func(o *Options) { o.Lease = 20 * time.Second })
	cl := c.client()
	hold := make(chan struct{})
	slow := func(ctx context.Context, a api.Assignment) *api.Report {
		if a.Stage == 1 && a.Task == 1 && a.Attempt == 0 {
			select {
			case <-hold:
			case <-ctx.Done():
			}
			return &api.Report{AttemptID: a.AttemptID, Failure: plan.Failf(plan.FailureCancelled, "stopped")}
		}
		return success(a)
	}
	w1 := startWorker(c, "w1", 2, slow)
	defer w1.close()
	w2 := startWorker(c, "w2", 2, slow)
	defer w2.close()
	defer close(hold)
	request := jobRequest("slow", url)
	submit(ctx, t, cl, request)
	s := waitState(ctx, t, cl, "slow")
	if s.State != api.RunSucceeded || s.Stages[1].Twins != 1 {
		t.Errorf("%s with %d second attempts", s.State, s.Stages[1].Twins)
	}
}
