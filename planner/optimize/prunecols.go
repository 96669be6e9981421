package optimize

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// pruneColumns drops what nothing above reads: columns of scans, definitions, aggregates. Where a join or sort would
// carry columns that only a filter or join below it needed, a projection takes them away.
func pruneColumns(r *rewriter, n logical.Node) logical.Node {
	need := columnSet{}
	for _, c := range n.Columns() {
		need[c.ID] = true
	}
	return prune(n, need)
}

type columnSet map[int]bool

func (s columnSet) clone() columnSet {
	c := columnSet{}
	for id := range s {
		c[id] = true
	}
	return c
}

func prune(n logical.Node, need columnSet) logical.Node {
	switch n := n.(type) {
	case *logical.Scan:
		return pruneScan(n, need)
	case *logical.Values:
		return pruneValues(n, need)
	case *logical.Project:
		return pruneProject(n, need)
	case *logical.Aggregate:
		return pruneAggregate(n, need)
	case *logical.Join:
		return pruneJoin(n, need)
	case *logical.Sort:
		return pruneInputs(n, need)
	case *logical.Filter:
		below := need.clone()
		n.Predicate.Columns(below)
		return logical.MapInputs(n, func(in logical.Node) logical.Node { return prune(in, below) })
	}
	if out, ok := pruneRows(n, need); ok {
		return out
	}
	return logical.MapInputs(n, func(in logical.Node) logical.Node { return prune(in, need) })
}

func pruneScan(n *logical.Scan, need columnSet) logical.Node {
	c := *n
	c.Cols, c.Ordinals = nil, nil
	for i, col := range n.Cols {
		if need[col.ID] {
			c.Cols, c.Ordinals = append(c.Cols, col), append(c.Ordinals, n.Ordinals[i])
		}
	}
	if len(c.Cols) == len(n.Cols) {
		return n
	}
	return &c
}

func pruneValues(n *logical.Values, need columnSet) logical.Node {
	c := &logical.Values{Rows: make([][]*plan.Expr, len(n.Rows))}
	for i, col := range n.Cols {
		if !need[col.ID] {
			continue
		}
		c.Cols = append(c.Cols, col)
		for r, row := range n.Rows {
			c.Rows[r] = append(c.Rows[r], row[i])
		}
	}
	if len(c.Cols) == len(n.Cols) {
		return n
	}
	return c
}

func pruneProject(n *logical.Project, need columnSet) logical.Node {
	c := *n
	c.Defs = nil
	below := columnSet{}
	for _, d := range n.Defs {
		if need[d.ID] {
			c.Defs = append(c.Defs, d)
			d.Expr.Columns(below)
		}
	}
	c.Input = prune(n.Input, below)
	if len(c.Defs) == len(n.Defs) && c.Input == n.Input {
		return n
	}
	return &c
}

func pruneAggregate(n *logical.Aggregate, need columnSet) logical.Node {
	c := *n
	c.Aggs = nil
	for _, a := range n.Aggs {
		if need[a.ID] {
			c.Aggs = append(c.Aggs, a)
		}
	}
	if len(n.Keys) == 0 && len(c.Aggs) == 0 && len(n.Aggs) > 0 {
		c.Aggs = n.Aggs[:1] // one row comes out whatever is asked of it: keep something that makes it
	}
	c.Input = prune(n.Input, columnsRead(&c))
	if len(c.Aggs) == len(n.Aggs) && c.Input == n.Input {
		return n
	}
	return &c
}

// columnsRead is what a node's own expressions read.
func columnsRead(n logical.Node) columnSet {
	read := columnSet{}
	logical.MapExprs(n, func(e *plan.Expr) *plan.Expr {
		e.Columns(read)
		return e
	})
	return read
}

// and adds the columns of another set.
func (s columnSet) and(o columnSet) columnSet {
	c := s.clone()
	for id := range o {
		c[id] = true
	}
	return c
}

func pruneJoin(n *logical.Join, need columnSet) logical.Node {
	if n.Type == plan.JoinMark && !need[n.Mark.ID] {
		return prune(n.Left, need) // nobody asks, and it neither adds nor drops rows
	}
	if n.Type == plan.JoinLeft && !reads(need, n.Right) && n.RightUnique() && (n.On == nil || isCalm(n.On)) {
		return prune(n.Left, need) // each left row comes out once, with columns that nobody reads
	}
	return pruneInputs(n, need)
}

// reads reports whether some column of a node is needed.
func reads(need columnSet, n logical.Node) bool {
	return slices.ContainsFunc(n.Columns(), func(c logical.Column) bool { return need[c.ID] })
}

// pruneInputs keeps of the inputs what is read above and in the node itself.
func pruneInputs(n logical.Node, need columnSet) logical.Node {
	below := need.and(columnsRead(n))
	return logical.MapInputs(n, func(in logical.Node) logical.Node { return trim(prune(in, below), below) })
}

// trim projects the output of a node that passes on all columns of its inputs to what is needed above.
func trim(n logical.Node, need columnSet) logical.Node {
	switch n.(type) {
	case *logical.Filter, *logical.Join, *logical.Generate, *logical.Window, *logical.AsofJoin, *logical.EventWindows, *logical.Tally:
	default:
		return n
	}
	cols := n.Columns()
	var kept []logical.Column
	for _, c := range cols {
		if need[c.ID] {
			kept = append(kept, c)
		}
	}
	if len(kept) == len(cols) {
		return n
	}
	return &logical.Project{Input: n, Defs: logical.KeepAll(kept)}
}
