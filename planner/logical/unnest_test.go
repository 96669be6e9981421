package logical

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// maker draws plans whose expressions may read columns of an outer row.
type maker struct {
	*rapid.T
	a     *analyser
	outer []Column
}

func (m maker) column(name string, null bool) Column {
	return m.a.env.IDs.Column(plan.Field{Name: name, Type: plan.Int64, Nullable: null})
}

// table is a few rows of three columns with small numbers, so that much is equal.
func (m maker) table(rows int) Node {
	v := &Values{Cols: []Column{m.column("x", true), m.column("y", true), m.column("z", false)}}
	for range rapid.IntRange(0, rows).Draw(m.T, "rows") {
		var cells []*plan.Expr
		for _, c := range v.Cols {
			if c.Nullable && rapid.IntRange(0, 4).Draw(m.T, "null") == 0 {
				cells = append(cells, plan.NullLiteral(plan.Int64))
				continue
			}
			cells = append(cells, plan.Int64Literal(rapid.Int64Range(0, 3).Draw(m.T, "v")))
		}
		v.Rows = append(v.Rows, cells)
	}
	return v
}

func (m maker) pick(n Node) *plan.Expr {
	return rapid.SampledFrom(n.Columns()).Draw(m.T, "column").Ref()
}

func (m maker) must(name string, args ...*plan.Expr) *plan.Expr {
	e, err := m.a.call(source.Span{}, name, args...)
	if err != nil {
		m.Fatal(err)
	}
	return e
}

// value is a column of the node, of the outer row, or a sum.
func (m maker) value(n Node) *plan.Expr {
	switch k := rapid.IntRange(0, 9).Draw(m.T, "value"); {
	case k < 5:
		return m.pick(n)
	case k < 8:
		return rapid.SampledFrom(m.outer).Draw(m.T, "outer").Ref()
	case k < 9:
		return plan.Int64Literal(rapid.Int64Range(0, 3).Draw(m.T, "constant"))
	}
	return m.must("+", m.pick(n), rapid.SampledFrom(m.outer).Draw(m.T, "outer").Ref())
}

func (m maker) predicate(n Node) *plan.Expr {
	l, r := m.pick(n), m.value(n)
	op := rapid.SampledFrom([]string{"=", "=", "=", "=", "<=>", "<", ">=", "<>"}).Draw(m.T, "op")
	if rapid.Bool().Draw(m.T, "swap") {
		l, r = r, l
	}
	p := m.must(op, l, r)
	if rapid.IntRange(0, 5).Draw(m.T, "or") == 0 {
		p = m.must("or", p, m.must("=", m.pick(n), m.value(n)))
	}
	return p
}

// subplan draws a plan of at most some depth.
func (m maker) subplan(depth int) Node {
	if depth == 0 {
		if rapid.IntRange(0, 7).Draw(m.T, "leaf") == 0 {
			return m.project(&Values{Rows: [][]*plan.Expr{{}}})
		}
		return m.table(4)
	}
	kind := rapid.SampledFrom([]string{
		"filter", "filter", "filter", "project", "aggregate", "scalar", "distinct", "limit", "union", "join", "join", "window", "expand", "leaf",
	}).Draw(m.T, "kind")
	if kind == "leaf" {
		return m.table(4)
	}
	in := m.subplan(depth - 1)
	switch kind {
	case "filter":
		return &Filter{Input: in, Predicate: m.predicate(in)}
	case "project":
		return m.project(in)
	case "aggregate":
		k := m.value(in)
		key := Definition{Column: m.column("k", k.Nullable), Expr: k}
		return &Aggregate{Input: in, Keys: []Definition{key}, Aggs: m.calls(in)}
	case "scalar":
		return &Aggregate{Input: in, Aggs: m.calls(in)}
	case "distinct":
		return m.a.distinct(in)
	case "limit":
		s := &Sort{Input: in, Limit: -1}
		for _, c := range in.Columns() {
			s.Keys = append(s.Keys, SortKey{Column: c, Descending: rapid.Bool().Draw(m.T, "desc")})
		}
		n := Node(&Limit{Input: s, Count: rapid.Int64Range(0, 2).Draw(m.T, "limit"), Offset: rapid.Int64Range(0, 1).Draw(m.T, "offset")})
		return n
	case "union":
		right := m.subplan(depth - 1)
		width := min(len(in.Columns()), len(right.Columns()))
		return m.a.unionOf([]Node{m.first(in, width), m.first(right, width)})
	case "window":
		w := &Window{Input: in, PartitionBy: []*plan.Expr{m.value(in)}}
		w.Calls = []WindowCall{{AggCall: m.calls(in)[0], Frame: plan.Frame{Unit: plan.FrameRows}}}
		return w
	case "expand":
		e := &Expand{Input: in, Cols: []Column{m.column("e", true)}}
		for range 2 {
			e.Projections = append(e.Projections, []*plan.Expr{m.value(in)})
		}
		return e
	}
	return m.join(in, m.subplan(depth-1))
}

