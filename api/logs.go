package api

import (
	"time"

	"github.com/quern-engine/quern/plan"
)

// RunLogs is what GET /v1/runs/{run}/logs answers: lines, in the order in which they became known, not of their times.
type RunLogs struct {
	Lines []LogLine `json:"lines"`
	// Cursor is where the next request goes on. It stays good when another coordinator leads.
	Cursor string `json:"cursor"`
	More   bool   `json:"more,omitempty"` // there are more lines now
	End    bool   `json:"end,omitempty"`  // the run has ended, and this was the last of it
}

// LogLine is something that happened to a run, or that one of its attempts had to say.
type LogLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // DEBUG, INFO, WARN or ERROR
	// Stage, Task and Attempt are what it is about, as far as that is something narrower than the run.
	Stage   *int   `json:"stage,omitempty"`
	Task    *int   `json:"task,omitempty"`
	Attempt *int   `json:"attempt,omitempty"`
	Worker  string `json:"worker,omitempty"`
	// Number counts the lines of an attempt, from 1.
	Number int `json:"number,omitempty"`
	// Message is what kind of line it is, and Text the rest: what a plugin has printed, why a task has failed.
	Message    string            `json:"message"`
	Text       string            `json:"text,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Of puts an attempt's place into the line.
func (l *LogLine) Of(id plan.AttemptID) {
	l.Stage, l.Task, l.Attempt = &id.Stage, &id.Task, &id.Attempt
}

// LogsRequest brings the leader what attempts have logged (POST /v1/workers/logs).
type LogsRequest struct {
	WorkerID string       `json:"worker_id"`
	Logs     []AttemptLog `json:"logs"`
}

// AttemptLog is lines of an attempt that runs, from the first that the leader does not have, or with Ended all that are kept.
type AttemptLog struct {
	plan.AttemptID
	Lines  []LogLine `json:"lines"`
	Ended  bool      `json:"ended,omitempty"`
	Failed bool      `json:"failed,omitempty"`
}

// LogsReply says, log by log, the number of the last line that the leader has.
type LogsReply struct {
	Have []int `json:"have"`
}
