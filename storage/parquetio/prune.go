package parquetio

import "github.com/quern-engine/quern/plan"

// groupStats is what is known of a row group's columns, by ordinal in the scan's output.
type groupStats struct {
	rows    int64
	columns []plan.ColumnStats
}

// mayMatch reports whether some row of the group could make the predicate true. It knows comparisons of a column with
// a constant of the same type, IN, IS [NOT] NULL, AND and OR; of anything else it says that it could.
func (g *groupStats) mayMatch(e *plan.Expr) bool {
	if e.IsLiteral() {
		return e.IsTrue()
	}
	if e.Op != plan.OpCall {
		return true
	}
	switch e.Name {
	case "and":
		return g.mayMatch(e.Args[0]) && g.mayMatch(e.Args[1])
	case "or":
		return g.mayMatch(e.Args[0]) || g.mayMatch(e.Args[1])
	case "isnull":
		s, ok := g.of(e.Args[0])
		return !ok || s.NullCount != 0
	case "isnotnull":
		s, ok := g.of(e.Args[0])
		return !ok || s.NullCount < g.rows
	case "in":
		for _, item := range e.Args[1:] {
			if g.mayCompare("=", e.Args[0], item) {
				return true
			}
		}
		return false
	case "=", "<=>", "<", "<=", ">", ">=":
		if e.Args[0].IsLiteral() {
			return g.mayCompare(mirrored(e.Name), e.Args[1], e.Args[0])
		}
		return g.mayCompare(e.Name, e.Args[0], e.Args[1])
	}
	return true
}

// mirrored is the operator with its sides exchanged.
func mirrored(op string) string {
	switch op {
	case "<":
		return ">"
	case "<=":
		return ">="
	case ">":
		return "<"
	case ">=":
		return "<="
	}
	return op
}

// of finds the statistics of an expression that is a column.
func (g *groupStats) of(e *plan.Expr) (plan.ColumnStats, bool) {
	if e.Op != plan.OpColumn || e.Column < 0 || e.Column >= len(g.columns) {
		return plan.ColumnStats{}, false
	}
	return g.columns[e.Column], true
}

func (g *groupStats) mayCompare(op string, column, constant *plan.Expr) bool {
	s, ok := g.of(column)
	if !ok || !constant.IsLiteral() || !column.Type.Equal(constant.Type) || !hasOrder(column.Type) {
		return true
	}
	if constant.Value.Null {
		return op == "<=>" && s.NullCount != 0 // any other comparison with NULL is never true
	}
	if s.NullCount >= 0 && s.NullCount == g.rows {
		return false
	}
	if !s.HasBounds {
		return true
	}
	v := constant.Value
	switch op {
	case "<":
		return compareLiterals(column.Type, s.Min, v) < 0
	case "<=":
		return compareLiterals(column.Type, s.Min, v) <= 0
	case ">":
		return compareLiterals(column.Type, s.Max, v) > 0
	case ">=":
		return compareLiterals(column.Type, s.Max, v) >= 0
	}
	return compareLiterals(column.Type, s.Min, v) <= 0 && compareLiterals(column.Type, s.Max, v) >= 0
}
