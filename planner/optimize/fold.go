package optimize

import (
	"slices"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// foldConstants evaluates what reads no column and simplifies conditions. A filter that lets everything through goes
// away; one that lets nothing through becomes an empty table.
func foldConstants(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		if j, ok := n.(*logical.Join); ok && j.NullAware {
			return r.foldCompared(j)
		}
		n = logical.MapExprs(n, r.simplify)
		switch n := n.(type) {
		case *logical.Filter:
			if n.Predicate.IsTrue() {
				return n.Input
			}
			if n.Predicate.IsLiteral() {
				return &logical.Values{Cols: n.Columns()}
			}
		case *logical.Join:
			if n.On != nil && n.On.IsTrue() {
				c := *n
				c.On = nil
				if c.Type == plan.JoinInner {
					c.Type = plan.JoinCross
				}
				return &c
			}
		}
		return n
	})
}

// foldCompared folds a null-aware join. Its comparisons stay comparisons, even of constants: which of them are NULL is
// for the join to see, row by row.
func (r *rewriter) foldCompared(n *logical.Join) logical.Node {
	compared, others := n.Compare()
	changed := false
	simplified := func(e *plan.Expr) *plan.Expr {
		s := r.simplify(e)
		changed = changed || s != e
		return s
	}
	for i, c := range compared {
		args := []*plan.Expr{simplified(c.Args[0]), simplified(c.Args[1])}
		if args[0] != c.Args[0] || args[1] != c.Args[1] {
			compared[i] = withArgs(c, args)
		}
	}
	rest := plan.And(others...)
	if rest != nil {
		rest = simplified(rest)
	}
	if !changed {
		return n
	}
	if rest != nil && rest.IsTrue() {
		rest = nil
	}
	out := *n
	out.Compared = compared
	out.On = plan.And(append(slices.Clone(compared), rest)...)
	return &out
}

// simplify folds an expression bottom up.
func (r *rewriter) simplify(e *plan.Expr) *plan.Expr { return e.Transform(r.simplifyNode) }

func (r *rewriter) simplifyNode(e *plan.Expr) *plan.Expr {
	if e.Op != plan.OpCall {
		return e
	}
	if s := r.simplifyCall(e); s != e {
		return s
	}
	for _, a := range e.Args {
		if !a.IsLiteral() {
			return e
		}
	}
	// A constant that raises an error stays: whether it is reached is for the run to see.
	if v, err := compute.Fold(e, r.session); err == nil && v.IsLiteral() && v.Type.Equal(e.Type) {
		return v
	}
	return e
}

// negated gives the comparison that is true where another is false; it holds for NULL and for NaN, which is ordered.
func negated(name string) (string, bool) {
	switch name {
	case "=":
		return "<>", true
	case "<>":
		return "=", true
	case "<":
		return ">=", true
	case ">=":
		return "<", true
	case ">":
		return "<=", true
	case "<=":
		return ">", true
	case "isnull":
		return "isnotnull", true
	case "isnotnull":
		return "isnull", true
	}
	return "", false
}

func (r *rewriter) simplifyCall(e *plan.Expr) *plan.Expr {
	switch e.Name {
	case "and":
		return simplifyLogic(e, false)
	case "or":
		if s := simplifyLogic(e, true); s != e {
			return s
		}
		return listed(e)
	case "not":
		return r.simplifyNot(e)
	case "isnull", "isnotnull":
		if !e.Args[0].Nullable {
			return plan.BoolLiteral(e.Name == "isnotnull")
		}
	case "=", "<>", "<", "<=", ">", ">=":
		if isNull(e.Args[0]) || isNull(e.Args[1]) {
			return plan.NullLiteral(plan.Boolean)
		}
	case "case":
		return simplifyCase(e)
	case "coalesce":
		if !e.Args[0].Nullable && e.Args[0].Type.Equal(e.Type) {
			return e.Args[0]
		}
	}
	return e
}

