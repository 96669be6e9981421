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
// bring the same ids twice into one plan. What the plan reads and does not produce keeps its id.
func Refresh(n Node, ids *IDs) Node {
	n, _ = refreshed(n, ids)
	return n
}

// refreshed is Refresh that also tells the new id of each old one.
func refreshed(n Node, ids *IDs) (Node, map[int]int) {
	r := refresher{ids: ids, renamed: map[int]int{}}
	return r.node(n), r.renamed
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
	return r.more(n)
}

// more is node for the operators beyond the classic ones.
func (r *refresher) more(n Node) Node {
	switch n := n.(type) {
	case *Join:
		if n.Type != plan.JoinMark {
			return n
		}
		c := *n
		c.Mark = r.column(n.Mark)
		return &c
	case *Union:
		c := *n
		c.Cols = r.columns(n.Cols)
		return &c
	case *Expand:
		c := *n
		c.Cols = r.columns(n.Cols)
		return &c
	case *Generate:
		c := *n
		c.Cols = r.columns(n.Cols)
		return &c
	case *PluginTable:
		c := *n
		c.Cols = r.columns(n.Cols)
		return &c
	case *Window:
		c := *n
		c.Calls = make([]WindowCall, len(n.Calls))
		for i, call := range n.Calls {
			call.Column = r.column(call.Column)
			c.Calls[i] = call
		}
		return &c
	case *EventWindows:
		c := *n
		c.Features = make([]EventFeature, len(n.Features))
		for i, f := range n.Features {
			f.Column = r.column(f.Column)
			c.Features[i] = f
		}
		return &c
	}
	return n
}

// expr renames columns and the parameters of lambdas, which stand behind the body that reads them.
func (r *refresher) expr(e *plan.Expr) *plan.Expr {
	e.Walk(func(x *plan.Expr) bool {
		if x.Op == plan.OpLambda {
			for _, p := range x.Args[1:] {
				r.renamed[p.Column] = r.ids.New()
			}
		}
		return true
	})
	return renumber(e, r.renamed)
}

// renumber gives columns and variables other ids; those that are not in the map stay.
func renumber(e *plan.Expr, by map[int]int) *plan.Expr {
	return e.Transform(func(x *plan.Expr) *plan.Expr {
		if x.Op != plan.OpColumn && x.Op != plan.OpVariable {
			return x
		}
		id, ok := by[x.Column]
		if !ok {
			return x
		}
		c := *x
		c.Column = id
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

// defs renames what a projection defines. A column that it only passes on, under its own id, has its new id already.
func (r *refresher) defs(defs []Definition) []Definition {
	out := make([]Definition, len(defs))
	for i, d := range defs {
		if id, ok := r.renamed[d.ID]; ok && d.Expr.Op == plan.OpColumn && d.Expr.Column == id {
			d.ID = id
		} else {
			d.Column = r.column(d.Column)
		}
		out[i] = d
	}
	return out
}
