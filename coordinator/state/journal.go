package state

import (
	"slices"
	"strings"
	"time"
)

// The journal of a run is what people are told of it later: its events, but for those that each task has. It is bounded, for a run
// and in all, since it is part of the state.
const (
	// journalEnds is how many events are kept from the beginning of a run, and as many from its end.
	journalEnds = 100
	// maxJournalText bounds the text of an event: a failure's whole message is elsewhere.
	maxJournalText = 500
	// maxJournals bounds all journals, in bytes; those of the runs that ended first go.
	maxJournals = 16 << 20
)

// JournalEntry is an event of a run. Numbers count them, so a gap says that there were others.
type JournalEntry struct {
	Number int       `json:"number"` // from 1
	At     time.Time `json:"at"`
	Kind   EventKind `json:"kind"`
	Place  []int     `json:"place,omitempty"` // stage; or stage, task, attempt
	Worker string    `json:"worker,omitempty"`
	Text   string    `json:"text,omitempty"`
}

// size is about how many bytes an entry takes.
func (e *JournalEntry) size() int { return 100 + len(e.Worker) + len(e.Text) }

// journal is a run's. An entry follows the one that is before it in the list.
type journal []JournalEntry

func (j journal) size() (bytes int) {
	for i := range j {
		bytes += j[i].size()
	}
	return bytes
}

// told reports an event that belongs into the journal of its run.
func (e Event) told() bool {
	switch e.Kind {
	case EventTaskGranted, EventTaskCommitted:
		return e.Task.Attempt > 0 // the first attempt of a task that does well is no news
	case EventTaskStopped, EventReportRefused:
		return false
	}
	return e.Run != ""
}

// note enters an event into the journal of a run. Builds that know no journals must have the same state, so nothing is noted of
// entries that they read as well.
func (a *applier) note(r *run, e Event) {
	if a.version < LogsVersion || r == nil {
		return
	}
	entry := JournalEntry{Number: 1, At: a.at, Kind: e.Kind, Worker: e.Worker, Text: clip(e.Message, maxJournalText)}
	if n := len(r.Journal); n > 0 {
		entry.Number = r.Journal[n-1].Number + 1
	}
	switch {
	case e.Task != nil:
		entry.Place = []int{e.Task.Stage, e.Task.Task, e.Task.Attempt}
	case e.OfStage():
		entry.Place = []int{e.Stage}
	}
	r.Journal = append(r.Journal, entry)
	a.journals += entry.size()
	if len(r.Journal) > 2*journalEnds {
		a.journals -= r.Journal[journalEnds].size()
		r.Journal = slices.Delete(r.Journal, journalEnds, journalEnds+1)
	}
	for _, old := range a.doc.Runs {
		if a.journals <= maxJournals {
			break
		}
		if old.State.Terminal() && old != r {
			a.journals -= old.Journal.size()
			old.Journal = nil
		}
	}
}

// clip bounds a text, without cutting a character in two.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// Journal is the events of a run with numbers above after.
func (m *Machine) Journal(id string, after int) []JournalEntry {
	r := m.runs[id]
	if r == nil {
		return nil
	}
	i, _ := slices.BinarySearchFunc(r.Journal, after+1, func(e JournalEntry, n int) int { return e.Number - n })
	return slices.Clone(r.Journal[i:])
}
