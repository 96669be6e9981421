package state

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// EventKind says what happened.
type EventKind string

// The events.
const (
	EventRunSubmitted   EventKind = "run submitted"
	EventRunStarted     EventKind = "run started"
	EventRunCommitted   EventKind = "run committed"
	EventRunChecked     EventKind = "run checked"
	EventRunBlocked     EventKind = "run blocked"
	EventRunReleased    EventKind = "run released"
	EventRunEnding      EventKind = "run ending"
	EventRunEnded       EventKind = "run ended"
	EventStageReady     EventKind = "stage ready"
	EventStageDone      EventKind = "stage done"
	EventTaskGranted    EventKind = "task granted"
	EventTwinGranted    EventKind = "second attempt granted"
	EventStageAdapted   EventKind = "stage adapted"
	EventTaskCommitted  EventKind = "task committed"
	EventTaskFailed     EventKind = "task failed"
	EventTaskStopped    EventKind = "task stopped"
	EventReportRefused  EventKind = "report refused"
	EventOutputLost     EventKind = "output lost"
	EventWorkerJoined   EventKind = "worker joined"
	EventWorkerLost     EventKind = "worker lost"
	EventWorkerReplaced EventKind = "worker replaced"
	EventWorkerDraining EventKind = "worker draining"
	EventWorkerExcluded EventKind = "worker excluded"
)

// Event is something that followed from a command. Which fields mean something depends on the kind.
type Event struct {
	Kind    EventKind
	Run     string
	Task    *plan.AttemptID
	Stage   int // of events of stages
	Worker  string
	Message string
}

// OfStage reports an event that is about a stage as a whole.
func (e Event) OfStage() bool {
	return e.Kind == EventStageReady || e.Kind == EventStageAdapted || e.Kind == EventStageDone
}

// String is the event on one line.
func (e Event) String() string {
	parts := []string{string(e.Kind)}
	switch {
	case e.Task != nil:
		parts = append(parts, e.Task.String())
	case e.OfStage():
		parts = append(parts, fmt.Sprintf("%s/%d", e.Run, e.Stage))
	case e.Run != "":
		parts = append(parts, e.Run)
	}
	if e.Worker != "" {
		parts = append(parts, "worker="+e.Worker)
	}
	if e.Message != "" {
		parts = append(parts, "("+e.Message+")")
	}
	return strings.Join(parts, " ")
}

// Outcome is what became of a command.
type Outcome string

// The outcomes. A caller that sees Repeated may answer as if its command had been the first.
const (
	Applied  Outcome = "applied"
	Repeated Outcome = "repeated" // had been done before
	Rejected Outcome = "rejected" // no longer possible
	Conflict Outcome = "conflict" // the id stands for something else
)

// Result is the answer to one command.
type Result struct {
	Outcome Outcome
	Granted []bool // of a Grant: which attempts
	// Run is set on a repeated SubmitRun that asked to be attached: the run that does the same.
	Run string
	// Discard is set on a refused report whose file counts for nothing and may be deleted.
	Discard bool
	Events  []Event
}
