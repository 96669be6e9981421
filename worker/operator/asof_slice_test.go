package operator_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/testutil/columns"
	"github.com/quern-engine/quern/internal/testutil/optest"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

var leftOrder = []plan.SortKey{{Column: 0}, {Column: 1}}

// found finds a slice of left rows.
func found(t testing.TB, rows []string, number, of int) operator.FindSlice {
	return sliceOf(t, asofLeft, rows, number, of)
}

func inMemory(t testing.TB, text string, rows []string) *repeated {
	s := schema(t, text)
	rec, err := columns.Record(memory.DefaultAllocator, s, rows)
	if err != nil {
		t.Fatal(err)
	}
	return &repeated{schema: s, rec: rec}
}

func TestSlicedSides(t *testing.T) {
	left := []string{"a|3|0", "a|1|0", "a|2|0", "NULL|1|0", "a|4|0", "b|1|0", "a|2|1", "a|NULL|0"}
	// In order: NULL|1, a|NULL, a|1, a|2, a|2, a|3, a|4, b|1. The second slice begins with the second a|2.
	optest.Run(t, optest.Case{
		Inputs: []optest.Table{{Schema: asofLeft, Rows: left}},
		Build: func(env operator.Env, in []operator.Operator) (operator.Operator, error) {
			return operator.NewSliced(env, in[0], leftOrder, found(t, left, 1, 2), nil), nil
		},
		Want: []string{"a|3|0", "a|2|0", "a|4|0", "b|1|0", "a|2|1"}, Ordered: true,
	})
	right := []string{"a|1|1|1|7", "a|0|0|9|8", "a|1|1|2|NULL", "a|2|1|1|5", "a|9|9|1|1", "b|0|0|0|0", "0|1|1|1|1"}
	join := func(direction plan.AsofDirection, number int) func(operator.Env, []operator.Operator) (operator.Operator, error) {
		j := asofNode(t, &plan.AsofJoin{Direction: direction, SkipNulls: []int{rightB}}).AsofJoin
		return func(env operator.Env, in []operator.Operator) (operator.Operator, error) {
			return operator.NewSlicedRight(env, in[0], j, found(t, left, number, 2)), nil
		}
	}
	for _, c := range []struct {
		direction plan.AsofDirection
		number    int
		want      []string
	}{
		{plan.AsofBackward, 0, []string{"a|1|1|1|7", "a|0|0|9|8", "a|1|1|2|NULL", "0|1|1|1|1"}},
		// Of what lies before it the slice needs the greatest row, and the greatest that has a value.
		{plan.AsofBackward, 1, []string{"a|2|1|1|5", "a|9|9|1|1", "b|0|0|0|0", "a|1|1|2|NULL", "a|1|1|1|7"}},
		{plan.AsofNearest, 0, []string{"a|1|1|1|7", "a|0|0|9|8", "a|1|1|2|NULL", "a|2|1|1|5", "a|9|9|1|1", "0|1|1|1|1"}},
		{plan.AsofForward, 1, []string{"a|1|1|1|7", "a|0|0|9|8", "a|1|1|2|NULL", "a|2|1|1|5", "a|9|9|1|1", "b|0|0|0|0"}},
	} {
		optest.Run(t, optest.Case{Inputs: []optest.Table{{Schema: asofRight, Rows: right}}, Build: join(c.direction, c.number), Want: c.want, Ordered: true})
	}
}

// The slices of a join, one after the other, are the rows of the whole join in its order.
func TestSlicesMakeTheWhole(t *testing.T) {
	cell := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	key, time, value := cell("a", "a", "a", "b", "NULL"), cell("0", "1", "2", "3", "5", "8", "NULL"), cell("1", "2", "NULL")
	rapid.Check(t, func(rt *rapid.T) {
		left, right := make([]string, rapid.IntRange(0, 12).Draw(rt, "left rows")), make([]string, rapid.IntRange(0, 12).Draw(rt, "right rows"))
		for i := range left {
			left[i] = key.Draw(rt, "k") + "|" + time.Draw(rt, "t") + "|" + value.Draw(rt, "a")
		}
		for i := range right {
			right[i] = key.Draw(rt, "k2") + "|" + time.Draw(rt, "t2") + "|" + time.Draw(rt, "seen") + "|" + value.Draw(rt, "tie") + "|" + value.Draw(rt, "b")
		}
		j := &plan.AsofJoin{
			Direction: rapid.SampledFrom([]plan.AsofDirection{plan.AsofBackward, plan.AsofForward, plan.AsofNearest}).Draw(rt, "direction"),
			Exact:     rapid.Bool().Draw(rt, "exact"), Left: rapid.Bool().Draw(rt, "left"),
			SkipNulls: rapid.SampledFrom([][]int{nil, {rightB}}).Draw(rt, "skip nulls"),
		}
		if rapid.Bool().Draw(rt, "tolerance") {
			j.Tolerance = tolerance(2)
		}
		if rapid.Bool().Draw(rt, "visible") {
			j.Visible = 1 + rightSeen
			for i, row := range right { // looking backward, the planner has no row visible before its time
				if r := strings.Split(row, "|"); j.Direction == plan.AsofBackward && r[rightSeen] != "NULL" && cellNumber(r[rightTime]) > cellNumber(r[rightSeen]) {
					r[rightSeen] = r[rightTime]
					right[i] = strings.Join(r, "|")
				}
			}
		}
		node := asofNode(t, j)
		want := runSlice(t, node, left, right, 0, 1)
		of := rapid.IntRange(2, 5).Draw(rt, "of")
		var got []string
		for number := range of {
			got = append(got, runSlice(t, node, left, right, number, of)...)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("in %d slices\n%q\nwhole\n%q", of, got, want)
		}
	})
}

// runSlice joins one slice as a task does.
func runSlice(t *testing.T, node *plan.Node, left, right []string, number, of int) []string {
	find := found(t, left, number, of)
	j := node.AsofJoin
	var l, r operator.Operator = inMemory(t, asofLeft, left), inMemory(t, asofRight, right)
	if of > 1 {
		l, r = operator.NewSliced(operator.Env{}, l, leftOrder, find, nil), operator.NewSlicedRight(operator.Env{}, r, j, find)
	}
	l = operator.NewSort(operator.Env{}, l, &plan.Sort{Limit: -1, Keys: leftOrder})
	r = operator.NewSort(operator.Env{}, r, &plan.Sort{Limit: -1, Keys: []plan.SortKey{{Column: 0}, {Column: j.Entry()}}})
	op, err := operator.NewAsofJoin(operator.Env{}, l, r, j, node.Schema)
	return drained(t, op, err)
}

// A sample that has been thinned out still divides rows evenly.
func TestSliceOfManyRows(t *testing.T) {
	in := asofRows(200_000, 200_000, 2)
	division, err := operator.NewDivision(context.Background(), in, []plan.SortKey{{Column: 0}, {Column: 2}}, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	for number := range 4 {
		in.at = 0
		op := operator.NewSliced(operator.Env{}, in, []plan.SortKey{{Column: 0}, {Column: 2}}, func(context.Context) (*operator.Slice, error) { return division.Slice(number), nil }, nil)
		rows := int64(0)
		for rec, err := op.Next(context.Background()); err != io.EOF; rec, err = op.Next(context.Background()) {
			rows += rec.NumRows()
			rec.Release()
		}
		if rows < 49_000 || rows > 51_000 {
			t.Errorf("slice %d of 4 has %d of 200000 rows", number, rows)
		}
	}
}