func (m maker) first(n Node, width int) Node {
	return &Project{Input: n, Defs: keepAll(n.Columns()[:width])}
}

func (m maker) project(in Node) Node {
	p := &Project{Input: in}
	for range rapid.IntRange(1, 2).Draw(m.T, "defs") {
		e := rapid.SampledFrom(m.outer).Draw(m.T, "outer").Ref()
		if len(in.Columns()) > 0 {
			e = m.value(in)
		}
		p.Defs = append(p.Defs, Definition{Column: m.column("p", e.Nullable), Expr: e})
	}
	return p
}

func (m maker) calls(in Node) []AggCall {
	var out []AggCall
	for range rapid.IntRange(1, 2).Draw(m.T, "calls") {
		call := AggCall{Func: rapid.SampledFrom([]string{"count", "sum", "max"}).Draw(m.T, "func"), Args: []*plan.Expr{m.value(in)}}
		call.Column = m.column(call.Func, call.Func != "count")
		if call.Func == "count" && rapid.Bool().Draw(m.T, "star") {
			call.Args = nil
		}
		out = append(out, call)
	}
	return out
}

func (m maker) join(left, right Node) Node {
	t := rapid.SampledFrom([]plan.JoinType{
		plan.JoinInner, plan.JoinCross, plan.JoinLeft, plan.JoinLeftSemi, plan.JoinLeftAnti, plan.JoinMark, plan.JoinFull,
	}).Draw(m.T, "type")
	j := &Join{Type: t, Left: left, Right: right}
	both := &Join{Type: plan.JoinCross, Left: left, Right: right}
	if t != plan.JoinCross {
		j.On = m.must("=", m.pick(left), m.pick(right))
		if rapid.Bool().Draw(m.T, "more") {
			j.On = plan.And(j.On, m.predicate(both))
		}
	}
	if t != plan.JoinMark {
		return j
	}
	j.Mark = m.a.env.IDs.Column(plan.Field{Name: "mark", Type: plan.Boolean})
	e := m.must("case", j.Mark.Ref(), plan.Int64Literal(1), plan.Int64Literal(2))
	return &Project{Input: j, Defs: []Definition{{Column: m.column("p", e.Nullable), Expr: e}, {Column: m.column("q", m.firstOf(left).Nullable), Expr: m.firstOf(left).Ref()}}}
}

func (m maker) firstOf(n Node) Column { return n.Columns()[0] }

