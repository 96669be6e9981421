package operator_test

import (
	"testing"

	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
)

func TestUnion(t *testing.T) {
	more := optest.Table{Schema: "other string, m bigint", Rows: []string{"kiwi|8", "fig|7"}}
	none := optest.Table{Schema: "other string, m bigint"}
	optest.Run(t, optest.Case{
		Inputs:  []optest.Table{none, fruit, more},
		Build:   build(&plan.Node{Op: plan.NodeUnion, Schema: schema(t, fruit.Schema)}),
		Want:    []string{"apple|3", "pear|NULL", "NULL|5", "apple|1", "fig|7", "pear|2", "''|0", "kiwi|8", "fig|7"},
		Ordered: true,
	})
	optest.Run(t, optest.Case{
		Inputs:  []optest.Table{{Schema: "a array<int!>", Rows: []string{"[1,2]"}}, {Schema: "b array<int>", Rows: []string{"[NULL]", "NULL"}}},
		Build:   build(&plan.Node{Op: plan.NodeUnion, Schema: schema(t, "a array<int>")}),
		Want:    []string{"[1,2]", "[null]", "NULL"},
		Ordered: true,
	})
}

func TestExpand(t *testing.T) {
	s := schema(t, fruit.Schema)
	twice := plan.CallExpr("+", plan.Int64, column(s, 1), column(s, 1))
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{{Schema: fruit.Schema, Rows: fruit.Rows[:3]}},
		Build: build(&plan.Node{Op: plan.NodeExpand, Schema: schema(t, "name string, n bigint, id bigint"), Expand: &plan.Expand{
			Projections: [][]*plan.Expr{
				{column(s, 0), column(s, 1), plan.Int64Literal(0)},
				{column(s, 0), twice, plan.Int64Literal(1)},
				{plan.NullLiteral(plan.String), column(s, 1), plan.Int64Literal(3)},
			},
		}}),
		Want: []string{
			"apple|3|0", "apple|6|1", "NULL|3|3", "pear|NULL|0", "pear|NULL|1", "NULL|NULL|3", "NULL|5|0", "NULL|10|1", "NULL|5|3",
		},
		Ordered: true,
	})
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{{Schema: "n bigint", Rows: []string{"1", "9223372036854775807"}}},
		Build: build(&plan.Node{Op: plan.NodeExpand, Schema: schema(t, "n bigint"), Expand: &plan.Expand{
			Projections: [][]*plan.Expr{{plan.CallExpr("+", plan.Int64, column(schema(t, "n bigint"), 0), plan.Int64Literal(1))}},
		}}),
		WantError: &plan.Failure{Kind: plan.FailureUser},
	})
}

func TestGenerate(t *testing.T) {
	in := optest.Table{Schema: "k string, a array<int>", Rows: []string{"x|[1,2]", "y|NULL", "z|[]", "w|[NULL]"}}
	s := schema(t, in.Schema)
	returns := plan.Struct(plan.Field{Name: "pos", Type: plan.Int32}, plan.Field{Name: "col", Type: plan.Int32, Nullable: true})
	run := func(outer bool, want ...string) {
		t.Helper()
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{in},
			Build: build(&plan.Node{Op: plan.NodeGenerate, Schema: schema(t, in.Schema+", pos int, col int"), Generate: &plan.Generate{
				Call: plan.CallExpr("posexplode", returns, column(s, 1)), Outer: outer,
			}}),
			Want:    want,
			Ordered: true,
		})
	}
	run(false, "x|[1,2]|0|1", "x|[1,2]|1|2", "w|[null]|0|NULL")
	run(true, "x|[1,2]|0|1", "x|[1,2]|1|2", "y|NULL|NULL|NULL", "z|[]|NULL|NULL", "w|[null]|0|NULL")
}
