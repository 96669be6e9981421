package stage

import (
	"strings"
	"testing"

	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// world makes logical plans over tables of two columns, k (bigint) and v (nullable string), and t (timestamp).
type world struct{ ids logical.IDs }

// scan is a table of so many row groups of a million rows; each is a task.
func (w *world) scan(name string, groups int) *logical.Scan {
	table := &plan.Table{
		Source: plan.Source{Name: name, Format: "csv", Options: map[string]string{"header": "true"}},
		Schema: plan.Schema{Fields: []plan.Field{
			{Name: "k", Type: plan.Int64}, {Name: "v", Type: plan.String, Nullable: true}, {Name: "t", Type: plan.Timestamp},
		}},
	}
	f := plan.File{URL: "file:///" + name}
	s := logical.ScanTable(name, table, &w.ids)
	scan := logical.FileScan{}
	for g := range groups {
		f.RowGroups = append(f.RowGroups, plan.RowGroup{
			Rows: 1_000_000, Bytes: 30 << 20, Columns: []plan.ColumnStats{{Bytes: 10 << 20}, {Bytes: 10 << 20}, {Bytes: 10 << 20}},
		})
		scan.Groups = append(scan.Groups, g)
	}
	scan.File = f
	s.Files = []logical.FileScan{scan}
	return s
}

func (w *world) column(name string, t plan.Type) logical.Column {
	return w.ids.Column(plan.Field{Name: name, Type: t, Nullable: true})
}

func (w *world) union(ins ...logical.Node) *logical.Union {
	u := &logical.Union{Ins: ins}
	for _, c := range ins[0].Columns() {
		u.Cols = append(u.Cols, w.ids.Column(c.Field))
	}
	return u
}

func (w *world) constants(rows int) *logical.Values {
	v := &logical.Values{Cols: []logical.Column{
		w.ids.Column(plan.Field{Name: "k", Type: plan.Int64}), w.ids.Column(plan.Field{Name: "v", Type: plan.String, Nullable: true}),
		w.ids.Column(plan.Field{Name: "t", Type: plan.Timestamp}),
	}}
	for range rows {
		v.Rows = append(v.Rows, []*plan.Expr{plan.Int64Literal(1), plan.StringLiteral("x"), {Op: plan.OpLiteral, Type: plan.Timestamp}})
	}
	return v
}

// count groups by the first column of the input.
func (w *world) count(in logical.Node, distinct bool) *logical.Aggregate {
	k := in.Columns()[0]
	call := logical.AggCall{Column: w.ids.Column(plan.Field{Name: "n", Type: plan.Int64}), Func: "count", Args: []*plan.Expr{in.Columns()[1].Ref()}, Distinct: distinct}
	return &logical.Aggregate{Input: in, Keys: []logical.Definition{{Column: w.ids.Column(k.Field), Expr: k.Ref()}}, Aggs: []logical.AggCall{call}}
}

func (w *world) window(in logical.Node, partition []*plan.Expr, order ...logical.OrderKey) *logical.Window {
	call := logical.WindowCall{
		AggCall: logical.AggCall{Column: w.ids.Column(plan.Field{Name: "r", Type: plan.Int32}), Func: "row_number"},
		Frame:   plan.Frame{Unit: plan.FrameRows, Start: plan.FrameBound{Kind: "unbounded"}, End: plan.FrameBound{Kind: "current"}},
	}
	return &logical.Window{Input: in, PartitionBy: partition, OrderBy: order, Calls: []logical.WindowCall{call}}
}

// eventWindows has windows of an hour and of all time over events, by k and t of the rows.
func (w *world) eventWindows(in logical.Node, rows []logical.Column, events *logical.Scan, funcs ...string) *logical.EventWindows {
	spec := logical.EventWindowsSpec{
		Left: in, Events: events, LeftKeys: []*plan.Expr{rows[0].Ref()}, EventKeys: []*plan.Expr{events.Cols[0].Ref()},
		LeftTime: rows[2].Ref(), EventTime: events.Cols[2].Ref(),
	}
	for _, f := range funcs {
		col := events.Cols[1]
		if f == "sum" {
			col = events.Cols[0]
		}
		for _, x := range []logical.EventWindowSpec{{Width: 3_600_000_000}, {Unbounded: true, Preset: "sql_range"}} {
			window, err := x.Window()
			if err != nil {
				panic(err)
			}
			spec.Features = append(spec.Features, logical.EventFeatureSpec{Name: f, Func: f, Args: []*plan.Expr{col.Ref()}, Window: window})
		}
	}
	n, err := logical.NewEventWindows(spec, &w.ids)
	if err != nil {
		panic(err)
	}
	return n
}

func equal(l, r *plan.Expr, name string) *plan.Expr {
	return &plan.Expr{Op: plan.OpCall, Name: name, Type: plan.Boolean, Nullable: l.Nullable || r.Nullable, Args: []*plan.Expr{l, r}}
}

// cases are plans in the order of the golden file.
func cases() []struct {
	title string
	plan  func(w *world) logical.Node
} {
	return []struct {
		title string
		plan  func(w *world) logical.Node
	}{
		{"union of scans", func(w *world) logical.Node { return w.union(w.scan("a", 3), w.scan("b", 1)) }},
		{"union of constants and a scan of one task", func(w *world) logical.Node {
			return w.union(w.constants(1), w.scan("a", 1), w.constants(2))
		}},
		{"union of constants and a scan of several tasks", func(w *world) logical.Node { return w.union(w.constants(1), w.scan("a", 3)) }},
		{"filter and limit over a union", func(w *world) logical.Node {
			u := w.union(w.scan("a", 3), w.scan("b", 2))
			p := equal(u.Cols[0].Ref(), plan.Int64Literal(5), "=")
			return &logical.Limit{Input: &logical.Filter{Input: u, Predicate: p}, Count: 10}
		}},
		{"grouping of a union, in two phases", func(w *world) logical.Node { return w.count(w.union(w.scan("a", 3), w.scan("b", 2)), false) }},
		{"distinct grouping of a union", func(w *world) logical.Node { return w.count(w.union(w.scan("a", 3), w.scan("b", 2)), true) }},
		{"union of groupings by the same key stays partitioned", func(w *world) logical.Node {
			return w.count(w.union(w.count(w.scan("a", 3), false), w.count(w.scan("b", 3), false)), true)
		}},
		{"union on the left of a broadcast join", func(w *world) logical.Node {
			u, r := w.union(w.scan("a", 3), w.scan("b", 2)), w.scan("c", 1)
			return &logical.Join{Type: plan.JoinLeft, Left: u, Right: r, On: equal(u.Cols[0].Ref(), r.Cols[0].Ref(), "="), Broadcast: true}
		}},
		{"union on the right of a broadcast join", func(w *world) logical.Node {
			u, l := w.union(w.scan("a", 3), w.scan("b", 2)), w.scan("c", 2)
			return &logical.Join{Type: plan.JoinLeft, Left: l, Right: u, On: equal(l.Cols[0].Ref(), u.Cols[0].Ref(), "="), Broadcast: true}
		}},
		{"union in a partitioned join", func(w *world) logical.Node {
			u, l := w.union(w.scan("a", 3), w.scan("b", 2)), w.scan("c", 2)
			return &logical.Join{Type: plan.JoinFull, Left: l, Right: u, On: equal(l.Cols[0].Ref(), u.Cols[0].Ref(), "=")}
		}},
		{"small tables that are joined first divide their rows for a large one", func(w *world) logical.Node {
			a, b, c := w.scan("a", 1), w.count(w.scan("b", 1), false), w.scan("c", 8)
			small := &logical.Join{Type: plan.JoinInner, Left: a, Right: b, On: equal(a.Cols[0].Ref(), b.Columns()[0].Ref(), "=")}
			return &logical.Join{Type: plan.JoinLeftSemi, Left: small, Right: c, On: equal(b.Columns()[0].Ref(), c.Cols[0].Ref(), "=")}
		}},
		{"expand", func(w *world) logical.Node {
			s := w.scan("a", 2)
			k, v := w.column("k", plan.Int64), w.column("v", plan.String)
			return w.count(&logical.Expand{Input: s, Cols: []logical.Column{k, v}, Projections: [][]*plan.Expr{
				{s.Cols[0].Ref(), s.Cols[1].Ref()}, {plan.NullLiteral(plan.Int64), s.Cols[1].Ref()},
			}}, false)
		}},
		{"generate", func(w *world) logical.Node {
			s := w.scan("a", 2)
			array := plan.CallExpr("array", plan.Array(plan.Int64, false), s.Cols[0].Ref())
			call := plan.CallExpr("explode", plan.Struct(plan.Field{Name: "col", Type: plan.Int64}), array)
			return &logical.Generate{Input: s, Call: call, Cols: []logical.Column{w.column("x", plan.Int64)}, Outer: true}
		}},
		{"window, then one of the same partition and order, then one of another order", func(w *world) logical.Node {
			s := w.scan("a", 3)
			partition := []*plan.Expr{s.Cols[1].Ref()}
			byTime := logical.OrderKey{Expr: s.Cols[2].Ref(), Descending: true, NullsLast: true}
			one := w.window(w.window(s, partition, byTime), partition, byTime)
			return w.window(one, partition, logical.OrderKey{Expr: s.Cols[0].Ref()})
		}},
		{"grouping of a window by its partition and order, whose rows come side by side", func(w *world) logical.Node {
			s := w.scan("a", 3)
			n := w.window(s, []*plan.Expr{s.Cols[1].Ref()}, logical.OrderKey{Expr: s.Cols[0].Ref()})
			a := w.count(n, true)
			a.Keys = nil
			for _, k := range []int{0, 1} {
				a.Keys = append(a.Keys, logical.Definition{Column: w.ids.Column(s.Cols[k].Field), Expr: s.Cols[k].Ref()})
			}
			return a
		}},
		{"grouping of a window by its partition and another column", func(w *world) logical.Node {
			s := w.scan("a", 3)
			n := w.window(s, []*plan.Expr{s.Cols[1].Ref()}, logical.OrderKey{Expr: s.Cols[0].Ref()})
			a := w.count(n, true)
			a.Keys = nil
			for _, k := range []int{1, 2} {
				a.Keys = append(a.Keys, logical.Definition{Column: w.ids.Column(s.Cols[k].Field), Expr: s.Cols[k].Ref()})
			}
			return a
		}},
		{"window by an expression", func(w *world) logical.Node {
			s := w.scan("a", 3)
			return w.window(s, []*plan.Expr{plan.CallExpr("upper", plan.String, s.Cols[1].Ref())}, logical.OrderKey{Expr: s.Cols[0].Ref()})
		}},
		{"window over everything", func(w *world) logical.Node {
			s := w.scan("a", 3)
			return w.window(s, nil, logical.OrderKey{Expr: s.Cols[0].Ref()})
		}},
		{"window over constants only", func(w *world) logical.Node {
			s := w.scan("a", 3)
			return w.window(s, []*plan.Expr{plan.Int64Literal(1)}, logical.OrderKey{Expr: plan.StringLiteral("x")})
		}},
		{"window over a grouping by its key", func(w *world) logical.Node {
			a := w.count(w.scan("a", 3), false)
			return w.window(a, []*plan.Expr{a.Columns()[0].Ref()}, logical.OrderKey{Expr: a.Columns()[1].Ref()})
		}},
		{"sort of a sorted window", func(w *world) logical.Node {
			s := w.scan("a", 1)
			n := w.window(s, []*plan.Expr{s.Cols[0].Ref()}, logical.OrderKey{Expr: s.Cols[2].Ref()})
			return &logical.Sort{Input: n, Keys: []logical.SortKey{{Column: s.Cols[0]}, {Column: s.Cols[2]}}, Limit: 3}
		}},
		{"asof join", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("b", 2)
			return &logical.AsofJoin{
				Left: l, Right: r, LeftKeys: []*plan.Expr{l.Cols[0].Ref()}, RightKeys: []*plan.Expr{r.Cols[0].Ref()},
				LeftTime: l.Cols[2].Ref(), RightTime: r.Cols[2].Ref(), Ties: []*plan.Expr{r.Cols[1].Ref()},
				Direction: plan.AsofBackward, Exact: true, Keep: true, On: equal(l.Cols[1].Ref(), r.Cols[1].Ref(), "<>"),
			}
		}},
		{"asof join without keys", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("b", 1)
			return &logical.AsofJoin{Left: l, Right: r, LeftTime: l.Cols[2].Ref(), RightTime: r.Cols[2].Ref(), Direction: plan.AsofForward}
		}},
		{"asof joins of three tables", func(w *world) logical.Node {
			l := w.scan("a", 3)
			table := func(name string) logical.AsofTable {
				r := w.scan(name, 2)
				return logical.AsofTable{Node: r, Keys: []*plan.Expr{r.Cols[0].Ref()}, Time: r.Cols[2].Ref(), Direction: plan.AsofBackward}
			}
			plain, late, early := table("b"), table("c"), table("d")
			late.Available, late.Latency = late.Node.Columns()[2].Ref(), 60_000_000
			late.SkipNulls = []*plan.Expr{late.Node.Columns()[1].Ref()}
			early.Direction, early.Available = plan.AsofNearest, early.Node.Columns()[2].Ref()
			early.PreferForward, early.Strict, early.Tolerance = true, true, &late.Latency
			n, err := logical.NewAsofJoin(l, []*plan.Expr{l.Cols[0].Ref()}, l.Cols[2].Ref(), plain, late, early)
			if err != nil {
				panic(err)
			}
			return n
		}},
		{"windows of events, twice by the same keys, then as of a larger table", func(w *world) logical.Node {
			l, e := w.scan("rows", 3), w.scan("events", 2)
			one := w.eventWindows(l, l.Cols, e, "count", "last")
			self := w.scan("rows", 3)
			two := w.eventWindows(one, l.Cols, self, "sum")
			return w.eventWindows(two, l.Cols, w.scan("large", 20), "sum")
		}},
		{"windows of events without keys", func(w *world) logical.Node {
			l, e := w.scan("rows", 3), w.scan("events", 2)
			n := w.eventWindows(l, l.Cols, e, "count")
			n.LeftKeys, n.EventKeys = nil, nil
			return n
		}},
		{"mark join", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("b", 3)
			return &logical.Join{Type: plan.JoinMark, Left: l, Right: r, On: equal(l.Cols[0].Ref(), r.Cols[0].Ref(), "="), Mark: w.column("exists", plan.Boolean)}
		}},
		{"single join of a whole table", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("b", 1)
			return &logical.Join{Type: plan.JoinSingle, Left: l, Right: &logical.Limit{Input: r, Count: 2}}
		}},
		{"NOT IN without correlation", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("b", 3)
			on := equal(l.Cols[1].Ref(), r.Cols[1].Ref(), "=")
			return &logical.Join{Type: plan.JoinLeftAnti, Left: l, Right: r, On: on, NullAware: true, Compared: []*plan.Expr{on}}
		}},
		{"NOT IN with correlation by columns that may be NULL and one that may not", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("b", 3)
			compared := equal(r.Cols[2].Ref(), l.Cols[2].Ref(), "=")
			on := plan.And(compared, equal(l.Cols[0].Ref(), r.Cols[0].Ref(), "="), equal(l.Cols[1].Ref(), r.Cols[1].Ref(), "="), equal(l.Cols[1].Ref(), r.Cols[1].Ref(), "like"))
			return &logical.Join{Type: plan.JoinLeftAnti, Left: l, Right: r, On: on, NullAware: true, Compared: []*plan.Expr{compared}}
		}},
		{"a constant IN", func(w *world) logical.Node {
			l, r := w.scan("a", 3), w.scan("b", 1)
			on := equal(plan.StringLiteral("x"), r.Cols[1].Ref(), "=")
			return &logical.Join{Type: plan.JoinMark, Left: l, Right: r, On: on, NullAware: true, Compared: []*plan.Expr{on}, Mark: w.column("in", plan.Boolean)}
		}},
		{"aggregates with filter, order and parameters", func(w *world) logical.Node {
			s := w.scan("a", 2)
			a := w.count(s, false)
			a.Aggs[0].Filter = equal(s.Cols[0].Ref(), plan.Int64Literal(3), "<")
			a.Aggs = append(a.Aggs, logical.AggCall{
				Column: w.column("list", plan.String), Func: "listagg", Args: []*plan.Expr{s.Cols[1].Ref()}, Params: []*plan.Expr{plan.StringLiteral(",")},
				OrderBy: []logical.OrderKey{{Expr: s.Cols[2].Ref(), Descending: true}},
			})
			return a
		}},
		{"virtual columns and options", func(w *world) logical.Node {
			s := w.scan("a", 1)
			s.Cols = append(s.Cols, w.column("file", plan.String), w.column("row", plan.Int64))
			s.Ordinals = append(s.Ordinals, logical.OrdinalFile, logical.OrdinalRow)
			return &logical.Filter{Input: s, Predicate: equal(s.Cols[4].Ref(), plan.Int64Literal(3), "<")}
		}},
	}
}

