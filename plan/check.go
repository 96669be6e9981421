package plan

// Check is a condition on the rows of an output. It is looked at when all files of the run are committed, before they are
// published. Which fields count depends on the kind.
type Check struct {
	Name   string    `json:"name"` // for people: "nulls of user_id"
	Output string    `json:"output"`
	Kind   CheckKind `json:"kind"`
	Warn   bool      `json:"warn,omitempty"` // it is told, and keeps nothing from being published
	// Columns that the check is about.
	Columns []string `json:"columns,omitempty"`
	// Min and Max bound what is measured, inclusively; nil for no bound.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Median bounds the rows by those of earlier versions.
	Median *MedianBounds `json:"median,omitempty"`
	// Step is the step whose ledger is checked.
	Step string `json:"step,omitempty"`
	// PSI and KS bound the distance of the columns' values from those of an earlier version.
	PSI *float64 `json:"psi,omitempty"`
	KS  *float64 `json:"ks,omitempty"`
}

// MedianBounds bounds a number by its median over earlier versions: from Min times to Max times that.
type MedianBounds struct {
	Of  int      `json:"of"` // at most so many versions, the newest
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
}

// CheckKind says what a check measures. Its values are stored and sent: append only.
type CheckKind string

// The kinds of checks. For each, the measures that its query gives, under the names of package coordinator/check.
const (
	CheckRows       CheckKind = "rows"
	CheckNulls      CheckKind = "nulls"
	CheckUnique     CheckKind = "unique"
	CheckRange      CheckKind = "range"
	CheckAccepted   CheckKind = "accepted"
	CheckReferences CheckKind = "references"
	CheckRate       CheckKind = "rate"
	CheckDrift      CheckKind = "drift"
	CheckDisjoint   CheckKind = "disjoint"
	CheckWhere      CheckKind = "where"
	CheckSampling   CheckKind = "sampling"
)
