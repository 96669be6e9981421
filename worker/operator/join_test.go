package operator_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
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
	plan.JoinInner, plan.JoinLeft, plan.JoinFull, plan.JoinLeftSemi, plan.JoinLeftAnti, plan.JoinCross, plan.JoinMark,
	plan.JoinRightSemi, plan.JoinRightAnti,
}

func leftOnly(j plan.JoinType) bool { return j == plan.JoinLeftSemi || j == plan.JoinLeftAnti }

func join(t testing.TB, j *plan.Join) func(operator.Env, []operator.Operator) (operator.Operator, error) {
	t.Helper()
	text := leftSchema
	if j.Type == plan.JoinMark {
		text += ", m boolean"
	} else if j.Type.PutsOutRight() {
		text = rightSchema
	} else if !leftOnly(j.Type) {
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
			if partners[i] = true; !leftOnly(j.Type) && !j.Type.PutsOutRight() && j.Type != plan.JoinMark {
				out = append(out, l+"|"+r)
			} else if j.Type == plan.JoinLeftSemi && !found {
				out = append(out, l)
			}
			found = true
		}
		switch {
		case j.Type == plan.JoinMark:
			out = append(out, l+"|"+strconv.FormatBool(found))
		case found:
		case j.Type == plan.JoinLeftAnti:
			out = append(out, l)
		case j.Type == plan.JoinLeft || j.Type == plan.JoinFull || j.Type == plan.JoinSingle:
			out = append(out, l+"|NULL|NULL")
		}
	}
	for i, r := range right {
		if j.Type == plan.JoinFull && !partners[i] {
			out = append(out, "NULL|NULL|"+r)
		}
		if j.Type == plan.JoinRightSemi && partners[i] || j.Type == plan.JoinRightAnti && !partners[i] {
			out = append(out, r)
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
		plan.JoinLeftSemi:  {"x|1", "y|2", "x|4"},
		plan.JoinLeftAnti:  {"NULL|3", "z|5", "w|NULL"},
		plan.JoinRightSemi: {"x|10", "y|30", "x|40", "x|50"},
		plan.JoinRightAnti: {"NULL|20", "u|NULL"},
	} {
		j := &plan.Join{Type: kind, LeftKeys: []int{0}, RightKeys: []int{0}}
		if oracle := nestedLoop(people.Rows, things.Rows, j, always); !slices.Equal(oracle, want) {
			t.Fatalf("%s: the oracle says %q", kind, oracle)
		}
		t.Run(string(kind), func(t *testing.T) {
			optest.Run(t, optest.Case{Inputs: []optest.Table{people, things}, Build: join(t, j), Want: want, Ordered: true})
			spills(t, []optest.Table{people, things}, join(t, j), want)
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

// threeValued is [NOT] IN the plain way: with all keys compared but the null-safe ones, and a condition.
func threeValued(left, right []string, j *plan.Join, holds func(l, r []string) bool) []string {
	var out []string
	for _, row := range left {
		l, in := strings.Split(row, "|"), "false"
		for _, other := range right {
			r := strings.Split(other, "|")
			if c := compared(j, l, r); c != "false" && holds(l, r) && in != "true" {
				in = c
			}
		}
		switch {
		case j.Type == plan.JoinMark && in == "unknown":
			out = append(out, row+"|NULL")
		case j.Type == plan.JoinMark:
			out = append(out, row+"|"+in)
		case in == "false":
			out = append(out, row)
		}
	}
	return out
}

func compared(j *plan.Join, l, r []string) string {
	result := "true"
	for i, k := range j.LeftKeys {
		x, y := l[k], r[j.RightKeys[i]]
		switch {
		case j.NullSafe[i] && x != y:
			return "false"
		case j.NullSafe[i]:
		case x == "NULL" || y == "NULL":
			result = "unknown"
		case x != y:
			return "false"
		}
	}
	return result
}

func TestNullAwareJoin(t *testing.T) {
	for _, kind := range []plan.JoinType{plan.JoinLeftAnti, plan.JoinMark} {
		t.Run(string(kind), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				j := &plan.Join{Type: kind, NullAware: true}
				j.LeftKeys = rapid.SampledFrom([][]int{{0}, {1}, {0, 1}}).Draw(rt, "keys")
				j.RightKeys = j.LeftKeys
				for range j.LeftKeys {
					j.NullSafe = append(j.NullSafe, rapid.Bool().Draw(rt, "null safe"))
				}
				holds := always
				if rapid.Bool().Draw(rt, "condition") {
					j.Condition, holds = condition(t), ascending
				}
				left, right := drawPairs(rt), drawPairs(rt)
				optest.RunIn(rt, optest.Case{
					Inputs:  []optest.Table{{Schema: leftSchema, Rows: left}, {Schema: rightSchema, Rows: right}},
					Build:   join(t, j),
					Want:    threeValued(left, right, j, holds),
					Ordered: true,
				}, rapid.IntRange(0, optest.Worlds-1).Draw(rt, "world"))
			})
		})
	}
}

// NOT IN over rows of two columns, as SQL has it: written out once.
func TestNotInOrder(t *testing.T) {
	left := optest.Table{Schema: leftSchema, Rows: []string{"a|1", "a|NULL", "b|2", "NULL|NULL", "c|3"}}
	right := optest.Table{Schema: rightSchema, Rows: []string{"a|1", "b|NULL"}}
	j := &plan.Join{Type: plan.JoinMark, NullAware: true, LeftKeys: []int{0, 1}, RightKeys: []int{0, 1}}
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{left, right}, Build: join(t, j), Ordered: true,
		Want: []string{"a|1|true", "a|NULL|NULL", "b|2|NULL", "NULL|NULL|NULL", "c|3|false"},
	})
	empty := optest.Table{Schema: rightSchema}
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{left, empty}, Build: join(t, j), Ordered: true,
		Want: []string{"a|1|false", "a|NULL|false", "b|2|false", "NULL|NULL|false", "c|3|false"},
	})
}

