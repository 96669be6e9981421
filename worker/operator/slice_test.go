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

// drained is the rows of an operator, which is closed.
func drained(t testing.TB, op operator.Operator, err error) []string {
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = op.Close() }()
	var out []string
	for {
		rec, err := op.Next(context.Background())
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, columns.Rows(rec)...)
		rec.Release()
	}
}

// sliceOf finds a slice of rows with a reach.
func sliceOf(t testing.TB, text string, rows []string, number, of int, reaches ...*operator.Reach) operator.FindSlice {
	return func(ctx context.Context) (*operator.Slice, error) {
		d, err := operator.NewDivision(ctx, inMemory(t, text, rows), leftOrder, of, reaches)
		if err != nil {
			return nil, err
		}
		return d.Slice(number), nil
	}
}

// The slices of windows of events, one after the other, are the rows of the whole in its order, whatever the windows and
// functions.
func TestSlicesOfEventWindows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDice(rt)
		left, events := d.rows(30), d.events(60)
		node, _ := d.windows(t)
		w := node.EventWindows
		if d.IntN(2) == 0 { // many slices are only worth it if windows are short
			short := int64(1 + d.IntN(3))
			for i := range w.Windows {
				w.Windows[i].Unbounded, w.Windows[i].Width = false, short
			}
		}
		order := make([]plan.SortKey, len(schema(t, eventTable).Fields))
		for i := range order {
			order[i].Column = i
		}
		run := func(number, of int) []string {
			var l, e operator.Operator = inMemory(t, eventRows, left), inMemory(t, eventTable, events)
			if of > 1 {
				reach := operator.EventReach(w, plan.Int64)
				find := sliceOf(t, eventRows, left, number, of, reach)
				l = operator.NewSliced(operator.Env{}, l, leftOrder, find, nil)
				e = operator.NewSliced(operator.Env{}, e, order[:2], find, reach)
			}
			l = operator.NewSort(operator.Env{}, l, &plan.Sort{Limit: -1, Keys: leftOrder})
			op, err := operator.NewEventWindows(operator.Env{}, l, operator.NewSort(operator.Env{}, e, &plan.Sort{Limit: -1, Keys: order}), w, node.Schema)
			return drained(t, op, err)
		}
		checkSlices(rt, run)
	})
}

func checkSlices(rt *rapid.T, run func(number, of int) []string) {
	want := run(0, 1)
	of := rapid.IntRange(2, 6).Draw(rt, "of")
	var got []string
	for number := range of {
		got = append(got, run(number, of)...)
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("in %d slices\n%s\nwhole\n%s", of, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// So are those of SQL windows, one above the other, with frames of values on both sides.
func TestSlicesOfWindows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := make([]string, rapid.IntRange(0, 30).Draw(rt, "rows"))
		d := newDice(rt)
		for i := range rows {
			rows[i] = strings.Join([]string{d.key(), d.time(), d.of("1", "2", "-3", "NULL"), d.of("true", "false")}, "|")
		}
		var nodes []*plan.Node // from the bottom up
		in := schema(t, windowSchema)
		for range rapid.IntRange(1, 2).Draw(rt, "windows") {
			w := &plan.Window{PartitionBy: []int{0}, OrderBy: []plan.SortKey{{Column: 1}}}
			out := plan.Schema{Fields: slices.Clone(in.Fields)}
			for len(w.Calls) < 2 {
				c := drawCall(rt)
				if c.Frame.Unit = plan.FrameRange; c.Func == "nth_value" {
					c.Filter = 0
				}
				if one := (&plan.Window{PartitionBy: w.PartitionBy, OrderBy: w.OrderBy, Calls: []plan.WindowCall{c}}); !one.Slices(in) {
					continue
				}
				w.Calls = append(w.Calls, c)
				out.Fields = append(out.Fields, plan.Field{Name: "w", Type: c.Type, Nullable: true})
			}
			nodes = append(nodes, &plan.Node{Op: plan.NodeWindow, Window: w, Schema: out, Inputs: []*plan.Node{{Schema: in}}})
			in = out
		}
		top := slices.Clone(nodes)
		slices.Reverse(top)
		reach, err := operator.WindowReach(top, plan.Session{})
		if err != nil {
			rt.Fatal(err)
		}
		checkSlices(rt, func(number, of int) []string {
			var op operator.Operator = inMemory(t, windowSchema, rows)
			find := sliceOf(t, windowSchema, rows, number, of, reach)
			if of > 1 {
				op = operator.NewSliced(operator.Env{}, op, leftOrder, find, reach)
			}
			op = operator.NewSort(operator.Env{}, op, &plan.Sort{Limit: -1, Keys: leftOrder})
			for _, n := range nodes {
				made, err := operator.NewWindow(operator.Env{}, op, n.Window, n.Schema)
				if err != nil {
					rt.Fatal(err)
				}
				op = made
			}
			if of > 1 {
				op = operator.NewSliced(operator.Env{}, op, leftOrder, find, nil)
			}
			return drained(t, op, nil)
		})
	})
}

// A window that is as long as all the time that there is has few slices: each would look at the events of those before it.
func TestSlicesThatLookAtEachOtherAreFew(t *testing.T) {
	rows := asofRows(10_000, 10_000, 1)
	for _, c := range []struct{ width, want int64 }{{10_000, 3}, {2_000, 6}, {10, 16}} {
		reach := operator.EventReach(&plan.EventWindows{Windows: []plan.EventWindow{{Width: c.width}}}, plan.Int64)
		some := int64(0)
		for number := range 16 {
			rows.at = 0
			order := []plan.SortKey{{Column: 0}, {Column: 2}}
			find := func(ctx context.Context) (*operator.Slice, error) {
				in := *rows
				d, err := operator.NewDivision(ctx, &in, order, 16, []*operator.Reach{reach})
				if err != nil {
					return nil, err
				}
				return d.Slice(number), nil
			}
			op := operator.NewSliced(operator.Env{Mem: memory.DefaultAllocator}, rows, order, find, nil)
			rec, err := op.Next(context.Background())
			if err == nil {
				some++
				rec.Release()
			} else if err != io.EOF {
				t.Fatal(err)
			}
		}
		if some != c.want {
			t.Errorf("windows of %d in 10000 ticks: %d slices, want %d", c.width, some, c.want)
		}
	}
}

// Each key is in one of the shares, all its rows with it, in their order.
func TestShares(t *testing.T) {
	rows := []string{"a|1|1", "b|1|2", "NULL|1|3", "c|NULL|4", "a|2|5", "d|1|6", "NULL|1|7", "c|3|8", "e|1|9", "a|1|10"}
	shares := map[string]int{}
	for number := range 3 {
		var want []string
		for _, row := range drained(t, operator.NewShare(operator.Env{}, inMemory(t, asofLeft, rows), []int{0}, number, 3), nil) {
			k, _, _ := strings.Cut(row, "|")
			if n, met := shares[k]; met && n != number {
				t.Errorf("%s is in shares %d and %d", k, n, number)
			}
			shares[k] = number
		}
		for _, row := range rows {
			k, _, _ := strings.Cut(row, "|")
			if n, met := shares[k]; met && n == number {
				want = append(want, row)
			}
		}
		optest.Run(t, optest.Case{
			Inputs: []optest.Table{{Schema: asofLeft, Rows: rows}}, Want: want, Ordered: true,
			Build: func(env operator.Env, in []operator.Operator) (operator.Operator, error) {
				return operator.NewShare(env, in[0], []int{0}, number, 3), nil
			},
		})
	}
	if len(shares) != 6 {
		t.Errorf("shares have the keys %v", shares)
	}
}
