package optimize

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// The columns of random expressions: two nullable ints, a smallint that is never NULL, a double and a timestamp.
func testColumns() []*plan.Expr {
	fields := []plan.Field{
		{Name: "a", Type: plan.Int32, Nullable: true}, {Name: "b", Type: plan.Int32, Nullable: true},
		{Name: "s", Type: plan.Int16}, {Name: "d", Type: plan.Float64, Nullable: true},
		{Name: "t", Type: plan.Timestamp, Nullable: true},
	}
	cols := make([]*plan.Expr, len(fields))
	for i, f := range fields {
		cols[i] = plan.ColumnExpr(i, f)
	}
	return cols
}

func mustCall(t *rapid.T, name string, args ...*plan.Expr) *plan.Expr {
	e, err := compute.Call(name, args...)
	if err != nil {
		t.Fatalf("%s%v: %v", name, args, err)
	}
	return e
}

// drawValue draws a constant of a type; small ranges, so that values meet.
func drawValue(t *rapid.T, typ plan.Type, nullable bool) *plan.Expr {
	if nullable && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return plan.NullLiteral(typ)
	}
	e := &plan.Expr{Op: plan.OpLiteral, Type: typ}
	switch typ.Kind {
	case plan.KindFloat64:
		v := rapid.SampledFrom([]float64{-1, 0, math.Copysign(0, -1), 1, 2.5, math.NaN(), math.Inf(1)}).Draw(t, "double")
		e.Value.Bits = math.Float64bits(v)
	case plan.KindTimestamp:
		e.Value.Int = rapid.Int64Range(-2, 2).Draw(t, "day")*microsPerDay + rapid.Int64Range(-1, 1).Draw(t, "µs")
	case plan.KindDate:
		e.Value.Int = rapid.Int64Range(-2, 2).Draw(t, "date")
	default:
		e.Value.Int = rapid.Int64Range(-2, 3).Draw(t, "int")
	}
	return e
}

// drawCondition draws a boolean expression, with a column at the left of each comparison unless plain.
func drawCondition(t *rapid.T, depth int) *plan.Expr {
	if depth == 0 {
		return drawComparison(t)
	}
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return mustCall(t, "and", drawCondition(t, depth-1), drawCondition(t, depth-1))
	case 1:
		return mustCall(t, "or", drawCondition(t, depth-1), drawCondition(t, depth-1))
	case 2:
		return mustCall(t, "not", drawCondition(t, depth-1))
	case 3:
		return mustCall(t, "case", drawCondition(t, depth-1), drawCondition(t, depth-1), drawCondition(t, depth-1))
	case 4:
		return plan.BoolLiteral(rapid.Bool().Draw(t, "constant"))
	}
	return drawComparison(t)
}

func drawComparison(t *rapid.T) *plan.Expr {
	col := rapid.SampledFrom(testColumns()).Draw(t, "column")
	other := drawValue(t, col.Type, true)
	switch rapid.IntRange(0, 6).Draw(t, "comparison") {
	case 0:
		return mustCall(t, "isnull", col)
	case 1:
		return mustCall(t, "isnotnull", col)
	case 2:
		return mustCall(t, "in", col, other, drawValue(t, col.Type, true))
	case 3: // through a cast
		if col.Type.Kind == plan.KindTimestamp {
			col, other = compute.Cast(col, plan.Date), drawValue(t, plan.Date, true)
		} else if col.Type.IsInteger() {
			col, other = compute.Cast(col, plan.Int64), drawValue(t, plan.Int64, true)
		}
	}
	name := rapid.SampledFrom([]string{"=", "<>", "<", "<=", ">", ">=", "<=>"}).Draw(t, "operator")
	if rapid.Bool().Draw(t, "mirror") {
		return mustCall(t, name, other, col)
	}
	return mustCall(t, name, col, other)
}

func drawRow(t *rapid.T) map[int]*plan.Expr {
	row := map[int]*plan.Expr{}
	for i, c := range testColumns() {
		row[i] = drawValue(t, c.Type, c.Nullable)
	}
	return row
}