func isNull(e *plan.Expr) bool { return e.IsLiteral() && e.Value.Null }

func isBool(e *plan.Expr, v bool) bool {
	return e.IsLiteral() && e.Type.Kind == plan.KindBoolean && !e.Value.Null && (e.Value.Int != 0) == v
}

// simplifyLogic handles AND, where false decides and true is neutral, and OR, where it is the other way round.
func simplifyLogic(e *plan.Expr, decides bool) *plan.Expr {
	l, r := e.Args[0], e.Args[1]
	switch {
	case isBool(l, decides), isBool(r, !decides):
		return l
	case isBool(r, decides), isBool(l, !decides), l.Equal(r):
		return r
	}
	return e
}

func (r *rewriter) simplifyNot(e *plan.Expr) *plan.Expr {
	x := e.Args[0]
	if x.Op != plan.OpCall {
		return e
	}
	switch x.Name {
	case "not":
		return x.Args[0]
	case "and", "or":
		other := map[string]string{"and": "or", "or": "and"}[x.Name]
		return r.simplifyNode(withName(x, other, r.not(x.Args[0]), r.not(x.Args[1])))
	}
	name, ok := negated(x.Name)
	if !ok {
		return e
	}
	return withName(x, name, x.Args...)
}

func (r *rewriter) not(e *plan.Expr) *plan.Expr {
	return r.simplifyNode(&plan.Expr{Op: plan.OpCall, Name: "not", Type: plan.Boolean, Nullable: e.Nullable, Args: []*plan.Expr{e}})
}

// listed makes x = 1 OR x = 2 an IN list: one look-up in place of two comparisons.
func listed(e *plan.Expr) *plan.Expr {
	l, first, okLeft := oneOf(e.Args[0])
	r, more, okRight := oneOf(e.Args[1])
	if !okLeft || !okRight || !l.Equal(r) {
		return e
	}
	return &plan.Expr{
		Op: plan.OpCall, Name: "in", Type: plan.Boolean, Nullable: e.Nullable, Args: slices.Concat([]*plan.Expr{l}, first, more),
	}
}

// oneOf recognises a column that is compared with constants of its type, none of them NULL.
func oneOf(e *plan.Expr) (column *plan.Expr, values []*plan.Expr, ok bool) {
	if e.Op != plan.OpCall || e.Name != "=" && e.Name != "in" {
		return nil, nil, false
	}
	column, values = e.Args[0], e.Args[1:]
	if e.Name == "=" && column.IsLiteral() {
		column, values = values[0], []*plan.Expr{column}
	}
	for _, v := range values {
		if !v.IsLiteral() || v.Value.Null || !v.Type.Equal(column.Type) {
			return nil, nil, false
		}
	}
	return column, values, column.Op == plan.OpColumn
}

func withName(e *plan.Expr, name string, args ...*plan.Expr) *plan.Expr {
	out := *e
	out.Name, out.Args = name, args
	return &out
}

// simplifyCase drops arms that are never taken, and the CASE where its first arm always is.
func simplifyCase(e *plan.Expr) *plan.Expr {
	var args []*plan.Expr
	i := 0
	for ; i+1 < len(e.Args); i += 2 {
		when, then := e.Args[i], e.Args[i+1]
		if isNull(when) || isBool(when, false) {
			continue
		}
		if when.IsTrue() {
			if len(args) == 0 {
				return then
			}
			return withArgs(e, append(args, then))
		}
		args = append(args, when, then)
	}
	if i < len(e.Args) {
		args = append(args, e.Args[i])
	}
	switch {
	case len(args) == 0:
		return plan.NullLiteral(e.Type)
	case len(args) == 1:
		return args[0]
	case len(args) == len(e.Args):
		return e
	}
	return withArgs(e, args)
}

func withArgs(e *plan.Expr, args []*plan.Expr) *plan.Expr {
	out := *e
	out.Args = args
	return &out
}
