package logical

import (
	"strings"
	"testing"

	"github.com/quern-engine/quern/plan"
)

func table(ids *IDs) *Scan {
	return ScanTable("t", &plan.Table{Schema: plan.Schema{Fields: []plan.Field{
		{Name: "a", Type: plan.Int64}, {Name: "b", Type: plan.String, Nullable: true},
	}}}, ids)
}

func TestVerifyFindsDefects(t *testing.T) {
	ids := &IDs{}
	scan := table(ids)
	a, b := scan.Cols[0], scan.Cols[1]
	wrongType, notNull := a.Ref(), b.Ref()
	wrongType.Type, notNull.Nullable = plan.Int32, false
	project := func(e *plan.Expr, c Column) Node {
		return &Project{Input: scan, Defs: []Definition{{Column: c, Expr: e}}}
	}
	for want, n := range map[string]Node{
		"not produced below":         project(ids.Column(a.Field).Ref(), ids.Column(a.Field)),
		"it is bigint":               project(wrongType, ids.Column(plan.Field{Name: "x", Type: plan.Int32})),
		"takes nullable column":      project(notNull, ids.Column(plan.Field{Name: "x", Type: plan.String})),
		"its expression is bigint":   project(a.Ref(), ids.Column(plan.Field{Name: "x", Type: plan.String})),
		"is not nullable but its":    project(b.Ref(), ids.Column(plan.Field{Name: "x", Type: plan.String})),
		"predicate is bigint":        &Filter{Input: scan, Predicate: a.Ref()},
		"condition is bigint":        &Join{Type: plan.JoinInner, Left: scan, Right: table(ids), On: a.Ref()},
		"is defined twice":           &Join{Type: plan.JoinCross, Left: scan, Right: scan},
		"row of 1 values for 0":      &Values{Rows: [][]*plan.Expr{{plan.Int64Literal(1)}}},
		"value 1 is bigint, not int": &Values{Cols: []Column{ids.Column(plan.Field{Name: "x", Type: plan.Int32})}, Rows: [][]*plan.Expr{{plan.Int64Literal(1)}}},
	} {
		if err := Verify(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", Describe(n), err, want)
		}
	}
}

func TestRefreshMakesPlansJoinable(t *testing.T) {
	ids := &IDs{}
	scan := table(ids)
	key := Definition{Column: ids.Column(scan.Cols[1].Field), Expr: scan.Cols[1].Ref()}
	count := AggCall{Column: ids.Column(plan.Field{Name: "n", Type: plan.Int64}), Func: "count"}
	agg := &Aggregate{Input: scan, Keys: []Definition{key}, Aggs: []AggCall{count}}
	sorted := &Sort{Input: agg, Keys: []SortKey{{Column: count.Column}}, Limit: -1}
	again := Refresh(sorted, ids)
	if err := Verify(&Join{Type: plan.JoinCross, Left: sorted, Right: again}); err != nil {
		t.Fatal(err)
	}
	if id := again.(*Sort).Keys[0].Column.ID; id != again.Columns()[1].ID {
		t.Errorf("sort key has id %d, the column %d", id, again.Columns()[1].ID)
	}
}
