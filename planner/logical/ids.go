package logical

import "github.com/quern-engine/quern/plan"

// IDs gives out column ids, from 1. One is shared by everything that goes into a job's plan.
type IDs struct{ last int }

// New is an id that was not given out before.
func (g *IDs) New() int {
	g.last++
	return g.last
}

// Column is a new column with the field's name and type.
func (g *IDs) Column(f plan.Field) Column { return Column{ID: g.New(), Field: f} }

// Refresh is a copy of the plan in which every column has a new id: a plan that is used twice (a CTE, a step) must not
// bring the same ids twice into one plan.
func Refresh(n Node, ids *IDs) Node {
	r := refresher{ids: ids, renamed: map[int]int{}}
	return r.node(n)
}

type refresher struct {
	ids     *IDs
	renamed map[int]int
}

func (r *refresher) node(n Node) Node {
	n = MapInputs(n, r.node)
	n = MapExprs(n, r.expr)
	switch n := n.(type) {
	case *Scan:
		c := *n
		c.Cols = r.columns(n.Cols)
		return &c
	case *Values:
		c := *n
		c.Cols = r.columns(n.Cols)
		return &c
	case *Project:
		c := *n
		c.Defs = r.defs(n.Defs)
		return &c
	case *Aggregate:
		c := *n
		c.Keys = r.defs(n.Keys)
		c.Aggs = make([]AggCall, len(n.Aggs))
		for i, a := range n.Aggs {
			a.Column = r.column(a.Column)
			c.Aggs[i] = a
		}
		return &c
	}
	return n
}

func (r *refresher) expr(e *plan.Expr) *plan.Expr {
	return e.Transform(func(x *plan.Expr) *plan.Expr {
		if x.Op != plan.OpColumn {
			return x
		}
		c := *x
		c.Column = r.renamed[x.Column]
		return &c
	})
}

func (r *refresher) column(c Column) Column {
	id := r.ids.New()
	r.renamed[c.ID] = id
	c.ID = id
	return c
}

func (r *refresher) columns(cols []Column) []Column {
	out := make([]Column, len(cols))
	for i, c := range cols {
		out[i] = r.column(c)
	}
	return out
}

func (r *refresher) defs(defs []Definition) []Definition {
	out := make([]Definition, len(defs))
	for i, d := range defs {
		d.Column = r.column(d.Column)
		out[i] = d
	}
	return out
}
