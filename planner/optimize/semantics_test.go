package optimize

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// row is the values of a row by column id.
type row map[int]*plan.Expr

// evaluate is what a plan puts out, by definition rather than by any operator.
func evaluate(t *rapid.T, n logical.Node) []row {
	switch n := n.(type) {
	case *logical.Values:
		var out []row
		for _, values := range n.Rows {
			r := row{}
			for i, c := range n.Cols {
				r[c.ID] = values[i]
			}
			out = append(out, r)
		}
		return out
	case *logical.Filter:
		return slices.DeleteFunc(evaluate(t, n.Input), func(r row) bool { return !valueIn(t, n.Predicate, r).IsTrue() })
	case *logical.Project:
		var out []row
		for _, in := range evaluate(t, n.Input) {
			r := row{}
			for _, d := range n.Defs {
				r[d.ID] = valueIn(t, d.Expr, in)
			}
			out = append(out, r)
		}
		return out
	case *logical.Union:
		var out []row
		for _, in := range n.Ins {
			for _, from := range evaluate(t, in) {
				r := row{}
				for i, c := range in.Columns() {
					r[n.Cols[i].ID] = from[c.ID]
				}
				out = append(out, r)
			}
		}
		return out
	case *logical.Join:
		return evaluateJoin(t, n)
	case *logical.Aggregate: // DISTINCT only
		var out []row
		seen := map[string]bool{}
		for _, in := range evaluate(t, n.Input) {
			r := row{}
			for _, k := range n.Keys {
				r[k.ID] = valueIn(t, k.Expr, in)
			}
			if key := textOf(n.Columns(), r); !seen[key] {
				seen[key] = true
				out = append(out, r)
			}
		}
		return out
	}
	t.Fatalf("no definition of %T", n)
	return nil
}

func evaluateJoin(t *rapid.T, n *logical.Join) []row {
	left, right := evaluate(t, n.Left), evaluate(t, n.Right)
	matched := make([]bool, len(right))
	var out []row
	for _, l := range left {
		partners, unknown := 0, false
		for i, r := range right {
			both := merged(l, r)
			on := plan.BoolLiteral(true)
			if n.On != nil {
				on = valueIn(t, n.On, both)
			}
			if on.IsTrue() {
				partners, matched[i] = partners+1, true
				if n.Type == plan.JoinInner || n.Type == plan.JoinCross || n.Type == plan.JoinLeft || n.Type == plan.JoinFull {
					out = append(out, both)
				}
			} else if n.NullAware && isNull(on) && othersHold(t, n, both) {
				unknown = true
			}
		}
		switch {
		case n.Type == plan.JoinLeftSemi && partners > 0, n.Type == plan.JoinLeftAnti && partners == 0 && !unknown:
			out = append(out, l)
		case n.Type == plan.JoinMark:
			mark := plan.BoolLiteral(partners > 0)
			if partners == 0 && unknown {
				mark = plan.NullLiteral(plan.Boolean)
			}
			out = append(out, merged(l, row{n.Mark.ID: mark}))
		case (n.Type == plan.JoinLeft || n.Type == plan.JoinFull) && partners == 0:
			out = append(out, merged(l, nulls(n.Right)))
		}
	}
	for i, r := range right {
		if n.Type == plan.JoinFull && !matched[i] {
			out = append(out, merged(nulls(n.Left), r))
		}
	}
	return out
}

// othersHold reports whether a pair is compared at all.
func othersHold(t *rapid.T, n *logical.Join, both row) bool {
	_, others := n.Compare()
	return len(others) == 0 || valueIn(t, plan.And(others...), both).IsTrue()
}

func merged(a, b row) row {
	out := row{}
	for _, r := range []row{a, b} {
		for id, v := range r {
			out[id] = v
		}
	}
	return out
}

func nulls(n logical.Node) row {
	r := row{}
	for _, c := range n.Columns() {
		r[c.ID] = plan.NullLiteral(c.Type)
	}
	return r
}