// valueOf evaluates a condition on a row by the constant folder alone.
func valueOf(t *rapid.T, e *plan.Expr, row map[int]*plan.Expr) string {
	v, err := compute.Fold(logical.Substitute(e, row), plan.Session{})
	if err != nil || !v.IsLiteral() {
		t.Fatalf("%s: %v, %v", e, v, err)
	}
	return plan.FormatLiteral(v.Type, v.Value)
}

func TestSimplifyKeepsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, row := drawCondition(t, 3), drawRow(t)
		s := (&rewriter{}).simplify(e)
		if got, want := valueOf(t, s, row), valueOf(t, e, row); got != want {
			t.Fatalf("%s is %s, but simplified to %s it is %s", e, want, s, got)
		}
		if s.Nullable && !e.Nullable {
			t.Fatalf("%s is not nullable, but %s is", e, s)
		}
	})
}

func TestUnwrapKeepsValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, row := (&rewriter{}).simplify(drawCondition(t, 2)), drawRow(t)
		u := e.Transform(unwrap)
		if got, want := valueOf(t, u, row), valueOf(t, e, row); got != want {
			t.Fatalf("%s is %s, but unwrapped to %s it is %s", e, want, u, got)
		}
	})
}

// A row group that has a row for which a condition is true must not be pruned by its statistics.
func TestPruningKeepsRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols := testColumns()
		rows := make([]map[int]*plan.Expr, rapid.IntRange(1, 3).Draw(t, "rows"))
		for i := range rows {
			rows[i] = drawRow(t)
		}
		group := plan.RowGroup{Rows: int64(len(rows))}
		ordinals := map[int]int{}
		for i, c := range cols {
			ordinals[i] = i
			group.Columns = append(group.Columns, statistics(c.Type, i, rows))
		}
		e := (&rewriter{}).simplify(drawCondition(t, 2)).Transform(unwrap)
		for _, row := range rows {
			if valueOf(t, e, row) == "true" && !groupMayPass(plan.Conjuncts(e), ordinals, group) {
				t.Fatalf("%s is true for %v but the row group is pruned: %+v", e, row, group)
			}
		}
	})
}

// statistics bounds a column as Parquet writers do: without NULL and NaN.
func statistics(typ plan.Type, column int, rows []map[int]*plan.Expr) plan.ColumnStats {
	s := plan.ColumnStats{Bytes: 1}
	for _, row := range rows {
		v := row[column].Value
		switch {
		case v.Null:
			s.NullCount++
			continue
		case typ.IsFloat() && math.IsNaN(v.Float()):
			continue
		}
		if c, _ := compareLiterals(typ, v, s.Min); !s.HasBounds || c < 0 {
			s.Min = v
		}
		if c, _ := compareLiterals(typ, v, s.Max); !s.HasBounds || c > 0 {
			s.Max = v
		}
		s.HasBounds = true
	}
	return s
}

// What statistics can rule out, they must: the test above would pass if nothing were ever pruned.
func TestPruningPrunes(t *testing.T) {
	col := plan.ColumnExpr(0, plan.Field{Name: "a", Type: plan.Int64, Nullable: true})
	group := plan.RowGroup{Rows: 10, Columns: []plan.ColumnStats{{HasBounds: true, Min: plan.Literal{Int: 5}, Max: plan.Literal{Int: 9}, Bytes: 1}}}
	five := plan.Int64Literal
	for _, c := range []struct {
		name string
		v    int64
		want bool
	}{
		{"=", 4, false}, {"=", 5, true}, {"=", 9, true}, {"=", 10, false}, {"<", 5, false}, {"<", 6, true}, {"<=", 4, false},
		{"<=", 5, true}, {">", 9, false}, {">", 8, true}, {">=", 10, false}, {">=", 9, true}, {"<>", 5, true},
	} {
		e, err := compute.Call(c.name, col, five(c.v))
		if err != nil {
			t.Fatal(err)
		}
		if got := groupMayPass([]*plan.Expr{e}, map[int]int{0: 0}, group); got != c.want {
			t.Errorf("%s over 5..9: %v, want %v", e, got, c.want)
		}
	}
	isNull, err := compute.Call("isnull", col)
	if err != nil {
		t.Fatal(err)
	}
	if groupMayPass([]*plan.Expr{isNull}, map[int]int{0: 0}, group) {
		t.Error("a column without NULL may be NULL")
	}
}
