package logical

import (
	"slices"

	"github.com/quern-engine/quern/plan"
)

// mostUnique bounds how many sets of unique columns are followed: a join of two sides multiplies them.
const mostUnique = 8

// Unique lists sets of columns of which no two rows of a node have the same values, NULL taken as a value. The empty set
// says that there is at most one row.
func Unique(n Node) [][]int {
	switch n := n.(type) {
	case *Values:
		if len(n.Rows) <= 1 {
			return [][]int{{}}
		}
	case *Limit:
		if n.Count == 1 || n.Count == 0 {
			return [][]int{{}}
		}
		return Unique(n.Input)
	case *Filter:
		return withoutConstants(Unique(n.Input), n.Predicate)
	case *Sort, *Window, *Tally:
		return Unique(n.Inputs()[0])
	case *Project:
		return renamedSets(Unique(n.Input), n.Defs)
	case *Aggregate:
		return [][]int{columnIDs(columnsOf(n.Keys))}
	case *Join:
		return uniqueJoin(n)
	case *AsofJoin:
		return Unique(n.Left)
	case *EventWindows:
		return Unique(n.Left)
	}
	return nil
}

// withoutConstants leaves out columns that a condition gives one value.
func withoutConstants(sets [][]int, predicate *plan.Expr) [][]int {
	for _, p := range plan.Conjuncts(predicate) {
		name, column, _, ok := Comparison(p)
		if !ok || name != "=" && name != "<=>" && name != "isnull" {
			continue
		}
		for i, s := range sets {
			sets[i] = slices.DeleteFunc(slices.Clone(s), func(id int) bool { return id == column.Column })
		}
	}
	return sets
}

// renamedSets keeps the sets of which all columns come through a projection.
func renamedSets(sets [][]int, defs []Definition) [][]int {
	var out [][]int
	for _, s := range sets {
		through := []int{}
		for _, id := range s {
			if i := slices.IndexFunc(defs, func(d Definition) bool { return d.Expr.Op == plan.OpColumn && d.Expr.Column == id }); i >= 0 {
				through = append(through, defs[i].ID)
			}
		}
		if len(through) == len(s) {
			out = append(out, through)
		}
	}
	return out
}

func uniqueJoin(n *Join) [][]int {
	left := Unique(n.Left)
	switch n.Type {
	case plan.JoinLeftSemi, plan.JoinLeftAnti, plan.JoinMark, plan.JoinSingle:
		return left
	case plan.JoinFull:
		return nil
	}
	right := Unique(n.Right)
	var out [][]int
	if n.RightUnique() {
		out = append(out, left...)
	}
	if n.Type == plan.JoinLeft {
		return out
	}
	leftKeys, _ := n.keyColumns()
	if Covers(left, leftKeys) {
		out = append(out, right...)
	}
	for _, l := range left {
		for _, r := range right {
			out = append(out, slices.Concat(l, r))
		}
	}
	return out[:min(len(out), mostUnique)]
}

// RightUnique reports whether a left row has at most one partner.
func (n *Join) RightUnique() bool {
	_, right := n.keyColumns()
	return Covers(Unique(n.Right), right)
}

// keyColumns lists the keys of a join that are columns.
func (n *Join) keyColumns() (left, right []int) {
	keys, _ := n.Keys()
	for _, k := range keys {
		if k.Left.Op == plan.OpColumn {
			left = append(left, k.Left.Column)
		}
		if k.Right.Op == plan.OpColumn {
			right = append(right, k.Right.Column)
		}
	}
	return left, right
}

// Covers reports whether one of the sets is among the columns.
func Covers(sets [][]int, columns []int) bool {
	return slices.ContainsFunc(sets, func(s []int) bool {
		return !slices.ContainsFunc(s, func(id int) bool { return !slices.Contains(columns, id) })
	})
}

// ExactlyOne reports a plan that puts out one row whatever its tables hold.
func ExactlyOne(n Node) bool {
	switch n := n.(type) {
	case *Aggregate:
		return len(n.Keys) == 0 && len(n.Aggs) > 0
	case *Values:
		return len(n.Rows) == 1
	case *Project:
		return ExactlyOne(n.Input)
	case *Sort:
		return n.Limit != 0 && ExactlyOne(n.Input)
	case *Window:
		return ExactlyOne(n.Input)
	case *Tally:
		return ExactlyOne(n.Input)
	}
	return false
}

func columnIDs(cols []Column) []int {
	ids := make([]int, len(cols))
	for i, c := range cols {
		ids[i] = c.ID
	}
	return ids
}