func TestCut(t *testing.T) {
	var b strings.Builder
	for _, c := range cases() {
		w := &world{}
		n := c.plan(w)
		if err := logical.Verify(n); err != nil {
			t.Fatalf("%s: %v", c.title, err)
		}
		stages, _, err := Cut([]Target{{Plan: n}}, Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.title, err)
		}
		job := &plan.Job{Version: plan.JobVersion, Stages: stages}
		if err := job.Validate(); err != nil {
			t.Errorf("%s: %v", c.title, err)
		}
		for _, s := range stages {
			s.Root.Walk(func(p *plan.Node) { checkSchema(t, c.title, p) })
		}
		b.WriteString("=== " + c.title + "\n" + strings.TrimRight(logical.Format(n), "\n") + "\n---\n" + strings.TrimRight(job.Text(), "\n") + "\n\n")
	}
	golden.Check(t, "testdata/cut.txt", b.String())
}

// Rows of a hot key may be cut into pieces, below several windows of events too; events are read whole.
func TestRowsOfEventWindowsMayBeCut(t *testing.T) {
	w := &world{}
	rows := w.scan("rows", 3)
	one := w.eventWindows(rows, rows.Cols, w.scan("a", 2), "count")
	stages, last, err := Cut([]Target{{Plan: w.eventWindows(one, rows.Cols, w.scan("b", 2), "last")}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	splits := map[string]bool{}
	for _, in := range stages[last[0]].Adapt.Inputs {
		splits[stages[in.Stage].Root.Scan.Source] = in.Splits
	}
	if len(splits) != 3 || !splits["rows"] || splits["a"] || splits["b"] {
		t.Errorf("inputs that may be cut: %v", splits)
	}
}

// checkSchema compares a node's schema with what follows from its payload.
func checkSchema(t *testing.T, title string, n *plan.Node) {
	t.Helper()
	for _, in := range n.Inputs {
		if n.Op == plan.NodeUnion && in.Schema.String() != n.Schema.String() {
			t.Errorf("%s: union of %s and %s", title, n.Schema, in.Schema)
		}
	}
	switch n.Op {
	case plan.NodeScan:
		if len(n.Scan.Columns) != len(n.Schema.Fields) || n.Scan.Options["header"] != "true" {
			t.Errorf("%s: scan %+v of %s", title, n.Scan, n.Schema)
		}
	case plan.NodeWindow:
		if len(n.Schema.Fields) != len(n.Inputs[0].Schema.Fields)+len(n.Window.Calls) {
			t.Errorf("%s: window with schema %s", title, n.Schema)
		}
	case plan.NodeExpand:
		for _, p := range n.Expand.Projections {
			if len(p) != len(n.Schema.Fields) {
				t.Errorf("%s: expand to %s by %d expressions", title, n.Schema, len(p))
			}
		}
	case plan.NodeAggregate:
		for _, a := range n.Aggregate.Aggs {
			if n.Aggregate.Mode != plan.AggregateComplete && (a.Distinct || len(a.OrderBy) > 0) {
				t.Errorf("%s: %s is split", title, a.Func)
			}
		}
	}
}
