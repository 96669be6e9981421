package plan

import "time"

// OnError says what becomes of a row for which a plugin function fails.
type OnError string

// What may become of it.
const (
	FailRun       OnError = ""           // the run fails
	NullOnError   OnError = "null"       // the result is NULL
	QuarantineRow OnError = "quarantine" // the row goes to the rejects and not on
)

// Treatment is how a job has a plugin function's processes and failures treated. The zero value is what a job gets that says
// nothing.
type Treatment struct {
	OnError OnError `json:"on_error,omitempty"`
	Memory  int64   `json:"memory,omitempty"`     // bytes, of a process; 0: the worker's default
	Timeout int64   `json:"timeout_ms,omitempty"` // milliseconds, of a batch; 0: the worker's default
	CPUs    int64   `json:"cpus_milli,omitempty"` // thousandths of a processor, of a process and its children; 0: no limit
	Network bool    `json:"network,omitempty"`
}

// BatchTimeout is the time for a batch, or otherwise if the job says nothing.
func (t Treatment) BatchTimeout(otherwise time.Duration) time.Duration {
	if t.Timeout > 0 {
		return time.Duration(t.Timeout) * time.Millisecond
	}
	return otherwise
}

// Rejection is a row of a batch that a plugin function could not do.
type Rejection struct {
	Row    int
	Reason string // one that is the same whenever the row is tried
}
