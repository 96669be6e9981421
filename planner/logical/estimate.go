package logical

import "github.com/quern-engine/quern/plan"

// Size is a guess at how much a node puts out. Guesses decide partition counts and which side of a join is sent
// whole, never results, and are functions of the plan and the files' statistics alone.
type Size struct {
	Rows  int64
	Bytes int64 // in memory
}

// rowsUnknown stands in for files whose statistics were not read: large enough not to be broadcast.
const rowsUnknown = 10_000_000

// Estimate guesses the size of a node's output. A filter and a grouping each keep half: nothing is known about values
// yet, and too high a guess costs less than too low a one.
func Estimate(n Node) Size {
	rows := estimateRows(n)
	return Size{Rows: rows, Bytes: rows * rowWidth(n.Columns())}
}

func estimateRows(n Node) int64 {
	switch n := n.(type) {
	case *Scan:
		return scanRows(n)
	case *Values:
		return int64(len(n.Rows))
	case *Filter:
		return (estimateRows(n.Input) + 1) / 2
	case *Aggregate:
		if len(n.Keys) == 0 {
			return 1
		}
		return (estimateRows(n.Input) + 1) / 2
	case *Join:
		return joinRows(n, estimateRows(n.Left), estimateRows(n.Right))
	case *Limit:
		return atMost(estimateRows(n.Input), n.Count)
	case *Sort:
		return atMost(estimateRows(n.Input), n.Limit)
	}
	return estimateRows(n.Inputs()[0])
}

func joinRows(n *Join, left, right int64) int64 {
	switch n.Type {
	case plan.JoinLeftSemi, plan.JoinLeftAnti:
		return left
	case plan.JoinCross:
		return multiply(left, right)
	case plan.JoinFull:
		return left + right
	case plan.JoinLeft:
		return left
	}
	return max(left, right)
}

func multiply(a, b int64) int64 {
	const most = 1 << 40
	if b != 0 && a > most/b {
		return most
	}
	return a * b
}

func atMost(rows, limit int64) int64 {
	if limit >= 0 && limit < rows {
		return limit
	}
	return rows
}

func scanRows(n *Scan) int64 {
	var rows int64
	for _, f := range n.Files {
		if f.Groups == nil {
			return rowsUnknown
		}
		for _, g := range f.Groups {
			rows += f.File.RowGroups[g].Rows
		}
	}
	return rows
}

// rowWidth is the bytes of a row in memory; a string counts as 16 and its offset.
func rowWidth(cols []Column) int64 {
	width := int64(1)
	for _, c := range cols {
		switch c.Type.Kind {
		case plan.KindBoolean, plan.KindInt8, plan.KindNull:
			width++
		case plan.KindInt16:
			width += 2
		case plan.KindInt32, plan.KindFloat32, plan.KindDate:
			width += 4
		case plan.KindString, plan.KindBinary:
			width += 20
		case plan.KindDecimal:
			width += 16
		default:
			width += 8
		}
	}
	return width
}
