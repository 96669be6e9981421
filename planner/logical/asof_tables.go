package logical

import (
	"fmt"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

// AsofTable is the right side of an as-of join whose times are timestamps. Expressions are over the columns of Node.
//
// A left row has a match where Time, if that is a column, is not NULL in the output, and its age is the difference of
// the times there.
type AsofTable struct {
	Node Node
	Keys []*plan.Expr // in the order of the left side's, of the same types
	Time *plan.Expr
	// Available is when a row became known; nil: at once. Rows count for left rows of Latency microseconds later or more.
	Available *plan.Expr
	Latency   int64
	// Ties come after Time and Available in the order of rows; the remaining columns follow.
	Ties []*plan.Expr
	// SkipNulls are columns whose values come each from the best row in which it is not NULL.
	SkipNulls     []*plan.Expr
	Direction     plan.AsofDirection
	Strict        bool   // equal times do not match
	PreferForward bool   // nearest: of two rows as near, take the later
	Tolerance     *int64 // in microseconds, inclusive; nil for none
	Inner         bool   // left rows without a match are left out
	Tally         int    // see plan.AsofJoin
}

// NewAsofJoin gives each left row, by keys and a time, the matching row of each table: the left columns, then those of
// the tables in order. No column id may occur twice: see [Refresh]. The left side is shuffled and sorted once. All that
// can be wrong with the arguments is for the caller to check; what is wrong nevertheless, Verify says.
func NewAsofJoin(left Node, keys []*plan.Expr, time *plan.Expr, tables ...AsofTable) (Node, error) {
	interval := plan.Type{Kind: plan.KindDayTimeInterval}
	micros := func(n int64) *plan.Expr {
		return &plan.Expr{Op: plan.OpLiteral, Type: interval, Value: plan.Literal{Int: n}}
	}
	for _, t := range tables {
		j := &AsofJoin{
			Left: left, Right: t.Node, LeftKeys: keys, RightKeys: t.Keys, LeftTime: time, RightTime: t.Time,
			Available: t.Available, SkipNulls: t.SkipNulls, Direction: t.Direction, Exact: !t.Strict,
			PreferForward: t.PreferForward, Keep: !t.Inner, Tally: t.Tally,
		}
		if t.Latency != 0 && t.Available != nil {
			later, err := compute.Call("try_add", t.Available, micros(t.Latency)) // a sum that is too great is never reached
			if err != nil {
				return nil, fmt.Errorf("as-of join: latency: %w", err)
			}
			j.Available = later
		}
		if t.Tolerance != nil {
			j.Tolerance = micros(*t.Tolerance)
		}
		if t.Available != nil {
			j.Ties = append(j.Ties, t.Available)
		}
		j.Ties = append(j.Ties, t.Ties...)
		j.breakTies()
		left = j
	}
	return left, nil
}