func valueIn(t *rapid.T, e *plan.Expr, r row) *plan.Expr {
	v, err := compute.Fold(logical.Substitute(e, r), plan.Session{})
	if err != nil || !v.IsLiteral() {
		t.Fatalf("%s of %v: %v, %v", e, r, v, err)
	}
	return v
}

func textOf(cols []logical.Column, r row) string {
	var b strings.Builder
	for _, c := range cols {
		fmt.Fprintf(&b, "%s ", r[c.ID])
	}
	return b.String()
}

// texts is the rows of a plan as sorted lines.
func texts(t *rapid.T, n logical.Node) []string {
	var out []string
	for _, r := range evaluate(t, n) {
		out = append(out, textOf(n.Columns(), r))
	}
	slices.Sort(out)
	return out
}

// drawPlan draws joins, filters, projections and unions over small tables of two columns.
func drawPlan(t *rapid.T, ids *logical.IDs, depth int) logical.Node {
	if depth == 0 {
		return drawTable(t, ids)
	}
	switch rapid.IntRange(0, 9).Draw(t, "operator") {
	case 0:
		in := drawPlan(t, ids, depth-1)
		return &logical.Filter{Input: in, Predicate: drawPredicate(t, in.Columns(), 1)}
	case 1:
		in := drawPlan(t, ids, depth-1)
		p := &logical.Project{Input: in}
		for _, c := range in.Columns() {
			if rapid.IntRange(0, 3).Draw(t, "keep") > 0 || len(p.Defs) == 0 {
				p.Defs = append(p.Defs, logical.Definition{Column: ids.Column(c.Field), Expr: c.Ref()})
			}
		}
		return p
	case 2:
		in := drawPlan(t, ids, depth-1)
		a := &logical.Aggregate{Input: in}
		for _, c := range in.Columns() {
			a.Keys = append(a.Keys, logical.Definition{Column: ids.Column(c.Field), Expr: c.Ref()})
		}
		return a
	case 3:
		l, r := drawTable(t, ids), drawTable(t, ids)
		u := &logical.Union{Ins: []logical.Node{l, r}}
		for i, c := range l.Columns() {
			c.Nullable = c.Nullable || r.Columns()[i].Nullable
			u.Cols = append(u.Cols, ids.Column(c.Field))
		}
		return u
	}
	return drawJoin(t, ids, depth)
}

func drawTable(t *rapid.T, ids *logical.IDs) logical.Node {
	v := &logical.Values{}
	for _, name := range []string{"x", "y"} {
		v.Cols = append(v.Cols, ids.Column(plan.Field{Name: name, Type: plan.Int32, Nullable: rapid.Bool().Draw(t, "nullable")}))
	}
	for range rapid.IntRange(0, 3).Draw(t, "rows") {
		v.Rows = append(v.Rows, []*plan.Expr{drawInt(t, v.Cols[0].Nullable), drawInt(t, v.Cols[1].Nullable)})
	}
	return v
}

func drawInt(t *rapid.T, nullable bool) *plan.Expr {
	if nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return plan.NullLiteral(plan.Int32)
	}
	return &plan.Expr{Op: plan.OpLiteral, Type: plan.Int32, Value: plan.Literal{Int: rapid.Int64Range(0, 2).Draw(t, "int")}}
}

