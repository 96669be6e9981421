package operator

import (
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Filters is where joins put what their build sides turned out to hold, and where scans of the same task look for it.
type Filters interface {
	// Publish offers the filter with an id of plan.Join.Publishes. It is called at most once for an id, before the
	// join asks its left input for anything.
	Publish(id int, f RuntimeFilter)
}

// RuntimeFilter says which values can find a partner in a join: none but those of Values and of Set, if these are not nil,
// and none outside of Min and Max, if they are not nil. NULL finds no partner. With Empty nothing finds one.
type RuntimeFilter struct {
	Type     plan.Type
	Empty    bool
	Min, Max *plan.Literal
	Values   []plan.Literal // in ascending order, without duplicates
	Set      *vector.Bitmap // a bitmap of integers, dates or times, where there are too many values to name
}
