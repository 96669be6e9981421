package udf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Context is what a function knows of its surroundings. It is the context.Context of the call that it is given to, too:
// it is done when nobody waits for the answer any more.
type Context struct {
	context.Context
	*settings
}

// settings is what a function was opened with, and what it has to tell.
type settings struct {
	function string
	options  any
	files    map[string]string
	log      *slog.Logger
	told     *reports

	mu      sync.Mutex // guards the following
	closers []func() error
}

func newContext(function string) *Context {
	told := &reports{counters: map[string]int64{}}
	s := &settings{function: function, files: map[string]string{}, told: told}
	s.log = slog.New(&logHandler{told: told})
	return &Context{Context: context.Background(), settings: s}
}

// during is the context of one call.
func (c *Context) during(call context.Context) *Context {
	return &Context{Context: call, settings: c.settings}
}

// Function is the name under which the plugin serves the function.
func (c *Context) Function() string { return c.function }

// File is the path of a side file, only to be read; empty for one that the job does not give. Its content is part of
// what the plan pins.
func (c *Context) File(name string) string { return c.files[name] }

// Log goes to the log of the run.
func (c *Context) Log() *slog.Logger { return c.log }

// Count adds to a counter, which is shown with the run. Tasks that are run again count once.
func (c *Context) Count(counter string, n int64) { c.told.count(counter, n) }

// OnClose has f called when the function is closed, the last one first. The process may end without that, at any moment.
func (c *Context) OnClose(f func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closers = append(c.closers, f)
}

func (c *Context) close() error {
	c.mu.Lock()
	closers := c.closers
	c.closers = nil
	c.mu.Unlock()
	var errs []error
	for i := range closers {
		errs = append(errs, closers[len(closers)-1-i]())
	}
	return errors.Join(errs...)
}

// reports collects what is told with the next answer.
type reports struct {
	mu       sync.Mutex // guards the following
	logs     []*udfpb.LogRecord
	dropped  int
	counters map[string]int64
	busy     time.Duration
}

// worked adds the time since the function began to work.
func (r *reports) worked(since time.Time) {
	d := time.Since(since)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy += d
}

// mostLogs is how many log records go with one answer; the rest is counted.
const mostLogs = 1000

func (r *reports) count(counter string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters[counter] += n
}

func (r *reports) add(record *udfpb.LogRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.logs) == mostLogs {
		r.dropped++
		return
	}
	r.logs = append(r.logs, record)
}

// take is what there is to tell, nil for nothing.
func (r *reports) take() *udfpb.Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.logs) == 0 && len(r.counters) == 0 && r.busy == 0 {
		return nil
	}
	if r.dropped > 0 {
		r.logs = append(r.logs, &udfpb.LogRecord{
			Level: int32(slog.LevelWarn), Message: fmt.Sprintf("%d more log records were dropped", r.dropped),
		})
	}
	report := &udfpb.Report{Logs: r.logs, Counters: r.counters, BusyNanos: int64(r.busy)}
	r.logs, r.dropped, r.counters, r.busy = nil, 0, map[string]int64{}, 0
	return report
}

// logHandler makes records of what is logged.
type logHandler struct {
	told  *reports
	attrs []slog.Attr
	group string // prefix of names
}

var _ slog.Handler = (*logHandler)(nil)

// Enabled says that the host chooses.
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps a record for the next answer.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	attributes := map[string]any{}
	put := func(name string, v slog.Value) {
		v = v.Resolve()
		if err, ok := v.Any().(error); ok {
			attributes[name] = err.Error()
			return
		}
		attributes[name] = v.Any()
	}
	for _, a := range h.attrs {
		put(a.Key, a.Value)
	}
	r.Attrs(func(a slog.Attr) bool {
		put(h.group+a.Key, a.Value)
		return true
	})
	record := &udfpb.LogRecord{Level: int32(r.Level), Message: strings.ToValidUTF8(r.Message, "\uFFFD")}
	if len(attributes) > 0 {
		text, err := json.Marshal(attributes)
		if err != nil {
			text, _ = json.Marshal(map[string]string{"attributes": fmt.Sprint(attributes)}) // text has an encoding
		}
		record.Attributes = string(text)
	}
	h.told.add(record)
	return nil
}

// WithAttrs is a handler that adds attributes.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		more.attrs = append(more.attrs, slog.Attr{Key: h.group + a.Key, Value: a.Value})
	}
	return &more
}

// WithGroup is a handler that puts a name and a dot before those of attributes.
func (h *logHandler) WithGroup(name string) slog.Handler {
	more := *h
	more.group += name + "."
	return &more
}
