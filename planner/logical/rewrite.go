package logical

import "github.com/quern-engine/quern/plan"

// Rewrite rebuilds a plan bottom up: f gets each node with its inputs already rewritten and returns it or another.
// Nodes that do not change are shared.
func Rewrite(n Node, f func(Node) Node) Node {
	return f(MapInputs(n, func(in Node) Node { return Rewrite(in, f) }))
}

// MapInputs is the node with f applied to each input; the node itself when none changes.
func MapInputs(n Node, f func(Node) Node) Node {
	old := n.Inputs()
	in, changed := make([]Node, len(old)), false
	for i, o := range old {
		in[i] = f(o)
		changed = changed || in[i] != o
	}
	if !changed {
		return n
	}
	return n.withInputs(in)
}

// MapExprs is the node with f applied to each of its own expressions; the node itself when none changes.
func MapExprs(n Node, f func(*plan.Expr) *plan.Expr) Node {
	changed := false
	out := n.mapExprs(func(e *plan.Expr) *plan.Expr {
		r := f(e)
		changed = changed || r != e
		return r
	})
	if !changed {
		return n
	}
	return out
}

// Walk calls visit for each node, parents first.
func Walk(n Node, visit func(Node)) {
	visit(n)
	for _, in := range n.Inputs() {
		Walk(in, visit)
	}
}

// Substitute replaces references to columns by expressions; columns that are not in the map stay.
func Substitute(e *plan.Expr, by map[int]*plan.Expr) *plan.Expr {
	return e.Transform(func(x *plan.Expr) *plan.Expr {
		if r, ok := by[x.Column]; ok && x.Op == plan.OpColumn {
			return r
		}
		return x
	})
}

func (n *Scan) withInputs([]Node) Node   { return n }
func (n *Values) withInputs([]Node) Node { return n }

func (n *Filter) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Project) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Aggregate) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Join) withInputs(in []Node) Node {
	c := *n
	c.Left, c.Right = in[0], in[1]
	return &c
}

func (n *Sort) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Limit) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Union) withInputs(in []Node) Node {
	c := *n
	c.Ins = in
	return &c
}

func (n *Expand) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Generate) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *PluginTable) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *Window) withInputs(in []Node) Node {
	c := *n
	c.Input = in[0]
	return &c
}

func (n *AsofJoin) withInputs(in []Node) Node {
	c := *n
	c.Left, c.Right = in[0], in[1]
	return &c
}

func (n *Scan) mapExprs(func(*plan.Expr) *plan.Expr) Node { return n }

func (n *Values) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Rows = make([][]*plan.Expr, len(n.Rows))
	for i, row := range n.Rows {
		c.Rows[i] = mapAll(row, f)
	}
	return &c
}

func (n *Filter) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Predicate = f(n.Predicate)
	return &c
}

func (n *Project) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Defs = mapDefs(n.Defs, f)
	return &c
}

func (n *Aggregate) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Keys = mapDefs(n.Keys, f)
	c.Aggs = make([]AggCall, len(n.Aggs))
	for i, a := range n.Aggs {
		c.Aggs[i] = a.mapExprs(f)
	}
	return &c
}

func (a AggCall) mapExprs(f func(*plan.Expr) *plan.Expr) AggCall {
	a.Args = mapAll(a.Args, f)
	a.OrderBy = mapOrder(a.OrderBy, f)
	if a.Filter != nil {
		a.Filter = f(a.Filter)
	}
	return a
}

func mapOrder(keys []OrderKey, f func(*plan.Expr) *plan.Expr) []OrderKey {
	out := make([]OrderKey, len(keys))
	for i, k := range keys {
		k.Expr = f(k.Expr)
		out[i] = k
	}
	return out
}

func (n *Join) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	if n.On != nil {
		c.On = f(n.On)
	}
	c.Compared = mapAll(n.Compared, f)
	return &c
}

func (n *Union) mapExprs(func(*plan.Expr) *plan.Expr) Node { return n }

func (n *Expand) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Projections = make([][]*plan.Expr, len(n.Projections))
	for i, p := range n.Projections {
		c.Projections[i] = mapAll(p, f)
	}
	return &c
}

func (n *Generate) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Call = f(n.Call)
	return &c
}

func (n *PluginTable) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Args, c.PartitionBy, c.OrderBy = mapAll(n.Args, f), mapAll(n.PartitionBy, f), mapOrder(n.OrderBy, f)
	return &c
}

func (n *Window) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.PartitionBy = mapAll(n.PartitionBy, f)
	c.OrderBy = mapOrder(n.OrderBy, f)
	c.Calls = make([]WindowCall, len(n.Calls))
	for i, call := range n.Calls {
		call.AggCall = call.AggCall.mapExprs(f)
		c.Calls[i] = call
	}
	return &c
}

func (n *AsofJoin) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.LeftKeys, c.RightKeys, c.Ties = mapAll(n.LeftKeys, f), mapAll(n.RightKeys, f), mapAll(n.Ties, f)
	c.LeftTime, c.RightTime, c.SkipNulls = f(n.LeftTime), f(n.RightTime), mapAll(n.SkipNulls, f)
	if n.Available != nil {
		c.Available = f(n.Available)
	}
	if n.On != nil {
		c.On = f(n.On)
	}
	return &c
}

// mapExprs sees each sort key as a column reference, so that a change of ids reaches it; only a reference may come back.
func (n *Sort) mapExprs(f func(*plan.Expr) *plan.Expr) Node {
	c := *n
	c.Keys = make([]SortKey, len(n.Keys))
	for i, k := range n.Keys {
		if r := f(k.Column.Ref()); r.Op == plan.OpColumn {
			k.Column.ID = r.Column
		}
		c.Keys[i] = k
	}
	return &c
}

func (n *Limit) mapExprs(func(*plan.Expr) *plan.Expr) Node { return n }

func mapAll(exprs []*plan.Expr, f func(*plan.Expr) *plan.Expr) []*plan.Expr {
	out := make([]*plan.Expr, len(exprs))
	for i, e := range exprs {
		out[i] = f(e)
	}
	return out
}

func mapDefs(defs []Definition, f func(*plan.Expr) *plan.Expr) []Definition {
	out := make([]Definition, len(defs))
	for i, d := range defs {
		d.Expr = f(d.Expr)
		out[i] = d
	}
	return out
}
