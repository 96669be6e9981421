package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/lines"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// mostLive bounds the lines of attempts that run, in bytes. What there is no room for is seen when the attempt has ended.
const mostLive = 32 << 20

// liveLogs is what attempts that run have logged so far, as far as the leader was told: for those who look on, and in case that
// their worker dies. It is safe for concurrent use.
type liveLogs struct {
	mu      sync.Mutex // guards the following
	of      map[plan.AttemptID]*liveLog
	bytes   int
	changed chan struct{} // closed when there is more
	version uint64        // grows when there is more
}

// liveLog is of one attempt.
type liveLog struct {
	lines lines.Buffer
	kept  int // lines up to that number are in a file
}

func newLiveLogs() *liveLogs {
	return &liveLogs{of: map[plan.AttemptID]*liveLog{}, changed: make(chan struct{})}
}

// put takes in lines of an attempt that runs, and returns the number of the last one that is here.
func (l *liveLogs) put(log api.AttemptLog) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.of[log.AttemptID]
	if own == nil {
		own = &liveLog{}
	}
	have := own.lines.Last()
	if len(log.Lines) == 0 || log.Lines[0].Number > have+1 && own.lines.Bytes() == 0 || l.bytes >= mostLive {
		return have // from the beginning, please; or later
	}
	l.bytes -= own.lines.Bytes()
	own.lines.Put(log.Lines)
	l.bytes += own.lines.Bytes()
	l.of[log.AttemptID] = own
	close(l.changed)
	l.changed = make(chan struct{})
	l.version++
	return own.lines.Last()
}

// take drops the lines of an attempt that has ended, and returns up to which of them are in a file. It says the same when the log is
// sent again.
func (l *liveLogs) take(id plan.AttemptID) (kept int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.of[id]
	if own == nil {
		return 0
	}
	l.bytes -= own.lines.Bytes()
	if delete(l.of, id); own.kept > 0 {
		l.of[id] = &liveLog{kept: own.kept}
	}
	return own.kept
}

// forget drops what is left of a run that has ended: lines of attempts whose workers have given up to send their logs.
func (l *liveLogs) forget(run string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, own := range l.of {
		if id.Run == run && own.kept == 0 {
			l.bytes -= own.lines.Bytes()
			delete(l.of, id)
		}
	}
}

// salvage takes the lines of an attempt that nobody will send the log of any more, or only late.
func (l *liveLogs) salvage(id plan.AttemptID) []api.LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.of[id]
	if own == nil {
		return nil
	}
	l.bytes -= own.lines.Bytes()
	l.of[id] = &liveLog{kept: max(own.kept, own.lines.Last())}
	return own.lines.Since(own.kept)
}

// running is what attempts of a run that go on have logged so far.
func (l *liveLogs) running(run string) map[plan.AttemptID][]api.LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[plan.AttemptID][]api.LogLine{}
	for id, own := range l.of {
		if id.Run == run && own.lines.Last() > 0 {
			found[id] = own.lines.Since(0)
		}
	}
	return found
}

// news is closed when there is more than in this version.
func (l *liveLogs) news() (changed <-chan struct{}, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed, l.version
}

// takeLogs takes what attempts have logged. The answer about those that have ended comes when that is durable, or given up.
func (c *Coordinator) takeLogs(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.LogsRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	if err := c.check(r.Context(), request.WorkerID); err != nil {
		return err
	}
	t.heard(request.WorkerID)
	reply := api.LogsReply{Have: make([]int, len(request.Logs))}
	var ended []api.AttemptLog
	for i, log := range request.Logs {
		if log.Ended {
			ended = append(ended, log)
			continue
		}
		current := false
		c.node.Read(func(m *state.Machine) { current = m.Current(log.AttemptID, request.WorkerID) })
		if current {
			reply.Have[i] = t.logs.put(log)
		}
	}
	for i := range ended {
		kept := t.logs.take(ended[i].AttemptID)
		for len(ended[i].Lines) > 0 && ended[i].Lines[0].Number <= kept {
			ended[i].Lines = ended[i].Lines[1:]
		}
	}
	if err := c.keepLogs(r.Context(), ended); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}

// salvageLogs keeps what is known of the log of an attempt that is lost with its worker.
func (c *Coordinator) salvageLogs(e state.Event) {
	t := c.term.Load()
	if t != nil && e.Kind == state.EventRunEnded {
		t.logs.forget(e.Run)
	}
	if t == nil || e.Task == nil || (e.Kind != state.EventTaskFailed && e.Kind != state.EventTaskStopped) {
		return
	}
	if list := t.logs.salvage(*e.Task); len(list) > 0 {
		c.background(func(ctx context.Context) {
			if err := c.keepLogs(ctx, []api.AttemptLog{{AttemptID: *e.Task, Lines: list, Ended: true, Failed: true}}); err != nil {
				lines.Of(c.log, *e.Task).Info("could not keep the log of a lost attempt", "error", err)
			}
		})
	}
}

// keepLogs stores the lines of attempts that have ended: a file for each run, which a majority has, and whose digest is in the log.
// What cannot be stored is counted and given up: a log is no reason for a task to wait.
func (c *Coordinator) keepLogs(ctx context.Context, logs []api.AttemptLog) error {
	if c.node.EntryVersion() < state.LogsVersion {
		return nil // some coordinator would not know what that is
	}
	var commands []state.Command
	var digests []string
	for _, of := range byRun(logs) {
		command := &state.KeepLogs{RunID: of[0].Run}
		var data []byte
		var count int64
		c.node.Read(func(m *state.Machine) { data, count, command.LeftOut = pack(m, of) })
		if len(data) > 0 {
			digest := plan.Digest(data)
			if err := c.blobs.put(digest, bytes.NewReader(data)); err != nil {
				c.log.Warn("could not store the logs of attempts", "run", command.RunID, "error", err)
				command.LeftOut += count
			} else {
				command.File = &state.LogFile{Digest: digest, Bytes: int64(len(data)), Lines: count}
				digests = append(digests, digest)
			}
		}
		if command.File != nil || command.LeftOut > 0 {
			commands = append(commands, state.Command{Logs: command})
		}
	}
	if len(commands) == 0 {
		return nil
	}
	if err := c.blobs.spread(ctx, c.life(), digests...); err != nil {
		return err
	}
	_, err := c.propose(ctx, commands...)
	return err
}

// byRun divides logs by their runs, in order of appearance.
func byRun(logs []api.AttemptLog) (divided [][]api.AttemptLog) {
	place := map[string]int{}
	for _, log := range logs {
		i, known := place[log.Run]
		if !known {
			i = len(divided)
			place[log.Run], divided = i, append(divided, nil)
		}
		divided[i] = append(divided[i], log)
	}
	return divided
}

// pack makes a file of the logs of a run's attempts for which there is room, and counts the lines in it and those that are not.
func pack(m *state.Machine, logs []api.AttemptLog) (data []byte, count, leftOut int64) {
	for _, log := range logs {
		var part bytes.Buffer
		e := json.NewEncoder(&part)
		for _, l := range log.Lines {
			l.Of(log.AttemptID)
			if e.Encode(l) != nil {
				continue // a time that JSON cannot say
			}
		}
		if int64(len(data)+part.Len()) > m.LogRoom(log.Run, log.Failed) {
			leftOut += int64(len(log.Lines))
			continue
		}
		data, count = append(data, part.Bytes()...), count+int64(len(log.Lines))
	}
	return data, count, leftOut
}
