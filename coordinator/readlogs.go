package coordinator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/lines"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

const (
	// pageLines and pageBytes bound an answer.
	pageLines = 2000
	pageBytes = 1 << 20
	// mostRunning bounds the attempts whose lines are shown while they run, since a cursor has a place in each.
	mostRunning = 500
)

// logCursor is a place in a run's logs: in the journal, in the list of files, and in attempts that ran when they were looked at. All
// of it means the same to every coordinator.
type logCursor struct {
	Event   int            `json:"e,omitempty"` // number of the last one
	File    int            `json:"f,omitempty"`
	Line    int            `json:"l,omitempty"` // of File
	Running map[string]int `json:"r,omitempty"` // number of the last line, by attempt
	Told    bool           `json:"t,omitempty"` // how much was left out
}

func (c logCursor) String() string {
	data, _ := json.Marshal(c) // cannot fail
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseLogCursor(text string) (c logCursor, err error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && text != "" {
		err = json.Unmarshal(data, &c)
	}
	if err != nil || c.Event < 0 || c.File < 0 || c.Line < 0 {
		return c, api.Errorf(api.CodeInvalid, "cursor=%q is none that this API gives", text)
	}
	return c, nil
}

// logFilter says which lines are wanted.
type logFilter struct {
	level                int // the lowest, as in levels
	stage, task, attempt int // -1 for all
}

// levels are the names of levels, from the lowest.
var levels = []string{"DEBUG", "INFO", "WARN", "ERROR"}

func parseLogFilter(r *http.Request) (f logFilter, err error) {
	if level := r.FormValue("level"); level != "" {
		if f.level = slices.Index(levels, strings.ToUpper(level)); f.level < 0 {
			return f, api.Errorf(api.CodeInvalid, "level=%q: use debug, info, warn or error", level)
		}
	}
	for name, field := range map[string]*int{"stage": &f.stage, "task": &f.task, "attempt": &f.attempt} {
		*field = -1
		if text := r.FormValue(name); text != "" {
			if *field, err = strconv.Atoi(text); err != nil || *field < 0 {
				return f, api.Errorf(api.CodeInvalid, "%s=%q is not a number", name, text)
			}
		}
	}
	return f, nil
}

func (f logFilter) wants(l *api.LogLine) bool {
	return slices.Index(levels, l.Level) >= f.level && matches(f.stage, l.Stage) && matches(f.task, l.Task) && matches(f.attempt, l.Attempt)
}

func matches(want int, have *int) bool { return want < 0 || (have != nil && *have == want) }

// logs answers lines of a run's logs from a cursor on. Where there are none, it waits for as long as it is asked to.
func (c *Coordinator) logs(w http.ResponseWriter, r *http.Request, t *term) error {
	from, err := parseLogCursor(r.FormValue("cursor"))
	if err != nil {
		return err
	}
	filter, err := parseLogFilter(r)
	if err != nil {
		return err
	}
	wait, err := waitParameter(r.FormValue("wait"))
	if err != nil {
		return err
	}
	if err := c.node.Verify(r.Context()); err != nil {
		return err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for id := r.PathValue("run"); ; {
		changed := c.node.Changed()
		more, version := t.logs.news()
		p, known, err := c.logPage(r.Context(), t, id, from, filter)
		if err != nil {
			return err
		}
		if len(p.answer.Lines) > 0 || p.answer.End || wait <= 0 {
			writeJSON(w, http.StatusOK, p.answer)
			return nil
		}
		from = p.at // what it has passed over is not looked at again
		for news := false; !news; {
			select {
			case <-changed:
				changed = c.node.Changed()
			case <-more:
				more, _ = t.logs.news()
			case <-timer.C:
				wait, news = 0, true // one last look
			case <-t.over:
				return consensus.ErrNotLeader
			case <-r.Context().Done():
				return r.Context().Err()
			}
			_, now := t.logs.news()
			c.node.Read(func(m *state.Machine) {
				k, ok := m.Logs(id)
				news = news || now != version || !ok || k.Last != known.Last || len(k.Files) != len(known.Files) || k.Rests != known.Rests
			})
		}
	}
}

// logPage is what an answer is gathered in.
type logPage struct {
	answer api.RunLogs
	at     logCursor
	filter logFilter
	bytes  int
}

// add takes in a line that is wanted.
func (p *logPage) add(l api.LogLine) {
	if p.filter.wants(&l) {
		p.answer.Lines = append(p.answer.Lines, l)
		p.bytes += lines.Size(&l)
	}
}

func (p *logPage) full() bool { return len(p.answer.Lines) >= pageLines || p.bytes >= pageBytes }

// logPage gathers an answer: events first, then what attempts that have ended have said, then what those say that run.
func (c *Coordinator) logPage(ctx context.Context, t *term, run string, from logCursor, filter logFilter) (*logPage, state.Logs, error) {
	p := &logPage{at: from, filter: filter, answer: api.RunLogs{Lines: []api.LogLine{}}}
	if p.at.Running = maps.Clone(from.Running); p.at.Running == nil {
		p.at.Running = map[string]int{}
	}
	// An attempt that ends in between is in a file then, of which those lines are left out that were shown from here.
	running := t.logs.running(run)
	var logs state.Logs
	var journal []state.JournalEntry
	known := false
	c.node.Read(func(m *state.Machine) {
		logs, known = m.Logs(run)
		journal = m.Journal(run, from.Event)
	})
	if !known {
		return nil, logs, unknownRun(run)
	}
	p.events(journal)
	for p.at.File < len(logs.Files) && !p.full() {
		if err := p.file(ctx, c, logs.Files[p.at.File], running); err != nil {
			return nil, logs, err
		}
	}
	if p.answer.More = p.at.File < len(logs.Files); !p.answer.More {
		p.running(running)
		p.answer.End = logs.Rests && !p.answer.More
	}
	if p.answer.End && logs.LeftOut > 0 && !p.at.Told {
		p.at.Told = true
		p.add(api.LogLine{
			Time: time.Now().UTC(), Level: "WARN", Message: "lines left out",
			Text: fmt.Sprintf("%d: of a run, about %d MiB of what its attempts log are kept, and %d MiB where they fail", logs.LeftOut, state.MaxRunLogsWell>>20, state.MaxRunLogs>>20),
		})
	}
	slices.SortStableFunc(p.answer.Lines, func(a, b api.LogLine) int { return a.Time.Compare(b.Time) })
	p.answer.Cursor = p.at.String()
	return p, logs, nil
}

// events adds what the journal says. It is short enough for one answer.
func (p *logPage) events(journal []state.JournalEntry) {
	for _, e := range journal {
		if n := e.Number - p.at.Event - 1; n > 0 {
			p.add(api.LogLine{Time: e.At, Level: "WARN", Message: "events left out", Text: strconv.Itoa(n)})
		}
		p.at.Event = e.Number
		p.add(eventLine(e))
	}
}

// eventLine is an event as a line.
func eventLine(e state.JournalEntry) api.LogLine {
	l := api.LogLine{Time: e.At, Level: "INFO", Worker: e.Worker, Message: string(e.Kind), Text: e.Text}
	switch len(e.Place) {
	case 1:
		l.Stage = &e.Place[0]
	case 3:
		l.Stage, l.Task, l.Attempt = &e.Place[0], &e.Place[1], &e.Place[2]
	}
	switch e.Kind {
	case state.EventTaskGranted:
		l.Message = "task tried again"
	case state.EventTaskFailed, state.EventOutputLost, state.EventWorkerLost, state.EventWorkerExcluded, state.EventRunBlocked:
		l.Level = "WARN"
	case state.EventRunEnded:
		if strings.HasPrefix(e.Text, string(api.RunFailed)) {
			l.Level = "ERROR"
		}
	}
	return l
}

// file adds what a file has, from the cursor's line on.
func (p *logPage) file(ctx context.Context, c *Coordinator, f state.LogFile, running map[plan.AttemptID][]api.LogLine) error {
	data, err := c.blobs.read(ctx, f.Digest)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.add(api.LogLine{Time: time.Now().UTC(), Level: "WARN", Message: "lines not to be had", Text: fmt.Sprintf("%d: %s", f.Lines, err)})
		p.at.File, p.at.Line = p.at.File+1, 0
		return nil
	}
	ended, name := map[string]bool{}, ""
	forget := func() {
		for name := range ended {
			delete(p.at.Running, name)
		}
	}
	n := 0
	for text := range bytes.Lines(data) {
		if n++; n <= p.at.Line {
			continue
		}
		if p.full() {
			delete(ended, name) // there may be more of it
			forget()
			return nil
		}
		p.at.Line = n
		var l api.LogLine
		if json.Unmarshal(text, &l) != nil || l.Stage == nil || l.Task == nil || l.Attempt == nil {
			continue
		}
		name = attemptName(*l.Stage, *l.Task, *l.Attempt)
		if ended[name] = true; l.Number > p.at.Running[name] {
			p.add(l)
		}
	}
	p.at.File, p.at.Line = p.at.File+1, 0
	forget()
	maps.DeleteFunc(running, func(id plan.AttemptID, _ []api.LogLine) bool {
		return ended[attemptName(id.Stage, id.Task, id.Attempt)]
	})
	return nil
}

// running adds what attempts say that run.
func (p *logPage) running(running map[plan.AttemptID][]api.LogLine) {
	ids := slices.SortedFunc(maps.Keys(running), func(a, b plan.AttemptID) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Task, b.Task), cmp.Compare(a.Attempt, b.Attempt))
	})
	for _, id := range ids {
		name := attemptName(id.Stage, id.Task, id.Attempt)
		last, seen := p.at.Running[name]
		if !seen && len(p.at.Running) >= mostRunning {
			continue
		}
		for _, l := range running[id] {
			if l.Number <= last {
				continue
			}
			if p.full() {
				p.answer.More = true
				return
			}
			l.Of(id)
			p.add(l)
			last = l.Number
			p.at.Running[name] = last
		}
	}
}

func attemptName(stage, task, attempt int) string {
	return fmt.Sprintf("%d/%d.%d", stage, task, attempt)
}
