package optimize

import (
	"bytes"
	"cmp"
	"math"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// pruneRowGroups drops the row groups whose statistics make a filter above the scan false, and files that have none
// left.
func pruneRowGroups(r *rewriter, n logical.Node) logical.Node {
	return overScans(n, func(s *logical.Scan, preds []*plan.Expr) *logical.Scan {
		ordinals := map[int]int{}
		for i, c := range s.Cols {
			ordinals[c.ID] = s.Ordinals[i]
		}
		out := *s
		out.Files = nil
		dropped := 0
		for _, f := range s.Files {
			kept := logical.FileScan{File: f.File}
			for _, g := range f.Groups {
				if groupMayPass(preds, ordinals, f.File.RowGroups[g]) {
					kept.Groups = append(kept.Groups, g)
				} else {
					dropped++
				}
			}
			if len(kept.Groups) > 0 || f.Groups == nil {
				out.Files = append(out.Files, kept)
			}
		}
		if dropped == 0 {
			return s
		}
		out.DroppedGroups += dropped
		return &out
	})
}

func groupMayPass(preds []*plan.Expr, ordinals map[int]int, g plan.RowGroup) bool {
	b := bounds{ordinals: ordinals, group: g}
	for _, p := range preds {
		if !b.mayBeTrue(p) {
			return false
		}
	}
	return true
}

// bounds answers what a condition can be within one row group. Every answer is on the safe side: what is not
// understood may be true.
type bounds struct {
	ordinals map[int]int
	group    plan.RowGroup
}

func (b bounds) mayBeTrue(p *plan.Expr) bool {
	if p.IsLiteral() {
		return p.IsTrue()
	}
	if p.Op != plan.OpCall {
		return true
	}
	switch p.Name {
	case "and":
		return b.mayBeTrue(p.Args[0]) && b.mayBeTrue(p.Args[1])
	case "or":
		return b.mayBeTrue(p.Args[0]) || b.mayBeTrue(p.Args[1])
	case "isnull", "isnotnull":
		return b.mayBeNull(p)
	case "in":
		return b.mayBeIn(p)
	case "like", "startswith":
		for _, end := range PrefixRange(p) {
			if !b.mayBeTrue(end) {
				return false
			}
		}
		return true
	}
	name, l, r := p.Name, p.Args[0], p.Args[len(p.Args)-1]
	swapped, ok := mirrored(name)
	if !ok || name == "<=>" || len(p.Args) != 2 {
		return true
	}
	if l.IsLiteral() {
		name, l, r = swapped, r, l
	}
	return b.mayCompare(name, l, r)
}

// column is the statistics of a column reference.
func (b bounds) column(e *plan.Expr) (plan.ColumnStats, bool) {
	if e.Op != plan.OpColumn {
		return plan.ColumnStats{}, false
	}
	i, ok := b.ordinals[e.Column]
	if !ok || i < 0 || i >= len(b.group.Columns) {
		return plan.ColumnStats{}, false
	}
	s := b.group.Columns[i]
	// A zero value is "unknown", not "no nulls".
	return s, s.HasBounds || s.NullCount != 0 || s.Bytes != 0
}

func (b bounds) mayBeNull(p *plan.Expr) bool {
	s, ok := b.column(p.Args[0])
	if !ok || s.NullCount < 0 {
		return true
	}
	if p.Name == "isnull" {
		return s.NullCount > 0
	}
	return s.NullCount < b.group.Rows
}

func (b bounds) mayBeIn(p *plan.Expr) bool {
	for _, v := range p.Args[1:] {
		if !v.IsLiteral() || b.mayCompare("=", p.Args[0], v) {
			return true
		}
	}
	return false
}

// mayCompare reports whether some value within the column's bounds compares true with a constant.
func (b bounds) mayCompare(name string, column, constant *plan.Expr) bool {
	s, ok := b.column(column)
	if !ok || !constant.IsLiteral() || !column.Type.Equal(constant.Type) {
		return true
	}
	if constant.Value.Null {
		return false
	}
	if s.NullCount >= b.group.Rows && b.group.Rows > 0 {
		return false // all NULL
	}
	if !s.HasBounds {
		return true
	}
	low, okLow := compareLiterals(column.Type, s.Min, constant.Value)
	high, okHigh := compareLiterals(column.Type, s.Max, constant.Value)
	if !okLow || !okHigh {
		return true
	}
	if column.Type.IsFloat() && name != "=" {
		high = 1 // statistics leave NaN out, and NaN is greater than every number
	}
	switch name {
	case "=":
		return low <= 0 && high >= 0
	case "<>":
		return low != 0 || high != 0
	case "<":
		return low < 0
	case "<=":
		return low <= 0
	case ">":
		return high > 0
	case ">=":
		return high >= 0
	}
	return true
}

// compareLiterals orders two constants of a type; ok is false where NaN or an unknown type is in play.
func compareLiterals(t plan.Type, a, b plan.Literal) (order int, ok bool) {
	switch t.Kind {
	case plan.KindFloat32, plan.KindFloat64:
		if math.IsNaN(a.Float()) || math.IsNaN(b.Float()) {
			return 0, false
		}
		return cmp.Compare(a.Float(), b.Float()), true
	case plan.KindDecimal:
		return a.Decimal().Cmp(b.Decimal()), true
	case plan.KindString, plan.KindBinary:
		return bytes.Compare(a.Bytes, b.Bytes), true
	case plan.KindBoolean, plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64, plan.KindDate, plan.KindTimestamp:
		return cmp.Compare(a.Int, b.Int), true
	}
	return 0, false
}
