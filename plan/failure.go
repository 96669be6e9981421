package plan

import (
	"context"
	"errors"
	"fmt"
)

// FailureKind decides what happens after a failure. Its values are stored and sent: append only.
type FailureKind string

// The kinds of failure.
const (
	// FailureUser: the job, its data or its functions are wrong; running again gives the same. Fatal at once.
	FailureUser FailureKind = "user_error"
	// FailureLostWorker: the worker vanished or was told to stop; retried elsewhere.
	FailureLostWorker FailureKind = "lost_worker"
	// FailureFetch: a map output could not be read; it is computed again, then the reader is retried.
	FailureFetch FailureKind = "fetch_failed"
	// FailureOutOfMemory: the task outgrew its share.
	FailureOutOfMemory FailureKind = "out_of_memory"
	// FailureNondeterminism: a rerun gave other rows than the first run. Fatal.
	FailureNondeterminism FailureKind = "nondeterminism"
	// FailureCancelled: somebody asked for it.
	FailureCancelled FailureKind = "cancelled"
	// FailurePlugin: a user function's process crashed, hung or answered nonsense; retried in a fresh process.
	FailurePlugin FailureKind = "plugin"
	// FailureStorage: reading an input or writing an output failed for a reason that may pass.
	FailureStorage FailureKind = "storage"
	// FailureInternal: a defect of Quern. Retried a few times, since most such are races.
	FailureInternal FailureKind = "internal"
)

// Retryable reports whether another attempt may succeed.
func (k FailureKind) Retryable() bool {
	return k != FailureUser && k != FailureNondeterminism && k != FailureCancelled
}

// Failure is an error with a kind, a message for people, and what the kind needs to be acted on.
type Failure struct {
	Kind    FailureKind `json:"kind"`
	Message string      `json:"message"`
	// Where: filled by the worker (stage, task, attempt) and for fetch failures with the map output that is lost.
	Stage     int    `json:"stage,omitempty"`
	Task      int    `json:"task,omitempty"`
	Attempt   int    `json:"attempt,omitempty"`
	Worker    string `json:"worker,omitempty"`
	LostStage int    `json:"lost_stage,omitempty"`
	LostTask  int    `json:"lost_task,omitempty"`
	// LostAttempt is the attempt whose output could not be read.
	LostAttempt int   `json:"lost_attempt,omitempty"`
	err         error // cause, where it is in the same process
}

// Error is the message.
func (f *Failure) Error() string { return f.Message }

// Unwrap is the cause, if it happened in this process.
func (f *Failure) Unwrap() error { return f.err }

// Failf makes a failure; %w keeps the cause.
func Failf(kind FailureKind, format string, args ...any) *Failure {
	err := fmt.Errorf(format, args...)
	return &Failure{Kind: kind, Message: err.Error(), err: errors.Unwrap(err)}
}

// AsFailure gives any error a kind: its own if it has one, cancelled for a done context, internal otherwise. The
// message is the whole chain's.
func AsFailure(err error) *Failure {
	if err == nil {
		return nil
	}
	var f *Failure
	if errors.As(err, &f) {
		c := *f
		c.Message, c.err = err.Error(), err
		return &c
	}
	kind := FailureInternal
	if errors.Is(err, context.Canceled) {
		kind = FailureCancelled
	}
	return &Failure{Kind: kind, Message: err.Error(), err: err}
}
