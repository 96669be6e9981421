package operator_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

const (
	leftSchema  = "k string, a bigint"
	rightSchema = "k2 string, b bigint"
)

var everyJoin = []plan.JoinType{
	plan.JoinInner, plan.JoinLeft, plan.JoinFull, plan.JoinLeftSemi, plan.JoinLeftAnti, plan.JoinCross,
}

func leftOnly(j plan.JoinType) bool { return j == plan.JoinLeftSemi || j == plan.JoinLeftAnti }

func join(t testing.TB, j *plan.Join) func(operator.Env, []operator.Operator) (operator.Operator, error) {
	t.Helper()
	text := leftSchema
	if !leftOnly(j.Type) {
		text += ", " + rightSchema
	}
	return build(&plan.Node{Op: plan.NodeJoin, Schema: schema(t, text), Join: j})
}

// nestedLoop joins rows of text the plain way.
func nestedLoop(left, right []string, j *plan.Join, holds func(l, r []string) bool) []string {
	var out []string
	partners := make([]bool, len(right))
	for _, l := range left {
		found := false
		for i, r := range right {
			if !matches(j, strings.Split(l, "|"), strings.Split(r, "|")) || !holds(strings.Split(l, "|"), strings.Split(r, "|")) {
				continue
			}
			if partners[i] = true; !leftOnly(j.Type) {
				out = append(out, l+"|"+r)
			} else if j.Type == plan.JoinLeftSemi && !found {
				out = append(out, l)
			}
			found = true
		}
		switch {
		case found:
		case j.Type == plan.JoinLeftAnti:
			out = append(out, l)
		case j.Type == plan.JoinLeft || j.Type == plan.JoinFull:
			out = append(out, l+"|NULL|NULL")
		}
	}
	for i, r := range right {
		if j.Type == plan.JoinFull && !partners[i] {
			out = append(out, "NULL|NULL|"+r)
		}
	}
	return out
}

func matches(j *plan.Join, l, r []string) bool {
	for i, k := range j.LeftKeys {
		x, y := l[k], r[j.RightKeys[i]]
		if x != y || x == "NULL" && !(i < len(j.NullSafe) && j.NullSafe[i]) {
			return false
		}
	}
	return true
}

func always(_, _ []string) bool { return true }

var (
	people = optest.Table{Schema: leftSchema, Rows: []string{"x|1", "y|2", "NULL|3", "x|4", "z|5", "w|NULL"}}
	things = optest.Table{Schema: rightSchema, Rows: []string{"x|10", "NULL|20", "y|30", "x|40", "x|50", "u|NULL"}}
)

// The expected rows are written out once, so that the oracle of the other tests is itself tested.
func TestJoinOrder(t *testing.T) {
	for kind, want := range map[plan.JoinType][]string{
		plan.JoinInner: {"x|1|x|10", "x|1|x|40", "x|1|x|50", "y|2|y|30", "x|4|x|10", "x|4|x|40", "x|4|x|50"},
		plan.JoinFull: {"x|1|x|10", "x|1|x|40", "x|1|x|50", "y|2|y|30", "NULL|3|NULL|NULL", "x|4|x|10", "x|4|x|40", "x|4|x|50",
			"z|5|NULL|NULL", "w|NULL|NULL|NULL", "NULL|NULL|NULL|20", "NULL|NULL|u|NULL"},
		plan.JoinLeftSemi: {"x|1", "y|2", "x|4"},
		plan.JoinLeftAnti: {"NULL|3", "z|5", "w|NULL"},
	} {
		j := &plan.Join{Type: kind, LeftKeys: []int{0}, RightKeys: []int{0}}
		if oracle := nestedLoop(people.Rows, things.Rows, j, always); !slices.Equal(oracle, want) {
			t.Fatalf("%s: the oracle says %q", kind, oracle)
		}
		t.Run(string(kind), func(t *testing.T) {
			optest.Run(t, optest.Case{Inputs: []optest.Table{people, things}, Build: join(t, j), Want: want, Ordered: true})
		})
	}
}

// condition is a < b over the joined columns.
func condition(t testing.TB) *plan.Expr {
	all := schema(t, leftSchema+", "+rightSchema)
	return plan.CallExpr("<", plan.Boolean, column(all, 1), column(all, 3))
}

func ascending(l, r []string) bool {
	return l[1] != "NULL" && r[1] != "NULL" && (len(l[1]) < len(r[1]) || len(l[1]) == len(r[1]) && l[1] < r[1])
}

func TestJoinAgainstOracle(t *testing.T) {
	keySets := [][]int{{}, {0}, {0, 1}}
	for _, kind := range everyJoin {
		t.Run(string(kind), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				j := &plan.Join{Type: kind}
				if kind != plan.JoinCross {
					j.LeftKeys = rapid.SampledFrom(keySets).Draw(rt, "keys")
					j.RightKeys = j.LeftKeys
					for range j.LeftKeys {
						j.NullSafe = append(j.NullSafe, rapid.Bool().Draw(rt, "null safe"))
					}
				}
				holds := always
				if rapid.Bool().Draw(rt, "condition") {
					j.Condition, holds = condition(t), ascending
				}
				left, right := drawPairs(rt), drawPairs(rt)
				optest.RunIn(rt, optest.Case{
					Inputs:  []optest.Table{{Schema: leftSchema, Rows: left}, {Schema: rightSchema, Rows: right}},
					Build:   join(t, j),
					Want:    nestedLoop(left, right, j, holds),
					Ordered: true,
				}, rapid.IntRange(0, optest.Worlds-1).Draw(rt, "world"))
			})
		})
	}
}

// A condition and every way of ending early, for each join type.
func TestJoinWithCondition(t *testing.T) {
	for _, kind := range everyJoin {
		j := &plan.Join{Type: kind, Condition: condition(t)}
		if kind != plan.JoinCross {
			j.LeftKeys, j.RightKeys = []int{0}, []int{0}
		}
		t.Run(string(kind), func(t *testing.T) {
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{people, things}, Build: join(t, j),
				Want: nestedLoop(people.Rows, things.Rows, j, ascending), Ordered: true,
			})
		})
	}
}

func drawPairs(t *rapid.T) []string {
	k, n := rapid.SampledFrom([]string{"''", "a", "b", "NULL"}), rapid.SampledFrom([]string{"1", "2", "3", "NULL"})
	rows := make([]string, rapid.IntRange(0, 8).Draw(t, "rows"))
	for i := range rows {
		rows[i] = k.Draw(t, "k") + "|" + n.Draw(t, "n")
	}
	return rows
}
