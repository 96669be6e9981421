package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// answerFromStatistics computes count, min and max over whole tables from what their files say, without reading a row.
func answerFromStatistics(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		agg, ok := n.(*logical.Aggregate)
		if !ok || len(agg.Keys) > 0 || len(agg.Aggs) == 0 {
			return n
		}
		scan, defs, ok := bareScan(agg.Input)
		if !ok {
			return n
		}
		out := &logical.Values{Cols: agg.Columns(), Rows: [][]*plan.Expr{nil}}
		for _, a := range agg.Aggs {
			v := statisticOf(scan, defs, a)
			if v == nil || !v.Type.Equal(a.Type) {
				return n
			}
			out.Rows[0] = append(out.Rows[0], v)
		}
		return out
	})
}

// bareScan is a scan of which all rows are read, below projections at most. defs says what columns above it stand for.
func bareScan(n logical.Node) (s *logical.Scan, defs map[int]*plan.Expr, ok bool) {
	switch n := n.(type) {
	case *logical.Scan:
		for _, f := range n.Files {
			if f.Groups == nil {
				return nil, nil, false
			}
		}
		return n, nil, n.Table.Source.Format == "" || n.Table.Source.Format == "parquet"
	case *logical.Tally:
		if passable(n) {
			return bareScan(n.Input)
		}
	case *logical.Project:
		s, below, ok := bareScan(n.Input)
		if !ok {
			return nil, nil, false
		}
		defs := map[int]*plan.Expr{}
		for _, d := range n.Defs {
			defs[d.ID] = logical.Substitute(d.Expr, below)
		}
		return s, defs, true
	}
	return nil, nil, false
}

// statisticOf is the value of an aggregate call over all rows of a scan, or nil where files do not tell.
func statisticOf(s *logical.Scan, defs map[int]*plan.Expr, a logical.AggCall) *plan.Expr {
	if a.Filter != nil || len(a.Args) > 1 || a.Distinct && a.Func == "count" {
		return nil
	}
	if len(a.Args) == 0 {
		if a.Func != "count" {
			return nil
		}
		return rowCount(s)
	}
	e := logical.Substitute(a.Args[0], defs)
	if a.Func == "count" && !e.Nullable && !canFail(e) {
		return rowCount(s)
	}
	total := columnTotals{}
	if e.Op != plan.OpColumn || !total.addColumn(s, e) {
		return nil
	}
	switch a.Func {
	case "count":
		if !total.counted {
			return nil
		}
		return plan.Int64Literal(total.rows - total.nulls)
	case "min", "max":
		return total.bound(a.Func, e.Type)
	}
	return nil
}

// columnTotals is what files say of a column, taken together.
type columnTotals struct {
	rows, nulls int64
	counted     bool // every row group says how many NULLs it has
	bounded     bool // every row group with values has bounds
	known       bool // some row group has
	min, max    plan.Literal
}

func rowCount(s *logical.Scan) *plan.Expr {
	var rows int64
	for _, f := range s.Files {
		for _, g := range f.Groups {
			rows += f.File.RowGroups[g].Rows
		}
	}
	return plan.Int64Literal(rows)
}

// addColumn reports false where files say nothing of the column.
func (t *columnTotals) addColumn(s *logical.Scan, e *plan.Expr) bool {
	t.bounded, t.counted = true, true
	ordinal := -1
	for i, c := range s.Cols {
		if c.ID == e.Column {
			ordinal = s.Ordinals[i]
		}
	}
	if ordinal < 0 || e.Type.IsNested() {
		return false
	}
	for _, f := range s.Files {
		for _, g := range f.Groups {
			group := f.File.RowGroups[g]
			if ordinal >= len(group.Columns) {
				return false
			}
			c := group.Columns[ordinal]
			// A zero value is "unknown", not "no nulls".
			if !c.HasBounds && c.NullCount == 0 && c.Bytes == 0 {
				return false
			}
			t.counted = t.counted && c.NullCount >= 0
			t.rows, t.nulls = t.rows+group.Rows, t.nulls+c.NullCount
			if c.NullCount < group.Rows {
				t.addBounds(e.Type, c)
			}
		}
	}
	return true
}

func (t *columnTotals) addBounds(typ plan.Type, c plan.ColumnStats) {
	t.bounded = t.bounded && c.HasBounds
	if !c.HasBounds {
		return
	}
	if !t.known {
		t.min, t.max, t.known = c.Min, c.Max, true
		return
	}
	if order, ok := compareLiterals(typ, c.Min, t.min); ok && order < 0 {
		t.min = c.Min
	}
	if order, ok := compareLiterals(typ, c.Max, t.max); ok && order > 0 {
		t.max = c.Max
	}
}

// bound is the least or greatest value. Bounds of strings may be cut short, and those of floats leave NaN out.
func (t *columnTotals) bound(name string, typ plan.Type) *plan.Expr {
	switch {
	case !typ.IsInteger() && typ.Kind != plan.KindDate && typ.Kind != plan.KindTimestamp && typ.Kind != plan.KindTimestampNTZ:
		return nil
	case !t.bounded:
		return nil
	case !t.known:
		return plan.NullLiteral(typ)
	}
	v := t.min
	if name == "max" {
		v = t.max
	}
	return &plan.Expr{Op: plan.OpLiteral, Type: typ, Value: v}
}
