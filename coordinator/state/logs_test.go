package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/plan"
)

// logged applies commands as entries that are logged.
type logged struct {
	*Machine
	index uint64
}

func (l *logged) do(c Command) Result {
	l.index++
	return l.Apply(l.index, Entry{Version: LogsVersion, Commands: []Command{c}})[0]
}

func (l *logged) submit(run string, tasks int) {
	l.do(Command{Submit: &SubmitRun{RunID: run, Stages: []Shape{{Tasks: tasks, Sink: plan.SinkReport}}, At: time.Unix(1, 0)}})
}

func (l *logged) cancel(run, reason string) {
	l.do(Command{Cancel: &CancelRun{RunID: run, Reason: reason, At: time.Unix(2, 0)}})
}

// The beginning and the end of a long journal are kept, with the numbers that they had, and so much of all that the state stays
// small.
func TestJournalsAreBounded(t *testing.T) {
	l := &logged{Machine: New()}
	l.submit("r", 1)
	text := strings.Repeat("é", maxJournalText)
	r := l.runs["r"]
	a := applier{Machine: l.Machine, version: LogsVersion, at: time.Unix(1, 0)}
	for range 1000 {
		a.note(r, Event{Kind: EventTaskFailed, Run: "r", Task: &plan.AttemptID{}, Message: text})
	}
	got := l.Journal("r", 0)
	if len(got) != 2*journalEnds || got[journalEnds-1].Number != journalEnds || got[journalEnds].Number != 1000-journalEnds+3 {
		t.Errorf("%d events, and around the gap %d and %d", len(got), got[journalEnds-1].Number, got[journalEnds].Number)
	}
	if e := got[10]; len(e.Text) > maxJournalText+len("…") || !strings.HasSuffix(e.Text, "é…") {
		t.Errorf("a text of %d bytes", len(e.Text))
	}
	if after := l.Journal("r", 500); len(after) != journalEnds {
		t.Errorf("%d events are above 500, where the gap is", len(after))
	}
	l.cancel("r", "")
	for i := range 400 {
		run := fmt.Sprintf("r%d", i)
		l.submit(run, 1)
		a := applier{Machine: l.Machine, version: LogsVersion}
		for range 2 * journalEnds {
			a.note(l.runs[run], Event{Kind: EventTaskFailed, Run: run, Task: &plan.AttemptID{}, Message: text})
		}
		l.cancel(run, "")
	}
	total := 0
	for _, r := range l.doc.Runs {
		total += r.Journal.size()
	}
	if total > maxJournals || total != l.journals {
		t.Errorf("journals of %d bytes, counted as %d", total, l.journals)
	}
	if len(l.Journal("r0", 0)) > 0 || len(l.Journal("r399", 0)) == 0 {
		t.Error("not the oldest went first")
	}
}

// Log files of the runs that ended first go when there are too many.
func TestLogsAreBounded(t *testing.T) {
	l := &logged{Machine: New()}
	const runs = maxLogs/MaxRunLogs + 5
	for i := range runs {
		run := fmt.Sprintf("r%d", i)
		l.submit(run, 1)
		l.do(Command{Logs: &KeepLogs{RunID: run, File: &LogFile{Digest: run, Bytes: MaxRunLogs, Lines: 10}}})
		if i != 1 { // one that goes on
			l.cancel(run, "")
		}
	}
	kept := l.LogBlobs()
	if int64(len(kept))*MaxRunLogs > maxLogs || l.logs != int64(len(kept))*MaxRunLogs {
		t.Errorf("%d files, counted as %d bytes", len(kept), l.logs)
	}
	for run, want := range map[string]int{"r0": 0, "r1": 1, "r2": 0, fmt.Sprintf("r%d", runs-1): 1} {
		if got, _ := l.Logs(run); len(got.Files) != want || got.LeftOut != int64(1-want)*10 {
			t.Errorf("%s: %+v", run, got)
		}
	}
	if left := l.LogRoom("r1", true); left != 0 {
		t.Errorf("room for %d bytes", left)
	}
}