func TestSingleJoin(t *testing.T) {
	one := optest.Table{Schema: rightSchema, Rows: []string{"x|10", "NULL|20", "y|30", "u|NULL"}}
	for name, c := range map[string]struct {
		join  plan.Join
		right optest.Table
		fails bool
	}{
		"one partner at most":  {plan.Join{LeftKeys: []int{0}, RightKeys: []int{0}}, one, false},
		"two partners":         {plan.Join{LeftKeys: []int{0}, RightKeys: []int{0}}, things, true},
		"condition leaves one": {plan.Join{LeftKeys: []int{0}, RightKeys: []int{0}, Condition: condition(t)}, optest.Table{Schema: rightSchema, Rows: []string{"x|0", "x|2", "x|1"}}, false},
		"no keys, one row":     {plan.Join{}, optest.Table{Schema: rightSchema, Rows: []string{"x|1"}}, false},
		"no keys, no row":      {plan.Join{}, optest.Table{Schema: rightSchema}, false},
		"no keys, two rows":    {plan.Join{}, optest.Table{Schema: rightSchema, Rows: []string{"x|1", "x|1"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			j, holds := c.join, always
			j.Type = plan.JoinSingle
			if j.Condition != nil {
				holds = ascending
			}
			test := optest.Case{Inputs: []optest.Table{people, c.right}, Build: join(t, &j), Ordered: true}
			if c.fails {
				test.WantError = &plan.Failure{Kind: plan.FailureUser}
			} else {
				test.Want = nestedLoop(people.Rows, c.right.Rows, &j, holds)
			}
			optest.Run(t, test)
		})
	}
}

// published is what a join told.
type published map[int]operator.RuntimeFilter

func (p published) Publish(id int, f operator.RuntimeFilter) { p[id] = f }

func TestJoinPublishes(t *testing.T) {
	var many []string // too many to name, an eighth of those between them
	for i := range 600 {
		many = append(many, "NULL|"+strconv.Itoa(8*i-8))
	}
	j := &plan.Join{Type: plan.JoinInner, LeftKeys: []int{0, 1}, RightKeys: []int{0, 1}, Publishes: []int{7, 8}}
	for name, c := range map[string]struct {
		right []string
		want  string
	}{
		"values":    {[]string{"b|3", "NULL|-1", "a|NULL", "b|2"}, "a..b [a b] -1..3 [-1 2 3]"},
		"a set":     {append(many, "x|NULL"), "x..x [x] -8..4784 [] set of 600"},
		"only NULL": {[]string{"NULL|NULL"}, "empty empty"},
		"no rows":   {nil, "empty empty"},
	} {
		t.Run(name, func(t *testing.T) {
			exact := false
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{{Schema: leftSchema}, {Schema: rightSchema, Rows: c.right}},
				Build: func(env operator.Env, in []operator.Operator) (operator.Operator, error) {
					told := published{}
					env.Filters = told
					op, err := join(t, j)(env, in)
					return toldBy{op, t, told, c.want, &exact}, err
				},
			})
			if !exact {
				t.Errorf("never published %s", c.want)
			}
		})
	}
}

// toldBy checks what a join has told by its end.
type toldBy struct {
	operator.Operator
	t     testing.TB
	told  published
	want  string // without the set where the build side was not in memory
	exact *bool  // published as wanted at least once
}

func (o toldBy) Next(ctx context.Context) (arrow.Record, error) {
	rec, err := o.Operator.Next(ctx)
	if err != io.EOF {
		return rec, err
	}
	var parts []string
	for _, id := range []int{7, 8} {
		f := o.told[id]
		text := func(v plan.Literal) string {
			if f.Type.Kind == plan.KindString {
				return string(v.Bytes)
			}
			return strconv.FormatInt(v.Int, 10)
		}
		if f.Empty {
			parts = append(parts, "empty")
			continue
		}
		var values []string
		for _, v := range f.Values {
			values = append(values, text(v))
		}
		parts = append(parts, fmt.Sprintf("%s..%s %v", text(*f.Min), text(*f.Max), values))
		if f.Set != nil {
			parts = append(parts, fmt.Sprintf("set of %d", f.Set.Len()))
		}
	}
	got := strings.Join(parts, " ")
	*o.exact = *o.exact || got == o.want
	if spilled, _, _ := strings.Cut(o.want, " set of"); got != o.want && got != spilled {
		o.t.Errorf("published %s, want %s", got, o.want)
	}
	return rec, err
}

// spills runs an operator in a world of batches of one row, in which it has to use the scratch disk.
func spills(t testing.TB, inputs []optest.Table, build func(operator.Env, []operator.Operator) (operator.Operator, error), want []string) {
	t.Helper()
	optest.RunIn(t, optest.Case{Inputs: inputs, Build: build, Want: want, Ordered: true, Spills: true}, 0)
}
