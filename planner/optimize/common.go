package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// shareExpressions computes what several expressions of a projection or aggregation have in common once, in a
// projection below.
func shareExpressions(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		switch n := n.(type) {
		case *logical.Project:
			return r.shared(n)
		case *logical.Aggregate:
			if !slices.ContainsFunc(n.Aggs, func(a logical.AggCall) bool { return a.Filter != nil }) {
				return r.shared(n) // a filter guards what its call computes
			}
		}
		return n
	})
}

// mostShared bounds the work on wide projections.
const mostShared = 32

func (r *rewriter) shared(n logical.Node) logical.Node {
	in := n.Inputs()[0]
	defs := logical.KeepAll(in.Columns())
	before := len(defs)
	for range mostShared {
		e := mostCommon(n)
		if e == nil {
			break
		}
		d := logical.Definition{Column: r.ids.Column(plan.Field{Name: "shared", Type: e.Type, Nullable: e.Nullable}), Expr: e}
		defs = append(defs, d)
		n = logical.MapExprs(n, func(x *plan.Expr) *plan.Expr { return replaced(x, e, d.Ref()) })
	}
	if len(defs) == before {
		return n
	}
	return logical.MapInputs(n, func(logical.Node) logical.Node { return &logical.Project{Input: in, Defs: defs} })
}

func replaced(x, e, by *plan.Expr) *plan.Expr {
	return x.Transform(func(x *plan.Expr) *plan.Expr {
		if x.Equal(e) {
			return by
		}
		return x
	})
}

// occurrence counts how often an expression stands in a node's expressions.
type occurrence struct {
	expr    *plan.Expr
	size    int
	all     int
	certain int // places where it is evaluated for every row
}

// mostCommon is the largest expression that is worth sharing, the first of several; nil for none.
func mostCommon(n logical.Node) *plan.Expr {
	c := &counter{places: map[string]int{}}
	logical.MapExprs(n, func(e *plan.Expr) *plan.Expr {
		c.count(e, true)
		return e
	})
	var best *occurrence
	for i := range c.found {
		o := &c.found[i]
		// What may fail must have been evaluated for every row before, or a CASE that guards it would do so no more.
		if o.all > 1 && (o.certain > 0 || !canFail(o.expr)) && (best == nil || o.size > best.size) {
			best = o
		}
	}
	if best == nil {
		return nil
	}
	return best.expr
}

type counter struct {
	found  []occurrence
	places map[string]int
}

// count notes an expression and what is in it, and returns its size. Lambda bodies are left out: they run per element.
func (c *counter) count(e *plan.Expr, certain bool) int {
	if e.Op != plan.OpCall {
		return 0
	}
	size := 1
	for i, a := range e.Args {
		size += c.count(a, certain && (i == 0 || !branches(e.Name)))
	}
	if e.Type.Kind == plan.KindBoolean || e.Name == "cast" || !readsColumn(e) {
		return size
	}
	key := e.String() + " " + e.Type.String()
	i, ok := c.places[key]
	if !ok {
		i = len(c.found)
		c.places[key] = i
		c.found = append(c.found, occurrence{expr: e, size: size})
	}
	if o := &c.found[i]; o.expr.Equal(e) {
		o.all++
		if certain {
			o.certain++
		}
	}
	return size
}

// branches reports functions that evaluate arguments after the first for some rows only.
func branches(name string) bool {
	switch name {
	case "case", "if", "coalesce", "and", "or", "nvl2", "nullif", "nanvl", "in":
		return true
	}
	return false
}

// readsColumn reports an expression over columns and no variables of a lambda around it.
func readsColumn(e *plan.Expr) bool {
	column, variable := false, false
	e.Walk(func(x *plan.Expr) bool {
		column = column || x.Op == plan.OpColumn
		variable = variable || x.Op == plan.OpVariable || x.Op == plan.OpUDF
		return true
	})
	return column && !variable
}