func drawJoin(t *rapid.T, ids *logical.IDs, depth int) logical.Node {
	n := &logical.Join{Left: drawPlan(t, ids, depth-1), Right: drawPlan(t, ids, rapid.IntRange(0, depth-1).Draw(t, "right depth"))}
	n.Type = rapid.SampledFrom([]plan.JoinType{
		plan.JoinInner, plan.JoinInner, plan.JoinInner, plan.JoinCross, plan.JoinLeft, plan.JoinFull, plan.JoinLeftSemi, plan.JoinLeftAnti, plan.JoinMark,
	}).Draw(t, "join")
	if n.Type == plan.JoinCross {
		return n
	}
	left, right := n.Left.Columns(), n.Right.Columns()
	equality := mustCall(t, "=", pick(t, intColumns(left)).Ref(), pick(t, intColumns(right)).Ref())
	n.On = equality
	if rapid.Bool().Draw(t, "second condition") {
		n.On = plan.And(equality, drawPredicate(t, slices.Concat(left, right), 2))
	}
	if n.Type == plan.JoinMark || n.Type == plan.JoinLeftAnti {
		n.NullAware = rapid.Bool().Draw(t, "null-aware")
	}
	if n.NullAware {
		n.Compared = []*plan.Expr{equality}
	}
	if n.Type == plan.JoinMark {
		n.Mark = ids.Column(plan.Field{Name: "mark", Type: plan.Boolean, Nullable: n.NullAware})
		var p *plan.Expr = n.Mark.Ref()
		if rapid.Bool().Draw(t, "not") {
			p = mustCall(t, "not", p)
		}
		if rapid.Bool().Draw(t, "filtered") {
			return &logical.Filter{Input: n, Predicate: p}
		}
	}
	return n
}

func pick(t *rapid.T, cols []logical.Column) logical.Column {
	return rapid.SampledFrom(cols).Draw(t, "column")
}

func intColumns(cols []logical.Column) []logical.Column {
	return slices.DeleteFunc(slices.Clone(cols), func(c logical.Column) bool { return c.Type.Kind != plan.KindInt32 })
}

func drawPredicate(t *rapid.T, cols []logical.Column, depth int) *plan.Expr {
	cols = intColumns(cols)
	if depth > 0 {
		switch rapid.IntRange(0, 3).Draw(t, "predicate") {
		case 0:
			return mustCall(t, "and", drawPredicate(t, cols, depth-1), drawPredicate(t, cols, depth-1))
		case 1:
			return mustCall(t, "or", drawPredicate(t, cols, depth-1), drawPredicate(t, cols, depth-1))
		}
	}
	l := pick(t, cols).Ref()
	switch rapid.IntRange(0, 3).Draw(t, "comparison") {
	case 0:
		return mustCall(t, "isnull", l)
	case 1:
		return mustCall(t, rapid.SampledFrom([]string{"=", "<", "<>", "<=>"}).Draw(t, "operator"), l, pick(t, cols).Ref())
	}
	return mustCall(t, rapid.SampledFrom([]string{"=", "<", ">=", "<>"}).Draw(t, "operator"), l, drawInt(t, false))
}

// All rules together, and each alone, must leave the rows of a plan as they are.
func TestRulesKeepRows(t *testing.T) {
	rules := slices.Concat(Structure(), Statistics())
	rapid.Check(t, func(t *rapid.T) {
		ids := &logical.IDs{}
		in := drawPlan(t, ids, 3)
		var n logical.Node = &logical.Project{Input: in, Defs: logical.KeepAll(in.Columns())} // as under a SELECT list
		want := texts(t, n)
		for _, list := range [][]Rule{rules, {rules[rapid.IntRange(0, len(rules)-1).Draw(t, "rule")]}} {
			r, err := Run(list, n, ids, Options{})
			if err != nil {
				t.Fatalf("%s\n%v", logical.Format(n), err)
			}
			if got := texts(t, r.Plan); !slices.Equal(got, want) {
				t.Fatalf("%s\nputs out %q, but as\n%s\n(%v) %q", logical.Format(n), want, logical.Format(r.Plan), r.Fired, got)
			}
		}
	})
}

// The order of joins must not depend on anything but the plan.
func TestJoinOrderIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawPlan(t, &logical.IDs{}, 4)
		first := logical.Format(orderJoins(&rewriter{}, n))
		for range 3 {
			if again := logical.Format(orderJoins(&rewriter{}, n)); again != first {
				t.Fatalf("ordered as\n%s\nand as\n%s", first, again)
			}
		}
	})
}
