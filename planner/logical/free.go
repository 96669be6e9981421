package logical

import "github.com/quern-engine/quern/plan"

// freeColumns lists what a plan reads and does not produce, in order of first appearance: the columns of the query
// around a subquery.
func freeColumns(n Node) []*plan.Expr {
	f := freeFinder{seen: map[int]bool{}}
	f.node(n)
	return f.found
}

type freeFinder struct {
	found []*plan.Expr
	seen  map[int]bool
}

func (f *freeFinder) node(n Node) {
	visible := map[int]bool{}
	for _, in := range n.Inputs() {
		f.node(in)
		for _, c := range in.Columns() {
			visible[c.ID] = true
		}
	}
	n.mapExprs(func(e *plan.Expr) *plan.Expr {
		f.expr(e, visible)
		return e
	})
}

func (f *freeFinder) expr(e *plan.Expr, visible map[int]bool) {
	e.Walk(func(x *plan.Expr) bool {
		if x.Op == plan.OpColumn && !visible[x.Column] && !f.seen[x.Column] {
			f.seen[x.Column] = true
			f.found = append(f.found, x)
		}
		return true
	})
}

// columnsRead lists the columns of expressions, each once, in order of appearance.
func columnsRead(exprs ...*plan.Expr) []*plan.Expr {
	f := freeFinder{seen: map[int]bool{}}
	for _, e := range exprs {
		f.expr(e, nil)
	}
	return f.found
}

// substituteAll replaces columns by expressions in a whole plan, which does not produce these columns.
func substituteAll(n Node, by map[int]*plan.Expr) Node {
	return Rewrite(n, func(n Node) Node {
		return MapExprs(n, func(e *plan.Expr) *plan.Expr { return Substitute(e, by) })
	})
}

// has reports whether a node puts out a column.
func has(n Node, id int) bool {
	for _, c := range n.Columns() {
		if c.ID == id {
			return true
		}
	}
	return false
}
