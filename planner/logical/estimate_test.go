package logical

import (
	"math"
	"testing"

	"github.com/quern-engine/quern/plan"
)

// statisticsTable is a table of a million rows: id is 1…1,000,000 and never repeats, kind is a text of three bits a row,
// day lies in a thousand days, and a quarter of the amounts is NULL.
func statisticsTable(ids *IDs) *Scan {
	bounds := func(low, high, nulls int64) plan.ColumnStats {
		return plan.ColumnStats{HasBounds: true, Min: plan.Literal{Int: low}, Max: plan.Literal{Int: high}, NullCount: nulls, Bytes: 4 << 20}
	}
	s := ScanTable("t", &plan.Table{Schema: plan.Schema{Fields: []plan.Field{
		{Name: "id", Type: plan.Int64}, {Name: "kind", Type: plan.String}, {Name: "day", Type: plan.Date}, {Name: "amount", Type: plan.Int32, Nullable: true},
	}}}, ids)
	group := plan.RowGroup{Rows: 1_000_000, Columns: []plan.ColumnStats{
		bounds(1, 1_000_000, 0), {NullCount: 0, Bytes: 375_000}, bounds(10_000, 10_999, 0), bounds(0, 99, 250_000),
	}}
	s.Files = []FileScan{{File: plan.File{RowGroups: []plan.RowGroup{group}}, Groups: []int{0}}}
	return s
}

func call(name string, args ...*plan.Expr) *plan.Expr {
	return &plan.Expr{Op: plan.OpCall, Name: name, Type: plan.Boolean, Nullable: true, Args: args}
}

func number64(t plan.Type, v int64) *plan.Expr {
	return &plan.Expr{Op: plan.OpLiteral, Type: t, Value: plan.Literal{Int: v}}
}

func TestEstimateFilters(t *testing.T) {
	s := statisticsTable(&IDs{})
	id, kind, day, amount := s.Cols[0].Ref(), s.Cols[1].Ref(), s.Cols[2].Ref(), s.Cols[3].Ref()
	date := func(v int64) *plan.Expr { return number64(plan.Date, v) }
	for _, c := range []struct {
		name string
		p    *plan.Expr
		want int64
	}{
		{"a key", call("=", id, number64(plan.Int64, 5)), 1},
		{"a constant first", call(">=", number64(plan.Int64, 500_001), id), 500_000},
		{"a text of few values", call("=", kind, plan.StringLiteral("x")), 125_000},
		{"a list", call("in", kind, plan.StringLiteral("x"), plan.StringLiteral("y")), 250_000},
		{"a range by two ends", plan.And(call(">=", day, date(10_100)), call("<", day, date(10_200))), 100_000},
		{"outside the bounds", call("=", day, date(5)), 1},
		{"no NULL", call("isnotnull", amount), 750_000},
		{"one of the values that are not NULL", call("=", amount, number64(plan.Int32, 7)), 7_500},
		{"either", call("or", call("=", kind, plan.StringLiteral("x")), call("=", kind, plan.StringLiteral("y"))), 234_375},
		{"not", call("not", call("=", kind, plan.StringLiteral("x"))), 875_000},
	} {
		got := Estimate(&Filter{Input: s, Predicate: c.p}).Rows
		if math.Abs(float64(got-c.want)) > 0.02*float64(c.want)+1 {
			t.Errorf("%s: %d rows, want about %d", c.name, got, c.want)
		}
	}
}

func TestEstimateJoinsAndGroups(t *testing.T) {
	ids := &IDs{}
	s, u := statisticsTable(ids), statisticsTable(ids)
	few := &Filter{Input: u, Predicate: call("=", u.Cols[1].Ref(), plan.StringLiteral("x"))}
	byDay := &Aggregate{Input: s, Keys: []Definition{{Column: ids.Column(s.Cols[2].Field), Expr: s.Cols[2].Ref()}}}
	on := call("=", s.Cols[0].Ref(), u.Cols[0].Ref())
	for _, c := range []struct {
		name string
		n    Node
		want int64
	}{
		{"key with key", &Join{Type: plan.JoinInner, Left: s, Right: u, On: on}, 1_000_000},
		{"with an eighth of the keys", &Join{Type: plan.JoinInner, Left: s, Right: few, On: on}, 125_000},
		{"left rows stay", &Join{Type: plan.JoinLeft, Left: s, Right: few, On: on}, 1_000_000},
		{"semi", &Join{Type: plan.JoinLeftSemi, Left: s, Right: few, On: on}, 125_000},
		{"anti", &Join{Type: plan.JoinLeftAnti, Left: s, Right: few, On: on}, 875_000},
		{"many to many", &Join{Type: plan.JoinInner, Left: s, Right: u, On: call("=", s.Cols[2].Ref(), u.Cols[2].Ref())}, 1_000_000_000},
		{"groups", byDay, 1000},
		{"one group", &Aggregate{Input: s}, 1},
		{"union", &Union{Ins: []Node{s, few}}, 1_125_000},
		{"expand", &Expand{Input: few, Projections: make([][]*plan.Expr, 3)}, 375_000},
	} {
		got := Estimate(c.n).Rows
		if math.Abs(float64(got-c.want)) > 0.02*float64(c.want) {
			t.Errorf("%s: %d rows, want about %d", c.name, got, c.want)
		}
	}
}

func TestUnique(t *testing.T) {
	ids := &IDs{}
	s, u := table(ids), table(ids)
	distinct := &Aggregate{Input: u, Keys: []Definition{{Column: ids.Column(u.Cols[0].Field), Expr: u.Cols[0].Ref()}}}
	key := distinct.Keys[0].Column
	join := &Join{Type: plan.JoinInner, Left: s, Right: distinct, On: call("=", s.Cols[0].Ref(), key.Ref())}
	if !join.RightUnique() {
		t.Error("a row has more than one partner among groups")
	}
	other := *join
	other.On = call("<", s.Cols[0].Ref(), key.Ref())
	if other.RightUnique() {
		t.Error("a comparison finds one partner at most")
	}
	if Covers(Unique(join), []int{key.ID}) {
		t.Error("rows of a table without keys are unique after a join")
	}
	one := &Filter{Input: distinct, Predicate: call("=", key.Ref(), number64(plan.Int64, 1))}
	if !Covers(Unique(one), nil) {
		t.Error("a key that equals a constant leaves more than one row")
	}
	if ExactlyOne(one) || !ExactlyOne(&Aggregate{Input: s, Aggs: []AggCall{{Func: "count"}}}) {
		t.Error("what puts out exactly one row is an aggregation without keys")
	}
}
