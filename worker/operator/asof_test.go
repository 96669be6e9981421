package operator_test

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
)

const (
	asofLeft  = "k string, t bigint, a bigint"
	asofRight = "k2 string, t2 bigint, seen bigint, tie bigint, b bigint"
)

// Places in asofRight.
const (
	rightTime = 1
	rightSeen = 2
	rightTie  = 3
	rightB    = 4
)

func asofNode(t testing.TB, j *plan.AsofJoin) *plan.Node {
	j.LeftKeys, j.RightKeys, j.LeftTime, j.RightTime, j.Ties = []int{0}, []int{0}, 1, rightTime, []int{rightSeen, rightTie, rightB}
	return &plan.Node{Op: plan.NodeAsofJoin, Schema: schema(t, asofLeft+", "+asofRight), AsofJoin: j}
}

// cellNumber is a cell as an integer; NULL is below all others.
func cellNumber(cell string) int64 {
	n, err := strconv.ParseInt(cell, 10, 64)
	if err != nil {
		return math.MinInt64
	}
	return n
}

// compareCells compares rows by some of their cells, the first as text and the others as numbers, NULLs first.
func compareCells(x, y string, cells ...int) int {
	a, b := strings.Split(x, "|"), strings.Split(y, "|")
	for _, i := range cells {
		order := cmp.Compare(cellNumber(a[i]), cellNumber(b[i]))
		if i == 0 {
			order = strings.Compare(strings.ReplaceAll(a[i], "NULL", ""), strings.ReplaceAll(b[i], "NULL", ""))
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

func sortCells(rows []string, cells ...int) {
	slices.SortStableFunc(rows, func(x, y string) int { return compareCells(x, y, cells...) })
}

// naiveAsof is an as-of join as the design describes it: of each left row, the right rows that may be its partner, and
// of them the best.
type naiveAsof struct {
	join      *plan.AsofJoin
	tolerance int64 // negative for none
	holds     func(l, r []string) bool
}

func (n *naiveAsof) rows(left, right []string) []string {
	var out []string
	for _, l := range left {
		best, ok := n.best(l, right, -1)
		switch {
		case ok:
			r := strings.Split(best, "|")
			for _, c := range n.join.SkipNulls {
				value, ok := n.best(l, right, c)
				r[c] = "NULL"
				if ok {
					r[c] = strings.Split(value, "|")[c]
				}
			}
			out = append(out, l+"|"+strings.Join(r, "|"))
		case n.join.Left:
			out = append(out, l+"|NULL|NULL|NULL|NULL|NULL")
		}
	}
	return out
}

// best is the partner of a left row among the right rows in which a column, if it is not negative, is not NULL.
func (n *naiveAsof) best(left string, right []string, column int) (best string, ok bool) {
	var before, after string
	for _, row := range right {
		l, r := strings.Split(left, "|"), strings.Split(row, "|")
		if l[0] == "NULL" || l[0] != r[0] || l[1] == "NULL" || r[rightTime] == "NULL" || !n.holds(l, r) || column >= 0 && r[column] == "NULL" {
			continue
		}
		if n.join.Visible > 0 && (r[rightSeen] == "NULL" || cellNumber(r[rightSeen]) > cellNumber(l[1])) {
			continue
		}
		gap := cellNumber(l[1]) - cellNumber(r[rightTime])
		if gap == 0 && !n.join.Exact || n.tolerance >= 0 && max(gap, -gap) > n.tolerance {
			continue
		}
		if gap >= 0 && (before == "" || compareCells(row, before, rightTime, rightSeen, rightTie, rightB) > 0) {
			before = row
		}
		if gap <= 0 && (after == "" || compareCells(row, after, rightTime, rightSeen, rightTie, rightB) < 0) {
			after = row
		}
	}
	switch {
	case n.join.Direction == plan.AsofBackward:
		after = ""
	case n.join.Direction == plan.AsofForward:
		before = ""
	}
	if before == "" || after == "" {
		return before + after, before+after != ""
	}
	l := cellNumber(strings.Split(left, "|")[1])
	back, ahead := l-cellNumber(strings.Split(before, "|")[rightTime]), cellNumber(strings.Split(after, "|")[rightTime])-l
	if ahead < back || ahead == back && n.join.PreferForward {
		return after, true
	}
	return before, true
}

// The rows of the design's example: minutes.
func TestAsofJoinExample(t *testing.T) {
	left := optest.Table{Schema: asofLeft, Rows: []string{"a|0|0", "a|5|0"}}
	right := optest.Table{Schema: asofRight, Rows: []string{"a|0|0|0|70", "a|0|3|3|77", "a|4|4|4|NULL"}}
	all := schema(t, asofLeft+", "+asofRight)
	available := plan.CallExpr("<=", plan.Boolean, column(all, 3+rightSeen), column(all, 1))
	null := &plan.Expr{Op: plan.OpLiteral, Type: plan.Int64, Value: plan.Literal{Null: true}}
	none := []string{"a|0|0|NULL|NULL|NULL|NULL|NULL", "a|5|0|NULL|NULL|NULL|NULL|NULL"}
	for name, c := range map[string]struct {
		join plan.AsofJoin
		want []string
	}{
		"greatest tie":    {plan.AsofJoin{Exact: true, Left: true}, []string{"a|0|0|a|0|3|3|77", "a|5|0|a|4|4|4|NULL"}},
		"available only":  {plan.AsofJoin{Exact: true, Left: true, Visible: 1 + rightSeen}, []string{"a|0|0|a|0|0|0|70", "a|5|0|a|4|4|4|NULL"}},
		"by condition":    {plan.AsofJoin{Exact: true, Left: true, Condition: available}, []string{"a|0|0|a|0|0|0|70", "a|5|0|a|4|4|4|NULL"}},
		"not the same":    {plan.AsofJoin{Left: true}, []string{none[0], "a|5|0|a|4|4|4|NULL"}},
		"skip nulls":      {plan.AsofJoin{Exact: true, Left: true, SkipNulls: []int{rightB}}, []string{"a|0|0|a|0|3|3|77", "a|5|0|a|4|4|4|77"}},
		"within 1":        {plan.AsofJoin{Exact: true, Left: true, Tolerance: tolerance(1)}, []string{"a|0|0|a|0|3|3|77", "a|5|0|a|4|4|4|NULL"}},
		"within 0":        {plan.AsofJoin{Exact: true, Left: true, Tolerance: tolerance(0)}, []string{"a|0|0|a|0|3|3|77", none[1]}},
		"within NULL":     {plan.AsofJoin{Exact: true, Left: true, Tolerance: null}, none},
		"only with match": {plan.AsofJoin{Exact: true, Tolerance: tolerance(0)}, []string{"a|0|0|a|0|3|3|77"}},
		"forward":         {plan.AsofJoin{Exact: true, Left: true, Direction: plan.AsofForward}, []string{"a|0|0|a|0|0|0|70", none[1]}},
		"nearest":         {plan.AsofJoin{Left: true, Direction: plan.AsofNearest}, []string{"a|0|0|a|4|4|4|NULL", "a|5|0|a|4|4|4|NULL"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := c.join
			j.Direction = cmp.Or(j.Direction, plan.AsofBackward)
			optest.Run(t, optest.Case{
				Inputs: []optest.Table{left, right}, Build: build(asofNode(t, &j)), Want: c.want, Ordered: true,
				Unspillable: j.Condition != nil,
			})
		})
	}
}

func tolerance(n int64) *plan.Expr {
	return &plan.Expr{Op: plan.OpLiteral, Type: plan.Int64, Value: plan.Literal{Int: n}}
}

// Rows that become visible late, ties in all columns but one, NULLs everywhere, all options.
func TestAsofJoinAgainstOracle(t *testing.T) {
	all := schema(t, asofLeft+", "+asofRight)
	cell := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	key, time, value := cell("a", "b", "NULL"), cell("0", "1", "2", "3", "5", "8", "NULL"), cell("1", "2", "NULL")
	rapid.Check(t, func(rt *rapid.T) {
		left := make([]string, rapid.IntRange(0, 8).Draw(rt, "left rows"))
		for i := range left {
			left[i] = key.Draw(rt, "k") + "|" + time.Draw(rt, "t") + "|" + value.Draw(rt, "a")
		}
		right := make([]string, rapid.IntRange(0, 12).Draw(rt, "right rows"))
		for i := range right {
			right[i] = strings.Join([]string{key.Draw(rt, "k2"), time.Draw(rt, "t2"), time.Draw(rt, "seen"), value.Draw(rt, "tie"), value.Draw(rt, "b")}, "|")
		}
		j := &plan.AsofJoin{
			Direction: rapid.SampledFrom([]plan.AsofDirection{plan.AsofBackward, plan.AsofForward, plan.AsofNearest}).Draw(rt, "direction"),
			Exact:     rapid.Bool().Draw(rt, "exact"), Left: rapid.Bool().Draw(rt, "left"),
			PreferForward: rapid.Bool().Draw(rt, "prefer forward"),
		}
		want := naiveAsof{join: j, tolerance: rapid.Int64Range(-1, 4).Draw(rt, "tolerance"), holds: always}
		if want.tolerance >= 0 {
			j.Tolerance = tolerance(want.tolerance)
		}
		order := []int{0, rightTime} // rows of equal times come as they come
		switch {
		case j.Direction != plan.AsofNearest && rapid.IntRange(0, 3).Draw(rt, "condition") == 0:
			j.Condition = plan.CallExpr("<", plan.Boolean, column(all, 2), column(all, 3+rightB))
			want.holds = func(l, r []string) bool {
				return l[2] != "NULL" && r[rightB] != "NULL" && cellNumber(l[2]) < cellNumber(r[rightB])
			}
			order = append(order, rightSeen, rightTie, rightB)
		case rapid.Bool().Draw(rt, "visible"):
			j.Visible = 1 + rightSeen
			order[1] = rightSeen
			fallthrough
		default:
			j.SkipNulls = rapid.SampledFrom([][]int{nil, {rightB}, {rightTie, rightB}}).Draw(rt, "skip nulls")
		}
		sortCells(left, 0, 1)
		sortCells(right, order...)
		optest.RunIn(rt, optest.Case{
			Inputs: []optest.Table{{Schema: asofLeft, Rows: left}, {Schema: asofRight, Rows: right}},
			Build:  build(asofNode(t, j)), Want: want.rows(left, right), Ordered: true,
			Unspillable: j.Condition != nil || j.Direction != plan.AsofBackward && (j.Visible > 0 || len(j.SkipNulls) > 0),
		}, rapid.IntRange(0, optest.Worlds-1).Draw(rt, "world"))
	})
}
