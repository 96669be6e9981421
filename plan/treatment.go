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

// WhyNot says why failures of a function cannot be treated so; "" if they can.
func (o OnError) WhyNot(f *Function) string {
	switch {
	case o == FailRun || f.Is(FunctionScalar):
		return ""
	case f.Is(FunctionAggregate):
		return "a state in which a row has failed is not what it was before, and states of many rows are merged: leave such rows out with FILTER, or put them aside with a scalar function"
	case f.Is(FunctionSource):
		return "what it makes is made of no rows, so that none could be put aside"
	case o == NullOnError:
		return "it gives rows, and no value that could be NULL: say quarantine"
	case f.Per == PerPartition:
		return "it is called with all rows of a task together, so that all would be put aside: have the plugin declare it per group"
	}
	return ""
}

// Rejection is a row of a batch that a plugin function could not do.
type Rejection struct {
	Row    int
	Reason string // one that is the same whenever the row is tried
}
