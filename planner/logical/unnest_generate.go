package logical

import "github.com/quern-engine/quern/plan"

// generated puts a generator call of an outer row's columns right over left: explode(t.items) needs no join.
func (a *analyser) generated(left, sub Node, how rowsOf) (Node, bool) {
	if how.one || how.outer && how.on != nil {
		return nil, false
	}
	n, ok := overLeft(sub, left, how.outer)
	if !ok {
		return nil, false
	}
	if how.on != nil {
		n = &Filter{Input: n, Predicate: how.on}
	}
	return n, true
}

// overLeft replaces the one row that a chain with a generator begins with by left.
func overLeft(n, left Node, outer bool) (Node, bool) {
	switch n := n.(type) {
	case *Project:
		in, ok := overLeft(n.Input, left, outer)
		if !ok || outer && !onlyColumns(n.Defs) {
			return nil, false
		}
		return &Project{Input: in, Defs: append(keepAll(left.Columns()), nullableAsIn(n.Defs, in)...)}, true
	case *Filter:
		in, ok := overLeft(n.Input, left, outer)
		if !ok || outer {
			return nil, false
		}
		return &Filter{Input: in, Predicate: n.Predicate}, true
	case *Generate:
		if isOneRow(n.Input) {
			g := &Generate{Input: left, Call: n.Call, Cols: n.Cols, Outer: n.Outer || outer}
			if outer && !n.Outer {
				g.Cols = make([]Column, len(n.Cols))
				for i, c := range n.Cols {
					g.Cols[i] = nullable(c)
				}
			}
			return g, true
		}
		in, ok := overLeft(n.Input, left, outer)
		if !ok || outer {
			return nil, false
		}
		return &Generate{Input: in, Call: n.Call, Cols: n.Cols, Outer: n.Outer}, true
	}
	return nil, false
}

func onlyColumns(defs []Definition) bool {
	for _, d := range defs {
		if d.Expr.Op != plan.OpColumn {
			return false
		}
	}
	return true
}

// nullableAsIn adapts column references to an input that has NULLs where it had none.
func nullableAsIn(defs []Definition, in Node) []Definition {
	null := map[int]bool{}
	for _, c := range in.Columns() {
		null[c.ID] = c.Nullable
	}
	out := make([]Definition, len(defs))
	for i, d := range defs {
		if d.Expr.Op == plan.OpColumn && null[d.Expr.Column] && !d.Expr.Nullable {
			d.Expr, d.Nullable = asNullable(d.Expr), true
		}
		out[i] = d
	}
	return out
}