func rowsText(t *rapid.T, r rowSet, err error) string {
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, row := range r.rows {
		lines = append(lines, strings.ReplaceAll(rowKey(row), "\x00", " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A subquery must give, joined in once, what it gives evaluated for each outer row by itself.
func TestUnnestKeepsMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &analyser{text: &source.Text{}, env: &Environment{IDs: &IDs{}}, spans: map[*plan.Expr]source.Span{}}
		m := maker{T: t, a: a}
		left := m.table(5)
		m.outer = left.Columns()
		sub := m.subplan(rapid.IntRange(1, 4).Draw(t, "depth"))
		use := rapid.SampledFrom([]string{"exists", "not exists", "mark", "in", "not in", "mark in", "mark not in", "scalar", "lateral", "lateral left", "lateral on", "lateral left on"}).Draw(t, "use")
		if use == "scalar" {
			sub = m.first(sub, 1)
		}
		x := subqueryUse{maker: m, use: use, left: left, sub: sub}
		if strings.HasSuffix(use, " on") {
			x.on = m.must(rapid.SampledFrom([]string{"=", "<="}).Draw(t, "on"), m.pick(left), m.pick(sub))
		}
		got, err := x.unnested()
		if err != nil {
			t.Fatalf("%s\n%s%v", use, Format(sub), err)
		}
		if err := Verify(got); err != nil {
			t.Fatalf("%s\n%s\n%s%v", use, Format(sub), Format(got), err)
		}
		want, wantErr := x.defined()
		have, err := (interpreter{}).run(got)
		if wantErr != nil {
			if err == nil {
				t.Fatalf("%s\n%s\n%sgives no error; want %v", use, Format(sub), Format(got), wantErr)
			}
			return
		}
		if g, w := rowsText(t, have, err), rowsText(t, want, nil); g != w {
			t.Fatalf("%s\nsubquery:\n%s\nunnested:\n%s\ngot:\n%s\nwant:\n%s", use, Format(sub), Format(got), g, w)
		}
	})
}

// subqueryUse is a subquery and how a query uses it.
type subqueryUse struct {
	maker
	use       string
	left, sub Node
	on        *plan.Expr
}

func (x subqueryUse) pending() *pending {
	p := &pending{node: x.sub, kind: "exists"}
	first := x.sub.Columns()[0]
	p.col = x.a.env.IDs.Column(plan.Field{Name: "mark", Type: plan.Boolean})
	if strings.HasSuffix(x.use, "in") {
		p.kind, p.compared = "in", []*plan.Expr{x.must("=", x.left.Columns()[0].Ref(), first.Ref())}
		p.col.Nullable = p.compared[0].Nullable
		p.not = x.use == "mark not in"
	}
	if x.use == "scalar" {
		p.kind, p.col = "scalar", nullable(first)
	}
	return p
}

// unnested is the plan under test, cut to the columns that the use is about.
func (x subqueryUse) unnested() (Node, error) {
	cols := slices.Clone(x.left.Columns())
	var n Node
	var err error
	p := x.pending()
	switch x.use {
	case "exists", "not exists", "in", "not in":
		n, err = x.a.reduce(x.left, p, strings.HasPrefix(x.use, "not"))
	case "mark", "mark in", "mark not in", "scalar":
		cols = append(cols, p.col)
		n, err = x.a.apply(x.left, p)
	default:
		cols = append(cols, x.sub.Columns()...)
		n, err = x.a.applyRows(x.left, x.sub, rowsOf{outer: strings.HasPrefix(x.use, "lateral left"), on: x.on})
	}
	if err != nil {
		return nil, err
	}
	for i, c := range cols {
		if !has(n, c.ID) {
			x.Fatalf("%s: no column %s in\n%s", x.use, c.Ref(), Format(n))
		}
		cols[i] = columnIn(n, c)
	}
	return &Project{Input: n, Defs: keepAll(cols)}, nil
}

// defined evaluates the subquery for each row.
func (x subqueryUse) defined() (rowSet, error) {
	var out rowSet
	left, err := (interpreter{}).run(x.left)
	if err != nil {
		return out, err
	}
	p := x.pending()
	for _, row := range left.rows {
		env := (interpreter{}).with(left.cols, row)
		sub, err := env.run(x.sub)
		if err != nil {
			return out, err
		}
		rows, err := x.rowsFor(env, row, sub, p)
		if err != nil {
			return out, err
		}
		out.rows = append(out.rows, rows...)
	}
	return out, nil
}

func (x subqueryUse) rowsFor(env interpreter, row []*plan.Expr, sub rowSet, p *pending) ([][]*plan.Expr, error) {
	with := func(cells ...*plan.Expr) []*plan.Expr { return append(slices.Clone(row), cells...) }
	var out [][]*plan.Expr
	switch x.use {
	case "scalar":
		if len(sub.rows) > 1 {
			return nil, errMany
		}
		v := plan.NullLiteral(plan.Int64)
		if len(sub.rows) == 1 {
			v = sub.rows[0][0]
		}
		return [][]*plan.Expr{with(v)}, nil
	case "lateral", "lateral on", "lateral left", "lateral left on":
		for _, r := range sub.rows {
			ok, err := env.with(sub.cols, r).holds(x.on)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, with(r...))
			}
		}
		if len(out) == 0 && strings.HasPrefix(x.use, "lateral left") {
			out = append(out, with(nulls(sub.cols)...))
		}
		return out, nil
	}
	truth := plan.BoolLiteral(len(sub.rows) > 0)
	if p.kind == "in" {
		truth = plan.BoolLiteral(false)
		for _, r := range sub.rows {
			v, err := env.with(sub.cols, r).eval(p.compared[0])
			if err != nil {
				return nil, err
			}
			if v.IsTrue() || v.Value.Null && !truth.IsTrue() {
				truth = v
			}
		}
	}
	isFalse := !truth.Value.Null && truth.Value.Int == 0
	if truth.Value.Null && strings.HasPrefix(x.use, "mark ") && isConstantRow(x.sub) {
		return [][]*plan.Expr{with(truth)}, nil // a comparison of values, which may be NULL
	}
	switch {
	case x.use == "mark in":
		return [][]*plan.Expr{with(plan.BoolLiteral(truth.IsTrue()))}, nil
	case x.use == "mark not in":
		return [][]*plan.Expr{with(plan.BoolLiteral(isFalse))}, nil
	case strings.HasPrefix(x.use, "mark"):
		return [][]*plan.Expr{with(truth)}, nil
	case strings.HasPrefix(x.use, "not") && isFalse, !strings.HasPrefix(x.use, "not") && truth.IsTrue():
		return [][]*plan.Expr{row}, nil
	}
	return nil, nil
}

type manyRows struct{}

func (manyRows) Error() string { return "more than one row" }

var errMany = manyRows{}
