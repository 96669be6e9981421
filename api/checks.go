package api

import (
	"slices"
	"time"

	"github.com/quern-engine/quern/plan"
)

// CheckOutcome is what came of a check.
type CheckOutcome string

// The outcomes of a check.
const (
	CheckPassed  CheckOutcome = "passed"
	CheckFailed  CheckOutcome = "failed"
	CheckSkipped CheckOutcome = "skipped" // there is no earlier version to compare with
	CheckError   CheckOutcome = "error"   // it could not be evaluated, which counts as failed
)

// Severity says what a check that does not hold does to its run.
type Severity string

// The severities.
const (
	SeverityBlock Severity = "block" // nothing is published
	SeverityWarn  Severity = "warn"  // it is told
)

// CheckResult is what came of a check of an output.
type CheckResult struct {
	Name     string         `json:"name"`
	Output   string         `json:"output"`
	Kind     plan.CheckKind `json:"kind"`
	Severity Severity       `json:"severity"`
	Outcome  CheckOutcome   `json:"outcome"`
	Message  string         `json:"message"` // what was measured, and what was asked for
	// Distributions are those of the columns of a drift check, for later versions to be compared with. They are in the
	// manifest alone.
	Distributions []Distribution `json:"distributions,omitempty"`
}

// Blocks reports a result for which a run is not published.
func (r CheckResult) Blocks() bool {
	return r.Severity == SeverityBlock && (r.Outcome == CheckFailed || r.Outcome == CheckError)
}

// Blocked reports that one of the results keeps a run from being published.
func Blocked(results []CheckResult) bool { return slices.ContainsFunc(results, CheckResult.Blocks) }

// Distribution is how the values of a column are distributed.
type Distribution struct {
	Column  string `json:"column"`
	Rows    int64  `json:"rows"`
	Missing int64  `json:"missing"` // NULL or NaN
	// Quantiles are the values at 0 %, 1 %, … 100 % of a column that has an order, as numbers: days and microseconds since
	// the epoch for dates and times.
	Quantiles []float64 `json:"quantiles,omitempty"`
	// Values are the most frequent values of other columns, most first; there may be more.
	Values []ValueCount `json:"values,omitempty"`
}

// ValueCount is how many rows have a value.
type ValueCount struct {
	Value string `json:"value"`
	Rows  int64  `json:"rows"`
}

// PublishRequest asks for a run to be published that its checks have blocked (POST /v1/runs/{run}/publish).
type PublishRequest struct {
	Because string `json:"because"`
	// By is who the caller says to be. Where callers show tokens, the token's owner stands in its place.
	By string `json:"by,omitempty"`
}

// Override says why a run was published in spite of its checks, and by whom.
type Override struct {
	Because string    `json:"because"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}
