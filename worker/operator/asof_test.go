package operator_test

import (
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
	asofRight = "k2 string, t2 bigint, tie bigint, b bigint"
)

func asofNode(t testing.TB, j *plan.AsofJoin) *plan.Node {
	j.LeftKeys, j.RightKeys, j.LeftTime, j.RightTime, j.Ties = []int{0}, []int{0}, 1, 1, []int{2}
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

// sortCells sorts rows by their first n cells, the first as text and the others as numbers, NULLs first.
func sortCells(rows []string, n int) {
	slices.SortStableFunc(rows, func(x, y string) int {
		a, b := strings.Split(x, "|"), strings.Split(y, "|")
		for i := range n {
			order := int(max(-1, min(1, saturated(cellNumber(a[i]), cellNumber(b[i])))))
			if i == 0 {
				order = strings.Compare(strings.ReplaceAll(a[i], "NULL", ""), strings.ReplaceAll(b[i], "NULL", ""))
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

func saturated(a, b int64) int64 {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// naiveAsof looks at every right row for each left one. tolerance is negative for none.
func naiveAsof(left, right []string, j *plan.AsofJoin, tolerance int64, holds func(l, r []string) bool) []string {
	var out []string
	for _, row := range left {
		l, best := strings.Split(row, "|"), -1
		for i, other := range right {
			r := strings.Split(other, "|")
			if l[0] == "NULL" || l[0] != r[0] || l[1] == "NULL" || r[1] == "NULL" || !holds(l, r) {
				continue
			}
			gap := cellNumber(l[1]) - cellNumber(r[1])
			if j.Direction == "forward" {
				gap = -gap
			}
			if gap < 0 || gap == 0 && !j.Exact || tolerance >= 0 && gap > tolerance {
				continue
			}
			// Right rows come in order of time and ties, so a later one of the same time wins.
			if best < 0 || j.Direction == "backward" || strings.Split(right[best], "|")[1] == r[1] {
				best = i
			}
		}
		switch {
		case best >= 0:
			out = append(out, row+"|"+right[best])
		case j.Left:
			out = append(out, row+"|NULL|NULL|NULL|NULL")
		}
	}
	return out
}

// The rows of the design's example: minutes, and for availability a condition.
func TestAsofJoinExample(t *testing.T) {
	left := optest.Table{Schema: asofLeft, Rows: []string{"a|0|0", "a|5|0"}}
	right := optest.Table{Schema: asofRight, Rows: []string{"a|0|0|70", "a|0|3|77", "a|4|4|NULL"}}
	all := schema(t, asofLeft+", "+asofRight)
	available := plan.CallExpr("<=", plan.Boolean, column(all, 5), column(all, 1))
	for name, c := range map[string]struct {
		join plan.AsofJoin
		want []string
	}{
		"greatest tie":    {plan.AsofJoin{Exact: true}, []string{"a|0|0|a|0|3|77", "a|5|0|a|4|4|NULL"}},
		"available only":  {plan.AsofJoin{Exact: true, Condition: available}, []string{"a|0|0|a|0|0|70", "a|5|0|a|4|4|NULL"}},
		"not the same":    {plan.AsofJoin{}, []string{"a|0|0|NULL|NULL|NULL|NULL", "a|5|0|a|4|4|NULL"}},
		"within 1":        {plan.AsofJoin{Exact: true, Tolerance: tolerance(1)}, []string{"a|0|0|a|0|3|77", "a|5|0|a|4|4|NULL"}},
		"within 0":        {plan.AsofJoin{Exact: true, Tolerance: tolerance(0)}, []string{"a|0|0|a|0|3|77", "a|5|0|NULL|NULL|NULL|NULL"}},
		"within NULL":     {plan.AsofJoin{Exact: true, Tolerance: &plan.Expr{Op: plan.OpLiteral, Type: plan.Int64, Value: plan.Literal{Null: true}}}, []string{"a|0|0|NULL|NULL|NULL|NULL", "a|5|0|NULL|NULL|NULL|NULL"}},
		"only with match": {plan.AsofJoin{Exact: true, Tolerance: tolerance(0), Left: false, Direction: "inner"}, []string{"a|0|0|a|0|3|77"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := c.join
			j.Left = j.Direction == ""
			j.Direction = "backward"
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

func TestAsofJoinAgainstOracle(t *testing.T) {
	all := schema(t, asofLeft+", "+asofRight)
	cell := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	key, time, value := cell("a", "b", "NULL"), cell("0", "1", "2", "3", "5", "8", "NULL"), cell("1", "2", "3")
	rapid.Check(t, func(rt *rapid.T) {
		left := make([]string, rapid.IntRange(0, 8).Draw(rt, "left rows"))
		for i := range left {
			left[i] = key.Draw(rt, "k") + "|" + time.Draw(rt, "t") + "|" + value.Draw(rt, "a")
		}
		right := make([]string, rapid.IntRange(0, 12).Draw(rt, "right rows"))
		for i := range right {
			right[i] = key.Draw(rt, "k2") + "|" + time.Draw(rt, "t2") + "|" + value.Draw(rt, "tie") + "|" + value.Draw(rt, "b")
		}
		sortCells(left, 2)
		sortCells(right, 3)
		j := &plan.AsofJoin{
			Direction: rapid.SampledFrom([]string{"backward", "forward"}).Draw(rt, "direction"),
			Exact:     rapid.Bool().Draw(rt, "exact"), Left: rapid.Bool().Draw(rt, "left"),
		}
		within := rapid.Int64Range(-1, 4).Draw(rt, "tolerance")
		if within >= 0 {
			j.Tolerance = tolerance(within)
		}
		holds := always
		if rapid.Bool().Draw(rt, "condition") {
			j.Condition = plan.CallExpr("<", plan.Boolean, column(all, 2), column(all, 6))
			holds = func(l, r []string) bool { return cellNumber(l[2]) < cellNumber(r[3]) }
		}
		optest.RunIn(rt, optest.Case{
			Inputs: []optest.Table{{Schema: asofLeft, Rows: left}, {Schema: asofRight, Rows: right}},
			Build:  build(asofNode(t, j)), Want: naiveAsof(left, right, j, within, holds), Ordered: true,
			Unspillable: j.Condition != nil,
		}, rapid.IntRange(0, optest.Worlds-1).Draw(rt, "world"))
	})
}
