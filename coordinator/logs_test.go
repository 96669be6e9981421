package coordinator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// said is lines of an attempt with the numbers from ≤ n ≤ to.
func said(from, to int) (list []api.LogLine) {
	for n := from; n <= to; n++ {
		list = append(list, api.LogLine{Time: time.Now().UTC(), Level: "INFO", Number: n, Message: "plugin says", Text: fmt.Sprintf("line %d", n)})
	}
	return list
}

func attemptOf(run string, stage, task, attempt int) plan.AttemptID {
	return plan.AttemptID{TaskID: plan.TaskID{Run: run, Stage: stage, Task: task}, Attempt: attempt}
}

// send brings lines of an attempt, as worker w1, and checks how many the leader has then.
func send(ctx context.Context, t *testing.T, cl *client.Client, have int, log api.AttemptLog) {
	t.Helper()
	reply, err := cl.SendLogs(ctx, api.LogsRequest{WorkerID: "w1", Logs: []api.AttemptLog{log}})
	if err != nil {
		t.Fatal(err)
	}
	if !log.Ended && reply.Have[0] != have {
		t.Errorf("the leader has %d lines, want %d", reply.Have[0], have)
	}
}

// readLogs reads all pages from a query's cursor on, and moves that. Only the texts of attempts' lines and the kinds of events are given.
func readLogs(ctx context.Context, t *testing.T, cl *client.Client, run string, q *client.LogsQuery) (own, events []string, end bool) {
	t.Helper()
	for {
		page, err := cl.Logs(ctx, run, *q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Lines {
			if l.Number > 0 {
				own = append(own, l.Text)
			} else {
				events = append(events, l.Message)
			}
		}
		if q.Cursor = page.Cursor; !page.More {
			return own, events, page.End
		}
	}
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Whoever follows a run sees each line once, whoever leads meanwhile, and whoever comes later sees all of them.
func TestLogsSurviveTheLeader(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 3, nil)
	cl := c.client()
	eventually(t, "all to be met", func() bool { return c.nodes[c.leader()].node.EntryVersion() >= state.LogsVersion })
	url, _ := outputURL(t)
	hold := make(chan struct{})
	w := startWorker(c, "w1", 2, holding(1, hold))
	submit(ctx, t, cl, jobRequest("r1", url))
	eventually(t, "the second stage", func() bool { return len(w.attempts()) == 4 })
	id := attemptOf("r1", 1, 0, 0)
	q := &client.LogsQuery{}
	send(ctx, t, cl, 2, api.AttemptLog{AttemptID: id, Lines: said(1, 2)})
	own, events, end := readLogs(ctx, t, cl, "r1", q)
	expect(t, "lines of a task that runs", own, "line 1", "line 2")
	expect(t, "events", events, "run submitted", "stage ready", "run started", "stage done", "stage ready")
	if end {
		t.Error("the run has not ended")
	}
	q.Wait = deadline
	late := make(chan struct{})
	go func() {
		defer close(late)
		own, _, _ := readLogs(ctx, t, cl, "r1", q)
		expect(t, "the line that was waited for", own, "line 3")
	}()
	send(ctx, t, cl, 3, api.AttemptLog{AttemptID: id, Lines: said(3, 3)})
	<-late
	q.Wait = 0
	old := c.leader()
	c.kill(old)
	send(ctx, t, cl, 0, api.AttemptLog{AttemptID: id, Lines: said(4, 4)})
	send(ctx, t, cl, 4, api.AttemptLog{AttemptID: id, Lines: said(1, 4)})
	own, _, _ = readLogs(ctx, t, cl, "r1", q)
	expect(t, "with another leader", own, "line 4")
	whole := api.AttemptLog{AttemptID: id, Lines: said(1, 5), Ended: true}
	send(ctx, t, cl, 0, whole)
	send(ctx, t, cl, 0, whole) // the answer was lost
	own, _, _ = readLogs(ctx, t, cl, "r1", q)
	expect(t, "at its end", own, "line 5")
	close(hold)
	if s := waitState(ctx, t, cl, "r1"); s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	own, events, end = readLogs(ctx, t, cl, "r1", q)
	if len(own) > 0 || len(events) == 0 || events[len(events)-1] != "run ended" || !end {
		t.Errorf("in the end: %q, %q, %v", own, events, end)
	}
	w.close()
	c.restart(old)
	next := c.leader()
	index := func() uint64 { _, at := c.hash(next); return at }()
	eventually(t, "the other to catch up", func() bool { _, at := c.hash(old); return at >= index })
	c.kill(next)
	own, events, end = readLogs(ctx, t, cl, "r1", &client.LogsQuery{})
	expect(t, "afterwards", own, "line 1", "line 2", "line 3", "line 4", "line 5")
	if !end || events[0] != "run submitted" || events[len(events)-1] != "run ended" {
		t.Errorf("afterwards: %q, %v", events, end)
	}
	task := 1
	own, events, _ = readLogs(ctx, t, cl, "r1", &client.LogsQuery{Task: &task})
	if len(own)+len(events) > 0 {
		t.Errorf("of another task: %q, %q", own, events)
	}
	own, events, _ = readLogs(ctx, t, cl, "r1", &client.LogsQuery{Level: "warn"})
	if len(own)+len(events) > 0 {
		t.Errorf("warnings: %q, %q", own, events)
	}
	for _, q := range []client.LogsQuery{{Level: "loud"}, {Cursor: "x"}, {Cursor: "!"}} {
		if _, err := cl.Logs(ctx, "r1", q); !isCode(err, api.CodeInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := cl.Logs(ctx, "nope", client.LogsQuery{}); !isCode(err, api.CodeNotFound) {
		t.Error(err)
	}
}

// What the attempts of a worker have said is kept when the worker is lost, and once when it comes back with the rest.
func TestLogsSurviveTheWorker(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	hold := make(chan struct{})
	defer close(hold)
	w := startWorker(c, "w1", 2, holding(0, hold))
	submit(ctx, t, cl, queryRequest("r1", "query"))
	eventually(t, "the attempts", func() bool { return len(w.attempts()) == 2 })
	id := attemptOf("r1", 0, 1, 0)
	send(ctx, t, cl, 2, api.AttemptLog{AttemptID: id, Lines: said(1, 2)})
	if err := cl.Leave(ctx, api.LeaveRequest{WorkerID: "w1"}); err != nil {
		t.Fatal(err)
	}
	var own, events []string
	eventually(t, "the lines", func() bool {
		own, events, _ = readLogs(ctx, t, cl, "r1", &client.LogsQuery{})
		return len(own) > 0
	})
	expect(t, "of the lost attempt", own, "line 1", "line 2")
	if !slices.Contains(events, "worker lost") || !slices.Contains(events, "task failed") {
		t.Errorf("events %q", events)
	}
	if _, err := cl.Register(ctx, api.RegisterRequest{WorkerID: "w1", Address: "w1:1", Slots: 2, Memory: 1}); err != nil {
		t.Fatal(err)
	}
	whole := api.AttemptLog{AttemptID: id, Lines: said(1, 3), Ended: true}
	send(ctx, t, cl, 0, whole)
	send(ctx, t, cl, 0, whole) // the answer was lost
	own, _, _ = readLogs(ctx, t, cl, "r1", &client.LogsQuery{})
	expect(t, "with the rest", own, "line 1", "line 2", "line 3")
}

// A run whose attempts say too much keeps what came first, has room for one that fails, and says how much is missing.
func TestLogsOfARunAreBounded(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 1, nil)
	cl := c.client()
	startWorker(c, "w1", 2, nil)
	submit(ctx, t, cl, queryRequest("r1", "query"))
	waitState(ctx, t, cl, "r1")
	long := func(n int) (list []api.LogLine) {
		for i := range n {
			list = append(list, api.LogLine{Time: time.Now().UTC(), Level: "INFO", Number: i + 1, Message: "plugin says", Text: strings.Repeat("x", 10_000)})
		}
		return list
	}
	for task := range 4 { // of 3 MB each
		send(ctx, t, cl, 0, api.AttemptLog{AttemptID: attemptOf("r1", 0, task, 0), Lines: long(300), Ended: true})
	}
	send(ctx, t, cl, 0, api.AttemptLog{AttemptID: attemptOf("r1", 0, 9, 0), Lines: long(100), Ended: true, Failed: true})
	counts := map[int]int{}
	left := ""
	q := client.LogsQuery{}
	for more := true; more; {
		page, err := cl.Logs(ctx, "r1", q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Lines {
			switch {
			case l.Number > 0:
				counts[*l.Task]++
			case l.Message == "lines left out":
				left += l.Text
			}
		}
		q.Cursor, more = page.Cursor, page.More
	}
	if len(counts) != 3 || counts[0] != 300 || counts[1] != 300 || counts[9] != 100 {
		t.Errorf("lines by task: %v", counts)
	}
	if !strings.HasPrefix(left, "600: of a run") {
		t.Errorf("left out: %q", left)
	}
}
