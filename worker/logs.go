package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/lines"
	"github.com/quern-engine/quern/plan"
)

const (
	// logPause is how often the leader is sent what attempts that run have logged, for those who look on, and for when this
	// worker dies.
	logPause = time.Second
	// logPatience is how long the report of an attempt waits for the leader to take its log. It outlasts an election; after that
	// the log is given up, for reports must get through.
	logPatience = 5 * time.Second
	// mostLogs bounds a request, in bytes.
	mostLogs = 1 << 20
)

// logbook has the lines of the attempts that have any. It is safe for concurrent use.
type logbook struct {
	begun chan struct{} // has an item when an attempt was new since it was last drained

	// sending is held during a request: what is sent of an attempt that runs does not come after what is sent at its end.
	sending sync.Mutex

	mu   sync.Mutex
	open map[plan.AttemptID]*openLog // guarded by mu
}

type openLog struct {
	lines *lines.Buffer
	sent  int // number of the last line that the leader has; guarded by logbook.sending
}

func newLogbook() *logbook {
	return &logbook{begun: make(chan struct{}, 1), open: map[plan.AttemptID]*openLog{}}
}

// logger is where an attempt logs. Until it does, it costs nothing.
func (w *Worker) logger(id plan.AttemptID) *slog.Logger {
	b := &lines.Buffer{}
	b.Begun = func() { w.logs.enter(id, b) }
	return slog.New(&lines.Handler{Attempt: id, Worker: w.opts.ID, Buffer: b, Next: w.opts.Log.Handler()})
}

func (l *logbook) enter(id plan.AttemptID, b *lines.Buffer) {
	l.mu.Lock()
	l.open[id] = &openLog{lines: b}
	l.mu.Unlock()
	select {
	case l.begun <- struct{}{}:
	default:
	}
}

// take takes an attempt out; nil if it has logged nothing.
func (l *logbook) take(id plan.AttemptID) *openLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.open[id]
	delete(l.open, id)
	return taken
}

// fresh is what the leader does not have yet of attempts that are held, as much as fits a request, and whether there are open logs
// at all.
func (l *logbook) fresh(held func(plan.AttemptID) bool) (logs []api.AttemptLog, of []*openLog, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := 0
	for id, o := range l.open {
		if !held(id) { // it had its first words when all was over
			delete(l.open, id)
			continue
		}
		if size >= mostLogs {
			break
		}
		if list := o.lines.Since(o.sent); len(list) > 0 {
			logs, of = append(logs, api.AttemptLog{AttemptID: id, Lines: list}), append(of, o)
			size += sizeOf(list)
		}
	}
	return logs, of, len(l.open) > 0
}

func sizeOf(list []api.LogLine) (bytes int) {
	for i := range list {
		bytes += lines.Size(&list[i])
	}
	return bytes
}

// logLoop sends what attempts that run have logged. While none has, it sleeps.
func (w *Worker) logLoop(ctx context.Context) error {
	for {
		select {
		case <-w.logs.begun:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		for open := true; open; {
			select {
			case <-time.After(logPause):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			open = w.sendFresh(ctx)
		}
	}
}

// sendFresh tries once: what did not arrive is sent the next time.
func (w *Worker) sendFresh(ctx context.Context) (open bool) {
	w.logs.sending.Lock()
	defer w.logs.sending.Unlock()
	logs, of, open := w.logs.fresh(w.attempts.holds)
	if len(logs) == 0 {
		return open
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	reply, err := w.client.SendLogs(ctx, api.LogsRequest{WorkerID: w.opts.ID, Logs: logs})
	if err != nil {
		w.opts.Log.Debug("could not send the logs of attempts that run", "error", err)
		return open
	}
	for i, o := range of {
		if i < len(reply.Have) {
			o.sent = reply.Have[i] // a leader that is new has nothing
		}
	}
	return open
}

// sendLast sends the whole logs of attempts that have ended, before their reports: whoever sees that a run has failed finds
// there why.
func (w *Worker) sendLast(ctx context.Context, reports []api.Report) {
	var logs []api.AttemptLog
	size := 0
	for _, r := range reports {
		taken := w.logs.take(r.AttemptID)
		if taken == nil {
			continue
		}
		list := taken.lines.Since(0)
		logs = append(logs, api.AttemptLog{AttemptID: r.AttemptID, Lines: list, Ended: true, Failed: r.Failure != nil && r.Failure.Kind != plan.FailureCancelled})
		if size += sizeOf(list); size >= mostLogs {
			w.sendEnded(ctx, logs)
			logs, size = nil, 0
		}
	}
	if len(logs) > 0 {
		w.sendEnded(ctx, logs)
	}
}

func (w *Worker) sendEnded(ctx context.Context, logs []api.AttemptLog) {
	w.logs.sending.Lock()
	defer w.logs.sending.Unlock()
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	err := w.line.ask(ctx, func(ctx context.Context) error {
		_, err := w.client.SendLogs(ctx, api.LogsRequest{WorkerID: w.opts.ID, Logs: logs})
		return err
	})
	if err != nil {
		w.opts.Log.Warn("the logs of attempts are lost: the leader has not taken them", "attempts", len(logs), "error", err)
	}
}
