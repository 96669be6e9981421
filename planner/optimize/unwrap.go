package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// unwrapCasts turns comparisons of a cast column with a constant into comparisons of the column itself, in filters:
// CAST(small AS int) = 5 and CAST(time AS date) >= DATE '…'. Bare columns are what statistics can be asked about, and
// are cheaper to compare.
func unwrapCasts(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		if f, ok := n.(*logical.Filter); ok {
			return logical.MapExprs(f, func(e *plan.Expr) *plan.Expr { return e.Transform(unwrap) })
		}
		return n
	})
}

// mirrored gives the comparison with its sides exchanged.
func mirrored(name string) (string, bool) {
	switch name {
	case "=", "<>", "<=>":
		return name, true
	case "<":
		return ">", true
	case "<=":
		return ">=", true
	case ">":
		return "<", true
	case ">=":
		return "<=", true
	}
	return "", false
}

func unwrap(e *plan.Expr) *plan.Expr {
	if e.Op != plan.OpCall || len(e.Args) != 2 {
		return e
	}
	swapped, ok := mirrored(e.Name)
	if !ok {
		return e
	}
	name, l, r := e.Name, e.Args[0], e.Args[1]
	if l.IsLiteral() {
		name, l, r = swapped, r, l
	}
	if !r.IsLiteral() || r.Value.Null || l.Op != plan.OpCall || l.Name != "cast" {
		return e
	}
	x := l.Args[0]
	switch {
	case x.Type.IsInteger() && l.Type.IsInteger() && x.Type.Kind < l.Type.Kind && fits(r.Value.Int, x.Type):
		lit := *r
		lit.Type = x.Type
		return compare(e, name, x, &lit)
	case x.Type.Kind == plan.KindTimestamp && l.Type.Kind == plan.KindDate:
		return unwrapDate(e, name, x, r.Value.Int)
	}
	return e
}

func fits(v int64, t plan.Type) bool {
	bits := map[plan.Kind]uint{plan.KindInt8: 8, plan.KindInt16: 16, plan.KindInt32: 32, plan.KindInt64: 64}[t.Kind]
	shift := 64 - bits
	return v<<shift>>shift == v
}

const microsPerDay = 24 * 60 * 60 * 1_000_000

// unwrapDate compares a timestamp with the edges of a day instead of its date with the day.
func unwrapDate(e *plan.Expr, name string, x *plan.Expr, day int64) *plan.Expr {
	const mostDays = 100_000_000 // beyond any date; keeps the products in range
	if day < -mostDays || day > mostDays {
		return e
	}
	edge := func(day int64) *plan.Expr {
		return &plan.Expr{Op: plan.OpLiteral, Type: plan.Timestamp, Value: plan.Literal{Int: day * microsPerDay}}
	}
	switch name {
	case "<", ">=":
		return compare(e, name, x, edge(day))
	case "<=":
		return compare(e, "<", x, edge(day+1))
	case ">":
		return compare(e, ">=", x, edge(day+1))
	case "=":
		if x.Op != plan.OpColumn {
			return e // it would be computed twice
		}
		return plan.And(compare(e, ">=", x, edge(day)), compare(e, "<", x, edge(day+1)))
	}
	return e
}

func compare(like *plan.Expr, name string, l, r *plan.Expr) *plan.Expr {
	out := *like
	out.Name, out.Args = name, []*plan.Expr{l, r}
	return &out
}
